//! The simulated venue: what arrives from us, matched against the market as it passes.
//!
//! The floor runs behind the tape by the answer latency (see the module above), so it keeps the market events that it
//! has not come to. Everything happens in one order: at the same time the day's end, the market, our arrivals.

mod queue;
mod submit;

use super::book::{MarketBook, apply};
use crate::desk::Desk;
use queue::Resting;
use std::collections::{HashMap, VecDeque};
use tickdeck_engine::port::{Command, Due};
use tickdeck_model::{
    Body, BookChange, BookUpdate, ClientOrderId, Event, InstrumentId, Pad, Price, Reason, Side,
    Size, Timestamp, VenueScope, VenueState,
};

/// The venue never closes; its day ends at 00:00 UTC.
const DAY_NS: i64 = 86_400 * 1_000_000_000;

/// One instrument: its market and our orders in it.
#[derive(Debug, Default)]
struct Pit {
    market: MarketBook,
    /// Orders in the book, by arrival.
    resting: Vec<Resting>,
    /// Stop orders that wait, by arrival.
    stops: Vec<ClientOrderId>,
}

/// The floor.
#[derive(Debug)]
pub(super) struct Floor {
    desk: Desk,
    answer_ns: u64,
    pits: HashMap<InstrumentId, Pit>,
    /// Market events not yet come to.
    ahead: VecDeque<Event>,
    /// Everything before this has happened.
    now: Timestamp,
    /// Orders that end with a day, and when.
    day_orders: VecDeque<(Timestamp, ClientOrderId)>,
    /// Books to be told again, and when that reaches us.
    replays: VecDeque<(Timestamp, InstrumentId)>,
    /// Books told again, under way.
    told: Vec<Event>,
}

/// What happens next on the floor; at the same time in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    DayEnd,
    Market,
    Arrival,
    Replay,
}

impl Floor {
    pub(super) fn new(desk: Desk, answer_ns: u64, instruments: &[InstrumentId]) -> Self {
        Self {
            desk,
            answer_ns,
            pits: instruments.iter().map(|id| (*id, Pit::default())).collect(),
            ahead: VecDeque::new(),
            now: Timestamp::MIN,
            day_orders: VecDeque::new(),
            replays: VecDeque::new(),
            told: Vec::new(),
        }
    }

    pub(super) fn send(&mut self, at: Timestamp, command: Command) {
        self.desk.send(at, command);
    }

    /// The earliest an event about our orders can reach us by what is known now; it may turn out to be later.
    pub(super) fn next_due(&self, tape_goes_on: bool) -> Option<Timestamp> {
        let under_way = match self.desk.next_due() {
            Due::At(due) => Some(due),
            Due::Idle | Due::Over => None,
        };
        let works = !self.desk.is_quiet();
        let market = self
            .ahead
            .front()
            .filter(|_| works)
            .map(|event| event.ts_host);
        let day_end = self.next_day_end().filter(|_| tape_goes_on);
        let later = market
            .into_iter()
            .chain(day_end)
            .map(|at| at.saturating_add_unsigned(self.answer_ns));
        let replay = self.replays.front().map(|(due, _)| *due);
        later.chain(under_way).chain(replay).min()
    }

    /// Takes in the market events up to `until` and lets everything happen that no later command can change.
    pub(super) fn run(&mut self, market: &[Event], until: Timestamp, tape_goes_on: bool) {
        self.ahead.extend(market);
        let horizon = until.saturating_sub_unsigned(self.answer_ns);
        while let Some((at, next)) = self.next(tape_goes_on).filter(|(at, _)| *at < horizon) {
            self.now = self.now.max(at);
            match next {
                Next::DayEnd => self.end_day(),
                Next::Market => {
                    if let Some(event) = self.ahead.pop_front() {
                        self.on_market(at, &event);
                    }
                }
                Next::Arrival => {
                    if let Some((at, command)) = self.desk.take_arrival(horizon) {
                        // An arrival in the past is a caller's mistake; it happens now.
                        self.arrive(at.max(self.now), command);
                    }
                }
                Next::Replay => self.tell_book(),
            }
            self.drop_done_day_orders();
        }
        // Commands that arrive before the horizon have all been taken, so these are all there can be.
        while self.replays.front().is_some_and(|(due, _)| *due < until) {
            self.tell_book();
        }
    }

    /// Appends what reaches us before `until`.
    pub(super) fn take_events(&mut self, until: Timestamp, out: &mut Vec<Event>) {
        while let Some(answer) = self.desk.take_answer(until) {
            out.push(answer);
        }
        out.append(&mut self.told);
    }

    fn next(&self, tape_goes_on: bool) -> Option<(Timestamp, Next)> {
        let market = self
            .ahead
            .front()
            .map(|event| (event.ts_host, Next::Market));
        let arrival = self.desk.next_arrival().map(|at| (at, Next::Arrival));
        let replay = self.replays.front().map(|(due, _)| (*due, Next::Replay));
        // The venue's clock stands still once the tape is over: no day ends that no line has reached.
        let reached = |end: &Timestamp| {
            tape_goes_on || self.ahead.back().is_some_and(|event| event.ts_host >= *end)
        };
        let day_end = self
            .next_day_end()
            .filter(reached)
            .map(|end| (end, Next::DayEnd));
        [day_end, market, arrival, replay]
            .into_iter()
            .flatten()
            .min()
    }

    /// The next day's end that an order works until.
    fn next_day_end(&self) -> Option<Timestamp> {
        self.day_orders.front().map(|(end, _)| *end)
    }

    fn drop_done_day_orders(&mut self) {
        while self
            .day_orders
            .pop_front_if(|(_, id)| self.desk.order(*id).is_none())
            .is_some()
        {}
    }

    fn on_market(&mut self, at: Timestamp, event: &Event) {
        match event.body() {
            Body::Book(update) => {
                let Some(pit) = self.pits.get_mut(&update.instrument) else {
                    return;
                };
                pit.market.update(&update);
                if pit.resting.is_empty() {
                    return;
                }
                pit.on_level(&update);
                if update.last && !pit.market.has_quote() && pit.market.is_live() {
                    self.meet_opposite(at, update.instrument);
                }
            }
            Body::Quote(quote) => {
                let Some(pit) = self.pits.get_mut(&quote.instrument) else {
                    return;
                };
                pit.market.set_quote(&quote);
                if pit.resting.is_empty() {
                    return;
                }
                pit.on_quote(&quote);
                self.meet_opposite(at, quote.instrument);
            }
            Body::Trade(trade) => {
                let Some(pit) = self.pits.get_mut(&trade.instrument) else {
                    return;
                };
                pit.market.set_last_trade(trade.price);
                if !pit.resting.is_empty() {
                    self.trade_with_resting(at, &trade);
                }
                self.trigger_stops(at, trade.instrument);
            }
            Body::Venue(status) if status.scope == VenueScope::Instrument => {
                if let Some(pit) = self.pits.get_mut(&status.instrument) {
                    pit.market.set_live(status.state == VenueState::Live);
                }
            }
            _ => return,
        }
        self.desk.report_balances(at);
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
                if self.pits.contains_key(&instrument) {
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
        if let Some(pit) = self.pits.get_mut(&instrument) {
            pit.resting.retain(|resting| resting.id != id);
            pit.stops.retain(|stop| *stop != id);
        }
    }

    /// Tells a book again as it is when that reaches us: later market events have been handed out by then, and a
    /// snapshot older than they are would undo them.
    fn tell_book(&mut self) {
        let Some((due, instrument)) = self.replays.pop_front() else {
            return;
        };
        let Some(pit) = self.pits.get(&instrument) else {
            return;
        };
        let (mut book, mut is_live) = (pit.market.depth().clone(), pit.market.is_live());
        let mut update_id = pit.market.update_id();
        for event in self.ahead.iter().take_while(|event| event.ts_host <= due) {
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
