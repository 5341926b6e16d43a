//! From a decision to a venue: order numbers, checks, routing by instrument, timers, notifications.
//!
//! The router is a fold over events and intents in one merged order (see `kernel`), so what it knows when it checks an
//! order is exactly what was known as of the event that caused the order, with any number of workers and any batching. Each
//! part of its state has a file of its own. Its own answers (submitted, denied, pending) reach the tape one lookahead later,
//! like a venue's.

mod actions;
mod answers;
mod book_requests;
mod changes;
pub(crate) mod checks;
mod expiries;
pub(crate) mod gate;
mod held;
pub(crate) mod market;
mod orders;
mod outbox;
mod pre_trade;
pub(crate) mod risk;
pub(crate) mod strategy;
mod text;
mod timers;

use crate::config::RiskConfig;
use crate::earlier::earlier;
use crate::handle::Mode;
use crate::intent::{Decision, Intent};
use crate::middleware::{Denial, OrderContext, OrderMiddleware};
use crate::port::Command;
use crate::report::Notice;
use crate::router::answers::Answers;
use crate::router::book_requests::BookRequests;
use crate::router::expiries::Expiries;
use crate::router::gate::OrderGate;
use crate::router::market::Markets;
use crate::router::orders::Orders;
use crate::router::outbox::Outbox;
use crate::router::pre_trade::PreTrade;
use crate::router::strategy::RoutedStrategies;
use crate::router::text::with_sources;
use crate::router::timers::Timers;
use std::collections::BTreeMap;
use tickdeck_model::{
    Body, ClientOrderId, Event, Instrument, InstrumentId, Kind, OrderStatus, OrderUpdate, Reason,
    Size, Timestamp, VenueScope,
};
use tickdeck_portfolio::Portfolio;

/// Counts for the report.
#[derive(Debug, Default, Clone)]
pub(crate) struct Tally {
    pub(crate) actions: u64,
    pub(crate) orders: u64,
    pub(crate) fills: u64,
    pub(crate) denied: BTreeMap<Reason, u64>,
    pub(crate) market_events: u64,
}

/// From a decision to a venue.
pub(crate) struct Router {
    /// Indexed by id; each names its venue, to which its orders go.
    instruments: Vec<Instrument>,
    pre_trade: PreTrade,
    pub(crate) markets: Markets,
    pub(crate) portfolio: Portfolio,
    pub(crate) orders: Orders,
    timers: Timers,
    book_requests: BookRequests,
    expiries: Expiries,
    pub(crate) strategies: RoutedStrategies,
    pub(crate) gate: OrderGate,
    answers: Answers,
    pub(crate) outbox: Outbox,
    tally: Tally,
}

impl Router {
    pub(crate) fn new(
        instruments: Vec<Instrument>,
        risk: RiskConfig,
        portfolio: Portfolio,
        lookahead_ns: i64,
    ) -> Self {
        Self {
            markets: Markets::new(instruments.len()),
            instruments,
            pre_trade: PreTrade::new(risk),
            portfolio,
            orders: Orders::default(),
            timers: Timers::default(),
            book_requests: BookRequests::default(),
            expiries: Expiries::default(),
            strategies: RoutedStrategies::default(),
            gate: OrderGate::default(),
            answers: Answers::new(lookahead_ns),
            outbox: Outbox::default(),
            tally: Tally::default(),
        }
    }

    /// Adds a check after the others.
    pub(crate) fn push_middleware(&mut self, middleware: Box<dyn OrderMiddleware>) {
        self.pre_trade.push(middleware);
    }

    pub(crate) const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Whether any action was carried out.
    pub(crate) const fn has_acted(&self) -> bool {
        self.tally.actions > 0
    }

    /// When the next of the host's own answers or timers is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        let answer = self.answers.next_due();
        earlier(answer, self.timers.next_due())
    }

    /// Appends the host's own events before `until`: answers, then timers.
    pub(crate) fn poll(&mut self, until: Timestamp, out: &mut Vec<Event>) {
        self.answers.poll(until, out);
        self.timers.fire(until, out);
    }

    /// Processes an event of the tape.
    pub(crate) fn on_event(&mut self, event: &Event) {
        while let Some(instrument) = self.book_requests.take_due(event.ts_host) {
            self.command(instrument, event.ts_host, Command::Snapshot { instrument });
        }
        self.expire_due(event.ts_host);
        if self.markets.apply(event) {
            self.tally.market_events += 1;
            if let Some(instrument) = event.instrument()
                && self.orders.is_holding(instrument)
                && event.kind() != Kind::Book
            {
                self.watch_instrument(instrument, event.ts_host);
            }
            return;
        }
        if event.changes_portfolio()
            && let Err(error) = self.portfolio.apply(event)
        {
            self.outbox.notice(
                event.ts_host,
                Notice::Anomaly {
                    problem: with_sources(&error),
                },
            );
        }
        match event.body() {
            Body::Order(update) => self.on_update(event, &update),
            Body::Fill(fill) => {
                self.tally.fills += 1;
                let order = ClientOrderId {
                    strategy: fill.strategy,
                    number: fill.order,
                };
                self.tell_overfilled(&fill, event.ts_host);
                self.orders.fill(order, fill.size);
                if self.orders.has_exits(fill.strategy, fill.instrument) {
                    self.trim(fill.strategy, fill.instrument, event.ts_host);
                }
                if self.orders.is_holding(fill.instrument) {
                    self.settle_beside(fill.strategy, fill.instrument, event.ts_host);
                }
            }
            Body::Venue(status) => {
                let instruments = &self.instruments;
                self.markets.venue_status(&status, |id| {
                    instruments.get(id.index()).map(|terms| terms.venue)
                });
                let instrument =
                    (status.scope == VenueScope::Instrument).then_some(status.instrument);
                let notice = Notice::Venue {
                    venue: status.venue,
                    instrument,
                    state: status.state,
                };
                self.outbox.notice(event.ts_host, notice);
                self.tell_unwatched(&status, event.ts_host);
            }
            _ => {}
        }
    }

    fn on_update(&mut self, event: &Event, update: &OrderUpdate) {
        let at = event.ts_host;
        self.tell_unprotected(update, at);
        self.orders.update(update, event.ts_venue == at);
        if self.orders.is_holding(update.instrument) {
            self.settle_beside(update.strategy, update.instrument, at);
        }
        let order = ClientOrderId {
            strategy: update.strategy,
            number: update.order,
        };
        if update.status == OrderStatus::CancelRejected {
            self.cancel_again(order, at);
        }
        let refused = matches!(
            update.status,
            OrderStatus::Rejected | OrderStatus::ModifyRejected | OrderStatus::CancelRejected
        );
        let denied_by_us = (Reason::Normal..Reason::InsufficientFunds).contains(&update.reason)
            && update.status == OrderStatus::ModifyRejected;
        if refused && !denied_by_us {
            self.outbox.notice(
                at,
                Notice::Refused {
                    order,
                    reason: update.reason,
                },
            );
        }
    }

    /// Carries out a decision; everything up to its cause has already been processed.
    pub(crate) fn on_intent(&mut self, intent: &Intent) {
        let Some(place) = self.strategies.place_of(intent.strategy) else {
            return;
        };
        let at = intent.at;
        match intent.decision {
            Decision::Ended => self.end(place, at),
            Decision::Act(action) => {
                self.tally.actions += 1;
                self.act(place, at, action);
            }
            Decision::Late(action) => {
                self.tally.actions += 1;
                self.gate.set_late(true);
                self.act(place, at, action);
                self.gate.set_late(false);
            }
            Decision::Offered(_)
            | Decision::Faulted { .. }
            | Decision::Recovered { .. }
            | Decision::Suspended
            | Decision::ShadowFailed
            | Decision::Live { .. } => {}
        }
    }

    /// Passes an order or a change to the checks, with what is known as of its cause. `except` is the order that it
    /// changes.
    fn check(
        &mut self,
        place: usize,
        now: Timestamp,
        instrument: InstrumentId,
        except: Option<ClientOrderId>,
        ask: impl FnMut(&mut dyn OrderMiddleware, &OrderContext<'_>) -> Result<(), Denial>,
    ) -> Result<(), Denial> {
        let strategy = self.strategies.at(place);
        let (Some(terms), Some(market)) = (
            self.instruments.get(instrument.index()),
            self.markets.get(instrument),
        ) else {
            return Err(Denial {
                reason: Reason::UnknownInstrument,
                values: format!("instrument={instrument}"),
            });
        };
        let (open_buys, open_sells) = self.orders.exposure(strategy.id, instrument, except);
        let book = self.portfolio.book(strategy.id);
        let context = OrderContext {
            now,
            leaves_at: self.gate.leaves_at().max(now),
            instrument: terms,
            strategy: strategy.id,
            quote: market.quote,
            stale: market.stale,
            killed: self.gate.is_killed(),
            mode: self.mode_of(place),
            position: book.map_or(Size::ZERO, |book| book.position_size(instrument)),
            open_buys,
            open_sells,
        };
        self.pre_trade.check(&context, ask)
    }

    /// What a strategy may do, as of the current decision.
    fn mode_of(&self, place: usize) -> Mode {
        self.gate.mode_now(self.strategies.at(place).mode)
    }

    /// Sends a command to the venue that lists the instrument.
    fn command(&mut self, instrument: InstrumentId, at: Timestamp, command: Command) {
        if let Some(terms) = self.instruments.get(instrument.index()) {
            self.outbox.command(terms.venue, at, command);
        }
    }
}
