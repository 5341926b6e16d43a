//! The trading floor: works arrivals in order of venue time and turns what follows into events.

use crate::broker::Broker;
use crate::sim::config::SimConfig;
use crate::sim::flow::{Flow, FlowIntent};
use crate::sim::market_data::{MarketData, Moment};
use crate::sim::matching::{BookOrder, LevelView, Match, MatchOutcome, OrderBook};
use crate::sim::rng::SimRng;
use std::collections::HashMap;
use tickdeck_engine::port::{Command, Due};
use tickdeck_model::{
    ClientOrderId, Event, InstrumentId, Liquidity, OrderType, Pad, Price, Reason, Side, Size,
    Submit, TimeInForce, Timestamp, VenueId, VenueScope, VenueState, VenueStatus,
};

/// Set in the book's ids of our orders, never in the flow's.
const OURS: u64 = 1 << 63;
/// All our orders are of one account.
const OUR_ACCOUNT: Option<u32> = Some(0);
/// The stream of the jitter; the flow's streams count up from 0.
const JITTER_STREAM: u64 = u64::MAX;

const DAY_NS: i64 = 86_400_000_000_000;

#[derive(Debug)]
pub(super) struct ExchangeCore {
    venue: VenueId,
    desk: Broker,
    flow: Flow,
    pits: Vec<Market>,
    pit_of: HashMap<InstrumentId, usize>,
    ours: HashMap<u64, ClientOrderId>,
    stage: Stage,
    clock: Timestamp,
    /// When the day orders that may still work expire.
    day_end: Option<Timestamp>,
    jitter: SimRng,
    order_ns: u64,
    jitter_ns: u64,
    feed_ns: u64,
    market_events: u64,
    max_events: u64,
    // Kept for reuse, so that in steady state nothing is allocated.
    intents: Vec<FlowIntent>,
    outcomes: Vec<MatchOutcome>,
    changes: Vec<(Side, LevelView)>,
}

/// Where one instrument trades.
#[derive(Debug)]
struct Market {
    instrument: InstrumentId,
    book: OrderBook,
    tape: MarketData,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The exchange opens at this time.
    Closed(Timestamp),
    Open,
    /// The feed has ended.
    Over,
}

/// What happens next. In order of what goes first at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Open,
    DayEnd,
    Flow(usize),
    Command,
}

impl ExchangeCore {
    pub(super) fn new(
        config: &SimConfig,
        venue: VenueId,
        instruments: &[InstrumentId],
        desk: Broker,
    ) -> Self {
        let pit = |id: &InstrumentId| Market {
            instrument: *id,
            book: OrderBook::new(),
            tape: MarketData::new(*id),
        };
        let latency = config.latency();
        Self {
            venue,
            desk,
            flow: Flow::new(config),
            pits: instruments.iter().map(pit).collect(),
            pit_of: instruments.iter().copied().zip(0..).collect(),
            ours: HashMap::new(),
            stage: Stage::Closed(config.start),
            clock: config.start,
            day_end: None,
            jitter: SimRng::new(config.seed, JITTER_STREAM),
            order_ns: latency.order_ns,
            jitter_ns: config.order_jitter_ns,
            feed_ns: latency.answer_ns,
            market_events: 0,
            max_events: config.max_events.unwrap_or(u64::MAX),
            intents: Vec::new(),
            outcomes: Vec::new(),
            changes: Vec::new(),
        }
    }

    pub(super) fn market_events(&self) -> u64 {
        self.market_events
    }

    pub(super) fn send(&mut self, at: Timestamp, command: Command) {
        let late_ns = self.jitter.below(self.jitter_ns.saturating_add(1));
        self.desk
            .send_after(at, self.order_ns.saturating_add(late_ns), command);
    }

    pub(super) fn next_due(&self) -> Due {
        let heard = |at: Timestamp| Due::At(at.saturating_add_unsigned(self.feed_ns));
        match self.stage {
            Stage::Closed(_) | Stage::Open => {
                self.next_step().map_or(Due::Idle, |(at, _)| heard(at))
            }
            Stage::Over => self
                .desk
                .next_arrival()
                .map_or(Due::Over, |at| heard(at.max(self.clock))),
        }
    }

    /// Works everything that we hear of before `until`.
    pub(super) fn run(&mut self, until: Timestamp, out: &mut Vec<Event>) {
        let until = until.saturating_sub_unsigned(self.feed_ns);
        while let Some((at, step)) = self.next_step().filter(|(at, _)| *at < until) {
            self.clock = at;
            match step {
                Step::Open => self.open(at, out),
                Step::DayEnd => self.end_day(at, out),
                Step::Flow(pit) => self.let_flow_act(at, pit, out),
                Step::Command => self.take_command(at, out),
            }
            if self.market_events >= self.max_events {
                self.stage = Stage::Over;
            }
        }
    }

    fn next_step(&self) -> Option<(Timestamp, Step)> {
        let mut next = match self.stage {
            Stage::Closed(start) => return Some((start, Step::Open)),
            Stage::Open => {
                let (at, pit) = self.flow.next_arrival();
                Some((at, Step::Flow(pit)))
            }
            Stage::Over => None,
        };
        let mut consider = |at: Option<Timestamp>, step: Step| {
            if let Some(at) = at.map(|at| at.max(self.clock))
                && next.is_none_or(|next| (at, step) < next)
            {
                next = Some((at, step));
            }
        };
        consider(self.desk.next_arrival(), Step::Command);
        consider(self.day_end, Step::DayEnd);
        next
    }

    fn moment(&self, ts_venue: Timestamp) -> Moment {
        Moment {
            ts_venue,
            ts_host: ts_venue.saturating_add_unsigned(self.feed_ns),
        }
    }

    /// Lays out the books and shows them.
    fn open(&mut self, at: Timestamp, out: &mut Vec<Event>) {
        self.stage = Stage::Open;
        let when = self.moment(at);
        let status = |scope, instrument, state| VenueStatus {
            venue: self.venue,
            instrument,
            scope,
            state,
            pad: Pad::ZERO,
        };
        out.push(when.event(status(
            VenueScope::Venue,
            InstrumentId(0),
            VenueState::Connected,
        )));
        for (index, pit) in self.pits.iter_mut().enumerate() {
            self.flow.open(index, &pit.book, &mut self.intents);
            pit.carry_out(&mut self.intents, &mut self.outcomes);
            self.outcomes.clear();
            pit.book.take_changes(&mut self.changes);
            self.changes.clear();
            out.push(when.event(status(
                VenueScope::Instrument,
                pit.instrument,
                VenueState::Live,
            )));
            self.market_events += pit.tape.snapshot(when, &pit.book, out);
            self.market_events += pit.tape.quote(when, &pit.book, out);
        }
    }

    fn let_flow_act(&mut self, at: Timestamp, index: usize, out: &mut Vec<Event>) {
        let pit = &mut self.pits[index];
        self.flow.act(at, index, &pit.book, &mut self.intents);
        pit.carry_out(&mut self.intents, &mut self.outcomes);
        self.settle(at, index, out);
    }

    fn end_day(&mut self, at: Timestamp, out: &mut Vec<Event>) {
        self.day_end = None;
        for index in 0..self.pits.len() {
            self.pits[index].book.end_day(&mut self.outcomes);
            self.settle(at, index, out);
        }
    }

    fn take_command(&mut self, at: Timestamp, out: &mut Vec<Event>) {
        let Some((_, command)) = self.desk.take_arrival(Timestamp::MAX) else {
            return;
        };
        let pit = match command {
            Command::Submit { id, order } => self.submit(at, id, &order),
            Command::Modify {
                id,
                instrument,
                price,
                size,
            } => self.modify(at, id, instrument, price, size),
            Command::Cancel { id, instrument } => self.cancel(at, id, instrument),
            Command::Snapshot { instrument } => {
                self.show_book(at, instrument, out);
                None
            }
        };
        match pit {
            Some(index) => self.settle(at, index, out),
            None => self.hand_out_answers(out),
        }
    }

    /// Puts an order into its book and returns where, or rejects it.
    fn submit(&mut self, at: Timestamp, id: ClientOrderId, order: &Submit) -> Option<usize> {
        let Some(index) = self.pit_of.get(&order.instrument).copied() else {
            self.desk.reject(at, id, order, Reason::UnknownInstrument);
            return None;
        };
        let book = &mut self.pits[index].book;
        let reference = book.best(order.side.opposite()).map(|level| level.price);
        let worst = match order.kind {
            OrderType::Market => book.reach(OUR_ACCOUNT, order.side, None, order.size).worst,
            OrderType::Limit | OrderType::Stop | OrderType::StopLimit => None,
        };
        let refusal = self
            .desk
            .check(id, order, reference, worst)
            .err()
            .or_else(|| book.refusal(&booked(OURS, order)));
        if let Some(reason) = refusal {
            self.desk.reject(at, id, order, reason);
            return None;
        }
        self.desk.accept(at, id, order, worst);
        let book_id = OURS | self.desk.order(id)?.venue_id.0;
        self.ours.insert(book_id, id);
        book.submit(booked(book_id, order), &mut self.outcomes);
        if order.time_in_force == TimeInForce::Day {
            self.day_end = Some(at - at.rem_euclid(DAY_NS) + DAY_NS);
        }
        Some(index)
    }

    fn modify(
        &mut self,
        at: Timestamp,
        id: ClientOrderId,
        instrument: InstrumentId,
        price: Price,
        size: Size,
    ) -> Option<usize> {
        if let Err(reason) = self.desk.check_modify(id, price, size) {
            self.desk.reject_modify(at, id, instrument, reason);
            return None;
        }
        let (index, book_id) = self.find(id)?;
        self.pits[index]
            .book
            .modify(book_id, price, size, &mut self.outcomes);
        Some(index)
    }

    fn cancel(
        &mut self,
        at: Timestamp,
        id: ClientOrderId,
        instrument: InstrumentId,
    ) -> Option<usize> {
        let Some((index, book_id)) = self.find(id) else {
            self.desk.reject_cancel(at, id, instrument);
            return None;
        };
        self.pits[index].book.cancel(book_id, &mut self.outcomes);
        Some(index)
    }

    /// Where a working order of ours is, and under what id.
    fn find(&self, id: ClientOrderId) -> Option<(usize, u64)> {
        let order = self.desk.order(id)?;
        Some((
            *self.pit_of.get(&order.terms.instrument)?,
            OURS | order.venue_id.0,
        ))
    }

    fn show_book(&mut self, at: Timestamp, instrument: InstrumentId, out: &mut Vec<Event>) {
        let when = self.moment(at);
        if let Some(index) = self
            .pit_of
            .get(&instrument)
            .filter(|_| self.stage == Stage::Open)
        {
            let pit = &mut self.pits[*index];
            self.market_events += pit.tape.snapshot(when, &pit.book, out);
        }
    }

    /// Writes down what the outcomes mean for us, then shows the public what changed.
    fn settle(&mut self, at: Timestamp, index: usize, out: &mut Vec<Event>) {
        let when = self.moment(at);
        let mut outcomes = std::mem::take(&mut self.outcomes);
        let mut traded = false;
        for outcome in &outcomes {
            match *outcome {
                MatchOutcome::Traded(trade) => traded |= self.record_trade(at, index, &trade),
                MatchOutcome::Accepted { .. }
                | MatchOutcome::Rejected { .. }
                | MatchOutcome::CancelRejected { .. } => {}
                MatchOutcome::Triggered { id }
                | MatchOutcome::Replaced { id, .. }
                | MatchOutcome::ModifyRejected { id, .. }
                | MatchOutcome::Canceled { id }
                | MatchOutcome::Expired { id, .. } => self.answer(at, index, id, *outcome),
            }
        }
        if traded {
            self.desk.report_balances(at);
        }
        self.hand_out_answers(out);
        let pit = &mut self.pits[index];
        pit.book.take_changes(&mut self.changes);
        if self.stage == Stage::Open {
            self.market_events += pit.tape.trades(when, &outcomes, out);
            self.market_events += pit.tape.deltas(when, &mut self.changes, out);
            self.market_events += pit.tape.quote(when, &pit.book, out);
        }
        self.changes.clear();
        outcomes.clear();
        self.outcomes = outcomes;
    }

    /// Numbers a trade and fills our side of it. True if there was one.
    fn record_trade(&mut self, at: Timestamp, index: usize, trade: &Match) -> bool {
        let number = self.pits[index].tape.number_trade();
        let Match {
            maker,
            taker,
            price,
            size,
            ..
        } = *trade;
        if (maker | taker) & OURS == 0 {
            return false;
        }
        for (book_id, liquidity) in [(taker, Liquidity::Taker), (maker, Liquidity::Maker)] {
            if let Some(id) = self.ours.get(&book_id).copied()
                && self
                    .desk
                    .fill_numbered(at, id, number, price, size, liquidity)
            {
                self.ours.remove(&book_id);
            }
        }
        true
    }

    /// Answers what became of an order, if it is ours.
    fn answer(&mut self, at: Timestamp, index: usize, book_id: u64, outcome: MatchOutcome) {
        if book_id & OURS == 0 {
            return;
        }
        let Some(id) = self.ours.get(&book_id).copied() else {
            return;
        };
        let done = match outcome {
            MatchOutcome::Triggered { .. } => {
                // Its hold stays that of the stop price; it pays what the book asks, as a real stop does.
                let kept = self.desk.trigger(at, id, None);
                debug_assert!(kept.is_ok(), "the same hold can always be held again");
                false
            }
            MatchOutcome::Replaced { price, size, .. } => {
                self.desk.modify(at, id, price, size);
                false
            }
            MatchOutcome::ModifyRejected { reason, .. } => {
                self.desk
                    .reject_modify(at, id, self.pits[index].instrument, reason);
                false
            }
            MatchOutcome::Canceled { .. } => {
                self.desk.cancel(at, id, Reason::Normal);
                true
            }
            MatchOutcome::Expired {
                reason: Reason::NoLiquidity,
                ..
            } => {
                self.desk.cancel(at, id, Reason::NoLiquidity);
                true
            }
            MatchOutcome::Expired { reason, .. } => {
                self.desk.expire(at, id, reason);
                true
            }
            MatchOutcome::Accepted { .. }
            | MatchOutcome::Rejected { .. }
            | MatchOutcome::Traded(_)
            | MatchOutcome::CancelRejected { .. } => false,
        };
        if done {
            self.ours.remove(&book_id);
        }
    }

    fn hand_out_answers(&mut self, out: &mut Vec<Event>) {
        while let Some(answer) = self.desk.take_answer(Timestamp::MAX) {
            out.push(answer);
        }
    }
}

impl Market {
    fn carry_out(&mut self, intents: &mut Vec<FlowIntent>, outcomes: &mut Vec<MatchOutcome>) {
        for intent in intents.drain(..) {
            match intent {
                FlowIntent::Submit(order) => self.book.submit(order, outcomes),
                FlowIntent::Cancel(id) => self.book.cancel(id, outcomes),
                FlowIntent::Reduce { id, price, size } => {
                    self.book.modify(id, price, size, outcomes)
                }
            }
        }
    }
}

/// An order of ours as the book takes it.
fn booked(id: u64, order: &Submit) -> BookOrder {
    BookOrder {
        id,
        account: OUR_ACCOUNT,
        side: order.side,
        kind: order.kind,
        time_in_force: order.time_in_force,
        post_only: order.post_only,
        size: order.size,
        price: order.price,
        stop_price: order.stop_price,
    }
}
