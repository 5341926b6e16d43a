//! From a decision to a venue: order numbers, checks, routing by instrument, timers, notifications.
//!
//! The router is a fold over events and intents in one merged order (see `engine`), so what it knows when it checks an
//! order is exactly what was known as of the event that caused the order, with any number of workers and any batching.
//! What it answers itself (submitted, denied, pending) reaches the tape one lookahead later, like a venue's answers.

mod changes;
pub(crate) mod checks;
pub(crate) mod market;
mod orders;
mod pre_trade;
pub(crate) mod risk;
pub(crate) mod strategy;
mod timers;

use crate::config::RiskConfig;
use crate::handle::Mode;
use crate::intent::{Decision, Intent};
use crate::middleware::{Denial, OrderChange, OrderMiddleware};
use crate::port::Command;
use crate::report::Notice;
use crate::router::market::Markets;
use crate::router::orders::{OpenOrder, Orders};
use crate::router::risk::Risk;
use crate::router::strategy::RoutedStrategy;
use crate::router::timers::Timers;
use std::collections::{BTreeMap, VecDeque};
use tickdeck_model::{
    Action, Body, CancelAll, CancelScope, ClientOrderId, Event, Feed, Instrument, InstrumentId,
    Modify, Notify, OrderNumber, OrderStatus, OrderUpdate, Pad, Reason, Signal, Size, StrategyId,
    Submit, Timestamp, VenueId,
};
use tickdeck_portfolio::Portfolio;

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
    pub(crate) instruments: Vec<Instrument>,
    pub(crate) middlewares: Vec<Box<dyn OrderMiddleware>>,
    pub(crate) markets: Markets,
    pub(crate) portfolio: Portfolio,
    pub(crate) orders: Orders,
    pub(crate) timers: Timers,
    pub(crate) parties: Vec<RoutedStrategy>,
    /// By strategy number: its place among the parties. Ids are interned, so they are dense.
    pub(crate) places: Vec<Option<usize>>,
    pub(crate) deck_mode: Mode,
    /// The decision at hand came too late: new orders and changes are denied, as if the strategy were paused.
    pub(crate) late: bool,
    /// What happens can't be kept: new orders and changes are denied, as if the deck were paused.
    pub(crate) halted: bool,
    /// When what is decided leaves, if that is later than its cause.
    pub(crate) leaves_at: Timestamp,
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
        lookahead_ns: i64,
    ) -> Self {
        Self {
            markets: Markets::new(instruments.len()),
            instruments,
            middlewares: vec![Box::new(Risk::new(risk))],
            portfolio,
            orders: Orders::default(),
            timers: Timers::default(),
            parties: Vec::new(),
            places: Vec::new(),
            deck_mode: Mode::Trade,
            late: false,
            halted: false,
            leaves_at: Timestamp::MIN,
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
        let Some(place) = self.place_of(intent.strategy) else {
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
                self.late = true;
                self.act(place, at, action);
                self.late = false;
            }
            Decision::Fenced { .. }
            | Decision::Recovered { .. }
            | Decision::TrialFailed
            | Decision::ShadowFailed
            | Decision::Live { .. } => {}
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
                self.orders.add(id, OpenOrder::of(order));
                self.answer(at, answer(OrderStatus::Submitted, Reason::Normal));
                self.command(order.instrument, at, Command::Submit { id, order: *order });
            }
        }
    }

    /// Adds a middleware behind the others.
    pub(crate) fn push_middleware(&mut self, middleware: Box<dyn OrderMiddleware>) {
        self.middlewares.push(middleware);
    }

    fn modify(&mut self, place: usize, at: Timestamp, modify: &Modify) {
        let id = ClientOrderId {
            strategy: self.parties[place].id,
            number: modify.order,
        };
        let Some(live) = self.orders.get(id).cloned() else {
            return;
        };
        let change = OrderChange {
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
                self.orders.change(id, |live| live.own_refusals += 1);
                self.answer(
                    at,
                    update_of(id, &live, OrderStatus::ModifyRejected, denial.reason),
                );
                self.deny(at, id, denial);
            }
            Ok(()) => {
                self.orders
                    .change(id, |live| live.asked.push_back(modify.size));
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
        let Some(live) = self.orders.get(id).filter(|live| !live.cancel_sent) else {
            return;
        };
        let live = live.clone();
        self.orders.change(id, |live| live.cancel_sent = true);
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

    pub(crate) fn cancel_where(
        &mut self,
        strategy: StrategyId,
        at: Timestamp,
        reason: Reason,
        wanted: impl Fn(&OpenOrder) -> bool,
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

    pub(crate) fn command(&mut self, instrument: InstrumentId, at: Timestamp, command: Command) {
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
        // Causes may come through out of order where the kernel runs freely.
        let last = self
            .answers
            .back()
            .map_or(Timestamp::MIN, |last| last.ts_host);
        let due = self.later(at).max(last);
        self.answers.push_back(Event::new(due, due, body));
    }

    fn later(&self, at: Timestamp) -> Timestamp {
        at.saturating_add(self.lookahead_ns)
    }
}

/// An error with what it came from.
fn in_words(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", in_words(source)),
        None => error.to_string(),
    }
}

fn update_of(
    id: ClientOrderId,
    live: &OpenOrder,
    status: OrderStatus,
    reason: Reason,
) -> OrderUpdate {
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
