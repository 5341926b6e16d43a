//! Finds the range of an interrupted run's reels that can be used.
//!
//! Appended records survive the death of the process, so then both reels end at the same event. But each is made durable
//! independently, and a crash of the *machine* may leave more of one than of the other. Actions without their events are
//! meaningless. Events without their actions would be misread: an order that was sent would be decided again. So both reels end
//! where both are complete; later records are put aside.

use crate::codec::{ActionsRecord, decode};
use crate::layout::ACTIONS;
use crate::runs::RecordedRun;
use anyhow::{Context, Result};
use std::sync::OnceLock;
use tickdeck_journal::{JournalError, Reader, segments};

/// The range of a run's reels that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsableRange {
    /// The number of events whose effects are complete.
    pub events: u64,
    /// Whether there are more events, without all their effects.
    pub more_events: bool,
    /// The first record of the actions reel about a missing event.
    pub beyond: Option<u64>,
}

/// Identifies this boot of the machine; 0 if the system does not tell.
pub(super) fn machine() -> u64 {
    static MACHINE: OnceLock<u64> = OnceLock::new();
    *MACHINE.get_or_init(|| {
        let id = std::fs::read("/proc/sys/kernel/random/boot_id");
        id.map_or(0, |id| xxhash_rust::xxh3::xxh3_64(&id))
    })
}

/// The state of the actions reel according to its last records.
#[derive(Default)]
struct ActionsEnd {
    /// Everything done before this position is on the reel.
    position: u64,
    /// The boot of the machine that wrote the last mark.
    machine: Option<u64>,
}

impl RecordedRun {
    /// Finds the range of the reels that can be used.
    ///
    /// # Errors
    /// A reel can't be read.
    pub fn usable_range(&self) -> Result<UsableRange> {
        let events = self.events()?;
        let mut reader = match Reader::open(&self.folder, ACTIONS) {
            // The run was interrupted before its first effect.
            Err(JournalError::Missing { .. }) => {
                return Ok(UsableRange {
                    events,
                    more_events: false,
                    beyond: None,
                });
            }
            reader => reader?,
        };
        let (mut actions_end, mut beyond) = (ActionsEnd::default(), None);
        for segment in segments(&self.folder, ACTIONS)?.iter().rev() {
            reader.seek(segment.first)?;
            let end = segment.first + segment.records;
            let (here, first) = self.scan_actions(&mut reader, end, events)?;
            actions_end.position = actions_end.position.max(here.position);
            actions_end.machine = actions_end.machine.or(here.machine);
            beyond = first.or(beyond);
            if actions_end.machine.is_some() && first != Some(segment.first) {
                break;
            }
        }
        let rebooted = |then| ![then, machine()].contains(&0) && then != machine();
        let more_events =
            actions_end.machine.is_some_and(rebooted) && actions_end.position < events;
        Ok(UsableRange {
            events: if more_events {
                actions_end.position
            } else {
                events
            },
            more_events,
            beyond,
        })
    }

    /// Reads a part of the actions reel; also finds the first record about an event beyond the first `events`.
    fn scan_actions(
        &self,
        reader: &mut Reader,
        end: u64,
        events: u64,
    ) -> Result<(ActionsEnd, Option<u64>)> {
        let (mut actions_end, mut beyond) = (ActionsEnd::default(), None);
        while reader.position() < end
            && let Some(record) = reader.next()?
        {
            let index = record.index;
            let entry = decode(record.kind, record.payload).with_context(|| {
                let folder = self.folder.display();
                format!("{folder}: record {index} of the {ACTIONS} reel")
            })?;
            let position = match entry {
                ActionsRecord::Effect(position, _)
                | ActionsRecord::Sent(position, ..)
                | ActionsRecord::Offered(position, ..) => position,
                ActionsRecord::Mark(position, machine) => {
                    actions_end.machine = Some(machine);
                    position
                }
                ActionsRecord::Session | ActionsRecord::End => continue,
            };
            actions_end.position = actions_end.position.max(position);
            if position > events {
                beyond = beyond.or(Some(index));
            }
        }
        Ok((actions_end, beyond))
    }
}

impl UsableRange {
    /// Returns whether some records can't be used.
    pub const fn leaves(&self) -> bool {
        self.more_events || self.beyond.is_some()
    }
}
