//! Measures the throughput of events from one thread to another.

use super::guest::trades;
use super::span::Span;
use anyhow::{Context, Result, anyhow};
use std::time::Instant;
use tickdeck_model::Event;
use tickdeck_ring::{Consumer, RingConfig, SlowPolicy, Wait, Wake};

/// Slots, as in the engine.
const CAPACITY: usize = 1 << 14;
/// Events published at once.
const BURST: usize = 64;
/// Bursts per round.
const BURSTS: usize = 1 << 12;

/// Returns the events per second from one thread to another, by round.
pub(super) fn measure(span: &Span) -> Result<Vec<f64>> {
    let burst = trades(BURST);
    let [rates] = span.rounds(|| Ok([rate(&burst)?]))?;
    Ok(rates)
}

fn rate(burst: &[Event]) -> Result<f64> {
    let ring = tickdeck_ring::ring::<Event>(RingConfig {
        capacity: CAPACITY,
        wait: Wait::Spin,
    })?;
    let mut producer = ring.producer();
    let consumer = ring.attach(SlowPolicy::Wait);
    std::thread::scope(|scope| {
        let reader = std::thread::Builder::new()
            .name("reader".to_owned())
            .spawn_scoped(scope, || read(consumer))
            .context("cannot start a thread")?;
        let started = Instant::now();
        for _ in 0..BURSTS {
            producer.publish(burst)?;
        }
        ring.close();
        let read = reader
            .join()
            .map_err(|_| anyhow!("the reader panicked: a bug in tickdeck"))??;
        let seconds = started.elapsed().as_secs_f64();
        anyhow::ensure!(
            read == (BURSTS * BURST) as u64,
            "{read} of {} events arrived: a bug in tickdeck",
            BURSTS * BURST
        );
        Ok(read as f64 / seconds)
    })
}

/// Reads every event until the ring is closed, and returns their number.
fn read(mut consumer: Consumer<Event>) -> Result<u64> {
    let mut count = 0;
    while consumer.wait(|| false)? == Wake::Ready {
        let events = consumer.peek(CAPACITY);
        for event in events {
            std::hint::black_box(event.sequence);
        }
        let read = events.len();
        consumer.release(read);
        count += read as u64;
    }
    Ok(count)
}
