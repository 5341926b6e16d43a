//! Checks on the contents of reels. Whoever writes a reel can give it valid checksums, so an intact record is not a trustworthy
//! one: the host would reserve memory by its numbers, or look up what does not exist.

use crate::codec::{RecordKind, recorded_event};
use anyhow::{Context, Result, bail, ensure};
use tickdeck_engine::port::VenueTerms;
use tickdeck_journal::Record;
use tickdeck_model::{Event, Registry, is_event_time};

/// Maximum number of venues of a run, and of balances of a venue.
const MAX_VENUES: usize = 1_024;

/// The longest lookahead of a venue: a day.
const MAX_LOOKAHEAD_NS: u64 = 86_400_000_000_000;

/// Returns the event in a record of the events reel, which must have this sequence.
pub(crate) fn event(record: &Record<'_>, sequence: u64) -> Result<Event> {
    ensure!(
        record.kind == RecordKind::Event as u16,
        "is of kind {}",
        record.kind
    );
    let event = recorded_event(record.payload)?;
    ensure!(
        event.sequence == sequence,
        "the events reel is broken: found event {} where {sequence} should be",
        event.sequence
    );
    ensure!(
        is_event_time(event.ts_host) && is_event_time(event.ts_venue),
        "its time is not within event time, from 1970 to 2249"
    );
    Ok(event)
}

/// Checks that the venues of a manifest are among its names, and answer neither at once nor never.
pub(crate) fn check_venues(venues: &[VenueTerms], names: &Registry) -> Result<()> {
    ensure!(venues.len() <= MAX_VENUES, "it has {} venues", venues.len());
    for terms in venues {
        let venue = terms.venue;
        let name = names
            .venue(venue)
            .with_context(|| format!("it has venue {venue}, which its names do not"))?;
        if !(1..=MAX_LOOKAHEAD_NS).contains(&terms.lookahead_ns) {
            bail!("venue {name} answers after {} ns", terms.lookahead_ns);
        }
        for instrument in &terms.instruments {
            let listed = names.instrument(*instrument);
            ensure!(
                listed.is_some_and(|listed| listed.venue == venue),
                "venue {name} lists instrument {instrument}, which is not one of its own"
            );
        }
        ensure!(
            terms.balances.len() <= MAX_VENUES,
            "venue {name} has {} balances",
            terms.balances.len()
        );
        for (currency, _) in &terms.balances {
            ensure!(
                names.currency(*currency).is_some(),
                "venue {name} has a balance in currency {currency}, which its names do not have"
            );
        }
    }
    Ok(())
}
