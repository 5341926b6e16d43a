//! Describes the events of the simulated exchange and its speed, for a seed and a number of events:
//! `cargo run --release -p tickdeck-gateway --example sim_profile -- 7 100000`.

use std::time::Instant;
use tickdeck_engine::port::{Due, Gateway};
use tickdeck_gateway::sim::{Exchange, SimConfig};
use tickdeck_model::{Body, BookChange, Event, InstrumentId, Registry};

const EVENTS: u64 = 5_000_000;
/// As a kernel polls: up to the lookahead.
const POLL_NS: i64 = 1_000_000;

#[derive(Default)]
struct Profile {
    quotes: u64,
    trades: u64,
    book: u64,
    spread_ticks: Vec<u64>,
    levels: [std::collections::BTreeSet<i64>; 2],
    depth_sum: [u64; 2],
    last_trade_at: i64,
    bursts: u64,
    emas: Option<(f64, f64)>,
    crossings: u64,
    low: i64,
    high: i64,
}

fn main() {
    let argument = |at| {
        std::env::args()
            .nth(at)
            .and_then(|given: String| given.parse().ok())
    };
    let (seed, described) = (argument(1).unwrap_or(7), argument(2).unwrap_or(100_000));
    let config = SimConfig {
        seed,
        max_events: Some(EVENTS),
        ..SimConfig::default()
    };
    println!(
        "seed {seed}: {:.2} M market events a second",
        speed(&config) / 1e6
    );
    let config = SimConfig {
        max_events: Some(described),
        ..config
    };
    describe(&config);
}

fn speed(config: &SimConfig) -> f64 {
    let (mut exchange, _) = opened(config);
    let mut events = Vec::with_capacity(4_096);
    let started = Instant::now();
    while let Due::At(due) = exchange.next_due() {
        events.clear();
        exchange
            .poll(due + POLL_NS, &mut events)
            .expect("a simulated exchange has no source to break");
    }
    exchange.market_events() as f64 / started.elapsed().as_secs_f64()
}

fn describe(config: &SimConfig) {
    let (mut exchange, registry) = opened(config);
    let mut events = Vec::new();
    exchange
        .poll(i64::MAX, &mut events)
        .expect("a simulated exchange has no source to break");
    let mut profiles: Vec<Profile> = registry
        .instruments()
        .iter()
        .map(|_| Profile::default())
        .collect();
    for event in &events {
        if let Some(InstrumentId(index)) = event.instrument() {
            let tick = registry.instruments()[index as usize].tick.0;
            profiles[index as usize].take(event, tick);
        }
    }
    let seconds = events
        .last()
        .map_or(0.0, |last| (last.ts_venue - config.start) as f64 / 1e9);
    println!(
        "{} events in {seconds:.1} s: {:.0} a second",
        events.len(),
        events.len() as f64 / seconds
    );
    for (terms, profile) in registry.instruments().iter().zip(&mut profiles) {
        profile.print(&terms.symbol);
    }
}

fn opened(config: &SimConfig) -> (Exchange, Registry) {
    let mut registry = Registry::new();
    let mut exchange = Exchange::new(config.clone());
    exchange
        .register(&mut registry)
        .expect("an empty registry takes any terms");
    (exchange, registry)
}

impl Profile {
    fn take(&mut self, event: &Event, tick: i64) {
        match event.body() {
            Body::Quote(quote) => {
                self.quotes += 1;
                self.spread_ticks
                    .push(((quote.ask.0 - quote.bid.0) / tick) as u64);
                for side in 0..2 {
                    self.depth_sum[side] += self.levels[side].len() as u64;
                }
            }
            Body::Trade(trade) => {
                self.trades += 1;
                self.bursts += u64::from(event.ts_venue - self.last_trade_at > 2_000_000);
                self.last_trade_at = event.ts_venue;
                self.low = if self.low == 0 {
                    trade.price.0
                } else {
                    self.low.min(trade.price.0)
                };
                self.high = self.high.max(trade.price.0);
                self.cross(trade.price.0 as f64);
            }
            Body::Book(update) => {
                self.book += 1;
                let levels = &mut self.levels[update.side as usize];
                match (update.change, update.size.0) {
                    (BookChange::Clear, _) => self.levels = Default::default(),
                    (_, 0) => drop(levels.remove(&update.price.0)),
                    (_, _) => drop(levels.insert(update.price.0)),
                }
            }
            _ => {}
        }
    }

    /// Counts how often an average over 50 trades crosses one over 200.
    fn cross(&mut self, price: f64) {
        let (fast, slow) = self.emas.unwrap_or((price, price));
        let (new_fast, new_slow) = (
            fast + (price - fast) * 2.0 / 51.0,
            slow + (price - slow) * 2.0 / 201.0,
        );
        self.crossings += u64::from((fast > slow) != (new_fast > new_slow));
        self.emas = Some((new_fast, new_slow));
    }

    fn print(&mut self, symbol: &str) {
        self.spread_ticks.sort_unstable();
        let at =
            |share: f64| self.spread_ticks[(share * (self.spread_ticks.len() - 1) as f64) as usize];
        println!(
            "{symbol}: {} quotes, {} trades in {} bursts, {} book updates; spread {}/{}/{} ticks (median, 90 %, most); \
             {:.0}+{:.0} levels; {} crossings of EMA 50/200 trades; range {:.1} bp",
            self.quotes,
            self.trades,
            self.bursts,
            self.book,
            at(0.5),
            at(0.9),
            at(1.0),
            self.depth_sum[0] as f64 / self.quotes as f64,
            self.depth_sum[1] as f64 / self.quotes as f64,
            self.crossings,
            (self.high - self.low) as f64 / self.low as f64 * 1e4,
        );
    }
}
