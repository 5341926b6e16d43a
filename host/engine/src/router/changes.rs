//! What operators and versions change of the strategies that the router knows.

use crate::handle::{Mode, OperatorCommand};
use crate::port::{Command, OrderPolicy, StrategyStart, Version};
use crate::router::Router;
use crate::router::strategy::{RoutedStrategy, books};
use tickdeck_model::{FeedRequest, InstrumentId, Reason, StrategyId, Timestamp};

impl Router {
    /// Takes in a strategy; one of the same number may have sat there before, and its mode stays.
    pub(crate) fn seat(&mut self, seat: &StrategyStart) {
        self.portfolio
            .open_strategy(seat.id, &seat.allocation, seat.next_order);
        self.set_limits(seat.id, &seat.version);
        self.admit(RoutedStrategy::new(seat.id, &seat.version));
    }

    pub(crate) fn admit(&mut self, mut party: RoutedStrategy) {
        match self.place_of(party.id) {
            Some(place) => {
                party.mode = self.parties[place].mode;
                self.parties[place] = party;
            }
            None => {
                let at = party.id.index();
                if self.places.len() <= at {
                    self.places.resize(at + 1, None);
                }
                self.places[at] = Some(self.parties.len());
                self.parties.push(party);
            }
        }
    }

    /// Where a strategy stands among the parties, if it was ever seated.
    pub(crate) fn place_of(&self, id: StrategyId) -> Option<usize> {
        self.places.get(id.index()).copied().flatten()
    }

    /// Asks for the books of a manifest: a strategy that comes while others trade starts with a snapshot of each.
    pub(crate) fn ask_for_books(&mut self, version: &Version, at: Timestamp) {
        for target in books(&version.feeds) {
            let instrument = InstrumentId(target);
            self.command(instrument, at, Command::Snapshot { instrument });
        }
    }

    /// The limits that a version comes with hold from now on.
    fn set_limits(&mut self, id: StrategyId, version: &Version) {
        if let Some(limits) = &version.limits {
            for middleware in &mut self.middlewares {
                middleware.set_limits(id, limits);
            }
        }
    }

    /// Another version counts. Orders, timers and the mode stay.
    pub(crate) fn change_version(
        &mut self,
        place: usize,
        before: &[FeedRequest],
        version: &Version,
        at: Timestamp,
    ) {
        self.set_limits(self.parties[place].id, version);
        let party = &mut self.parties[place];
        party.order_policy = version.order_policy;
        party.messages.clone_from(&version.messages);
        let kept: Vec<u32> = books(&version.feeds).collect();
        let before: Vec<u32> = match std::mem::take(&mut party.ended) {
            true => Vec::new(),
            false => books(before).collect(),
        };
        for gone in before.iter().filter(|old| !kept.contains(old)) {
            party.books.remove(gone);
        }
        for instrument in kept.iter().filter(|new| !before.contains(new)) {
            if self.parties[place].books.insert(*instrument) {
                let instrument = InstrumentId(*instrument);
                self.command(instrument, at, Command::Snapshot { instrument });
            }
        }
    }

    /// Ends a strategy: its timers are gone, its orders handled by policy.
    pub(crate) fn end(&mut self, place: usize, at: Timestamp) {
        let party = &mut self.parties[place];
        party.ended = true;
        // Whoever comes back asks for them anew.
        party.books.clear();
        let (id, policy) = (party.id, party.order_policy);
        self.timers.clear_all(id);
        if policy == OrderPolicy::Cancel {
            self.cancel_where(id, at, Reason::StrategyEnded, |_| true);
        }
    }

    /// Carries out an operator's order.
    pub(crate) fn operate(&mut self, at: Timestamp, order: OperatorCommand) {
        match order {
            OperatorCommand::Pause(who) => self.set_mode(who, Mode::Pause),
            OperatorCommand::Reduce(who) => self.set_mode(who, Mode::Reduce),
            OperatorCommand::Resume(who) => self.set_mode(who, Mode::Trade),
            OperatorCommand::Kill => {
                self.killed = true;
                let ids: Vec<StrategyId> = self.parties.iter().map(|party| party.id).collect();
                ids.into_iter()
                    .for_each(|id| self.cancel_where(id, at, Reason::Operator, |_| true));
            }
        }
    }

    /// What a strategy may do, the deck's mode included.
    pub(crate) fn mode(&self, party: &RoutedStrategy) -> Mode {
        party.mode.max(self.deck_mode)
    }

    fn set_mode(&mut self, who: Option<StrategyId>, mode: Mode) {
        match who {
            None => {
                self.deck_mode = mode;
                // Whoever says that all go on means those too that were stopped one by one.
                if mode == Mode::Trade {
                    self.parties.iter_mut().for_each(|party| party.mode = mode);
                }
            }
            Some(id) => {
                if let Some(place) = self.place_of(id) {
                    self.parties[place].mode = mode;
                }
            }
        }
    }

    /// Whether any order of a strategy that wants its orders canceled at the end is still at work.
    pub(crate) fn has_orders_to_cancel(&self) -> bool {
        self.orders.iter().any(|(id, _)| {
            let place = self.place_of(id.strategy);
            place.is_some_and(|at| self.parties[at].order_policy == OrderPolicy::Cancel)
        })
    }
}
