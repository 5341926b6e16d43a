//! From a decision to a venue: order numbers, checks, routing by instrument, timers, notifications.
//!
//! The router is a fold over events and intents in one merged order (see `engine`), so what it knows when it checks an
//! order is exactly what was known as of the event that caused the order, with any number of workers and any batching.
//! What it answers itself (submitted, denied, pending) reaches the tape one lookahead later, like a venue's answers.

use crate::action_ring::{Decision, Intent};
use crate::config::RiskConfig;
use crate::control::{Mode, Order};
use crate::market::Markets;
use crate::middleware::{Change, Denial, OrderMiddleware, Situation};
use crate::orders::{Live, Orders};
use crate::port::{Command, OrderPolicy};
use crate::report::Notice;
use crate::risk::Risk;
use crate::timers::Timers;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use tickdeck_model::{
    Action, Body, CancelAll, CancelScope, ClientOrderId, Event, Feed, FeedRequest, Instrument,
    InstrumentId, Modify, Notify, OrderNumber, OrderStatus, OrderUpdate, Pad, Reason, Signal, Size,
    StrategyId, Submit, TextId, Timestamp, VenueId,
};
use tickdeck_portfolio::Portfolio;

/// What the router knows of a strategy.
#[derive(Debug)]
pub(crate) struct Party {
    pub(crate) id: StrategyId,
    pub(crate) mode: Mode,
    pub(crate) order_policy: OrderPolicy,
    pub(crate) messages: Vec<(TextId, String)>,
    pub(crate) ended: bool,
    /// Instruments whose book it gets.
    books: BTreeSet<u32>,
}

impl Party {
    pub(crate) fn new(
        id: StrategyId,
        order_policy: OrderPolicy,
        messages: Vec<(TextId, String)>,
        feeds: &[FeedRequest],
    ) -> Self {
        let books = feeds.iter().filter(|feed| feed.feed == Feed::Book);
        Self {
            id,
            mode: Mode::Trade,
            order_policy,
            messages,
            ended: false,
            books: books.map(|feed| feed.target).collect(),
        }
    }
}

/// What came of decisions, for the kernel to carry out or pass on.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// Commands to venues, with the time they leave.
    pub(crate) commands: Vec<(VenueId, Timestamp, Command)>,
    pub(crate) notices: Vec<(Timestamp, Notice)>,
}

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
    instruments: Vec<Instrument>,
    middlewares: Vec<Box<dyn OrderMiddleware>>,
    pub(crate) markets: Markets,
    pub(crate) portfolio: Portfolio,
    pub(crate) orders: Orders,
    pub(crate) timers: Timers,
    pub(crate) parties: Vec<Party>,
    places: HashMap<StrategyId, usize>,
    deck_mode: Mode,
    pub(crate) killed: bool,
    /// Our own answers, due one lookahead after their cause; times never fall.
    answers: VecDeque<Event>,
    lookahead_ns: i64,
    pub(crate) outbox: Outbox,
    pub(crate) tally: Tally,
}

impl Router {
    pub(crate) fn new(
        instruments: Vec<Instrument>,
        risk: RiskConfig,
        portfolio: Portfolio,
        parties: Vec<Party>,
        lookahead_ns: i64,
    ) -> Self {
        let places = parties
            .iter()
            .enumerate()
            .map(|(at, party)| (party.id, at))
            .collect();
        Self {
            markets: Markets::new(instruments.len()),
            instruments,
            middlewares: vec![Box::new(Risk::new(risk))],
            portfolio,
            orders: Orders::default(),
            timers: Timers::default(),
            parties,
            places,
            deck_mode: Mode::Trade,
            killed: false,
            answers: VecDeque::new(),
            lookahead_ns,
            outbox: Outbox::default(),
            tally: Tally::default(),
        }
    }

    /// When the next answer or timer of ours is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        let answer = self.answers.front().map(|event| event.ts_host);
        answer.into_iter().chain(self.timers.next_due()).min()
    }

    /// Appends our own events before `until`: answers, then timers.
    pub(crate) fn poll(&mut self, until: Timestamp, out: &mut Vec<Event>) {
        while let Some(answer) = self.answers.pop_front_if(|answer| answer.ts_host < until) {
            out.push(answer);
        }
        self.timers.fire(until, out);
    }

    /// Takes an event of the tape in.
    pub(crate) fn on_event(&mut self, event: &Event) {
        if self.markets.apply(event) {
            self.tally.market_events += 1;
            return;
        }
        if event.changes_portfolio()
            && let Err(error) = self.portfolio.apply(event)
        {
            self.notice(
                event.ts_host,
                Notice::Anomaly {
                    problem: in_words(&error),
                },
            );
        }
        match event.body() {
            Body::Order(update) => self.on_update(event, &update),
            Body::Fill(fill) => {
                self.tally.fills += 1;
                self.orders.fill(
                    ClientOrderId {
                        strategy: fill.strategy,
                        number: fill.order,
                    },
                    fill.size,
                );
            }
            Body::Venue(status) => {
                let instruments = &self.instruments;
                self.markets.venue_status(&status, |id| {
                    instruments.get(id.index()).map(|terms| terms.venue)
                });
                let instrument = (status.scope == tickdeck_model::VenueScope::Instrument)
                    .then_some(status.instrument);
                let notice = Notice::Venue {
                    venue: status.venue,
                    instrument,
                    state: status.state,
                };
                self.notice(event.ts_host, notice);
            }
            _ => {}
        }
    }

    fn on_update(&mut self, event: &Event, update: &OrderUpdate) {
        let at = event.ts_host;
        self.orders.update(update, event.ts_venue == at);
        let refused = matches!(
            update.status,
            OrderStatus::Rejected | OrderStatus::ModifyRejected | OrderStatus::CancelRejected
        );
        let denied_by_us = update.reason < Reason::InsufficientFunds
            && update.status == OrderStatus::ModifyRejected;
        if refused && !denied_by_us {
            let order = ClientOrderId {
                strategy: update.strategy,
                number: update.order,
            };
            self.notice(
                at,
                Notice::Refused {
                    order,
                    reason: update.reason,
                },
            );
        }
    }

    /// Carries out a decision; everything up to its cause was taken in before.
    pub(crate) fn on_intent(&mut self, intent: &Intent) {
        let Some(place) = self.places.get(&intent.strategy).copied() else {
            return;
        };
        let at = intent.at;
        match intent.decision {
            Decision::Ended => self.end(place, at),
            Decision::Act(action) => {
                self.tally.actions += 1;
                self.act(place, at, action);
            }
        }
    }

    /// Ends a strategy: its timers are gone, its orders handled by policy.
    pub(crate) fn end(&mut self, place: usize, at: Timestamp) {
        let party = &mut self.parties[place];
        party.ended = true;
        let (id, policy) = (party.id, party.order_policy);
        self.timers.clear_all(id);
        if policy == OrderPolicy::Cancel {
            self.cancel_where(id, at, Reason::StrategyEnded, |_| true);
        }
    }

    /// Carries out an operator's order.
    pub(crate) fn operate(&mut self, at: Timestamp, order: Order) {
        match order {
            Order::Pause(who) => self.set_mode(who, Mode::Pause),
            Order::Reduce(who) => self.set_mode(who, Mode::Reduce),
            Order::Resume(who) => self.set_mode(who, Mode::Trade),
            Order::Kill => {
                self.killed = true;
                let ids: Vec<StrategyId> = self.parties.iter().map(|party| party.id).collect();
                ids.into_iter()
                    .for_each(|id| self.cancel_where(id, at, Reason::Operator, |_| true));
            }
        }
    }

    /// What a strategy may do, the deck's mode included.
    pub(crate) fn mode(&self, party: &Party) -> Mode {
        party.mode.max(self.deck_mode)
    }

    fn set_mode(&mut self, who: Option<StrategyId>, mode: Mode) {
        match who {
            None => self.deck_mode = mode,
            Some(id) => {
                if let Some(place) = self.places.get(&id) {
                    self.parties[*place].mode = mode;
                }
            }
        }
    }

    fn act(&mut self, place: usize, at: Timestamp, action: Action) {
        let strategy = self.parties[place].id;
        match action {
            Action::Submit(order) => self.submit(place, at, &order),
            Action::Modify(modify) => self.modify(place, at, &modify),
            Action::Cancel(number) => {
                self.cancel(ClientOrderId { strategy, number }, at, Reason::Normal)
            }
            Action::CancelAll(CancelAll {
                scope: CancelScope::Everything,
                ..
            }) => {
                self.cancel_where(strategy, at, Reason::Normal, |_| true);
            }
            Action::CancelAll(CancelAll { instrument, .. }) => {
                self.cancel_where(strategy, at, Reason::Normal, |live| {
                    live.instrument == instrument
                });
            }
            Action::SetTimer(timer) => {
                self.timers
                    .set(strategy, timer.id, timer.due, self.later(at))
            }
            Action::ClearTimer(id) => self.timers.clear(strategy, id),
            Action::Notify(notify) => self.notify(place, at, &notify),
            Action::Subscribe(request) if request.feed == Feed::Book => {
                let instrument = InstrumentId(request.target);
                if self.parties[place].books.insert(request.target) {
                    self.command(instrument, at, Command::Snapshot { instrument });
                }
            }
            Action::Unsubscribe(request) if request.feed == Feed::Book => {
                self.parties[place].books.remove(&request.target);
            }
            Action::Subscribe(_) | Action::Unsubscribe(_) => {}
        }
    }

    fn submit(&mut self, place: usize, at: Timestamp, order: &Submit) {
        self.tally.orders += 1;
        let id = ClientOrderId {
            strategy: self.parties[place].id,
            number: order.order,
        };
        if let Err(error) = self.portfolio.intend(id.strategy, order) {
            // The worker ended the strategy on it; this replica never hears of the order.
            self.notice(
                at,
                Notice::Anomaly {
                    problem: in_words(&error),
                },
            );
            return;
        }
        let answer = |status, reason| OrderUpdate {
            instrument: order.instrument,
            strategy: id.strategy,
            order: id.number,
            price: order.price,
            size: order.size,
            filled: Size::ZERO,
            status,
            reason,
            side: order.side,
            pad: Pad::ZERO,
        };
        let verdict = self.judge(place, at, order.instrument, None, |middleware, at| {
            middleware.check(order, at)
        });
        match verdict {
            Err(denial) => {
                self.answer(at, answer(OrderStatus::Denied, denial.reason));
                self.deny(at, id, denial);
            }
            Ok(()) => {
                self.orders.add(
                    id,
                    Live {
                        instrument: order.instrument,
                        side: order.side,
                        kind: order.kind,
                        stop_price: order.stop_price,
                        price: order.price,
                        size: order.size,
                        asked: VecDeque::new(),
                        own_refusals: 0,
                        reduce_only: order.reduce_only,
                        filled: Size::ZERO,
                        cancel_sent: false,
                    },
                );
                self.answer(at, answer(OrderStatus::Submitted, Reason::Normal));
                self.command(order.instrument, at, Command::Submit { id, order: *order });
            }
        }
    }

    /// Adds a middleware behind the others.
    pub(crate) fn push_middleware(&mut self, middleware: Box<dyn OrderMiddleware>) {
        self.middlewares.push(middleware);
    }

    /// Asks every middleware about an order or a change; the first that refuses ends it.
    fn judge(
        &mut self,
        place: usize,
        now: Timestamp,
        instrument: InstrumentId,
        except: Option<ClientOrderId>,
        mut ask: impl FnMut(&mut dyn OrderMiddleware, &Situation<'_>) -> Result<(), Denial>,
    ) -> Result<(), Denial> {
        let mut middlewares = std::mem::take(&mut self.middlewares);
        let verdict = self
            .situation(place, now, instrument, except)
            .and_then(|at| {
                middlewares
                    .iter_mut()
                    .try_for_each(|middleware| ask(middleware.as_mut(), &at))
            });
        self.middlewares = middlewares;
        verdict
    }

    fn situation(
        &self,
        place: usize,
        now: Timestamp,
        instrument: InstrumentId,
        except: Option<ClientOrderId>,
    ) -> Result<Situation<'_>, Denial> {
        let party = &self.parties[place];
        let (Some(terms), Some(market)) = (
            self.instruments.get(instrument.index()),
            self.markets.get(instrument),
        ) else {
            return Err(Denial {
                reason: Reason::UnknownInstrument,
                values: format!("instrument={instrument}"),
            });
        };
        let (open_buys, open_sells) = self.orders.exposure(party.id, instrument, except);
        let position = self
            .portfolio
            .book(party.id)
            .map_or(Size::ZERO, |book| book.position_size(instrument));
        Ok(Situation {
            now,
            instrument: terms,
            strategy: party.id,
            quote: market.quote,
            stale: market.stale,
            killed: self.killed,
            mode: self.mode(party),
            position,
            open_buys,
            open_sells,
        })
    }

    fn modify(&mut self, place: usize, at: Timestamp, modify: &Modify) {
        let id = ClientOrderId {
            strategy: self.parties[place].id,
            number: modify.order,
        };
        let Some(live) = self.orders.get_mut(id).map(|live| live.clone()) else {
            return;
        };
        let change = Change {
            side: live.side,
            kind: live.kind,
            stop_price: live.stop_price,
            price: modify.price,
            size: modify.size,
            left: Size(modify.size.0.saturating_sub(live.filled.0).max(0)),
            reduce_only: live.reduce_only,
        };
        let verdict = self.judge(place, at, live.instrument, Some(id), |middleware, at| {
            middleware.check_change(&change, at)
        });
        match verdict {
            Err(denial) => {
                if let Some(live) = self.orders.get_mut(id) {
                    live.own_refusals += 1;
                }
                self.answer(
                    at,
                    update_of(id, &live, OrderStatus::ModifyRejected, denial.reason),
                );
                self.deny(at, id, denial);
            }
            Ok(()) => {
                if let Some(live) = self.orders.get_mut(id) {
                    live.asked.push_back(modify.size);
                }
                self.answer(
                    at,
                    update_of(id, &live, OrderStatus::PendingModify, Reason::Normal),
                );
                let Modify { price, size, .. } = *modify;
                self.command(
                    live.instrument,
                    at,
                    Command::Modify {
                        id,
                        instrument: live.instrument,
                        price,
                        size,
                    },
                );
            }
        }
    }

    fn cancel(&mut self, id: ClientOrderId, at: Timestamp, reason: Reason) {
        let Some(live) = self.orders.get_mut(id).filter(|live| !live.cancel_sent) else {
            return;
        };
        live.cancel_sent = true;
        let live = live.clone();
        self.answer(at, update_of(id, &live, OrderStatus::PendingCancel, reason));
        self.command(
            live.instrument,
            at,
            Command::Cancel {
                id,
                instrument: live.instrument,
            },
        );
    }

    fn cancel_where(
        &mut self,
        strategy: StrategyId,
        at: Timestamp,
        reason: Reason,
        wanted: impl Fn(&Live) -> bool,
    ) {
        let ids: Vec<ClientOrderId> = self
            .orders
            .of(strategy)
            .filter(|(_, live)| wanted(live))
            .map(|(id, _)| id)
            .collect();
        ids.into_iter().for_each(|id| self.cancel(id, at, reason));
    }

    fn notify(&mut self, place: usize, at: Timestamp, notify: &Notify) {
        let party = &self.parties[place];
        let strategy = party.id;
        // The strategy host has checked the index; a native strategy's mistake is told, not hidden.
        let Some((name, message)) = party.messages.get(notify.message as usize).cloned() else {
            let problem = format!(
                "strategy {strategy} notified message {} of {}",
                notify.message,
                party.messages.len()
            );
            self.notice(at, Notice::Anomaly { problem });
            return;
        };
        let (severity, value) = (notify.severity, notify.value);
        self.notice(
            at,
            Notice::Notified {
                strategy,
                severity,
                message,
                value,
            },
        );
        self.answer(
            at,
            Signal {
                source: strategy,
                name,
                value,
            },
        );
    }

    fn command(&mut self, instrument: InstrumentId, at: Timestamp, command: Command) {
        if let Some(terms) = self.instruments.get(instrument.index()) {
            self.outbox.commands.push((terms.venue, at, command));
        }
    }

    fn deny(&mut self, at: Timestamp, order: ClientOrderId, denial: Denial) {
        let Denial { reason, values } = denial;
        *self.tally.denied.entry(reason).or_default() += 1;
        self.notice(
            at,
            Notice::Denied {
                order,
                reason,
                values,
            },
        );
    }

    fn notice(&mut self, at: Timestamp, notice: Notice) {
        self.outbox.notices.push((at, notice));
    }

    fn answer(&mut self, at: Timestamp, body: impl Into<Body>) {
        let due = self.later(at);
        self.answers.push_back(Event::new(due, due, body));
    }

    fn later(&self, at: Timestamp) -> Timestamp {
        at.saturating_add(self.lookahead_ns)
    }

    /// Whether any order of a strategy that wants its orders canceled at the end is still at work.
    pub(crate) fn has_orders_to_cancel(&self) -> bool {
        self.orders.iter().any(|(id, _)| {
            let party = self
                .places
                .get(&id.strategy)
                .map(|place| &self.parties[*place]);
            party.is_some_and(|party| party.order_policy == OrderPolicy::Cancel)
        })
    }
}

/// An error with what it came from.
fn in_words(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", in_words(source)),
        None => error.to_string(),
    }
}

fn update_of(id: ClientOrderId, live: &Live, status: OrderStatus, reason: Reason) -> OrderUpdate {
    let number: OrderNumber = id.number;
    OrderUpdate {
        instrument: live.instrument,
        strategy: id.strategy,
        order: number,
        price: live.price,
        size: live.size,
        filled: live.filled,
        status,
        reason,
        side: live.side,
        pad: Pad::ZERO,
    }
}
