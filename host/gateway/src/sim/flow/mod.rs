//! The other participants of the exchange: a seeded, lively order flow.
//!
//! A latent fair value moves underneath. Providers keep a ladder of limit orders around it
//! and replace those that have become stale; takers come in bursts, some at random, some after the trend, some because
//! the book lags behind the fair value. All of them are orders in the same book as ours: they fill ours, ours fill
//! them, and both see the result.
//!
//! Arrivals are a Poisson process in event time, faster within a burst. Each instrument draws from a stream of its own,
//! so events in one book do not shift the random numbers of another.

mod latent;

use super::config::{SimConfig, SimInstrument};
use super::matching::{BookOrder, OrderBook};
use crate::sim::rng::SimRng;
use latent::Latent;
use tickdeck_model::{OrderType, Price, Side, Size, TimeInForce, Timestamp};

/// Limit orders that the providers keep per side.
const LADDER: usize = 36;
/// Distance of a provider's order from the one before it, in ticks.
const SPACING_TICKS: f64 = 0.6;
/// Distance of the innermost provider's order from the fair value, in ticks.
const HALF_SPREAD_TICKS: f64 = 0.7;
/// Share of arrivals that are takers, outside of bursts.
const TAKER_SHARE: f64 = 0.10;
/// Chance that a taker starts a burst, and the longest burst.
const BURST_CHANCE: f64 = 0.22;
const LONGEST_BURST: u64 = 9;
/// Factor by which arrivals within a burst are faster.
const BURST_HASTE: f64 = 12.0;
/// Takers never pay more than this beyond the best price.
const TAKER_REACH_TICKS: i64 = 6;
/// Market events per arrival, measured over the default configuration.
const EVENTS_PER_ARRIVAL: f64 = 1.7;

/// An action of another participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowIntent {
    /// Sends an order.
    Submit(BookOrder),
    /// Takes one off the book.
    Cancel(u64),
    /// Lowers an order's total size, keeping its place.
    Reduce {
        /// The order.
        id: u64,
        /// Its price, which stays.
        price: Price,
        /// The new total size.
        size: Size,
    },
}

/// The flow of all instruments.
#[derive(Debug)]
pub struct Flow {
    latent: Latent,
    crowds: Vec<Crowd>,
}

/// The other participants of one instrument.
#[derive(Debug)]
struct Crowd {
    rng: SimRng,
    next_at: Timestamp,
    mean_gap_ns: f64,
    tick: i64,
    lot: i64,
    usual_size: f64,
    next_id: u64,
    bids: [Option<u64>; LADDER],
    asks: [Option<u64>; LADDER],
    burst: Option<(Side, u64)>,
    /// Averages of the mid price in ticks that the trend followers watch.
    fast_mid: f64,
    slow_mid: f64,
}

impl Flow {
    /// The flow of a configuration; the first arrivals come after its start.
    pub fn new(config: &SimConfig) -> Self {
        let mean_gap_ns = EVENTS_PER_ARRIVAL * config.instruments.len() as f64 * 1e9
            / f64::from(config.events_per_second);
        let crowds = config.instruments.iter().zip(1u64..);
        Self {
            latent: Latent::new(config),
            crowds: crowds
                .map(|(listed, stream)| Crowd::new(config, listed, stream, mean_gap_ns))
                .collect(),
        }
    }

    /// Returns the time of the next arrival, and its instrument (by index in the configuration).
    pub fn next_arrival(&self) -> (Timestamp, usize) {
        let mut next = (Timestamp::MAX, 0);
        for (index, crowd) in self.crowds.iter().enumerate() {
            if crowd.next_at < next.0 {
                next = (crowd.next_at, index);
            }
        }
        next
    }

    /// Appends the orders of an instrument's opening book.
    pub fn open(&mut self, index: usize, book: &OrderBook, out: &mut Vec<FlowIntent>) {
        let fair = self.latent.fair_ticks(index);
        let crowd = &mut self.crowds[index];
        (crowd.fast_mid, crowd.slow_mid) = (fair, fair);
        for place in 0..LADDER {
            for side in [Side::Buy, Side::Sell] {
                crowd.quote(side, place, fair, book, out);
            }
        }
    }

    /// Performs the arrival that [`Flow::next_arrival`] named, on the current book.
    pub fn act(
        &mut self,
        at: Timestamp,
        index: usize,
        book: &OrderBook,
        out: &mut Vec<FlowIntent>,
    ) {
        self.latent.advance_to(at);
        let fair = self.latent.fair_ticks(index);
        self.crowds[index].act(fair, book, out);
    }
}

impl Crowd {
    fn new(config: &SimConfig, listed: &SimInstrument, stream: u64, mean_gap_ns: f64) -> Self {
        let mut crowd = Self {
            rng: SimRng::new(config.seed, stream),
            next_at: config.start,
            mean_gap_ns,
            tick: listed.tick.0,
            lot: listed.lot.0,
            usual_size: listed.usual_size.0 as f64,
            next_id: 1,
            bids: [None; LADDER],
            asks: [None; LADDER],
            burst: None,
            fast_mid: 0.0,
            slow_mid: 0.0,
        };
        crowd.schedule();
        crowd
    }

    fn schedule(&mut self) {
        let haste = if self.burst.is_some() {
            BURST_HASTE
        } else {
            1.0
        };
        let gap_ns = self.rng.exponential() * self.mean_gap_ns / haste;
        self.next_at = self.next_at.saturating_add(1 + gap_ns as i64);
    }

    fn act(&mut self, fair: f64, book: &OrderBook, out: &mut Vec<FlowIntent>) {
        let bid = book.best(Side::Buy).map(|level| level.price.0 / self.tick);
        let ask = book.best(Side::Sell).map(|level| level.price.0 / self.tick);
        if let (Some(bid), Some(ask)) = (bid, ask) {
            let mid = (bid + ask) as f64 * 0.5;
            self.fast_mid += (mid - self.fast_mid) * 0.02;
            self.slow_mid += (mid - self.slow_mid) * 0.004;
        }
        if self.burst.is_some() || self.rng.chance(TAKER_SHARE) {
            self.take(fair, bid, ask, book, out);
        } else {
            let side = if self.rng.chance(0.5) {
                Side::Buy
            } else {
                Side::Sell
            };
            // The square favours the inner places, which become stale first.
            let place = self.rng.unit();
            self.quote(
                side,
                (place * place * LADDER as f64) as usize,
                fair,
                book,
                out,
            );
        }
        self.schedule();
    }

    /// A provider maintains one place of its ladder.
    fn quote(
        &mut self,
        side: Side,
        place: usize,
        fair: f64,
        book: &OrderBook,
        out: &mut Vec<FlowIntent>,
    ) {
        let wanted = self.provider_price(side, place, fair, book);
        if wanted <= 0 {
            return;
        }
        let resting = self.ladder(side)[place]
            .and_then(|id| book.order(id))
            .copied();
        if let Some(resting) = resting {
            let lag_ticks = (resting.order.price.0 / self.tick - wanted).abs();
            let left = resting.left().0;
            if lag_ticks <= 1 + place as i64 / 6 {
                let size = resting.filled.0 + self.whole_lots(left as f64 * 0.6);
                if self.rng.chance(0.4) && size < resting.order.size.0 {
                    let BookOrder { id, price, .. } = resting.order;
                    out.push(FlowIntent::Reduce {
                        id,
                        price,
                        size: Size(size),
                    });
                }
                return;
            }
            out.push(FlowIntent::Cancel(resting.order.id));
        }
        let size = self.usual_size * (0.4 + self.rng.exponential()) * (1.0 + place as f64 * 0.08);
        let order = self.order(side, wanted, size, TimeInForce::Gtc);
        self.ladder(side)[place] = Some(order.id);
        out.push(FlowIntent::Submit(BookOrder {
            post_only: true,
            ..order
        }));
    }

    /// Returns the price that a provider wants, in ticks, never through the other side.
    fn provider_price(&mut self, side: Side, place: usize, fair: f64, book: &OrderBook) -> i64 {
        let distance = HALF_SPREAD_TICKS + SPACING_TICKS * place as f64 + self.rng.unit();
        let other = book
            .best(side.opposite())
            .map(|level| level.price.0 / self.tick);
        match side {
            Side::Buy => {
                let wanted = (fair - distance) as i64;
                other.map_or(wanted, |ask| wanted.min(ask - 1))
            }
            Side::Sell => {
                let wanted = (fair + distance) as i64 + 1;
                other.map_or(wanted, |bid| wanted.max(bid + 1))
            }
        }
    }

    /// A taker arrives, or the next one of its burst.
    fn take(
        &mut self,
        fair: f64,
        bid: Option<i64>,
        ask: Option<i64>,
        book: &OrderBook,
        out: &mut Vec<FlowIntent>,
    ) {
        let side = match self.burst {
            Some((side, _)) => side,
            None => self.taker_side(fair, bid, ask),
        };
        self.burst = match self.burst {
            Some((side, left)) => (left > 1).then(|| (side, left - 1)),
            None if self.rng.chance(BURST_CHANCE) => {
                Some((side, 1 + self.rng.below(LONGEST_BURST)))
            }
            None => None,
        };
        let Some(best) = (if side == Side::Buy { ask } else { bid }) else {
            return;
        };
        // Takers leave a thin side alone, so that they never empty it.
        if book
            .levels(side.opposite())
            .nth(TAKER_REACH_TICKS as usize + 1)
            .is_none()
        {
            return;
        }
        let reach = self.rng.below(TAKER_REACH_TICKS as u64 + 1) as i64;
        let (small, heavy) = (self.rng.exponential(), self.rng.exponential());
        let size = self.usual_size * 0.7 * small * heavy;
        let limit = (best + reach * side.sign()).max(1);
        let order = self.order(side, limit, size, TimeInForce::Ioc);
        out.push(FlowIntent::Submit(order));
    }

    fn taker_side(&mut self, fair: f64, bid: Option<i64>, ask: Option<i64>) -> Side {
        // A taker that sees the book behind the fair value buys when it is too cheap and sells when it is too dear.
        if self.rng.chance(0.75) {
            if ask.is_some_and(|ask| (ask as f64) < fair - 0.5) {
                return Side::Buy;
            }
            if bid.is_some_and(|bid| bid as f64 > fair + 0.5) {
                return Side::Sell;
            }
        }
        let trend = self.fast_mid - self.slow_mid;
        let follows = self.rng.chance(0.4) && !(-0.5..=0.5).contains(&trend);
        let up = if follows {
            trend > 0.0
        } else {
            self.rng.chance(0.5)
        };
        if up { Side::Buy } else { Side::Sell }
    }

    fn order(
        &mut self,
        side: Side,
        price_ticks: i64,
        size: f64,
        time_in_force: TimeInForce,
    ) -> BookOrder {
        let id = self.next_id;
        self.next_id += 1;
        BookOrder {
            id,
            account: None,
            side,
            kind: OrderType::Limit,
            time_in_force,
            post_only: false,
            size: Size(self.whole_lots(size)),
            price: Price(price_ticks * self.tick),
            stop_price: Price::ZERO,
        }
    }

    fn ladder(&mut self, side: Side) -> &mut [Option<u64>; LADDER] {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    /// At least one lot.
    fn whole_lots(&self, size: f64) -> i64 {
        (size as i64 / self.lot).max(1) * self.lot
    }
}
