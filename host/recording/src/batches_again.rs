//! Which strategies of a recorded run have to be offered exactly their original batches, and those batches.
//!
//! Most replays need none: an honest strategy's decisions do not depend on batches, and large ones are fast. A strategy that was
//! found to decide differently gets its own from the beginning. When a run is resumed, every strategy gets its own from where
//! its state was last recorded: up to there it was compared, and from there on the strategy reaches the state that it had.

use crate::actions_reel::ActionsReel;
use crate::codec::{ActionsRecord, RecordKind};
use crate::layout::{ACTIONS, SCHEMA_WITH_BATCHES};
use crate::manifest::RunManifest;
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use tickdeck_engine::{BatchSource, Effect, OfferedBatches, RecordedBatches, RecordedChange};
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

/// Where the state of each strategy of a run was last recorded, or where it was started.
#[derive(Debug, Clone, Default)]
struct Tails(BTreeMap<StrategyId, Tail>);

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
            true => self.tails.as_ref()?.earliest(),
            false => Some(0),
        }
    }
}

impl Tails {
    /// Those of a run that began with these strategies.
    fn of_start(strategies: impl IntoIterator<Item = StrategyId>) -> Self {
        let begin = |strategy| (strategy, Tail::default());
        Self(strategies.into_iter().map(begin).collect())
    }

    /// Takes in an effect of the run, and its place.
    fn note(&mut self, effect: &Effect, place: Tail) {
        match effect {
            Effect::Asked {
                strategy: Some(strategy),
            } => drop(self.0.insert(*strategy, place)),
            Effect::Asked { strategy: None } => self.0.values_mut().for_each(|tail| *tail = place),
            Effect::Changed {
                what: RecordedChange::Start { strategy, .. },
                ..
            } => drop(self.0.insert(*strategy, place)),
            _ => {}
        }
    }

    fn of(&self, strategy: StrategyId) -> Tail {
        self.0.get(&strategy).copied().unwrap_or_default()
    }

    /// The first event from which on a strategy needs its own batches.
    fn earliest(&self) -> Option<u64> {
        self.0.values().map(|tail| tail.event).min()
    }
}

/// Finds where the states were last recorded.
fn last_states(folder: &Path) -> Result<Tails> {
    let manifest = RunManifest::read(folder)?;
    let names = manifest.registry()?;
    let began = manifest.strategies.iter();
    let mut tails = Tails::of_start(began.filter_map(|one| names.find_strategy(&one.name)));
    let mut effects = ActionsReel::open(folder, RecordKind::Effect)?;
    while let Some((record, effect)) = effects.next()? {
        if let ActionsRecord::Effect(event, effect) = effect {
            tails.note(&effect, Tail { event, record });
        }
    }
    Ok(tails)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_batches_begin_where_the_first_strategy_needs_them() {
        let [first, second, third] = [1, 2, 3].map(StrategyId);
        let place = |event| Tail {
            event,
            record: 2 * event,
        };
        let asked = |strategy| Effect::Asked { strategy };
        let mut tails = Tails::of_start([first, second]);
        assert_eq!(tails.earliest(), Some(0));
        tails.note(&asked(Some(first)), place(100));
        assert_eq!(tails.earliest(), Some(0), "the second has none yet");
        tails.note(&asked(Some(second)), place(200));
        assert_eq!(tails.earliest(), Some(100));
        assert_eq!(tails.of(second).record, 400);
        let what = RecordedChange::Start {
            strategy: third,
            name: "third".to_owned(),
            allocation: Vec::new(),
            next_order: 1,
            last_order: 2,
            spec: "".into(),
        };
        tails.note(&Effect::Changed { at: 0, what }, place(250));
        tails.note(&asked(Some(first)), place(300));
        assert_eq!(tails.earliest(), Some(200));
        assert_eq!(tails.of(third).event, 250);
        // As runs before recorded them.
        tails.note(&asked(None), place(400));
        assert_eq!(tails.earliest(), Some(400));
    }
}
