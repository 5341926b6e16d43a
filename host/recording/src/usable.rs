//! How far the reels of a run that did not end can be relied on.
//!
//! What was appended survives the end of the process, so then they reach equally far. Each is made durable by itself, though,
//! and the end of the *machine* may leave more of one than of the other. Actions whose events are lost mean nothing. Events
//! whose actions are lost mean something else than they did: an order that was sent would be decided anew. So both end where
//! both are whole; what is behind that is put aside.

use super::codec::{ActionsRecord, decode};
use super::{ACTIONS, RecordedRun};
use anyhow::{Context, Result};
use std::sync::OnceLock;
use tickdeck_journal::{JournalError, Reader, segments};

/// How far the reels of a run reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsableRange {
    /// Events that are there with all that was done before the last of them was kept.
    pub events: u64,
    /// Whether there are more, without that.
    pub more_events: bool,
    /// The record of the actions reel from which on they are about events that are not there.
    pub beyond: Option<u64>,
}

/// This start of the machine: a number that no other has, or 0 where the system does not tell.
pub(super) fn machine() -> u64 {
    static MACHINE: OnceLock<u64> = OnceLock::new();
    *MACHINE.get_or_init(|| {
        let id = std::fs::read("/proc/sys/kernel/random/boot_id");
        id.map_or(0, |id| xxhash_rust::xxh3::xxh3_64(&id))
    })
}

/// What the end of the actions reel tells.
#[derive(Default)]
struct Told {
    /// Everything before this position is on it.
    position: u64,
    /// The start of the machine in which it was last written.
    machine: Option<u64>,
}

impl RecordedRun {
    /// How far the reels can be relied on.
    ///
    /// # Errors
    /// A reel can't be read.
    pub fn reach(&self) -> Result<UsableRange> {
        let events = self.events()?;
        let mut reader = match Reader::open(&self.folder, ACTIONS) {
            // It was cut off before it had decided anything.
            Err(JournalError::Missing { .. }) => {
                return Ok(UsableRange {
                    events,
                    more_events: false,
                    beyond: None,
                });
            }
            reader => reader?,
        };
        let (mut told, mut beyond) = (Told::default(), None);
        for segment in segments(&self.folder, ACTIONS)?.iter().rev() {
            reader.seek(segment.first)?;
            let end = segment.first + segment.records;
            let (here, first) = self.look(&mut reader, end, events)?;
            told.position = told.position.max(here.position);
            told.machine = told.machine.or(here.machine);
            beyond = first.or(beyond);
            if told.machine.is_some() && first != Some(segment.first) {
                break;
            }
        }
        let ended = |then| ![then, machine()].contains(&0) && then != machine();
        let more_events = told.machine.is_some_and(ended) && told.position < events;
        Ok(UsableRange {
            events: if more_events { told.position } else { events },
            more_events,
            beyond,
        })
    }

    /// Goes through a part of the actions reel; finds the first record that is about what came after so many events, too.
    fn look(&self, reader: &mut Reader, end: u64, events: u64) -> Result<(Told, Option<u64>)> {
        let (mut told, mut beyond) = (Told::default(), None);
        while reader.position() < end
            && let Some(record) = reader.next()?
        {
            let index = record.index;
            let entry = decode(record.kind, record.payload).with_context(|| {
                let folder = self.folder.display();
                format!("{folder}: record {index} of the {ACTIONS} reel")
            })?;
            let position = match entry {
                ActionsRecord::Effect(position, _) | ActionsRecord::Sent(position, ..) => position,
                ActionsRecord::Mark(position, machine) => {
                    told.machine = Some(machine);
                    position
                }
                ActionsRecord::Session | ActionsRecord::End => continue,
            };
            told.position = told.position.max(position);
            if position > events {
                beyond = beyond.or(Some(index));
            }
        }
        Ok((told, beyond))
    }
}

impl UsableRange {
    /// Whether something is left behind.
    pub const fn leaves(&self) -> bool {
        self.more_events || self.beyond.is_some()
    }
}
