//! The core of the exchange: processes arrivals in order of venue time and turns their consequences into events.

use crate::broker::Broker;
use crate::sim::config::SimConfig;
use crate::sim::flow::{Flow, FlowIntent};
use crate::sim::market_data::{MarketData, Moment};
use crate::sim::matching::{BookOrder, LevelView, Match, MatchOutcome, OrderBook};
use crate::sim::rng::SimRng;
use std::collections::HashMap;
use tickdeck_engine::port::NewTerms;
use tickdeck_engine::port::{Command, Due};
use tickdeck_model::{
    ClientOrderId, Event, InstrumentId, Liquidity, OrderType, Pad, Price, Reason, Side, Submit,
    TimeInForce, Timestamp, VenueId, VenueScope, VenueState, VenueStatus,
};

/// Set in the book's ids of our orders, never in the flow's.
const OURS: u64 = 1 << 63;
/// All our orders are of one account.
const OUR_ACCOUNT: Option<u32> = Some(0);
/// The random stream of the jitter; the flow's streams count up from 0.
const JITTER_STREAM: u64 = u64::MAX;

const DAY_NS: i64 = 86_400_000_000_000;

#[derive(Debug)]
pub(super) struct ExchangeCore {
    venue: VenueId,
    broker: Broker,
    flow: Flow,
    markets: Vec<Market>,
    market_of: HashMap<InstrumentId, usize>,
    ours: HashMap<u64, ClientOrderId>,
    phase: Phase,
    clock: Timestamp,
    /// When the day orders that may still work expire.
    day_end: Option<Timestamp>,
    jitter: SimRng,
    order_ns: u64,
    jitter_ns: u64,
    feed_ns: u64,
    market_events: u64,
    max_events: u64,
    // Kept for reuse, so that nothing is allocated in steady state.
    intents: Vec<FlowIntent>,
    outcomes: Vec<MatchOutcome>,
    changes: Vec<(Side, LevelView)>,
}

/// The market of one instrument.
#[derive(Debug)]
struct Market {
    instrument: InstrumentId,
    book: OrderBook,
    data: MarketData,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The exchange opens at this time.
    Closed(Timestamp),
    Open,
    /// The feed has ended.
    Over,
}

/// The next step. At equal times, earlier variants go first.
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
        broker: Broker,
    ) -> Self {
        let market = |id: &InstrumentId| Market {
            instrument: *id,
            book: OrderBook::new(),
            data: MarketData::new(*id),
        };
        let latency = config.latency();
        Self {
            venue,
            broker,
            flow: Flow::new(config),
            markets: instruments.iter().map(market).collect(),
            market_of: instruments.iter().copied().zip(0..).collect(),
            ours: HashMap::new(),
            phase: Phase::Closed(config.start),
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
        self.broker
            .send_after(at, self.order_ns.saturating_add(late_ns), command);
    }

    pub(super) fn next_due(&self) -> Due {
        let due = |at: Timestamp| Due::At(at.saturating_add_unsigned(self.feed_ns));
        match self.phase {
            Phase::Closed(_) | Phase::Open => self.next_step().map_or(Due::Idle, |(at, _)| due(at)),
            Phase::Over => self
                .broker
                .next_arrival()
                .map_or(Due::Over, |at| due(at.max(self.clock))),
        }
    }

    /// Processes everything that reaches us before `until`.
    pub(super) fn run(&mut self, until: Timestamp, out: &mut Vec<Event>) {
        let until = until.saturating_sub_unsigned(self.feed_ns);
        while let Some((at, step)) = self.next_step().filter(|(at, _)| *at < until) {
            self.clock = at;
            match step {
                Step::Open => self.open(at, out),
                Step::DayEnd => self.end_day(at, out),
                Step::Flow(market) => self.let_flow_act(at, market, out),
                Step::Command => self.take_command(at, out),
            }
            if self.market_events >= self.max_events {
                self.phase = Phase::Over;
            }
        }
    }

    fn next_step(&self) -> Option<(Timestamp, Step)> {
        let mut next = match self.phase {
            Phase::Closed(start) => return Some((start, Step::Open)),
            Phase::Open => {
                let (at, market) = self.flow.next_arrival();
                Some((at, Step::Flow(market)))
            }
            Phase::Over => None,
        };
        let mut consider = |at: Option<Timestamp>, step: Step| {
            if let Some(at) = at.map(|at| at.max(self.clock))
                && next.is_none_or(|next| (at, step) < next)
            {
                next = Some((at, step));
            }
        };
        consider(self.broker.next_arrival(), Step::Command);
        consider(self.day_end, Step::DayEnd);
        next
    }

    fn moment(&self, ts_venue: Timestamp) -> Moment {
        Moment {
            ts_venue,
            ts_host: ts_venue.saturating_add_unsigned(self.feed_ns),
        }
    }

    /// Fills the opening books and publishes them.
    fn open(&mut self, at: Timestamp, out: &mut Vec<Event>) {
        self.phase = Phase::Open;
        let when = self.moment(at);
        let status = |scope, instrument, state| VenueStatus {
            reserved: Pad::ZERO,
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
        for (index, market) in self.markets.iter_mut().enumerate() {
            self.flow.open(index, &market.book, &mut self.intents);
            market.execute(&mut self.intents, &mut self.outcomes);
            self.outcomes.clear();
            market.book.take_changes(&mut self.changes);
            self.changes.clear();
            out.push(when.event(status(
                VenueScope::Instrument,
                market.instrument,
                VenueState::Live,
            )));
            self.market_events += market.data.snapshot(when, &market.book, out);
            self.market_events += market.data.quote(when, &market.book, out);
        }
    }

    fn let_flow_act(&mut self, at: Timestamp, index: usize, out: &mut Vec<Event>) {
        let market = &mut self.markets[index];
        self.flow.act(at, index, &market.book, &mut self.intents);
        market.execute(&mut self.intents, &mut self.outcomes);
        self.settle(at, index, out);
    }

    fn end_day(&mut self, at: Timestamp, out: &mut Vec<Event>) {
        self.day_end = None;
        for index in 0..self.markets.len() {
            self.markets[index].book.end_day(&mut self.outcomes);
            self.settle(at, index, out);
        }
    }

    fn take_command(&mut self, at: Timestamp, out: &mut Vec<Event>) {
        let Some((_, command)) = self.broker.take_arrival(Timestamp::MAX) else {
            return;
        };
        let market = match command {
            Command::Submit { id, order } => self.submit(at, id, &order),
            Command::Modify {
                id,
                instrument,
                terms,
            } => self.modify(at, id, instrument, &terms),
            Command::Cancel { id, instrument } => self.cancel(at, id, instrument),
            Command::Snapshot { instrument } => {
                self.send_snapshot(at, instrument, out);
                None
            }
        };
        match market {
            Some(index) => self.settle(at, index, out),
            None => self.hand_out_answers(out),
        }
    }

    /// Puts an order into its book and returns the market, or rejects it.
    fn submit(&mut self, at: Timestamp, id: ClientOrderId, order: &Submit) -> Option<usize> {
        let Some(index) = self.market_of.get(&order.instrument).copied() else {
            self.broker.reject(at, id, order, Reason::UnknownInstrument);
            return None;
        };
        let book = &mut self.markets[index].book;
        let reference = book.best(order.side.opposite()).map(|level| level.price);
        let worst = match order.kind {
            OrderType::Market => book.reach(OUR_ACCOUNT, order.side, None, order.size).worst,
            _ => None,
        };
        let refusal = self
            .broker
            .check(id, order, reference, worst)
            .err()
            .or_else(|| book.refusal(&book_order(OURS, order)));
        if let Some(reason) = refusal {
            self.broker.reject(at, id, order, reason);
            return None;
        }
        self.broker.accept(at, id, order, worst);
        let book_id = OURS | self.broker.order(id)?.venue_id.0;
        self.ours.insert(book_id, id);
        book.submit(book_order(book_id, order), &mut self.outcomes);
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
        terms: &NewTerms,
    ) -> Option<usize> {
        if let Err(reason) = self.broker.check_modify(id, terms) {
            self.broker.reject_modify(at, id, instrument, reason);
            return None;
        }
        let (index, book_id) = self.find(id)?;
        self.markets[index]
            .book
            .modify(book_id, terms, &mut self.outcomes);
        Some(index)
    }

    fn cancel(
        &mut self,
        at: Timestamp,
        id: ClientOrderId,
        instrument: InstrumentId,
    ) -> Option<usize> {
        let Some((index, book_id)) = self.find(id) else {
            self.broker.reject_cancel(at, id, instrument);
            return None;
        };
        self.markets[index].book.cancel(book_id, &mut self.outcomes);
        Some(index)
    }

    /// Returns the market of a working order of ours, and its id in the book.
    fn find(&self, id: ClientOrderId) -> Option<(usize, u64)> {
        let order = self.broker.order(id)?;
        Some((
            *self.market_of.get(&order.terms.instrument)?,
            OURS | order.venue_id.0,
        ))
    }

    fn send_snapshot(&mut self, at: Timestamp, instrument: InstrumentId, out: &mut Vec<Event>) {
        let when = self.moment(at);
        if let Some(index) = self
            .market_of
            .get(&instrument)
            .filter(|_| self.phase == Phase::Open)
        {
            let market = &mut self.markets[*index];
            self.market_events += market.data.snapshot(when, &market.book, out);
        }
    }

    /// Records the outcomes of our orders, then publishes the changes of the market.
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
            self.broker.report_balances(at);
        }
        self.hand_out_answers(out);
        let market = &mut self.markets[index];
        market.book.take_changes(&mut self.changes);
        if self.phase == Phase::Open {
            self.market_events += market.data.trades(when, &outcomes, out);
            self.market_events += market.data.deltas(when, &mut self.changes, out);
            self.market_events += market.data.quote(when, &market.book, out);
        }
        self.changes.clear();
        outcomes.clear();
        self.outcomes = outcomes;
    }

    /// Numbers a trade and fills our side of it. True if there was one.
    fn record_trade(&mut self, at: Timestamp, index: usize, trade: &Match) -> bool {
        let number = self.markets[index].data.number_trade();
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
                    .broker
                    .fill_numbered(at, id, number, price, size, liquidity)
            {
                self.ours.remove(&book_id);
            }
        }
        true
    }

    /// Reports the outcome of an order, if it is ours.
    fn answer(&mut self, at: Timestamp, index: usize, book_id: u64, outcome: MatchOutcome) {
        if book_id & OURS == 0 {
            return;
        }
        let Some(id) = self.ours.get(&book_id).copied() else {
            return;
        };
        let done = match outcome {
            MatchOutcome::Triggered { .. } => {
                // The reservation stays at the stop price; the order pays the book's price, as a real stop does.
                let kept = self.broker.trigger(at, id, None);
                debug_assert!(
                    kept.is_ok(),
                    "the same reservation can always be made again"
                );
                false
            }
            MatchOutcome::Replaced { terms, .. } => {
                self.broker.modify(at, id, &terms);
                false
            }
            MatchOutcome::ModifyRejected { reason, .. } => {
                self.broker
                    .reject_modify(at, id, self.markets[index].instrument, reason);
                false
            }
            MatchOutcome::Canceled { .. } => {
                self.broker.cancel(at, id, Reason::Normal);
                true
            }
            MatchOutcome::Expired {
                reason: Reason::NoLiquidity,
                ..
            } => {
                self.broker.cancel(at, id, Reason::NoLiquidity);
                true
            }
            MatchOutcome::Expired { reason, .. } => {
                self.broker.expire(at, id, reason);
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
        while let Some(answer) = self.broker.take_answer(Timestamp::MAX) {
            out.push(answer);
        }
    }
}

impl Market {
    fn execute(&mut self, intents: &mut Vec<FlowIntent>, outcomes: &mut Vec<MatchOutcome>) {
        for intent in intents.drain(..) {
            match intent {
                FlowIntent::Submit(order) => self.book.submit(order, outcomes),
                FlowIntent::Cancel(id) => self.book.cancel(id, outcomes),
                FlowIntent::Reduce { id, price, size } => {
                    let terms = NewTerms {
                        price,
                        stop_price: Price::ZERO,
                        size,
                    };
                    self.book.modify(id, &terms, outcomes)
                }
            }
        }
    }
}

/// Converts an order of ours for the book.
fn book_order(id: u64, order: &Submit) -> BookOrder {
    BookOrder {
        id,
        account: OUR_ACCOUNT,
        side: order.side,
        kind: order.kind,
        time_in_force: order.time_in_force,
        post_only: order.post_only(),
        size: order.size,
        price: order.price,
        stop_price: order.stop_price,
    }
}
