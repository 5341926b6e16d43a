//! Reads the two reels of a run: events, effects, and both merged in the order of the tape.

use crate::codec::{ActionsRecord, decode};
use crate::layout::{ACTIONS, EVENTS};
use crate::manifest::{RunManifest, VersionSpec};
use crate::runs::RecordedRun;
use crate::untrusted;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use tickdeck_engine::{AppliedAction, Effect, RecordedChange};
use tickdeck_journal::{Reader, segments};
use tickdeck_model::{Event, Registry, Timestamp};

/// Reads the events of a run. After the last one, more may follow later.
pub struct EventReader {
    folder: PathBuf,
    reader: Reader,
}

/// Reads the effects of a run. After the last one, more may follow later.
pub struct EffectReader {
    folder: PathBuf,
    reader: Reader,
    ended: bool,
}

/// An effect from a reel.
#[derive(Debug, Clone, PartialEq)]
pub struct TimedEffect {
    /// The number of events that had been processed before it.
    pub position: u64,
    /// The effect.
    pub effect: Effect,
    /// The wall time of a command that was sent, in nanoseconds since 1970.
    pub wall: Option<i64>,
}

/// An event or an effect from the reels.
#[derive(Debug, Clone, PartialEq)]
pub enum RunItem {
    /// An event.
    Event(Event),
    /// An effect.
    Effect(TimedEffect),
}

/// Reads both reels, merged by position.
pub struct RunReader {
    events: EventReader,
    effects: EffectReader,
    event: Option<Event>,
    effect: Option<TimedEffect>,
}

/// A position on the tape, as people state it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeekTo {
    /// The sequence of an event.
    Sequence(u64),
    /// A host time.
    Time(Timestamp),
}

impl EventReader {
    /// Opens the events at a sequence.
    ///
    /// # Errors
    /// The reel does not exist, is damaged, or ends before that.
    pub fn open(run: &RecordedRun, from: u64) -> Result<Self> {
        let mut reader = Reader::open(&run.folder, EVENTS)?;
        // The first record is the manifest.
        reader.seek(from.saturating_add(1))?;
        let folder = run.folder.clone();
        Ok(Self { folder, reader })
    }

    /// Reads the next event.
    ///
    /// # Errors
    /// The reel is damaged.
    #[allow(clippy::should_implement_trait, reason = "as the journal's reader")]
    pub fn next(&mut self) -> Result<Option<Event>> {
        let sequence = self.position();
        let Some(record) = self.reader.next()? else {
            return Ok(None);
        };
        let place = || place(&self.folder, EVENTS, record.index);
        untrusted::event(&record, sequence)
            .map(Some)
            .with_context(place)
    }

    /// Returns the sequence of the next event.
    pub const fn position(&self) -> u64 {
        self.reader.position().saturating_sub(1)
    }
}

impl EffectReader {
    /// Opens the effects of a run.
    ///
    /// # Errors
    /// The reel does not exist, or is damaged.
    pub fn open(run: &RecordedRun) -> Result<Self> {
        Ok(Self {
            folder: run.folder.clone(),
            reader: Reader::open(&run.folder, ACTIONS)?,
            ended: false,
        })
    }

    /// Reads the next effect.
    ///
    /// # Errors
    /// The reel is damaged, or of a newer version.
    #[allow(clippy::should_implement_trait, reason = "as the journal's reader")]
    pub fn next(&mut self) -> Result<Option<TimedEffect>> {
        while let Some(record) = self.reader.next()? {
            let entry = decode(record.kind, record.payload)
                .with_context(|| place(&self.folder, ACTIONS, record.index))?;
            let (position, effect, wall) = match entry {
                ActionsRecord::Session | ActionsRecord::Mark(..) | ActionsRecord::Offered(..) => {
                    continue;
                }
                ActionsRecord::End => {
                    self.ended = true;
                    continue;
                }
                ActionsRecord::Effect(position, effect) => (position, effect, None),
                ActionsRecord::Sent(position, effect, wall) => (position, effect, Some(wall)),
            };
            return Ok(Some(TimedEffect {
                position,
                effect,
                wall,
            }));
        }
        Ok(None)
    }

    /// Continues at a record of the reel.
    ///
    /// # Errors
    /// The record does not exist.
    pub fn seek(&mut self, index: u64) -> Result<()> {
        Ok(self.reader.seek(index)?)
    }

    /// Returns whether the clean end of the run was read.
    pub const fn has_ended(&self) -> bool {
        self.ended
    }
}

fn place(folder: &Path, reel: &str, index: u64) -> String {
    format!("{}: record {index} of the {reel} reel", folder.display())
}

impl RunReader {
    /// Merges both readers from their positions on.
    pub const fn new(events: EventReader, effects: EffectReader) -> Self {
        Self {
            events,
            effects,
            event: None,
            effect: None,
        }
    }

    /// Reads the next item. An effect precedes the event before which it was done.
    ///
    /// # Errors
    /// A reel is damaged.
    #[allow(clippy::should_implement_trait, reason = "as the journal's reader")]
    pub fn next(&mut self) -> Result<Option<RunItem>> {
        if self.effect.is_none() {
            self.effect = self.effects.next()?;
        }
        if self.event.is_none() {
            self.event = self.events.next()?;
        }
        let effect_first = match (&self.effect, &self.event) {
            (Some(timed), Some(event)) => timed.position <= event.sequence,
            (effect, _) => effect.is_some(),
        };
        Ok(if effect_first {
            self.effect.take().map(RunItem::Effect)
        } else {
            self.event.take().map(RunItem::Event)
        })
    }

    /// Returns whether the clean end of the run was read.
    pub const fn has_ended(&self) -> bool {
        self.effects.has_ended()
    }
}

impl FromStr for SeekTo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(sequence) = text.parse() {
            return Ok(Self::Sequence(sequence));
        }
        let time = tickdeck_tables::read_time(text).map(Self::Time);
        time.ok_or_else(|| {
            "it must be an event's number, or a time in UTC such as 2024-08-08T16:00:03.5"
                .to_owned()
        })
    }
}

impl RecordedRun {
    /// Returns the number of recorded events.
    ///
    /// # Errors
    /// The reel can't be read.
    pub fn events(&self) -> Result<u64> {
        let all = segments(&self.folder, EVENTS)?;
        let records = all.last().map_or(0, |last| last.first + last.records);
        Ok(records.saturating_sub(1))
    }

    /// Finds the sequence of the first event at or after a position; beyond the last event, the sequence of the next one.
    ///
    /// # Errors
    /// The reel can't be read.
    pub fn find(&self, target: SeekTo) -> Result<u64> {
        let time = match target {
            SeekTo::Sequence(sequence) => return Ok(sequence.min(self.events()?)),
            SeekTo::Time(time) => time,
        };
        let mut from = 0;
        for segment in segments(&self.folder, EVENTS)? {
            let first = segment.first.saturating_sub(1);
            let event = EventReader::open(self, first)?.next()?;
            if event.is_none_or(|event| event.ts_host >= time) {
                break;
            }
            from = first;
        }
        let mut events = EventReader::open(self, from)?;
        while let Some(event) = events.next()? {
            if event.ts_host >= time {
                return Ok(event.sequence);
            }
        }
        Ok(events.position())
    }

    /// Reads the names behind the ids on the reels, including those added during the run.
    ///
    /// # Errors
    /// The reels can't be read.
    pub fn names(&self) -> Result<Registry> {
        let manifest = RunManifest::read(&self.folder)?;
        let mut text = manifest.names;
        let mut effects = EffectReader::open(self)?;
        while let Some(timed) = effects.next()? {
            if let Some(names) = names_in(&timed.effect)? {
                text = names;
            }
        }
        Registry::from_text(&text).context("the names in the reel")
    }
}

/// Returns all names as of an effect that added some.
///
/// # Errors
/// Its specification can't be read.
pub fn names_in(effect: &Effect) -> Result<Option<String>> {
    let Effect::Changed { what, .. } = effect else {
        return Ok(None);
    };
    match what {
        RecordedChange::Start { spec, .. } | RecordedChange::Swap { spec, .. } => {
            Ok(VersionSpec::read(spec)?.names)
        }
        RecordedChange::Promote(_)
        | RecordedChange::RollBack(_)
        | RecordedChange::Remove(_)
        | RecordedChange::Quarantine { .. } => Ok(None),
    }
}

/// Reads every action of a recorded run.
///
/// # Errors
/// The reel can't be read.
pub fn recorded_actions(run: &RecordedRun) -> Result<Vec<AppliedAction>> {
    let effects = effects(run)?.into_iter();
    Ok(effects
        .filter_map(|effect| match effect {
            Effect::Applied(applied) => Some(applied),
            _ => None,
        })
        .collect())
}

/// Reads every effect except commands, in order.
///
/// # Errors
/// The reel can't be read.
pub fn effects(run: &RecordedRun) -> Result<Vec<Effect>> {
    let mut reader = Reader::open(&run.folder, ACTIONS)?;
    let mut effects = Vec::new();
    while let Some(record) = reader.next()? {
        let entry = decode(record.kind, record.payload)
            .with_context(|| format!("record {} of the actions reel", record.index))?;
        if let ActionsRecord::Effect(_, effect) = entry {
            effects.push(effect);
        }
    }
    Ok(effects)
}
