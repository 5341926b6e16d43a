//! A fill folded into the account, its strategy's book and its order.
//!
//! Each order is filled in two parts, so that half of the fills end one. Positions open, grow, shrink, close and turn
//! over on the way. Sending and accepting the orders is not timed.

use crate::effort::Effort;
use crate::row::{Claim, Goal, Row, interleave};
use anyhow::{Context, Result};
use std::collections::HashMap;
use std::time::Instant;
use tickdeck_model::{
    AccountId, Amount, Currency, CurrencyId, Event, Fill, Instrument, InstrumentId, Liquidity,
    OrderStatus, OrderType, OrderUpdate, Pad, Price, Reason, Side, Size, StrategyId, Submit,
    TimeInForce, VenueId,
};
use tickdeck_portfolio::Portfolio;

const STRATEGIES: u32 = 4;
const INSTRUMENTS: u32 = 3;
/// Orders of one strategy that work at a time.
const ORDERS: u64 = 64;
/// Orders of all strategies that work at a time.
const ALL_ORDERS: u64 = ORDERS * STRATEGIES as u64;
const QUOTE: CurrencyId = CurrencyId(INSTRUMENTS);

pub(super) fn run(effort: &Effort) -> Result<Row> {
    let mut store = store()?;
    let mut sums: Sums = HashMap::new();
    let tapes = (effort.events as u64).div_ceil(2 * ALL_ORDERS);
    let (mut folded_so_far, mut added_so_far) = (0, 0);
    let [folded, added] = interleave(
        effort.rounds,
        [
            &mut || per_fill(&mut folded_so_far, tapes, |tape| fold(&mut store, tape)),
            &mut || per_fill(&mut added_so_far, tapes, |tape| Ok(add(&mut sums, tape))),
        ],
    )?;
    let claim = Claim {
        bench: "portfolio/fill",
        unit: "ns/fill",
        against: "size and cost added up, unchecked, in a HashMap by strategy and instrument",
        goal: Some(Goal::Value(60.0)),
        more_is_better: false,
    };
    Ok(claim.row(&folded, &added))
}

/// Time per fill over the next `tapes` tapes; `take` returns the time that the fills of one took, in ns.
fn per_fill(
    so_far: &mut u64,
    tapes: u64,
    mut take: impl FnMut(&Tape) -> Result<u128>,
) -> Result<f64> {
    let mut ns = 0;
    for number in *so_far..*so_far + tapes {
        ns += take(&Tape::new(number))?;
    }
    *so_far += tapes;
    Ok(ns as f64 / (tapes * 2 * ALL_ORDERS) as f64)
}

/// A replica with a book for each strategy.
fn store() -> Result<Portfolio> {
    let instruments: Vec<_> = (0..INSTRUMENTS).map(instrument).collect();
    let currencies: Vec<_> = (0..=QUOTE.0).map(currency).collect();
    let mut store = Portfolio::new(&instruments, &currencies);
    store.open_account(VenueId(0), QUOTE, Amount(1_000_000 * 100_000_000));
    for strategy in (0..STRATEGIES).map(StrategyId) {
        store.open_strategy(strategy, &[(QUOTE, Amount(100_000 * 100_000_000))], 1);
    }
    Ok(store)
}

/// Sends a tape's orders and has them accepted, then folds its fills against the clock.
fn fold(store: &mut Portfolio, tape: &Tape) -> Result<u128> {
    for (strategy, order) in &tape.orders {
        store.intend(*strategy, order)?;
        for status in [OrderStatus::Submitted, OrderStatus::Accepted] {
            store.apply(&update(*strategy, order, status))?;
        }
    }
    let started = Instant::now();
    for fill in &tape.fills {
        store.apply(fill)?;
    }
    let elapsed = started.elapsed();
    let book = store.book(StrategyId(0)).context("it was opened")?;
    anyhow::ensure!(book.order_count() == 0, "every order is filled");
    Ok(elapsed.as_nanos())
}

/// A strategy's position in an instrument, and its cost.
type Sums = HashMap<(StrategyId, InstrumentId), (i64, i128)>;

/// The least that must be done with a fill to know a position.
fn add(sums: &mut Sums, tape: &Tape) -> u128 {
    let started = Instant::now();
    for event in &tape.fills {
        if let tickdeck_model::Body::Fill(fill) = event.body() {
            let (size, cost) = sums.entry((fill.strategy, fill.instrument)).or_default();
            let signed = fill.side.sign() * fill.size.0;
            *size += signed;
            *cost += i128::from(fill.price.0) * i128::from(signed);
        }
    }
    std::hint::black_box(&*sums);
    started.elapsed().as_nanos()
}

/// Orders of every strategy, and the fills that end them: first one part of each, then the rest.
struct Tape {
    orders: Vec<(StrategyId, Submit)>,
    fills: Vec<Event>,
}

impl Tape {
    fn new(number: u64) -> Self {
        let orders: Vec<_> = (0..ALL_ORDERS)
            .map(|at| {
                let strategy = StrategyId(at as u32 % STRATEGIES);
                (
                    strategy,
                    submit(1 + number * ORDERS + at / u64::from(STRATEGIES), at),
                )
            })
            .collect();
        let first = orders.iter().map(|(strategy, order)| {
            let part = Size(order.size.0 / 3);
            fill(*strategy, order, part)
        });
        let rest = orders.iter().map(|(strategy, order)| {
            let part = Size(order.size.0 - order.size.0 / 3);
            fill(*strategy, order, part)
        });
        let fills = first.chain(rest).collect();
        Self { orders, fills }
    }
}

/// Mixes its input (splitmix64), so that sides, sizes and prices look drawn and are the same every time.
const fn mixed(seed: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn submit(number: u64, at: u64) -> Submit {
    let drawn = mixed(number ^ at << 48);
    let side = if drawn & 0x100 == 0 {
        Side::Buy
    } else {
        Side::Sell
    };
    Submit {
        order: number,
        instrument: InstrumentId(drawn as u8 as u32 % INSTRUMENTS),
        side,
        kind: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        size: Size(1_000 + (drawn >> 16 & 0x3fff) as i64),
        price: Price(6_000_000 + (drawn >> 32 & 0xfff) as i64),
        stop_price: Price(0),
        ..Submit::EMPTY
    }
}

fn update(strategy: StrategyId, order: &Submit, status: OrderStatus) -> Event {
    let update = OrderUpdate {
        account: AccountId(0),
        reserved: Pad::ZERO,
        stop_price: Price::ZERO,
        instrument: order.instrument,
        strategy,
        order: order.order,
        price: order.price,
        size: order.size,
        filled: Size(0),
        status,
        reason: Reason::Normal,
        side: order.side,
        pad: Pad::ZERO,
    };
    Event::new(1, 1, update)
}

fn fill(strategy: StrategyId, order: &Submit, size: Size) -> Event {
    let fill = Fill {
        account: AccountId(0),
        reserved: Pad::ZERO,
        instrument: order.instrument,
        strategy,
        order: order.order,
        trade_id: order.order,
        price: order.price,
        size,
        fee: Amount(size.0 * 3),
        fee_currency: QUOTE,
        side: order.side,
        liquidity: Liquidity::Maker,
        pad: Pad::ZERO,
    };
    Event::new(2, 2, fill)
}

fn instrument(id: u32) -> Instrument {
    Instrument {
        id: InstrumentId(id),
        venue: VenueId(0),
        symbol: format!("I{id}.BENCH"),
        base: CurrencyId(id),
        quote: QUOTE,
        price_scale: 2,
        size_scale: 5,
        quote_scale: 8,
        tick: Price(1),
        lot: Size(1),
        min_notional: Amount(0),
    }
}

fn currency(id: u32) -> Currency {
    Currency {
        id: CurrencyId(id),
        code: format!("C{id}"),
        scale: 8,
    }
}
