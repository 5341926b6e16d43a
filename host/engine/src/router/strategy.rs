//! What the router knows of a strategy.

use crate::handle::Mode;
use crate::port::{OrderPolicy, Version};
use std::collections::BTreeSet;
use tickdeck_model::{Feed, FeedRequest, StrategyId, TextId};

/// What the router knows of a strategy.
#[derive(Debug)]
pub(crate) struct RoutedStrategy {
    pub(crate) id: StrategyId,
    pub(crate) mode: Mode,
    pub(crate) order_policy: OrderPolicy,
    pub(crate) messages: Vec<(TextId, String)>,
    pub(crate) ended: bool,
    /// Instruments whose book it gets.
    pub(crate) books: BTreeSet<u32>,
}

impl RoutedStrategy {
    pub(crate) fn new(id: StrategyId, version: &Version) -> Self {
        Self {
            id,
            mode: Mode::Trade,
            order_policy: version.order_policy,
            messages: version.messages.clone(),
            ended: false,
            books: books(&version.feeds).collect(),
        }
    }
}

/// Instruments whose book a manifest names.
pub(super) fn books(feeds: &[FeedRequest]) -> impl Iterator<Item = u32> {
    let books = feeds.iter().filter(|feed| feed.feed == Feed::Book);
    books.map(|feed| feed.target)
}
