//! Both reels in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tickdeck_engine::port::Version;
use tickdeck_engine::{
    BatchSource, DecisionSource, Effect, OfferedBatches, RecordError, RecordedBatches,
    RecordedDecisions, Recorder, Tape, TapeError,
};
use tickdeck_model::{Action, Event, StrategyId};

/// What a run handed over, in that order.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    Event(Event),
    Effect(u64, Effect),
}

/// Keeps a run in memory.
#[derive(Clone, Default)]
pub(crate) struct Reel {
    pub(crate) items: Arc<Mutex<Vec<Item>>>,
    /// Commits from the first to the second of these numbers fail.
    pub(crate) fails: Option<(u64, u64)>,
    commits: u64,
    /// Batches that strategies were offered, each with the number of items before it.
    offered: Arc<Mutex<Vec<(usize, StrategyId, OfferedBatches)>>>,
}

impl Reel {
    pub(crate) fn failing(from: u64, until: u64) -> Self {
        Self {
            fails: Some((from, until)),
            ..Self::default()
        }
    }

    pub(crate) fn recorder(&self) -> Box<dyn Recorder> {
        Box::new(self.clone())
    }

    pub(crate) fn all(&self) -> Vec<Item> {
        self.items.lock().unwrap().clone()
    }

    /// The batches that were kept with the first `items` items.
    pub(crate) fn offered_before(&self, items: usize) -> Vec<(StrategyId, OfferedBatches)> {
        let offered = self.offered.lock().unwrap();
        let before = offered.iter().filter(|(place, ..)| *place <= items);
        before
            .map(|(_, strategy, batches)| (*strategy, *batches))
            .collect()
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        let events = |item| match item {
            Item::Event(event) => Some(event),
            Item::Effect(..) => None,
        };
        self.all().into_iter().filter_map(events).collect()
    }

    pub(crate) fn effects(&self) -> Vec<(u64, Effect)> {
        let effects = |item| match item {
            Item::Event(_) => None,
            Item::Effect(position, effect) => Some((position, effect)),
        };
        self.all().into_iter().filter_map(effects).collect()
    }
}

impl Recorder for Reel {
    fn events(&mut self, events: &[Event]) {
        let items = events.iter().copied().map(Item::Event);
        self.items.lock().unwrap().extend(items);
    }

    fn effect(&mut self, position: u64, effect: &Effect) {
        let item = Item::Effect(position, effect.clone());
        self.items.lock().unwrap().push(item);
    }

    fn offered(&mut self, _: u64, strategy: StrategyId, batches: &OfferedBatches) {
        let place = self.items.lock().unwrap().len();
        let mut offered = self.offered.lock().unwrap();
        offered.push((place, strategy, *batches));
    }

    fn commit(&mut self, _: bool) -> Result<(), RecordError> {
        self.commits += 1;
        match self.fails {
            Some((from, until)) if (from..until).contains(&self.commits) => Err(RecordError {
                problem: "the disk is full".to_owned(),
                overflows: false,
            }),
            _ => Ok(()),
        }
    }

    fn end(&mut self) -> Result<(), RecordError> {
        Ok(())
    }
}

/// Replays what was kept, with versions by their specs.
pub(crate) struct Played {
    not_allowed: Option<&'static str>,
    /// The batches that strategies have to be offered.
    offering: Option<Vec<(StrategyId, OfferedBatches)>>,
    not_called: BTreeMap<(StrategyId, u32), RecordedDecisions>,
    events: std::vec::IntoIter<Event>,
    effects: std::vec::IntoIter<(u64, Effect)>,
    versions: BTreeMap<String, Version>,
}

impl Played {
    pub(crate) fn of(items: &[Item], versions: &[Version]) -> Self {
        let (mut events, mut effects) = (Vec::new(), Vec::new());
        for item in items {
            match item {
                Item::Event(event) => events.push(*event),
                Item::Effect(position, effect) => effects.push((*position, effect.clone())),
            }
        }
        let named = |version: &Version| (version.spec.to_string(), version.clone());
        Self {
            not_allowed: None,
            offering: None,
            not_called: BTreeMap::new(),
            events: events.into_iter(),
            effects: effects.into_iter(),
            versions: versions.iter().map(named).collect(),
        }
    }

    /// Has every strategy offered these batches.
    pub(crate) fn offering(mut self, batches: Vec<(StrategyId, OfferedBatches)>) -> Self {
        self.offering = Some(batches);
        self
    }

    /// Does not let a strategy go on.
    pub(crate) fn not_allowing(mut self, name: &'static str) -> Self {
        self.not_allowed = Some(name);
        self
    }

    /// Takes the decisions of a strategy in a life from elsewhere.
    pub(crate) fn without_calling(
        mut self,
        strategy: StrategyId,
        life: u32,
        decisions: &RecordedDecisions,
    ) -> Self {
        self.not_called.insert((strategy, life), decisions.clone());
        self
    }
}

/// What a strategy decided, as it was kept.
pub(crate) fn decisions_of(strategy: StrategyId, items: &[Item]) -> RecordedDecisions {
    struct Kept(std::vec::IntoIter<(u64, Action)>);
    impl DecisionSource for Kept {
        fn next(&mut self) -> Result<Option<(u64, Action)>, String> {
            Ok(self.0.next())
        }
    }
    let decided = items.iter().filter_map(|item| match item {
        Item::Effect(_, Effect::Applied(applied)) => Some(applied),
        _ => None,
    });
    let its = decided.filter(|applied| applied.strategy == strategy && !applied.is_at_end());
    let its: Vec<_> = its.map(|applied| (applied.cause, applied.action)).collect();
    RecordedDecisions::new(Box::new(Kept(its.into_iter())))
}

impl Tape for Played {
    fn events(&mut self, most: usize, out: &mut Vec<Event>) -> Result<(), TapeError> {
        out.extend(self.events.by_ref().take(most));
        Ok(())
    }

    fn effect(&mut self) -> Result<Option<(u64, Effect)>, TapeError> {
        Ok(self.effects.next())
    }

    fn batches(&mut self, strategy: StrategyId, _: u32) -> Option<RecordedBatches> {
        struct Kept(std::vec::IntoIter<OfferedBatches>);
        impl BatchSource for Kept {
            fn next(&mut self) -> Option<OfferedBatches> {
                self.0.next()
            }
        }
        let its = self.offering.as_ref()?.iter();
        let its = its.filter(|(other, _)| *other == strategy);
        let its: Vec<OfferedBatches> = its.map(|(_, batches)| *batches).collect();
        Some(RecordedBatches::new(Box::new(Kept(its.into_iter())), 0))
    }

    fn batches_from(&self) -> Option<u64> {
        self.offering.as_ref().map(|_| 0)
    }

    fn may_go_on(&mut self, name: &str, _: &str) -> bool {
        self.not_allowed != Some(name)
    }

    fn decisions(&mut self, strategy: StrategyId, life: u32) -> Option<RecordedDecisions> {
        self.not_called.get(&(strategy, life)).cloned()
    }

    fn version(&mut self, name: &str, spec: &str) -> Result<Version, TapeError> {
        let version = self.versions.get(spec).cloned();
        version.ok_or_else(|| TapeError(format!("{name}: there is no {spec}")))
    }
}
