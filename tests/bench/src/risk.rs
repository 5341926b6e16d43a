//! `risk`: the cost of the checks of one order, with every limit set and every order within the limits: `order` for the
//! middleware alone, `routed` with the router's lookups and sums.
//!
//! Each order is timed separately, because the slow ones matter. The figures include the cost of reading the clock; the
//! baseline, the same loop around a middleware that passes everything, shows it.

use crate::effort::Effort;
use crate::row::{Claim, Goal, Row};
use anyhow::{Context, Result, anyhow};
use hdrhistogram::Histogram;
use std::collections::HashMap;
use std::hint::black_box;
use std::time::Instant;
use tickdeck_engine::middleware::{Denial, OrderChange, OrderContext, OrderMiddleware, Risk};
use tickdeck_engine::{Checks, InstrumentLimits, Mode, OrderLimits, OrderRate, RiskConfig};
use tickdeck_model::{
    AccountId, Amount, Currency, CurrencyId, Event, Fill, Instrument, InstrumentId, Liquidity,
    OrderType, Pad, Price, Quote, Side, Size, StrategyId, Submit, TimeInForce, Timestamp, VenueId,
};
use tickdeck_portfolio::Portfolio;

const INSTRUMENTS: u32 = 3;
const STRATEGIES: u32 = 4;

/// The working orders of one strategy during the measurement.
const WORKING: u32 = 60;

/// Event time between two orders: the 100 orders a second of the default rate, from each strategy.
const GAP_NS: i64 = 10_000_000 / STRATEGIES as i64;

/// Within it are the last ten orders of a strategy, with which each is compared.
const DUPLICATE_WINDOW_NS: u64 = 100_000_000;

pub(crate) fn run(effort: &Effort) -> Result<Vec<Row>> {
    let (mut risk, mut open) = (Checker::new(Risk::new(limits())), Checker::new(Open));
    let (mut checked, mut passed) = (Rounds::default(), Rounds::default());
    for round in 0..=effort.rounds {
        let (with, without) = (risk.round(effort.events)?, open.round(effort.events)?);
        if round > 0 {
            checked.take(&with);
            passed.take(&without);
        }
    }
    let claim = |bench, goal: Option<f64>| Claim {
        bench,
        unit: "ns",
        against: "the same loop around a check that lets everything pass",
        goal: goal.map(Goal::Value),
        more_is_better: false,
    };
    let mut routed = Rounds::default();
    let mut router = Routed::new()?;
    for round in 0..=effort.rounds {
        let took = router.round(effort.events)?;
        if round > 0 {
            routed.take(&took);
        }
    }
    Ok(vec![
        claim("risk/routed/p50", None).row(&routed.p50, &passed.p50),
        claim("risk/routed/p99", Some(500.0)).row(&routed.p99, &passed.p99),
        claim("risk/routed/p99.9", None).row(&routed.p999, &passed.p999),
        claim("risk/order/p50", None).row(&checked.p50, &passed.p50),
        claim("risk/order/p99", Some(500.0)).row(&checked.p99, &passed.p99),
        claim("risk/order/p99.9", None).row(&checked.p999, &passed.p999),
    ])
}

/// Quantiles of each round.
#[derive(Default)]
struct Rounds {
    p50: Vec<f64>,
    p99: Vec<f64>,
    p999: Vec<f64>,
}

impl Rounds {
    fn take(&mut self, round: &Histogram<u64>) {
        let at = |quantile| round.value_at_quantile(quantile) as f64;
        self.p50.push(at(0.5));
        self.p99.push(at(0.99));
        self.p999.push(at(0.999));
    }
}

/// Passes everything.
struct Open;

impl OrderMiddleware for Open {
    fn check(&mut self, _: &Submit, _: &OrderContext<'_>) -> Result<(), Denial> {
        Ok(())
    }

    fn check_change(&mut self, _: &OrderChange, _: &OrderContext<'_>) -> Result<(), Denial> {
        Ok(())
    }
}

/// A middleware as the router holds it, and the orders that it checks.
struct Checker {
    middleware: Box<dyn OrderMiddleware>,
    instruments: Vec<Instrument>,
    sent: u64,
}

impl Checker {
    fn new(middleware: impl OrderMiddleware + 'static) -> Self {
        Self {
            middleware: Box::new(middleware),
            instruments: (0..INSTRUMENTS).map(instrument).collect(),
            sent: 0,
        }
    }

    /// Checks `orders` orders and times each.
    fn round(&mut self, orders: usize) -> Result<Histogram<u64>> {
        let mut took_ns = Histogram::new(3)?;
        for _ in 0..orders {
            let (order, situation) = (order(self.sent), situation(self.sent, &self.instruments));
            let started = Instant::now();
            let verdict = self.middleware.check(black_box(&order), &situation);
            let elapsed = started.elapsed();
            verdict.map_err(|denial| anyhow!("{}: {}", denial.reason.code(), denial.values))?;
            took_ns.record(u64::try_from(elapsed.as_nanos())?)?;
            self.sent += 1;
        }
        Ok(took_ns)
    }
}

/// The router's checks: the same orders, including the lookups of each: the last quote, the position, and the exposure of
/// the strategy's [`WORKING`] working orders.
struct Routed {
    checks: Checks,
    instruments: Vec<Instrument>,
    sent: u64,
}

impl Routed {
    fn new() -> Result<Self> {
        let instruments: Vec<_> = (0..INSTRUMENTS).map(instrument).collect();
        let currencies: Vec<_> = (0..=INSTRUMENTS).map(currency).collect();
        let mut store = Portfolio::new(&instruments, &currencies);
        for strategy in (0..STRATEGIES).map(StrategyId) {
            store.open_strategy(strategy, &[], 1);
            for instrument in (0..INSTRUMENTS).map(InstrumentId) {
                // The order is of an earlier run and no longer known, which is reported; the position is taken in.
                let _ = store.apply(&Event::new(1, 1, fill(strategy, instrument)));
            }
        }
        let mut checks = Checks::new(instruments.clone(), limits(), store);
        for strategy in (0..STRATEGIES).map(StrategyId) {
            for number in 0..WORKING {
                let at_work = Submit {
                    size: Size(60_000 / (WORKING / INSTRUMENTS) as i64),
                    side: if (number / INSTRUMENTS).is_multiple_of(2) {
                        Side::Buy
                    } else {
                        Side::Sell
                    },
                    instrument: InstrumentId(number % INSTRUMENTS),
                    ..order(u64::from(number))
                };
                checks.put_to_work(strategy, &at_work);
            }
        }
        Ok(Self {
            checks,
            instruments,
            sent: 0,
        })
    }

    fn round(&mut self, orders: usize) -> Result<Histogram<u64>> {
        let mut took_ns = Histogram::new(3)?;
        for _ in 0..orders {
            let order = order(self.sent);
            let OrderContext {
                now,
                strategy,
                quote,
                ..
            } = situation(self.sent, &self.instruments);
            let (quote, came) = quote.context("the market is quoted")?;
            self.checks.on_event(&Event::new(came, came, quote));
            let started = Instant::now();
            let verdict = self.checks.check(strategy, black_box(&order), now);
            let elapsed = started.elapsed();
            verdict.map_err(|denial| anyhow!("{}: {}", denial.reason.code(), denial.values))?;
            took_ns.record(u64::try_from(elapsed.as_nanos())?)?;
            self.sent += 1;
        }
        Ok(took_ns)
    }
}

fn fill(strategy: StrategyId, instrument: InstrumentId) -> Fill {
    Fill {
        account: AccountId(0),
        reserved: Pad::ZERO,
        instrument,
        strategy,
        order: 1,
        trade_id: 1,
        price: Price(6_000_000),
        size: Size(20_000),
        fee: Amount(0),
        fee_currency: CurrencyId(INSTRUMENTS),
        side: Side::Buy,
        liquidity: Liquidity::Taker,
        pad: Pad::ZERO,
    }
}

fn currency(id: u32) -> Currency {
    Currency {
        id: CurrencyId(id),
        code: format!("C{id}"),
        scale: 8,
    }
}

/// Every limit, none of which the orders violate.
fn limits() -> RiskConfig {
    let ids = || (0..INSTRUMENTS).map(InstrumentId);
    let of_strategy = OrderLimits {
        max_notional: Some(Amount(25_000)),
        max_position_notional: Some(Amount(100_000)),
        collar_bps: Some(500),
        order_rate: Some(OrderRate {
            orders: 101,
            window_ns: 1_000_000_000,
        }),
        duplicate_window_ns: Some(DUPLICATE_WINDOW_NS),
        max_quote_age_ns: Some(5_000_000_000),
        allow: Some(ids().collect()),
        publish: None,
        order_types: Some(vec![
            OrderType::Market,
            OrderType::Limit,
            OrderType::Stop,
            OrderType::StopLimit,
        ]),
        max_sizes: ids().map(|id| (id, Size(50_000))).collect(),
    };
    let of_instrument = InstrumentLimits {
        max_size: Some(Size(50_000)),
        max_position: Some(Size(200_000)),
    };
    RiskConfig {
        default: OrderLimits::default(),
        strategies: (0..STRATEGIES)
            .map(|id| (StrategyId(id), of_strategy.clone()))
            .collect(),
        instruments: ids()
            .map(|id| (id, of_instrument))
            .collect::<HashMap<_, _>>(),
    }
}

fn instrument(id: u32) -> Instrument {
    Instrument {
        id: InstrumentId(id),
        venue: VenueId(0),
        symbol: format!("I{id}.BENCH"),
        base: CurrencyId(id),
        quote: CurrencyId(INSTRUMENTS),
        price_scale: 2,
        size_scale: 5,
        quote_scale: 8,
        tick: Price(1),
        lot: Size(1),
        min_notional: Amount(5 * 100_000_000),
    }
}

/// Orders of every type in turn, around 60,000.00, none like the ones just before.
fn order(number: u64) -> Submit {
    let step = (number % 1_009) as i64;
    let kind = [
        OrderType::Limit,
        OrderType::StopLimit,
        OrderType::Market,
        OrderType::Stop,
    ][(number / u64::from(STRATEGIES) % 4) as usize];
    let given = |wanted, price| Price(if wanted { price } else { 0 });
    Submit {
        order: number + 1,
        instrument: InstrumentId((number % u64::from(INSTRUMENTS)) as u32),
        side: if step % 2 == 0 { Side::Buy } else { Side::Sell },
        kind,
        time_in_force: TimeInForce::Gtc,
        size: Size(1_000 + step),
        price: given(kind.has_price(), 6_000_000 + step),
        stop_price: given(kind.has_stop(), 6_000_100 + step),
        ..Submit::EMPTY
    }
}

/// A market quoted a moment ago, and a strategy that holds something and has orders working on both sides.
fn situation(number: u64, instruments: &[Instrument]) -> OrderContext<'_> {
    let now: Timestamp = 1_000_000_000 + number as i64 * GAP_NS;
    let at = (number % u64::from(INSTRUMENTS)) as usize;
    let quote = Quote {
        reserved: Pad::ZERO,
        instrument: instruments[at].id,
        pad: Pad::ZERO,
        bid: Price(6_000_000),
        bid_size: Size(100_000),
        ask: Price(6_000_100),
        ask_size: Size(100_000),
    };
    OrderContext {
        now,
        leaves_at: now,
        strategy: StrategyId((number % u64::from(STRATEGIES)) as u32),
        instrument: &instruments[at],
        quote: Some((quote, now - 1_000_000)),
        stale: false,
        killed: false,
        mode: Mode::Trade,
        position: Size(20_000),
        open_buys: Size(30_000),
        open_sells: Size(30_000),
    }
}
