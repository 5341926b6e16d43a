//! `latency/wake`: from a quote on a venue's own thread to the order that it caused, while every thread of the host is
//! parked. The venue stamps each quote right before it calls its [`Waker`]. The baseline is the same venue without the call,
//! which waits for the kernel's next look. `floor` is what the machine needs to wake one thread; on the
//! way, two are woken one after the other: the kernel and the worker.

use super::setup::{LONGEST_NS, ROUNDS, WallTime, at_quantile, config, register, since};
use crate::deck::{Deck, NullObserver, StrategySpec};
use crate::effort::Effort;
use crate::native::NativeFactory;
use crate::row::{Claim, Goal, Row};
use anyhow::{Result, ensure};
use hdrhistogram::Histogram;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tickdeck_engine::EngineConfig;
use tickdeck_engine::port::{Command, Continuity, Due, Gateway, GatewayError, VenueTerms, Waker};
use tickdeck_model::{
    AccountId, Event, InstrumentId, OrderStatus, OrderUpdate, Pad, Price, Quote, Reason, Registry,
    Size, Timestamp,
};

/// The permitted median with a [`Waker`], in nanoseconds.
const WOKEN_NS: f64 = 50_000.0;

/// The pauses between two quotes, in turn: long enough for every thread to park, and of no common rhythm with the kernel's
/// own looks, one a millisecond.
const PAUSES_US: [u64; 5] = [2_130, 3_370, 2_710, 4_190, 3_050];

pub(super) fn run(spec: &StrategySpec, native: NativeFactory, effort: &Effort) -> Result<Vec<Row>> {
    let spec = spec.clone().with("order_every", "1");
    let native = spec.clone().natively(native);
    let quotes = (effort.events / 512).min(500);
    let mut rounds = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS.min(effort.rounds) {
        let [woken, natively, waited, floor] = &mut rounds;
        woken.push(play(&spec, quotes, true)?);
        natively.push(play(&native, quotes, true)?);
        waited.push(play(&spec, quotes, false)?);
        floor.push(unpark(quotes)?);
    }
    let [woken, natively, waited, floor] = rounds;
    let row = |label, part, goal, values, against, baselines| {
        let claim = Claim {
            bench: "latency",
            unit: "ns",
            against,
            goal,
            more_is_better: false,
        };
        Row {
            bench: format!("latency/wake/{label}"),
            ..claim.row(&at_quantile(values, part), &at_quantile(baselines, part))
        }
    };
    let (unwoken, sandboxed) = (
        "the same venue, which does not wake the kernel",
        "the whole way, latency/wake",
    );
    let goal = Some(Goal::Value(WOKEN_NS));
    Ok(vec![
        row("p50", 0.5, goal, &woken, unwoken, &waited),
        row("p99", 0.99, None, &woken, unwoken, &waited),
        row("native/p50", 0.5, None, &natively, sandboxed, &woken),
        row("floor/p50", 0.5, None, &floor, sandboxed, &woken),
    ])
}

/// The machine's own part: from `unpark` until the other thread runs.
fn unpark(times: usize) -> Result<Histogram<u64>> {
    let (sent, took) = std::sync::mpsc::channel();
    let called_at: Arc<AtomicU64> = Arc::default();
    let epoch = Instant::now();
    let now_ns = move || epoch.elapsed().as_nanos() as u64;
    let parked = std::thread::spawn({
        let called_at = Arc::clone(&called_at);
        move || {
            for _ in 0..times {
                let called = loop {
                    std::thread::park();
                    match called_at.swap(0, Ordering::Acquire) {
                        0 => {}
                        called => break called,
                    }
                };
                let _ = sent.send(now_ns() - called);
            }
        }
    });
    let mut histogram = Histogram::new_with_bounds(1, LONGEST_NS, 3)?;
    for pause in PAUSES_US.iter().cycle().take(times) {
        std::thread::sleep(Duration::from_micros(*pause));
        called_at.store(now_ns(), Ordering::Release);
        parked.thread().unpark();
        histogram.saturating_record(took.recv()?);
    }
    Ok(histogram)
}

fn play(spec: &StrategySpec, quotes: usize, wakes: bool) -> Result<Histogram<u64>> {
    let epoch = Instant::now();
    let link = Arc::new(Mutex::new(Link::default()));
    let venue = ThreadedVenue {
        epoch,
        quotes,
        wakes,
        link: Arc::clone(&link),
    };
    let clock = Box::new(WallTime {
        epoch,
        sleeps: false,
    });
    let specs = [spec.clone()];
    let deck = Deck::assemble(
        Box::new(venue),
        clock,
        &specs,
        config(EngineConfig::default().wait),
    )?;
    let report = deck.engine.run(&mut NullObserver)?;
    ensure!(
        report.status.orders == quotes as u64,
        "latency/wake: {} orders of {quotes}, denied: {:?}",
        report.status.orders,
        report.status.denied
    );
    let mut histogram = Histogram::new_with_bounds(1, LONGEST_NS, 3)?;
    for latency in &lock(&link).latencies {
        histogram.saturating_record(*latency);
    }
    Ok(histogram)
}

/// What the venue's thread and the kernel share.
#[derive(Default)]
struct Link {
    events: VecDeque<Event>,
    /// When the last quote was put in.
    quoted_at: Timestamp,
    latencies: Vec<u64>,
    over: bool,
}

fn lock(link: &Mutex<Link>) -> MutexGuard<'_, Link> {
    link.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A venue on a thread of its own, which quotes now and then, and cancels every order.
struct ThreadedVenue {
    epoch: Instant,
    quotes: usize,
    wakes: bool,
    link: Arc<Mutex<Link>>,
}

impl Gateway for ThreadedVenue {
    fn register(&mut self, registry: &mut Registry) -> Result<VenueTerms, GatewayError> {
        Ok(VenueTerms {
            continuity: Continuity::LivesOn,
            ..register(registry)?
        })
    }

    fn set_waker(&mut self, waker: Waker) {
        let waker = if self.wakes { waker } else { Waker::default() };
        let (epoch, quotes, link) = (self.epoch, self.quotes, Arc::clone(&self.link));
        std::thread::spawn(move || {
            for (number, pause) in (0..quotes).zip(PAUSES_US.iter().cycle()) {
                std::thread::sleep(Duration::from_micros(*pause));
                let step = number as i64 % 100;
                let quote = Quote {
                    reserved: Pad::ZERO,
                    instrument: InstrumentId(0),
                    pad: Pad::ZERO,
                    bid: Price(6_000_000 + step),
                    bid_size: Size(1_000),
                    ask: Price(6_000_010 + step),
                    ask_size: Size(1_000),
                };
                let mut held = lock(&link);
                held.quoted_at = since(epoch);
                let event = Event::new(held.quoted_at, held.quoted_at, quote);
                held.events.push_back(event);
                drop(held);
                waker.wake();
            }
            // Time for the last answer; the figures are complete by then.
            std::thread::sleep(Duration::from_millis(20));
            lock(&link).over = true;
            waker.wake();
        });
    }

    fn send(&mut self, _: Timestamp, command: Command) {
        let now = since(self.epoch);
        if let Command::Submit { id, order } = command {
            let mut held = lock(&self.link);
            let took = u64::try_from(now - held.quoted_at).unwrap_or_default();
            held.latencies.push(took);
            let canceled = OrderUpdate {
                account: AccountId(0),
                reserved: Pad::ZERO,
                stop_price: Price::ZERO,
                instrument: order.instrument,
                strategy: id.strategy,
                order: id.number,
                price: order.price,
                size: order.size,
                filled: Size::ZERO,
                status: OrderStatus::Canceled,
                reason: Reason::Normal,
                side: order.side,
                pad: Pad::ZERO,
            };
            held.events.push_back(Event::new(now, now, canceled));
        }
    }

    fn next_due(&mut self) -> Due {
        let held = lock(&self.link);
        match held.events.front() {
            Some(event) => Due::At(event.ts_host),
            None if held.over => Due::Over,
            None => Due::Idle,
        }
    }

    fn poll(&mut self, until: Timestamp, out: &mut Vec<Event>) -> Result<(), GatewayError> {
        let mut held = lock(&self.link);
        while let Some(event) = held.events.pop_front_if(|one| one.ts_host < until) {
            out.push(event);
        }
        Ok(())
    }
}
