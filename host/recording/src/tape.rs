//! A run read from its reels, to be done again.

use super::codec::{ActionsRecord, RecordKind, decode};
use super::{ACTIONS, EVENTS, VersionSpec};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use tickdeck_engine::port::Version;
use tickdeck_engine::{Effect, Tape, TapeError};
use tickdeck_journal::Reader;
use tickdeck_model::Event;

/// Makes the version that a reel names, so that this crate needs no strategy host.
pub trait VersionFactory: Send {
    /// The version of strategy `name` that was made from `spec`.
    ///
    /// # Errors
    /// The module is not there, or can't be loaded.
    fn version(&self, name: &str, spec: &VersionSpec) -> Result<Version>;
}

/// A run read from its reels.
pub struct ReelTape {
    folder: PathBuf,
    events: Reader,
    actions: Reader,
    versions: Box<dyn VersionFactory>,
    until: u64,
    given: u64,
    /// A deed behind `until` was seen.
    cut: bool,
}

impl ReelTape {
    /// The reels in `folder`; `versions` makes the versions that they name.
    ///
    /// # Errors
    /// They are not there, or damaged.
    pub fn open(folder: &Path, versions: Box<dyn VersionFactory>) -> Result<Self> {
        let (mut events, actions) = (
            Reader::open(folder, EVENTS)?,
            Reader::open(folder, ACTIONS)?,
        );
        // What the run was made of was read by whoever knows the versions.
        let _ = events.next()?;
        Ok(Self {
            folder: folder.to_owned(),
            events,
            actions,
            versions,
            until: u64::MAX,
            given: 0,
            cut: false,
        })
    }

    /// The run as if it had been cut off before this event.
    pub fn until(mut self, event: Option<u64>) -> Self {
        self.until = event.unwrap_or(u64::MAX);
        self
    }

    /// The sequence of the event that comes next.
    pub const fn next_event(&self) -> u64 {
        self.given
    }

    fn read_events(&mut self, most: usize, out: &mut Vec<Event>) -> Result<()> {
        for _ in 0..most {
            if self.given >= self.until {
                break;
            }
            let Some(record) = self.events.next()? else {
                break;
            };
            anyhow::ensure!(
                record.kind == RecordKind::Event as u16,
                "record {} of the events reel is of kind {}",
                record.index,
                record.kind
            );
            let event = Event::from_bytes(record.payload)
                .with_context(|| format!("record {} of the events reel", record.index))?;
            self.given += 1;
            out.push(event);
        }
        Ok(())
    }

    fn read_deed(&mut self) -> Result<Option<(u64, Effect)>> {
        loop {
            let Some(record) = self.actions.next()? else {
                return Ok(None);
            };
            let entry = decode(record.kind, record.payload)
                .with_context(|| format!("record {} of the actions reel", record.index))?;
            match entry {
                ActionsRecord::Effect(position, _) | ActionsRecord::Sent(position, ..)
                    if position > self.until =>
                {
                    self.cut = true;
                    return Ok(None);
                }
                ActionsRecord::Effect(position, effect)
                | ActionsRecord::Sent(position, effect, _) => {
                    return Ok(Some((position, effect)));
                }
                ActionsRecord::Session | ActionsRecord::Mark(..) | ActionsRecord::End => {}
            }
        }
    }

    fn in_words(&self, error: &anyhow::Error) -> TapeError {
        let folder = self.folder.display();
        TapeError(format!("{folder}: {}", crate::sentence::sentence(error)))
    }
}

impl Tape for ReelTape {
    fn events(&mut self, most: usize, out: &mut Vec<Event>) -> Result<(), TapeError> {
        self.read_events(most, out)
            .map_err(|error| self.in_words(&error))
    }

    fn effect(&mut self) -> Result<Option<(u64, Effect)>, TapeError> {
        self.read_deed().map_err(|error| self.in_words(&error))
    }

    fn version(&mut self, name: &str, spec: &str) -> Result<Version, TapeError> {
        let made = VersionSpec::read(spec).and_then(|spec| self.versions.version(name, &spec));
        made.map_err(|error| TapeError(crate::sentence::sentence(&error)))
    }

    fn is_cut(&self) -> bool {
        self.cut
    }
}
