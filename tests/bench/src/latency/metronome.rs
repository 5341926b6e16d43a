//! A venue that quotes at a steady pace, and cancels every order.

use super::setup::{register, since};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tickdeck_engine::port::{Command, Due, Gateway, GatewayError, VenueTerms};
use tickdeck_model::{
    AccountId, Event, InstrumentId, OrderStatus, OrderUpdate, Pad, Price, Quote, Reason, Registry,
    Size, Timestamp,
};

/// Quotes for each order.
pub(crate) const ORDER_EVERY: u64 = 20;

/// A venue that quotes at a steady pace, and cancels every order.
pub(crate) struct Metronome {
    pub(crate) epoch: Instant,
    pub(crate) interval_ns: i64,
    /// When the first quote is due; 0 until that is known.
    pub(crate) origin: Arc<AtomicI64>,
    first: Timestamp,
    quoted: i64,
    quotes: i64,
    answers: VecDeque<Event>,
    /// From when the quote of each order was due to when the order was in the queue.
    pub(crate) latencies: Arc<Mutex<Vec<u64>>>,
    /// When the last order was in the queue.
    pub(crate) last_order: Arc<AtomicI64>,
    queue: Vec<Command>,
}

impl Metronome {
    pub(crate) fn new(per_s: u64, quotes: u64) -> Self {
        let epoch = Instant::now();
        Self {
            epoch,
            interval_ns: 1_000_000_000 / per_s as i64,
            origin: Arc::default(),
            first: 0,
            quoted: 0,
            quotes: quotes as i64,
            answers: VecDeque::new(),
            latencies: Arc::default(),
            last_order: Arc::default(),
            queue: Vec::new(),
        }
    }

    fn due(&self, quote: i64) -> Timestamp {
        self.first + quote * self.interval_ns
    }
}

impl Gateway for Metronome {
    fn register(&mut self, registry: &mut Registry) -> Result<VenueTerms, GatewayError> {
        register(registry)
    }

    fn send(&mut self, _: Timestamp, command: Command) {
        self.queue.push(command);
        // The order is in the queue.
        let now = since(self.epoch);
        if let Some(Command::Submit { id, order }) = self.queue.pop() {
            self.last_order.store(now, Ordering::Release);
            // The n-th order is the answer to every n-th quote.
            let due = self.due((id.number * ORDER_EVERY) as i64 - 1);
            let took = u64::try_from(now - due).expect("an order comes after its quote is due");
            let latencies = self.latencies.lock();
            latencies.unwrap_or_else(PoisonError::into_inner).push(took);
            let canceled = OrderUpdate {
                account: AccountId(0),
                reserved: Pad::ZERO,
                stop_price: Price::ZERO,
                instrument: order.instrument,
                strategy: id.strategy,
                order: id.number,
                price: order.price,
                size: order.size,
                filled: Size::ZERO,
                status: OrderStatus::Canceled,
                reason: Reason::Normal,
                side: order.side,
                pad: Pad::ZERO,
            };
            self.answers.push_back(Event::new(now, now, canceled));
        }
    }

    fn next_due(&mut self) -> Due {
        if self.first == 0 {
            // Time for the threads to start.
            self.first = since(self.epoch) + 10_000_000;
            self.origin.store(self.first, Ordering::Release);
        }
        let answer = self.answers.front().map(|answer| answer.ts_host);
        let quote = (self.quoted < self.quotes).then(|| self.due(self.quoted));
        let next = answer.into_iter().chain(quote).min();
        next.map_or(Due::Over, Due::At)
    }

    fn poll(&mut self, until: Timestamp, out: &mut Vec<Event>) -> Result<(), GatewayError> {
        while self.quoted < self.quotes && self.due(self.quoted) < until {
            let due = self.due(self.quoted);
            let step = self.quoted % 100;
            let quote = Quote {
                reserved: Pad::ZERO,
                instrument: InstrumentId(0),
                pad: Pad::ZERO,
                bid: Price(6_000_000 + step),
                bid_size: Size(1_000),
                ask: Price(6_000_010 + step),
                ask_size: Size(1_000),
            };
            out.push(Event::new(due, due, quote));
            self.quoted += 1;
        }
        while let Some(answer) = self.answers.pop_front_if(|one| one.ts_host < until) {
            out.push(answer);
        }
        out.sort_by_key(|event| event.ts_host);
        Ok(())
    }
}
