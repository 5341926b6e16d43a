//! The strategies as the router knows them.

use crate::handle::Mode;
use crate::port::{OrderPolicy, Version};
use std::collections::BTreeSet;
use tickdeck_model::{Feed, FeedRequest, StrategyId, TextId};

/// A strategy as the router knows it.
#[derive(Debug)]
pub(crate) struct RoutedStrategy {
    pub(super) id: StrategyId,
    pub(super) mode: Mode,
    pub(super) order_policy: OrderPolicy,
    pub(super) messages: Vec<(TextId, String)>,
    /// The signals that it may publish; `None`: all.
    pub(super) publish: Option<Vec<TextId>>,
    pub(super) ended: bool,
    /// The instruments whose order book it gets.
    pub(super) books: BTreeSet<u32>,
}

impl RoutedStrategy {
    /// Creates a strategy that starts with this version.
    pub(super) fn new(id: StrategyId, version: &Version) -> Self {
        Self {
            id,
            mode: Mode::Trade,
            order_policy: version.order_policy,
            messages: version.messages.clone(),
            publish: publish(version),
            ended: false,
            books: books(&version.feeds).collect(),
        }
    }

    /// Creates a strategy of which only the id is known.
    pub(super) fn bare(id: StrategyId) -> Self {
        Self {
            id,
            mode: Mode::Trade,
            order_policy: OrderPolicy::Cancel,
            messages: Vec::new(),
            publish: None,
            ended: false,
            books: BTreeSet::new(),
        }
    }

    /// Whether it may publish a signal with this name.
    pub(super) fn may_publish(&self, name: TextId) -> bool {
        let allowed = self.publish.as_ref();
        allowed.is_none_or(|names| names.contains(&name))
    }

    /// Whether it ended: by its own faults, or because it was stopped or removed.
    pub(crate) const fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether its orders stay when it ends.
    pub(super) fn holds_orders(&self) -> bool {
        self.order_policy == OrderPolicy::Hold
    }

    /// Its own mode, without the deck's.
    pub(crate) const fn mode(&self) -> Mode {
        self.mode
    }
}

/// All strategies, in the order in which they were first started: the same order as the kernel's.
#[derive(Debug, Default)]
pub(crate) struct RoutedStrategies {
    list: Vec<RoutedStrategy>,
    /// By strategy number: its place in the list. Ids are interned, so they are dense.
    places: Vec<Option<usize>>,
}

impl RoutedStrategies {
    /// Adds a strategy. One that ran before keeps its mode.
    pub(super) fn admit(&mut self, mut strategy: RoutedStrategy) {
        match self.place_of(strategy.id) {
            Some(place) => {
                strategy.mode = self.list[place].mode;
                self.list[place] = strategy;
            }
            None => {
                let at = strategy.id.index();
                if self.places.len() <= at {
                    self.places.resize(at + 1, None);
                }
                self.places[at] = Some(self.list.len());
                self.list.push(strategy);
            }
        }
    }

    /// The place of a strategy, if it was ever started.
    pub(super) fn place_of(&self, id: StrategyId) -> Option<usize> {
        self.places.get(id.index()).copied().flatten()
    }

    pub(super) fn at(&self, place: usize) -> &RoutedStrategy {
        &self.list[place]
    }

    pub(super) fn at_mut(&mut self, place: usize) -> &mut RoutedStrategy {
        &mut self.list[place]
    }

    pub(crate) fn has_ended(&self, place: usize) -> bool {
        self.list[place].ended
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &RoutedStrategy> {
        self.list.iter()
    }

    /// Sets the mode of one strategy, or of all.
    pub(super) fn set_mode(&mut self, only: Option<StrategyId>, mode: Mode) {
        let chosen = |strategy: &&mut RoutedStrategy| only.is_none_or(|id| strategy.id == id);
        for strategy in self.list.iter_mut().filter(chosen) {
            strategy.mode = mode;
        }
    }
}

/// The signals that a version may publish.
pub(super) fn publish(version: &Version) -> Option<Vec<TextId>> {
    version.limits.as_ref()?.publish.clone()
}

/// The instruments whose book a manifest names.
pub(super) fn books(feeds: &[FeedRequest]) -> impl Iterator<Item = u32> {
    let books = feeds.iter().filter(|feed| feed.feed == Feed::Book);
    books.map(|feed| feed.target)
}
