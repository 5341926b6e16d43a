//! The strategies of a recorded run that are not called in its replay, and their decisions.
//!
//! Such a strategy crashed the host, or decided differently, when the run was resumed: the reel says so where it was quarantined.
//! Up to that point its decisions are taken from the reel, in all its lives: which of them was to blame is unknown. A later life
//! is replayed like any other strategy.

use crate::actions_reel::ActionsReel;
use crate::codec::{ActionsRecord, RecordKind};
use crate::manifest::RunManifest;
use crate::sentence::sentence;
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tickdeck_engine::{DecisionSource, Effect, QuarantineCause, RecordedChange, RecordedDecisions};
use tickdeck_model::{Action, Registry, StrategyId};

/// A strategy in one of its lives, counted from 0.
type Life = (StrategyId, u32);

/// The strategies of a run that are not called; clones share the read position in their decisions.
#[derive(Clone, Default)]
pub struct NotCalled {
    folder: PathBuf,
    lives: BTreeSet<Life>,
    open: Arc<Mutex<BTreeMap<Life, RecordedDecisions>>>,
}

impl NotCalled {
    /// Finds those of the run in `folder`, and adds the strategies of these names.
    ///
    /// # Errors
    /// The actions reel can't be read.
    pub fn of_run(folder: &Path, manifest: &RunManifest, also: &BTreeSet<String>) -> Result<Self> {
        let registry = manifest.registry()?;
        let mut lives = LivesFound::of_start(manifest, &registry);
        let mut effects = ActionsReel::open(folder, RecordKind::Effect)?;
        while let Some((_, record)) = effects.next()? {
            if let ActionsRecord::Effect(_, effect) = record {
                lives.take_in(effect);
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            lives: lives.not_called(also),
            open: Arc::default(),
        })
    }

    /// Returns the strategies, each once.
    pub fn strategies(&self) -> BTreeSet<StrategyId> {
        self.lives.iter().map(|(strategy, _)| *strategy).collect()
    }

    /// Returns the decisions of a strategy in this life, if it is not called.
    pub fn decisions(&self, strategy: StrategyId, life: u32) -> Option<RecordedDecisions> {
        let key = (strategy, life);
        if !self.lives.contains(&key) {
            return None;
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let decisions = open.entry(key).or_insert_with(|| {
            RecordedDecisions::new(Box::new(ReelDecisions {
                folder: self.folder.clone(),
                strategy,
                reel: None,
            }))
        });
        Some(decisions.clone())
    }
}

/// The lives of a run's strategies, in the order of the reel.
#[derive(Default)]
struct LivesFound {
    /// The name of each strategy that was started, and its current life.
    current: BTreeMap<StrategyId, (String, u32)>,
    not_called: BTreeSet<Life>,
    /// The last start, and the life before it; it may turn out to be refused.
    last_start: Option<(StrategyId, Option<u32>)>,
}

impl LivesFound {
    fn of_start(manifest: &RunManifest, registry: &Registry) -> Self {
        let named = |name: &str| {
            let mut ids = (0..).map(StrategyId).map_while(|id| {
                let other = registry.strategy(id)?;
                Some((id, other == name))
            });
            ids.find_map(|(id, is_it)| is_it.then_some(id))
        };
        let starts = manifest.strategies.iter();
        let current = starts.filter_map(|start| {
            let id = named(&start.name)?;
            Some((id, (start.name.clone(), 0)))
        });
        Self {
            current: current.collect(),
            ..Self::default()
        }
    }

    fn take_in(&mut self, effect: Effect) {
        match effect {
            Effect::Changed {
                what: RecordedChange::Start { strategy, name, .. },
                ..
            } => {
                let before = self.current.get(&strategy).map(|(_, life)| *life);
                let life = before.map_or(0, |life| life + 1);
                self.current.insert(strategy, (name, life));
                self.last_start = Some((strategy, before));
            }
            Effect::Changed { what, .. } => {
                self.last_start = None;
                if let RecordedChange::Quarantine {
                    strategy,
                    cause: QuarantineCause::NotRepeatable,
                    ..
                } = what
                    && let Some((_, life)) = self.current.get(&strategy)
                {
                    let lives = (0..=*life).map(|life| (strategy, life));
                    self.not_called.extend(lives);
                }
            }
            Effect::Refused { .. } => {
                // A life that went on, or one that never began and would begin with the same number.
                if let Some((strategy, Some(before))) = self.last_start.take()
                    && let Some((_, life)) = self.current.get_mut(&strategy)
                {
                    *life = before;
                }
            }
            _ => {}
        }
    }

    fn not_called(mut self, also: &BTreeSet<String>) -> BTreeSet<Life> {
        let last = self.current.iter();
        let also = last.filter(|(_, (name, _))| also.contains(name));
        let lives =
            also.flat_map(|(strategy, (_, last))| (0..=*last).map(|life| (*strategy, life)));
        self.not_called.extend(lives);
        self.not_called
    }
}

/// Reads the decisions of a strategy from the actions reel, which is opened on the first read.
struct ReelDecisions {
    folder: PathBuf,
    strategy: StrategyId,
    reel: Option<ActionsReel>,
}

impl ReelDecisions {
    fn read(&mut self) -> Result<Option<(u64, Action)>> {
        let reel = match &mut self.reel {
            Some(reel) => reel,
            None => {
                let reel = ActionsReel::open(&self.folder, RecordKind::Applied)?;
                self.reel.insert(reel)
            }
        };
        while let Some((_, record)) = reel.next()? {
            if let ActionsRecord::Effect(_, Effect::Applied(applied)) = record
                && applied.strategy == self.strategy
                && !applied.is_at_end()
            {
                return Ok(Some((applied.cause, applied.action)));
            }
        }
        Ok(None)
    }
}

impl DecisionSource for ReelDecisions {
    fn next(&mut self) -> Result<Option<(u64, Action)>, String> {
        self.read().map_err(|error| {
            let folder = self.folder.display();
            format!("{folder}: {}", sentence(&error))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(what: RecordedChange) -> Effect {
        Effect::Changed { at: 0, what }
    }

    fn start(strategy: u32) -> Effect {
        changed(RecordedChange::Start {
            strategy: StrategyId(strategy),
            name: format!("s{strategy}"),
            allocation: Vec::new(),
            next_order: 1,
            last_order: 9,
            spec: Arc::from(""),
        })
    }

    #[test]
    fn a_strategy_is_left_out_in_every_life_up_to_its_quarantine_and_not_after() {
        let mut lives = LivesFound::default();
        for effect in [start(1), start(2), start(1)] {
            lives.take_in(effect);
        }
        lives.take_in(changed(RecordedChange::Quarantine {
            strategy: StrategyId(1),
            why: String::new(),
            cause: QuarantineCause::NotRepeatable,
        }));
        for effect in [start(1), start(2)] {
            lives.take_in(effect);
        }
        let also = BTreeSet::from(["s2".to_owned()]);
        let left_out = lives.not_called(&also);
        let expected = [(1, 0), (1, 1), (2, 0), (2, 1)];
        assert_eq!(
            left_out,
            expected.map(|(id, life)| (StrategyId(id), life)).into()
        );
    }
}
