//! Simulates fills: matches our orders against the market as it passes.
//!
//! The simulator runs behind the tape by the answer latency (see the parent module). While no order of ours is working
//! and none arrives, market data cannot matter: the simulator then stays where it is, and catches up at once when it
//! needs the market. At equal times the order of events is fixed: the end of the day, the market, our arrivals.

mod market;
mod queue;
mod submit;

use super::book::apply;
use super::tape::Tape;
use crate::broker::Broker;
use market::Markets;
use std::collections::VecDeque;
use tickdeck_engine::port::{Command, Due};
use tickdeck_model::{
    Body, BookChange, BookUpdate, ClientOrderId, Event, InstrumentId, Pad, Price, Reason, Side,
    Size, Timestamp, VenueScope, VenueState, View,
};

/// The venue never closes; its day ends at 00:00 UTC.
const DAY_NS: i64 = 86_400 * 1_000_000_000;

/// Fills our orders against a tape.
#[derive(Debug)]
pub(super) struct FillSimulator {
    broker: Broker,
    answer_ns: u64,
    markets: Markets,
    /// Everything before this has happened.
    now: Timestamp,
    /// The market before this may be applied at once: it passed while there was nothing to do.
    idle_until: Timestamp,
    /// Orders that end with a day, and when.
    day_orders: VecDeque<(Timestamp, ClientOrderId)>,
    /// Books to be sent again, and when they reach us.
    resends: VecDeque<(Timestamp, InstrumentId)>,
    /// Events of books sent again, not delivered yet.
    resent: Vec<Event>,
}

/// The next step besides the market. At equal times in this order: the end of the day before the market, the others
/// after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    DayEnd,
    Arrival,
    Resend,
}

impl FillSimulator {
    pub(super) fn new(broker: Broker, answer_ns: u64, instruments: &[InstrumentId]) -> Self {
        Self {
            broker,
            answer_ns,
            markets: Markets::of(instruments),
            now: Timestamp::MIN,
            idle_until: Timestamp::MIN,
            day_orders: VecDeque::new(),
            resends: VecDeque::new(),
            resent: Vec::new(),
        }
    }

    pub(super) fn send(&mut self, at: Timestamp, command: Command) {
        self.broker.send(at, command);
    }

    /// Returns the earliest time at which an event about our orders can reach us; it may turn out to be later.
    pub(super) fn next_due(&self, tape: &Tape) -> Option<Timestamp> {
        let under_way = match self.broker.next_due() {
            Due::At(due) => Some(due),
            Due::Idle | Due::Over => None,
        };
        let works = !self.broker.is_quiet();
        let market = tape.behind().first().filter(|_| works);
        let market = market.map(|event| event.ts_host);
        let day_end = self.next_day_end().filter(|_| tape.next_due().is_some());
        let later = market
            .into_iter()
            .chain(day_end)
            .map(|at| at.saturating_add_unsigned(self.answer_ns));
        let resend = self.resends.front().map(|(due, _)| *due);
        later.chain(under_way).chain(resend).min()
    }

    /// Processes everything that no later command can change, now that the tape has delivered the events up to `until`.
    pub(super) fn run(&mut self, tape: &mut Tape, until: Timestamp) {
        let horizon = until.saturating_sub_unsigned(self.answer_ns);
        if self.has_nothing_to_do(horizon, until) {
            self.idle_until = self.idle_until.max(horizon);
            if tape.may_stay_behind() {
                return;
            }
        }
        let tape_continues = tape.next_due().is_some();
        let market = tape.behind();
        let mut ahead = self.catch_up(market);
        while self.step(&mut ahead, horizon, tape_continues) {}
        // All commands that arrive before the horizon have been taken, so there can be no others.
        while self.resends.front().is_some_and(|(due, _)| *due < until) {
            self.resend_book(ahead);
        }
        let passed = market.len() - ahead.len();
        tape.pass(passed);
    }

    /// Appends the events that reach us before `until`.
    pub(super) fn take_events(&mut self, until: Timestamp, out: &mut Vec<Event>) {
        while let Some(answer) = self.broker.take_answer(until) {
            out.push(answer);
        }
        out.append(&mut self.resent);
    }

    /// Whether the market before the horizon can wait: no order is working, and nothing needs the market.
    fn has_nothing_to_do(&self, horizon: Timestamp, until: Timestamp) -> bool {
        let no_arrival = self.broker.next_arrival().is_none_or(|at| at >= horizon);
        let no_resend = self.resends.front().is_none_or(|(due, _)| *due >= until);
        no_arrival && no_resend && self.day_orders.is_empty() && self.broker.is_quiet()
    }

    /// Applies the market that passed while there was nothing to do; returns the market from there on.
    fn catch_up<'a>(&mut self, market: &'a [Event]) -> &'a [Event] {
        let later = |event: &Event| event.ts_host >= self.idle_until;
        let passed = market.iter().position(later).unwrap_or(market.len());
        let (passed, ahead) = market.split_at(passed);
        for event in passed {
            self.apply_to_market(event.view());
        }
        if let Some(last) = passed.last() {
            self.now = self.now.max(last.ts_host);
        }
        ahead
    }

    /// Passes the market up to the next other step, then performs that; `false` if there is none before the horizon.
    fn step(&mut self, ahead: &mut &[Event], horizon: Timestamp, tape_continues: bool) -> bool {
        let next = self.next(ahead, tape_continues);
        let next = next.filter(|(at, _)| *at < horizon);
        let until = match next {
            Some((at, Next::DayEnd)) => at,
            Some((at, Next::Arrival | Next::Resend)) => at + 1,
            None => horizon,
        };
        while let Some((event, rest)) = ahead.split_first()
            && event.ts_host < until
        {
            *ahead = rest;
            self.now = self.now.max(event.ts_host);
            self.on_market(event.ts_host, event);
            if self.drop_done_day_orders() {
                // The next step may be another one now.
                return true;
            }
        }
        let Some((at, next)) = next else {
            return false;
        };
        self.now = self.now.max(at);
        match next {
            Next::DayEnd => self.end_day(),
            Next::Arrival => {
                if let Some((at, command)) = self.broker.take_arrival(horizon) {
                    // An arrival in the past is a caller's mistake; it happens now.
                    self.arrive(at.max(self.now), command);
                }
            }
            Next::Resend => self.resend_book(ahead),
        }
        self.drop_done_day_orders();
        true
    }

    fn next(&self, ahead: &[Event], tape_continues: bool) -> Option<(Timestamp, Next)> {
        let arrival = self.broker.next_arrival().map(|at| (at, Next::Arrival));
        let resend = self.resends.front().map(|(due, _)| (*due, Next::Resend));
        // The venue's clock stops at the end of the tape: no day ends that no line has reached.
        let reached = |end: &Timestamp| {
            tape_continues || ahead.last().is_some_and(|event| event.ts_host >= *end)
        };
        let day_end = self
            .next_day_end()
            .filter(reached)
            .map(|end| (end, Next::DayEnd));
        [day_end, arrival, resend].into_iter().flatten().min()
    }

    /// The next day's end that an order works until.
    fn next_day_end(&self) -> Option<Timestamp> {
        self.day_orders.front().map(|(end, _)| *end)
    }

    /// Returns whether there was one.
    fn drop_done_day_orders(&mut self) -> bool {
        let before = self.day_orders.len();
        while self
            .day_orders
            .pop_front_if(|(_, id)| self.broker.order(*id).is_none())
            .is_some()
        {}
        self.day_orders.len() < before
    }

    /// Applies a market event and fills the orders that it reaches.
    fn on_market(&mut self, at: Timestamp, event: &Event) {
        let view = event.view();
        let Some(instrument) = self.apply_to_market(view) else {
            return;
        };
        let Some(market) = self.markets.get_mut(instrument) else {
            return;
        };
        if market.resting.is_empty() && market.stops.is_empty() {
            return;
        }
        match view {
            View::Book(update) => {
                market.on_level(update);
                if update.last && !market.book.has_quote() && market.book.is_live() {
                    self.fill_crossed(at, instrument);
                }
            }
            View::Quote(quote) => {
                market.on_quote(quote);
                self.fill_crossed(at, instrument);
            }
            View::Trade(trade) => {
                self.trade_with_resting(at, trade);
                self.trigger_stops(at, instrument);
            }
            _ => return,
        }
        self.broker.report_balances(at);
    }

    /// Applies a market event to its market; returns the instrument, if it has one.
    fn apply_to_market(&mut self, view: View<'_>) -> Option<InstrumentId> {
        match view {
            View::Book(update) => {
                self.markets.get_mut(update.instrument)?.book.update(update);
                Some(update.instrument)
            }
            View::Quote(quote) => {
                self.markets
                    .get_mut(quote.instrument)?
                    .book
                    .set_quote(quote);
                Some(quote.instrument)
            }
            View::Trade(trade) => {
                let book = &mut self.markets.get_mut(trade.instrument)?.book;
                book.set_last_trade(trade.price);
                Some(trade.instrument)
            }
            View::Venue(status) if status.scope == VenueScope::Instrument => {
                let book = &mut self.markets.get_mut(status.instrument)?.book;
                book.set_live(status.state == VenueState::Live);
                Some(status.instrument)
            }
            _ => None,
        }
    }

    fn arrive(&mut self, at: Timestamp, command: Command) {
        match command {
            Command::Submit { id, order } => self.submit(at, id, &order),
            Command::Modify {
                id,
                instrument,
                terms,
            } => self.modify(at, id, instrument, &terms),
            Command::Cancel { id, instrument } => {
                if self.broker.order(id).is_some() {
                    self.broker.cancel(at, id, Reason::Normal);
                    self.forget(id, instrument);
                } else {
                    self.broker.reject_cancel(at, id, instrument);
                }
            }
            Command::Snapshot { instrument } => {
                if self.markets.get(instrument).is_some() {
                    self.resends
                        .push_back((at.saturating_add_unsigned(self.answer_ns), instrument));
                }
            }
        }
        self.broker.report_balances(at);
    }

    fn end_day(&mut self) {
        let Some(end) = self.next_day_end() else {
            return;
        };
        while let Some((_, id)) = self.day_orders.pop_front_if(|(ends, _)| *ends <= end) {
            if let Some(order) = self.broker.order(id).copied() {
                self.broker.expire(end, id, Reason::DayEnd);
                self.forget(id, order.terms.instrument);
            }
        }
    }

    /// Removes a finished order from the book and from the stops.
    fn forget(&mut self, id: ClientOrderId, instrument: InstrumentId) {
        if let Some(market) = self.markets.get_mut(instrument) {
            market.resting.retain(|resting| resting.id != id);
            market.stops.retain(|stop| *stop != id);
        }
    }

    /// Sends a book again as it will be when it reaches us: later market events have been delivered by then, and an
    /// older snapshot would undo them.
    fn resend_book(&mut self, ahead: &[Event]) {
        let Some((due, instrument)) = self.resends.pop_front() else {
            return;
        };
        let Some(market) = self.markets.get(instrument) else {
            return;
        };
        let (mut book, mut is_live) = (market.book.depth().clone(), market.book.is_live());
        let mut update_id = market.book.update_id();
        for event in ahead.iter().take_while(|event| event.ts_host <= due) {
            match event.body() {
                Body::Book(update) if update.instrument == instrument => {
                    apply(&mut book, &update);
                    update_id = update.update_id;
                }
                Body::Venue(status)
                    if status.instrument == instrument
                        && status.scope == VenueScope::Instrument =>
                {
                    is_live = status.state == VenueState::Live;
                }
                _ => {}
            }
        }
        if !is_live {
            // There is no book to send; the feed sends a whole one when there is.
            book.clear();
        }
        let mut left = book.len();
        let mut push = |change, side, price, size| {
            let body = BookUpdate {
                reserved: Pad::ZERO,
                instrument,
                change,
                side,
                last: left == 0,
                pad: Pad::ZERO,
                price,
                size,
                update_id,
            };
            self.resent.push(Event::new(due, due, body));
            left = left.saturating_sub(1);
        };
        push(BookChange::Clear, Side::Buy, Price::ZERO, Size::ZERO);
        for side in [Side::Buy, Side::Sell] {
            for level in book.levels(side) {
                push(BookChange::Snapshot, side, level.price, level.size);
            }
        }
    }
}
