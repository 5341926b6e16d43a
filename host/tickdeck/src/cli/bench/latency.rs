//! Measures the latency from an event on one thread, through a strategy on another, to its decision on the first.
//!
//! Events are due at a steady pace, and latency counts from the moment when an event was due: an event that is published
//! late because the previous one took too long has waited all that time (coordinated omission).

use super::guest::{Guest, quote};
use super::span::Span;
use anyhow::{Context, Result, anyhow};
use std::time::Instant;
use tickdeck_deck::affinity::strategy_thread;
use tickdeck_deck::clock::since;
use tickdeck_model::{Action, Event};
use tickdeck_ring::{Consumer, Producer, RingConfig, SlowPolicy, Wait, Wake, ring};

/// Events per second.
pub(super) const PACE: u64 = 100_000;
/// Time between two events.
const INTERVAL_NS: u64 = 1_000_000_000 / PACE;
/// Slots in the event ring.
const EVENTS: usize = 1 << 14;
/// Slots in the decision ring: one for every event that can be queued, so that the strategy never blocks.
const DECISIONS: usize = 2 * EVENTS;
/// Events offered per call. The strategy consumes only one of them, so after a stall any more would be copied for nothing.
const OFFERED: usize = 16;
/// The first events hit cold caches and an idle core: the first 1/`WARM_UP` of all is discarded.
const WARM_UP: usize = 20;

/// A decision of the strategy.
#[derive(Debug, Clone, Copy)]
struct Decision {
    cause: u64,
    action: Action,
}

/// Returns the nanoseconds from when each event was due until its decision arrived, in ascending order; none if
/// interrupted.
pub(super) fn measure(span: &Span) -> Result<Vec<u64>> {
    let mut guest = Guest::start()?;
    let wait = Wait::BusySpin;
    let events = ring(RingConfig {
        capacity: EVENTS,
        wait,
    })?;
    let decisions = ring(RingConfig {
        capacity: DECISIONS,
        wait,
    })?;
    let (offered, decided) = (
        events.attach(SlowPolicy::Wait),
        decisions.attach(SlowPolicy::Wait),
    );
    std::thread::scope(|scope| {
        let worker = strategy_thread("worker")
            .spawn_scoped(scope, || work(&mut guest, offered, decisions.producer()))
            .context("cannot start a thread")?;
        // A worker that fails returns its own error.
        let continues = || !span.is_interrupted() && !worker.is_finished();
        let count = (span.time().as_secs_f64() * PACE as f64) as u64;
        let measured = pace(count, continues, events.producer(), decided);
        events.close();
        let worked = worker.join();
        worked.map_err(|_| anyhow!("the worker panicked: a bug in tickdeck"))??;
        measured
    })
}

/// Passes events to the strategy and publishes its decisions, as a worker of the engine does.
fn work(
    guest: &mut Guest,
    mut events: Consumer<Event>,
    mut decisions: Producer<Decision>,
) -> Result<()> {
    while events.wait(|| false)? == Wake::Ready {
        let batch = events.peek(OFFERED);
        let handled = guest.call(batch)?;
        let cause = batch[handled - 1].sequence;
        for action in &guest.actions {
            let action = *action;
            decisions.publish(&[Decision { cause, action }])?;
        }
        events.release(handled);
    }
    Ok(())
}

/// Publishes events when they are due, and takes decisions in between.
fn pace(
    count: u64,
    continues: impl Fn() -> bool,
    mut events: Producer<Event>,
    decided: Consumer<Decision>,
) -> Result<Vec<u64>> {
    // Touch every page up front, so that none faults during the measurement.
    let mut latencies = vec![u64::MAX; count as usize];
    latencies.clear();
    let mut taken = Taken {
        decided,
        start: Instant::now(),
        latencies,
    };
    let event = quote();
    for number in 0..count {
        while since(taken.start) < number * INTERVAL_NS {
            taken.take();
        }
        events.publish(&[event.with_sequence(number)])?;
        taken.take();
        if !continues() {
            return Ok(Vec::new());
        }
    }
    while (taken.latencies.len() as u64) < count && continues() {
        taken.take();
    }
    let mut latencies = taken.latencies.split_off(taken.latencies.len() / WARM_UP);
    latencies.sort_unstable();
    Ok(latencies)
}

/// The decisions taken so far.
struct Taken {
    decided: Consumer<Decision>,
    start: Instant,
    latencies: Vec<u64>,
}

impl Taken {
    /// Takes the decisions that have arrived.
    fn take(&mut self) {
        let decisions = self.decided.peek(DECISIONS);
        let read = decisions.len();
        if read == 0 {
            std::hint::spin_loop();
            return;
        }
        let now = since(self.start);
        for decision in decisions {
            std::hint::black_box(decision.action);
            let due = decision.cause * INTERVAL_NS;
            self.latencies.push(now.saturating_sub(due));
        }
        self.decided.release(read);
    }
}

/// Returns the latency that the fraction `part` of them does not exceed; latencies are in ascending order.
pub(super) fn quantile(ascending: &[u64], part: f64) -> u64 {
    let at = (ascending.len() as f64 * part).ceil() as usize;
    let at = at.clamp(1, ascending.len().max(1)) - 1;
    ascending.get(at).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tickdeck_engine::CancelToken;

    #[test]
    fn every_event_has_its_decision() {
        let span = Span::start(Duration::from_millis(2), &CancelToken::default());
        let latencies = measure(&span).unwrap();
        assert_eq!(latencies.len(), 200 - 200 / WARM_UP);
        assert!(latencies.is_sorted() && latencies[0] > 0);
    }

    #[test]
    fn a_backlog_is_worked_off() {
        let events = ring(RingConfig {
            capacity: EVENTS,
            wait: Wait::Spin,
        });
        let events = events.unwrap();
        let (offered, mut producer) = (events.attach(SlowPolicy::Wait), events.producer());
        let backlog: Vec<Event> = (0..EVENTS as u64 / 2)
            .map(|number| quote().with_sequence(number))
            .collect();
        producer.publish(&backlog).unwrap();
        events.close();
        let decisions = ring(RingConfig {
            capacity: DECISIONS,
            wait: Wait::Spin,
        });
        let decisions = decisions.unwrap();
        let mut decided = decisions.attach(SlowPolicy::Wait);
        work(&mut Guest::start().unwrap(), offered, decisions.producer()).unwrap();
        let causes = decided.peek(DECISIONS).iter();
        assert!(
            causes
                .map(|decision| decision.cause)
                .eq(0..EVENTS as u64 / 2)
        );
    }

    #[test]
    fn an_interrupted_measurement_has_no_result() {
        let stop = CancelToken::default();
        stop.ask();
        let span = Span::start(Duration::from_secs(60), &stop);
        assert_eq!(measure(&span).unwrap(), Vec::<u64>::new());
    }

    #[test]
    fn a_quantile_is_a_measured_latency() {
        let thousand: Vec<u64> = (1..=1_000).collect();
        let at = |part| quantile(&thousand, part);
        assert_eq!(
            [at(0.5), at(0.99), at(0.999), at(1.0)],
            [500, 990, 999, 1_000]
        );
        assert_eq!(quantile(&[7], 0.001), 7);
        assert_eq!(quantile(&[], 0.5), 0);
    }
}
