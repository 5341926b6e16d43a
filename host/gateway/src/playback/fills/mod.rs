//! The simulated venue: what arrives from us, matched against the market as it passes.
//!
//! The floor runs behind the tape by the answer latency (see the module above). While no order of ours works and none
//! arrives, nothing that passes can matter before one does: then it stays where it is, and catches up all at once when
//! it must know the market. Everything happens in one order: at the same time the day's end, the market, our arrivals.

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

/// The floor.
#[derive(Debug)]
pub(super) struct FillSimulator {
    desk: Broker,
    answer_ns: u64,
    pits: Markets,
    /// Everything before this has happened.
    now: Timestamp,
    /// The market before this may be taken in at once: it passed while there was nothing to do.
    idle_until: Timestamp,
    /// Orders that end with a day, and when.
    day_orders: VecDeque<(Timestamp, ClientOrderId)>,
    /// Books to be told again, and when that reaches us.
    replays: VecDeque<(Timestamp, InstrumentId)>,
    /// Books told again, under way.
    told: Vec<Event>,
}

/// What happens next on the floor besides the market; at the same time in this order, the day's end before the market
/// and the others after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    DayEnd,
    Arrival,
    Replay,
}

impl FillSimulator {
    pub(super) fn new(desk: Broker, answer_ns: u64, instruments: &[InstrumentId]) -> Self {
        Self {
            desk,
            answer_ns,
            pits: Markets::of(instruments),
            now: Timestamp::MIN,
            idle_until: Timestamp::MIN,
            day_orders: VecDeque::new(),
            replays: VecDeque::new(),
            told: Vec::new(),
        }
    }

    pub(super) fn send(&mut self, at: Timestamp, command: Command) {
        self.desk.send(at, command);
    }

    /// The earliest an event about our orders can reach us by what is known now; it may turn out to be later.
    pub(super) fn next_due(&self, tape: &Tape) -> Option<Timestamp> {
        let under_way = match self.desk.next_due() {
            Due::At(due) => Some(due),
            Due::Idle | Due::Over => None,
        };
        let works = !self.desk.is_quiet();
        let market = tape.behind().first().filter(|_| works);
        let market = market.map(|event| event.ts_host);
        let day_end = self.next_day_end().filter(|_| tape.next_due().is_some());
        let later = market
            .into_iter()
            .chain(day_end)
            .map(|at| at.saturating_add_unsigned(self.answer_ns));
        let replay = self.replays.front().map(|(due, _)| *due);
        later.chain(under_way).chain(replay).min()
    }

    /// Lets everything happen that no later command can change, now that the tape has told the events up to `until`.
    pub(super) fn run(&mut self, tape: &mut Tape, until: Timestamp) {
        let horizon = until.saturating_sub_unsigned(self.answer_ns);
        if self.has_nothing_to_do(horizon, until) {
            self.idle_until = self.idle_until.max(horizon);
            if tape.may_stay_behind() {
                return;
            }
        }
        let tape_goes_on = tape.next_due().is_some();
        let market = tape.behind();
        let mut ahead = self.catch_up(market);
        while self.step(&mut ahead, horizon, tape_goes_on) {}
        // Commands that arrive before the horizon have all been taken, so these are all there can be.
        while self.replays.front().is_some_and(|(due, _)| *due < until) {
            self.tell_book(ahead);
        }
        let passed = market.len() - ahead.len();
        tape.pass(passed);
    }

    /// Appends what reaches us before `until`.
    pub(super) fn take_events(&mut self, until: Timestamp, out: &mut Vec<Event>) {
        while let Some(answer) = self.desk.take_answer(until) {
            out.push(answer);
        }
        out.append(&mut self.told);
    }

    /// Whether the market before the horizon can wait: no order works, and nothing asks for the market.
    fn has_nothing_to_do(&self, horizon: Timestamp, until: Timestamp) -> bool {
        let no_arrival = self.desk.next_arrival().is_none_or(|at| at >= horizon);
        let no_replay = self.replays.front().is_none_or(|(due, _)| *due >= until);
        no_arrival && no_replay && self.day_orders.is_empty() && self.desk.is_quiet()
    }

    /// Takes in what passed while there was nothing to do; returns the market from there on.
    fn catch_up<'a>(&mut self, market: &'a [Event]) -> &'a [Event] {
        let later = |event: &Event| event.ts_host >= self.idle_until;
        let passed = market.iter().position(later).unwrap_or(market.len());
        let (passed, ahead) = market.split_at(passed);
        for event in passed {
            self.learn(event.view());
        }
        if let Some(last) = passed.last() {
            self.now = self.now.max(last.ts_host);
        }
        ahead
    }

    /// Lets the market pass up to the next other thing, then that happen; `false` if there is none before the horizon.
    fn step(&mut self, ahead: &mut &[Event], horizon: Timestamp, tape_goes_on: bool) -> bool {
        let next = self.next(ahead, tape_goes_on);
        let next = next.filter(|(at, _)| *at < horizon);
        let until = match next {
            Some((at, Next::DayEnd)) => at,
            Some((at, Next::Arrival | Next::Replay)) => at + 1,
            None => horizon,
        };
        while let Some((event, rest)) = ahead.split_first()
            && event.ts_host < until
        {
            *ahead = rest;
            self.now = self.now.max(event.ts_host);
            self.on_market(event.ts_host, event);
            if self.drop_done_day_orders() {
                // What comes next may be another thing now.
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
                if let Some((at, command)) = self.desk.take_arrival(horizon) {
                    // An arrival in the past is a caller's mistake; it happens now.
                    self.arrive(at.max(self.now), command);
                }
            }
            Next::Replay => self.tell_book(ahead),
        }
        self.drop_done_day_orders();
        true
    }

    fn next(&self, ahead: &[Event], tape_goes_on: bool) -> Option<(Timestamp, Next)> {
        let arrival = self.desk.next_arrival().map(|at| (at, Next::Arrival));
        let replay = self.replays.front().map(|(due, _)| (*due, Next::Replay));
        // The venue's clock stands still once the tape is over: no day ends that no line has reached.
        let reached = |end: &Timestamp| {
            tape_goes_on || ahead.last().is_some_and(|event| event.ts_host >= *end)
        };
        let day_end = self
            .next_day_end()
            .filter(reached)
            .map(|end| (end, Next::DayEnd));
        [day_end, arrival, replay].into_iter().flatten().min()
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
            .pop_front_if(|(_, id)| self.desk.order(*id).is_none())
            .is_some()
        {}
        self.day_orders.len() < before
    }

    /// Takes a market event in, and lets our orders meet it.
    fn on_market(&mut self, at: Timestamp, event: &Event) {
        let view = event.view();
        let Some(instrument) = self.learn(view) else {
            return;
        };
        let Some(pit) = self.pits.get_mut(instrument) else {
            return;
        };
        if pit.resting.is_empty() && pit.stops.is_empty() {
            return;
        }
        match view {
            View::Book(update) => {
                pit.on_level(update);
                if update.last && !pit.market.has_quote() && pit.market.is_live() {
                    self.meet_opposite(at, instrument);
                }
            }
            View::Quote(quote) => {
                pit.on_quote(quote);
                self.meet_opposite(at, instrument);
            }
            View::Trade(trade) => {
                self.trade_with_resting(at, trade);
                self.trigger_stops(at, instrument);
            }
            _ => return,
        }
        self.desk.report_balances(at);
    }

    /// Takes a market event in; returns whose market it is, if any's.
    fn learn(&mut self, view: View<'_>) -> Option<InstrumentId> {
        match view {
            View::Book(update) => {
                self.pits.get_mut(update.instrument)?.market.update(update);
                Some(update.instrument)
            }
            View::Quote(quote) => {
                self.pits.get_mut(quote.instrument)?.market.set_quote(quote);
                Some(quote.instrument)
            }
            View::Trade(trade) => {
                let market = &mut self.pits.get_mut(trade.instrument)?.market;
                market.set_last_trade(trade.price);
                Some(trade.instrument)
            }
            View::Venue(status) if status.scope == VenueScope::Instrument => {
                let market = &mut self.pits.get_mut(status.instrument)?.market;
                market.set_live(status.state == VenueState::Live);
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
                price,
                size,
            } => self.modify(at, id, instrument, price, size),
            Command::Cancel { id, instrument } => {
                if self.desk.order(id).is_some() {
                    self.desk.cancel(at, id, Reason::Normal);
                    self.forget(id, instrument);
                } else {
                    self.desk.reject_cancel(at, id, instrument);
                }
            }
            Command::Snapshot { instrument } => {
                if self.pits.get(instrument).is_some() {
                    self.replays
                        .push_back((at.saturating_add_unsigned(self.answer_ns), instrument));
                }
            }
        }
        self.desk.report_balances(at);
    }

    fn end_day(&mut self) {
        let Some(end) = self.next_day_end() else {
            return;
        };
        while let Some((_, id)) = self.day_orders.pop_front_if(|(ends, _)| *ends <= end) {
            if let Some(order) = self.desk.order(id).copied() {
                self.desk.expire(end, id, Reason::DayEnd);
                self.forget(id, order.terms.instrument);
            }
        }
    }

    /// Takes an order that is done out of the book and the stops.
    fn forget(&mut self, id: ClientOrderId, instrument: InstrumentId) {
        if let Some(pit) = self.pits.get_mut(instrument) {
            pit.resting.retain(|resting| resting.id != id);
            pit.stops.retain(|stop| *stop != id);
        }
    }

    /// Tells a book again as it is when that reaches us: later market events have been handed out by then, and a
    /// snapshot older than they are would undo them.
    fn tell_book(&mut self, ahead: &[Event]) {
        let Some((due, instrument)) = self.replays.pop_front() else {
            return;
        };
        let Some(pit) = self.pits.get(instrument) else {
            return;
        };
        let (mut book, mut is_live) = (pit.market.depth().clone(), pit.market.is_live());
        let mut update_id = pit.market.update_id();
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
            // There is no book to tell; the feed tells it whole when there is.
            book.clear();
        }
        let mut left = book.len();
        let mut tell = |change, side, price, size| {
            let body = BookUpdate {
                instrument,
                change,
                side,
                last: left == 0,
                pad: Pad::ZERO,
                price,
                size,
                update_id,
            };
            self.told.push(Event::new(due, due, body));
            left = left.saturating_sub(1);
        };
        tell(BookChange::Clear, Side::Buy, Price::ZERO, Size::ZERO);
        for side in [Side::Buy, Side::Sell] {
            for level in book.levels(side) {
                tell(BookChange::Snapshot, side, level.price, level.size);
            }
        }
    }
}
