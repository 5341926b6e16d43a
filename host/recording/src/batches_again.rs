//! Which strategies of a recorded run have to be offered exactly their original batches, and those batches.
//!
//! Most replays need none: an honest strategy's decisions do not depend on batches, and large ones are fast. A strategy that was
//! found to decide differently gets its own from the beginning. When a run is resumed, every strategy gets its own from where
//! the states were last recorded: up to there they were compared, and from there on it reaches the state that it had.

use crate::actions_reel::ActionsReel;
use crate::codec::{ActionsRecord, RecordKind};
use crate::layout::{ACTIONS, SCHEMA_WITH_BATCHES};
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use tickdeck_engine::{BatchSource, Effect, OfferedBatches, RecordedBatches};
use tickdeck_journal::segments;
use tickdeck_model::StrategyId;

/// Which strategies have to be offered their original batches.
#[derive(Debug, Clone, Default)]
pub struct BatchesAgain {
    folder: PathBuf,
    /// From the first event on.
    strategies: BTreeSet<StrategyId>,
    /// The others from where their states were last recorded; none if that does not matter.
    tails: Option<Tails>,
}

/// Where the states were last recorded.
#[derive(Debug, Clone, Default)]
struct Tails {
    /// Those of all strategies at once.
    of_all: Tail,
    /// Those recorded one by one since.
    by_strategy: BTreeMap<StrategyId, Tail>,
}

/// Where a state was last recorded.
#[derive(Debug, Clone, Copy, Default)]
struct Tail {
    /// The first event after it.
    event: u64,
    /// The record on the actions reel.
    record: u64,
}

impl BatchesAgain {
    /// Offers these strategies of the run in `folder` their own batches, and any to the others. Older runs have none recorded.
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
            tails: None,
        })
    }

    /// Like [`BatchesAgain::to`], and also all other strategies from where their states were last recorded.
    ///
    /// # Errors
    /// The actions reel can't be read.
    pub fn to_resume(folder: &Path, strategies: BTreeSet<StrategyId>) -> Result<Self> {
        let again = Self::to(folder, strategies)?;
        if again.folder.as_os_str().is_empty() {
            return Ok(again);
        }
        let tails = Some(last_states(folder)?);
        Ok(Self { tails, ..again })
    }

    pub(crate) fn of(&self, strategy: StrategyId) -> Option<RecordedBatches> {
        let tail = match self.strategies.contains(&strategy) {
            true => Tail::default(),
            false => self.tails.as_ref()?.of(strategy),
        };
        let source = ReelBatches {
            folder: self.folder.clone(),
            strategy,
            from: tail.record,
            reel: None,
        };
        Some(RecordedBatches::new(Box::new(source), tail.event))
    }

    pub(crate) fn from(&self) -> Option<u64> {
        match self.strategies.is_empty() {
            true => self.tails.as_ref().map(Tails::earliest),
            false => Some(0),
        }
    }
}

impl Tails {
    fn of(&self, strategy: StrategyId) -> Tail {
        self.by_strategy
            .get(&strategy)
            .copied()
            .unwrap_or(self.of_all)
    }

    /// The first event from which on some strategy needs its own batches.
    fn earliest(&self) -> u64 {
        self.of_all.event
    }
}

/// Finds where the states were last recorded; at the beginning if they never were.
fn last_states(folder: &Path) -> Result<Tails> {
    let mut effects = ActionsReel::open(folder, RecordKind::Effect)?;
    let mut last = Tails::default();
    while let Some((record, effect)) = effects.next()? {
        if let ActionsRecord::Effect(event, Effect::Asked { strategy }) = effect {
            let tail = Tail { event, record };
            match strategy {
                Some(strategy) => drop(last.by_strategy.insert(strategy, tail)),
                None => {
                    last.by_strategy.clear();
                    last.of_all = tail;
                }
            }
        }
    }
    Ok(last)
}

/// Reads the batches of a strategy from the actions reel, which is opened on the first read.
struct ReelBatches {
    folder: PathBuf,
    strategy: StrategyId,
    /// The first record that is read.
    from: u64,
    reel: Option<ActionsReel>,
}

impl ReelBatches {
    fn read(&mut self) -> Result<Option<OfferedBatches>> {
        let reel = match &mut self.reel {
            Some(reel) => reel,
            None => {
                let mut reel = ActionsReel::open(&self.folder, RecordKind::Offered)?;
                reel.seek(self.from)?;
                self.reel.insert(reel)
            }
        };
        while let Some((_, record)) = reel.next()? {
            if let ActionsRecord::Offered(_, strategy, batches) = record
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
