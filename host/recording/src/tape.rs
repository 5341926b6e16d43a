//! The tape of a recorded run, for a replay.

use crate::batches_again::BatchesAgain;
use crate::codec::{ActionsRecord, decode};
use crate::decisions::NotCalled;
use crate::known_names::KnownNames;
use crate::layout::{ACTIONS, EVENTS};
use crate::manifest::{RunManifest, VersionSpec};
use crate::sentence::sentence;
use crate::untrusted;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use tickdeck_engine::port::Version;
use tickdeck_engine::{Effect, RecordedBatches, RecordedDecisions, Tape, TapeError};
use tickdeck_journal::Reader;
use tickdeck_model::{Event, StrategyId};

/// Makes the versions that a reel names, so that this crate needs no strategy host.
pub trait VersionFactory: Send {
    /// Makes the version of strategy `name` that `spec` describes.
    ///
    /// # Errors
    /// The module does not exist, or can't be loaded.
    fn version(&self, name: &str, spec: &VersionSpec) -> Result<Version>;

    /// Returns whether a strategy may continue with the module of this hash when the run is resumed.
    fn may_go_on(&self, name: &str, module: &str) -> bool {
        let _ = (name, module);
        true
    }
}

/// The tape of a recorded run.
pub struct ReelTape {
    folder: PathBuf,
    events: Reader,
    actions: Reader,
    known: KnownNames,
    versions: Box<dyn VersionFactory>,
    not_called: NotCalled,
    batches: BatchesAgain,
    until: u64,
    next: u64,
    /// Whether an effect beyond `until` was seen.
    cut: bool,
}

impl ReelTape {
    /// Opens the reels in `folder`; `versions` makes the versions that they name.
    ///
    /// # Errors
    /// A reel does not exist, or is damaged.
    pub fn open(folder: &Path, versions: Box<dyn VersionFactory>) -> Result<Self> {
        let (mut events, actions) = (
            Reader::open(folder, EVENTS)?,
            Reader::open(folder, ACTIONS)?,
        );
        let known = KnownNames::of(&RunManifest::read(folder)?)?;
        // The manifest, which was just read.
        let _ = events.next()?;
        Ok(Self {
            folder: folder.to_owned(),
            events,
            actions,
            known,
            versions,
            not_called: NotCalled::default(),
            batches: BatchesAgain::default(),
            until: u64::MAX,
            next: 0,
            cut: false,
        })
    }

    /// Takes the decisions of these strategies from the reel, instead of calling them.
    pub fn without_calling(mut self, not_called: NotCalled) -> Self {
        self.not_called = not_called;
        self
    }

    /// Sets which strategies have to be offered exactly their original batches.
    pub fn offering(mut self, batches: BatchesAgain) -> Self {
        self.batches = batches;
        self
    }

    /// Ends the tape before this event, as if the run had been interrupted there.
    pub fn until(mut self, event: Option<u64>) -> Self {
        self.until = event.unwrap_or(u64::MAX);
        self
    }

    /// Returns the sequence of the next event.
    pub const fn next_event(&self) -> u64 {
        self.next
    }

    fn read_events(&mut self, most: usize, out: &mut Vec<Event>) -> Result<()> {
        for _ in 0..most {
            if self.next >= self.until {
                break;
            }
            let Some(record) = self.events.next()? else {
                break;
            };
            let index = record.index;
            let event = untrusted::event(&record, self.next)
                .and_then(|event| self.known.check(&event).map(|()| event))
                .with_context(|| format!("record {index} of the events reel"))?;
            self.next += 1;
            out.push(event);
        }
        Ok(())
    }

    fn read_effect(&mut self) -> Result<Option<(u64, Effect)>> {
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
                    let index = record.index;
                    self.known
                        .check_effect(&effect)
                        .with_context(|| format!("record {index} of the actions reel"))?;
                    return Ok(Some((position, effect)));
                }
                ActionsRecord::Session
                | ActionsRecord::Mark(..)
                | ActionsRecord::Offered(..)
                | ActionsRecord::End => {}
            }
        }
    }

    fn error(&self, error: &anyhow::Error) -> TapeError {
        let folder = self.folder.display();
        TapeError(format!("{folder}: {}", sentence(error)))
    }
}

impl Tape for ReelTape {
    fn events(&mut self, most: usize, out: &mut Vec<Event>) -> Result<(), TapeError> {
        self.read_events(most, out)
            .map_err(|error| self.error(&error))
    }

    fn effect(&mut self) -> Result<Option<(u64, Effect)>, TapeError> {
        self.read_effect().map_err(|error| self.error(&error))
    }

    fn version(&mut self, name: &str, spec: &str) -> Result<Version, TapeError> {
        let made = VersionSpec::read(spec).and_then(|spec| self.versions.version(name, &spec));
        made.map_err(|error| TapeError(sentence(&error)))
    }

    fn decisions(&mut self, strategy: StrategyId, life: u32) -> Option<RecordedDecisions> {
        self.not_called.decisions(strategy, life)
    }

    fn batches(&mut self, strategy: StrategyId, _: u32) -> Option<RecordedBatches> {
        self.batches.of(strategy)
    }

    fn batches_from(&self) -> Option<u64> {
        self.batches.from()
    }

    fn may_go_on(&mut self, name: &str, module: &str) -> bool {
        self.versions.may_go_on(name, module)
    }

    fn is_cut(&self) -> bool {
        self.cut
    }
}
