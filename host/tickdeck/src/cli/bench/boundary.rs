//! Measures the cost of passing events to a strategy.

use super::guest::{Guest, trades};
use super::span::Span;
use anyhow::{Result, ensure};
use std::time::Instant;

/// Events per call of a full batch.
const BATCH: usize = 256;
/// Calls per round, with a full batch and with one event.
const CALLS: [usize; 2] = [256, 8_192];

/// Returns nanoseconds per event in batches and nanoseconds per call with one event, by round.
pub(super) fn measure(span: &Span) -> Result<[Vec<f64>; 2]> {
    let mut guest = Guest::start()?;
    let events = trades(BATCH);
    span.rounds(|| {
        Ok([
            per_event(&mut guest, CALLS[0], &events)?,
            per_event(&mut guest, CALLS[1], &events[..1])?,
        ])
    })
}

fn per_event(guest: &mut Guest, calls: usize, batch: &[tickdeck_model::Event]) -> Result<f64> {
    let started = Instant::now();
    let mut handled = 0;
    for _ in 0..calls {
        handled += guest.call(batch)?;
    }
    let took = started.elapsed();
    ensure!(
        handled == calls * batch.len(),
        "the strategy stopped before the end of a batch: a bug in tickdeck"
    );
    Ok(took.as_nanos() as f64 / handled as f64)
}
