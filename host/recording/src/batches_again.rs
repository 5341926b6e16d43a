//! Which strategies of a recorded run have to be offered the very batches that they were offered, and those batches.
//!
//! Most replays need none: what an honest strategy decides does not depend on batches, and large ones are fast. A strategy that was
//! found to decide differently gets its own from the beginning. Where a run is resumed, every strategy gets its own from where the
//! states were recorded last: up to there they were compared, and from there on it ends in the state that the run had.

use crate::codec::{ActionsRecord, RecordKind, decode};
use crate::layout::{ACTIONS, SCHEMA_WITH_BATCHES};
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tickdeck_engine::{BatchSource, Effect, OfferedBatches, RecordedBatches};
use tickdeck_journal::{Reader, segments};
use tickdeck_model::StrategyId;

/// Which strategies have to be offered the batches that they were offered.
#[derive(Debug, Clone, Default)]
pub struct BatchesAgain {
    folder: PathBuf,
    /// From the first event on.
    strategies: BTreeSet<StrategyId>,
    /// All others from this place on.
    tail: Option<Tail>,
}

/// Where the states were last recorded.
#[derive(Debug, Clone, Copy, Default)]
struct Tail {
    /// The first event after it.
    event: u64,
    /// The record on the actions reel.
    record: u64,
}

impl BatchesAgain {
    /// Offers these strategies of the run in `folder` their own batches, and any to the others. Runs of before have none.
    ///
    /// # Errors
    /// The actions reel can't be read.
    pub fn to(folder: &Path, strategies: BTreeSet<StrategyId>) -> Result<Self> {
        let segments = segments(folder, ACTIONS)?;
        let first = segments.first();
        if first.is_none_or(|first| first.schema < SCHEMA_WITH_BATCHES) {
            return Ok(Self::default());
        }
        Ok(Self {
            folder: folder.to_owned(),
            strategies,
            tail: None,
        })
    }

    /// As [`BatchesAgain::to`], and all strategies from where their states were last recorded.
    ///
    /// # Errors
    /// The actions reel can't be read.
    pub fn to_resume(folder: &Path, strategies: BTreeSet<StrategyId>) -> Result<Self> {
        let again = Self::to(folder, strategies)?;
        if again.folder.as_os_str().is_empty() {
            return Ok(again);
        }
        let tail = Some(last_states(folder)?);
        Ok(Self { tail, ..again })
    }

    pub(crate) fn of(&self, strategy: StrategyId) -> Option<RecordedBatches> {
        let tail = match self.strategies.contains(&strategy) {
            true => Tail::default(),
            false => self.tail?,
        };
        let source = ReelBatches {
            folder: self.folder.clone(),
            strategy,
            from: tail.record,
            reader: None,
        };
        Some(RecordedBatches::new(Box::new(source), tail.event))
    }

    pub(crate) fn from(&self) -> Option<u64> {
        match self.strategies.is_empty() {
            true => self.tail.map(|tail| tail.event),
            false => Some(0),
        }
    }
}

/// Finds where the states were last recorded; at the beginning if they never were.
fn last_states(folder: &Path) -> Result<Tail> {
    let mut reader = Reader::open(folder, ACTIONS)?;
    let mut last = Tail::default();
    while let Some(record) = reader.next()? {
        if record.kind != RecordKind::Effect as u16 {
            continue;
        }
        let index = record.index;
        let effect = decode(record.kind, record.payload)
            .with_context(|| format!("record {index} of the actions reel"))?;
        if let ActionsRecord::Effect(event, Effect::Asked) = effect {
            last = Tail {
                event,
                record: index,
            };
        }
    }
    Ok(last)
}

/// Reads the batches of a strategy from the actions reel, which is opened with the first.
struct ReelBatches {
    folder: PathBuf,
    strategy: StrategyId,
    /// The first record that is read.
    from: u64,
    reader: Option<Reader>,
}

impl ReelBatches {
    fn read(&mut self) -> Result<Option<OfferedBatches>> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            None => {
                let mut reader = Reader::open(&self.folder, ACTIONS)?;
                reader.seek(self.from)?;
                self.reader.insert(reader)
            }
        };
        while let Some(record) = reader.next()? {
            if record.kind != RecordKind::Offered as u16 {
                continue;
            }
            let index = record.index;
            let decoded = decode(record.kind, record.payload)
                .with_context(|| format!("record {index} of the actions reel"))?;
            if let ActionsRecord::Offered(_, strategy, batches) = decoded
                && strategy == self.strategy
            {
                return Ok(Some(batches));
            }
        }
        Ok(None)
    }
}

impl BatchSource for ReelBatches {
    fn next(&mut self) -> Option<OfferedBatches> {
        self.read().ok().flatten()
    }
}
