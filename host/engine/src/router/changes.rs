//! Changes to the router's strategies, made by operators and new versions.

use crate::command::OperatorCommand;
use crate::handle::Mode;
use crate::port::{Command, OrderPolicy, StrategyStart, Version};
use crate::router::Router;
use crate::router::strategy::{RoutedStrategy, books, publish};
use tickdeck_model::{
    ClientOrderId, FeedRequest, InstrumentId, Reason, StrategyId, Timestamp, VenueId,
};

impl Router {
    /// Adds a strategy; one with the same number may have run before, and its mode stays.
    pub(crate) fn start(&mut self, start: &StrategyStart) {
        self.portfolio
            .open_strategy(start.id, &start.allocation, start.next_order);
        self.set_limits(start.id, &start.version);
        let strategy = RoutedStrategy::new(start.id, &start.version);
        self.strategies.admit(strategy);
    }

    /// Requests the books of a manifest: a strategy that starts while others trade begins with a snapshot of each.
    pub(crate) fn request_books(&mut self, version: &Version, at: Timestamp) {
        for target in books(&version.feeds) {
            self.request_book(InstrumentId(target), at);
        }
    }

    pub(super) fn request_book(&mut self, instrument: InstrumentId, at: Timestamp) {
        if self.book_requests.ask(instrument, at) {
            self.command(instrument, at, Command::Snapshot { instrument });
        }
    }

    /// Applies the limits of a version from now on.
    fn set_limits(&mut self, id: StrategyId, version: &Version) {
        if let Some(limits) = &version.limits {
            self.pre_trade.set_limits(id, limits);
        }
    }

    /// Switches to another version. Orders, timers and the mode stay.
    pub(crate) fn change_version(
        &mut self,
        place: usize,
        feeds_before: &[FeedRequest],
        version: &Version,
        at: Timestamp,
    ) {
        self.set_limits(self.strategies.at(place).id, version);
        let strategy = self.strategies.at_mut(place);
        strategy.order_policy = version.order_policy;
        strategy.messages.clone_from(&version.messages);
        strategy.publish = publish(version);
        let after: Vec<u32> = books(&version.feeds).collect();
        let before: Vec<u32> = match std::mem::take(&mut strategy.ended) {
            true => Vec::new(),
            false => books(feeds_before).collect(),
        };
        for dropped in before.iter().filter(|old| !after.contains(old)) {
            strategy.books.remove(dropped);
        }
        for added in after.iter().filter(|new| !before.contains(new)) {
            if self.strategies.at_mut(place).books.insert(*added) {
                self.request_book(InstrumentId(*added), at);
            }
        }
    }

    /// Has a strategy's orders canceled when it ends, whatever its policy.
    pub(crate) fn disregard_order_policy(&mut self, place: usize) {
        self.strategies.at_mut(place).order_policy = OrderPolicy::Cancel;
    }

    /// Ends a strategy: its timers are cleared, its orders handled by policy.
    pub(crate) fn end(&mut self, place: usize, at: Timestamp) {
        let strategy = self.strategies.at_mut(place);
        strategy.ended = true;
        // A later version requests them anew.
        strategy.books.clear();
        let (id, policy) = (strategy.id, strategy.order_policy);
        self.timers.clear_all(id);
        if policy == OrderPolicy::Cancel {
            self.cancel_where(id, at, Reason::StrategyEnded, |_| true);
        }
    }

    /// Carries out an operator's command.
    pub(crate) fn operate(&mut self, at: Timestamp, command: OperatorCommand) {
        match command {
            OperatorCommand::Pause(strategy) => self.set_mode(strategy, Mode::Pause),
            OperatorCommand::Reduce(strategy) => self.set_mode(strategy, Mode::Reduce),
            OperatorCommand::Resume(strategy) => self.set_mode(strategy, Mode::Trade),
            OperatorCommand::Kill => {
                self.gate.kill();
                let ids: Vec<StrategyId> = self.strategies.iter().map(|one| one.id).collect();
                for id in ids {
                    self.cancel_where(id, at, Reason::Operator, |_| true);
                }
            }
            OperatorCommand::Stop => {
                self.gate.stop();
                let canceled = self.strategies.iter().filter(|one| !one.holds_orders());
                let ids: Vec<StrategyId> = canceled.map(|one| one.id).collect();
                for id in ids {
                    self.cancel_where(id, at, Reason::StrategyEnded, |_| true);
                }
                let ids: Vec<StrategyId> = self.strategies.iter().map(|one| one.id).collect();
                for id in ids {
                    self.end_unwatched(id, at);
                }
            }
        }
    }

    /// The working orders whose cancel was sent, each with its venue.
    pub(crate) fn canceling(&self) -> impl Iterator<Item = (ClientOrderId, VenueId)> {
        let canceling = self.orders.iter().filter(|(_, live)| live.cancel_sent);
        canceling.filter_map(|(id, live)| {
            let terms = self.instruments.get(live.instrument.index())?;
            Some((id, terms.venue))
        })
    }

    fn set_mode(&mut self, strategy: Option<StrategyId>, mode: Mode) {
        if strategy.is_none() {
            self.gate.set_deck_mode(mode);
        }
        // Resuming the deck also resumes strategies that were stopped individually.
        if strategy.is_some() || mode == Mode::Trade {
            self.strategies.set_mode(strategy, mode);
        }
    }

    /// Whether any order of a strategy that wants its orders canceled at the end is still working.
    pub(crate) fn has_orders_to_cancel(&self) -> bool {
        self.orders.iter().any(|(id, _)| {
            let place = self.strategies.place_of(id.strategy);
            place.is_some_and(|at| !self.strategies.at(at).holds_orders())
        })
    }
}
