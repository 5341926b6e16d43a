//! Properties of random streams over several strategies, instruments and currencies. A failure prints its seed.

use crate::fixture::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use tickdeck_model::{
    Amount, Body, CurrencyId, Event, Fill, InstrumentId, Money, OrderStatus, OrderUpdate, Price,
    Side, Size, StrategyId, Submit, VenueId,
};
use tickdeck_portfolio::{Portfolio, StrategyBook};

const STRATEGIES: [StrategyId; 3] = [ONE, TWO, THREE];

/// An operation on the portfolio, legal or not.
#[derive(Debug, Clone)]
enum Step {
    Intend(StrategyId, Submit),
    Fold(Event),
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Buy), Just(Side::Sell)]
}

fn instrument() -> impl Strategy<Value = InstrumentId> {
    (0..3u32).prop_map(InstrumentId)
}

fn order() -> impl Strategy<Value = (StrategyId, Submit)> {
    let parts = (
        0..STRATEGIES.len(),
        0..12u64,
        instrument(),
        side(),
        1..500i64,
        1..1_000_000i64,
    );
    parts.prop_map(|(strategy, number, instrument, side, size, price)| {
        (
            STRATEGIES[strategy],
            submit(number, instrument, side, size, price),
        )
    })
}

/// One order's life in a usual order, then disturbed: steps of several lives are mixed and some repeated or dropped.
fn life() -> impl Strategy<Value = Vec<Step>> {
    let fills = prop::collection::vec((1..300i64, -1_000..5_000i64, 0..3u32, 0..5u8), 0..5);
    let statuses = prop::collection::vec(prop::sample::select(OrderStatus::ALL), 0..5);
    (order(), fills, statuses, 1..600i64).prop_map(
        |((strategy, order), fills, statuses, resized)| {
            let mut steps = vec![Step::Intend(strategy, order)];
            let tell = |status| {
                let size = if status == OrderStatus::Replaced {
                    Size(resized)
                } else {
                    order.size
                };
                let update = OrderUpdate {
                    size,
                    ..update_of(strategy, &order, status)
                };
                Step::Fold(at(resized, update))
            };
            steps.extend([OrderStatus::Submitted, OrderStatus::Accepted].map(tell));
            let mut fills = fills.into_iter().map(|(size, fee, fee_currency, flip)| {
                // Now and then a fill that is not the order's.
                let side = if flip == 0 {
                    order.side.opposite()
                } else {
                    order.side
                };
                let (fee, fee_currency) = (Amount(fee), CurrencyId(fee_currency));
                let base = fill_of(strategy, &order);
                Step::Fold(at(
                    size,
                    Fill {
                        size: Size(size),
                        fee,
                        fee_currency,
                        side,
                        ..base
                    },
                ))
            });
            for status in statuses {
                steps.extend(fills.next());
                steps.push(tell(status));
            }
            steps.extend(fills);
            steps
        },
    )
}

/// Several lives, dealt into one stream.
fn stream() -> impl Strategy<Value = Vec<Step>> {
    let lives = prop::collection::vec(life(), 1..20);
    (
        lives,
        prop::collection::vec(any::<prop::sample::Index>(), 300),
    )
        .prop_map(|(lives, turns)| {
            let mut lives: Vec<_> = lives.into_iter().map(Vec::into_iter).collect();
            let mut steps = Vec::new();
            for turn in turns {
                if lives.is_empty() {
                    break;
                }
                let turn = turn.index(lives.len());
                match lives[turn].next() {
                    Some(step) => steps.push(step),
                    None => drop(lives.swap_remove(turn)),
                }
            }
            steps
        })
}

/// The totals of a portfolio, added up without any of its code.
#[derive(Default)]
struct Tally {
    notional: BTreeMap<(VenueId, CurrencyId), i128>,
    fees: BTreeMap<(VenueId, CurrencyId), i128>,
    sizes: BTreeMap<(StrategyId, InstrumentId), i64>,
}

impl Tally {
    fn add(&mut self, fill: &Fill) {
        let terms = &instruments()[fill.instrument.index()];
        let digits = 18 - terms.price_scale - terms.size_scale;
        let size = fill.size.0 * fill.side.sign();
        let notional = i128::from(fill.price.0) * i128::from(size) * 10i128.pow(digits.into());
        let fee_scale = currencies()[fill.fee_currency.index()].scale;
        let fee = i128::from(fill.fee.0) * 10i128.pow(u32::from(18 - fee_scale));
        *self.notional.entry((terms.venue, terms.quote)).or_default() += notional;
        *self
            .fees
            .entry((terms.venue, fill.fee_currency))
            .or_default() += fee;
        *self
            .sizes
            .entry((fill.strategy, fill.instrument))
            .or_default() += size;
    }
}

/// Takes a step; errors are part of the stream. Replicas without the strategy's book refuse its intents.
fn take(portfolio: &mut Portfolio, step: &Step) {
    let result = match step {
        Step::Intend(strategy, order) => portfolio.intend(*strategy, order),
        Step::Fold(event) => portfolio.apply(event),
    };
    if let (Step::Fold(event), Err(error)) = (step, result) {
        assert!(error.is_anomaly(), "{event:?}: {error}");
    }
}

fn filled(steps: &[Step]) -> impl Iterator<Item = Fill> {
    steps.iter().filter_map(|step| match step {
        Step::Fold(event) => match event.body() {
            Body::Fill(fill) => Some(fill),
            _ => None,
        },
        Step::Intend(..) => None,
    })
}

/// The sum of the costs of the account's positions at a venue in a currency.
fn cost_at(portfolio: &Portfolio, venue: VenueId, currency: CurrencyId) -> i128 {
    let terms = instruments();
    let at = |id: InstrumentId| terms[id.index()].venue == venue;
    let positions = portfolio.account().positions();
    let held = positions.filter(|held| at(held.instrument) && held.quote == currency);
    held.map(|held| held.cost.0).sum()
}

/// The size that may still be filled, summed independently.
fn exposure_of(book: &StrategyBook, instrument: InstrumentId) -> (Size, Size) {
    let sum = |side| {
        let orders = book
            .orders()
            .filter(|order| order.submit.instrument == instrument);
        Size(
            orders
                .filter(|order| order.submit.side == side)
                .map(|o| o.remaining().0)
                .sum(),
        )
    };
    (sum(Side::Buy), sum(Side::Sell))
}

proptest! {
    #[test]
    fn the_books_balance_to_the_last_digit_after_every_event(steps in stream()) {
        let mut portfolio = portfolio(&STRATEGIES);
        let openings = BTreeMap::from([((FOREX, USD), 1_000_000), ((CRYPTO, USD), 50_000)]);
        let mut tally = Tally::default();
        for step in &steps {
            take(&mut portfolio, step);
            filled(std::slice::from_ref(step)).for_each(|fill| tally.add(&fill));
            for cash in portfolio.account().cash() {
                let key = (cash.venue, cash.currency);
                let opening = openings.get(&key).copied().unwrap_or(0) * 10i128.pow(18);
                let spent = tally.notional.get(&key).copied().unwrap_or(0);
                let fees = tally.fees.get(&key).copied().unwrap_or(0);
                prop_assert_eq!(cash.opening.0, opening);
                prop_assert_eq!(cash.fees.0, fees);
                prop_assert_eq!(cash.cash().0, opening - spent - fees);
                let cost = cost_at(&portfolio, cash.venue, cash.currency);
                prop_assert_eq!(cash.cash().0 + cost, opening + cash.realised.0 - fees);
                prop_assert_eq!(cash.cash().0 + cost, cash.balance().0);
            }
        }
    }

    #[test]
    fn the_account_is_the_sum_of_its_strategies(steps in stream()) {
        let mut portfolio = portfolio(&STRATEGIES);
        steps.iter().for_each(|step| take(&mut portfolio, step));
        let mut tally = Tally::default();
        filled(&steps).for_each(|fill| tally.add(&fill));

        for instrument in instruments() {
            let id = instrument.id;
            let of_books: Vec<_> = portfolio.strategies().filter_map(|(_, b)| b.position(id)).collect();
            let Some(all) = portfolio.account().position(id) else {
                prop_assert!(of_books.is_empty());
                continue;
            };
            prop_assert_eq!(all.size.0, of_books.iter().map(|part| part.size.0).sum::<i64>());
            prop_assert_eq!(all.fees.0, of_books.iter().map(|part| part.fees.0).sum::<i128>());
            // Netting moves results between cost and realised, never in or out of their difference.
            let spent = |part: &tickdeck_portfolio::Position| part.cost.0 - part.realised.0;
            prop_assert_eq!(spent(all), of_books.iter().map(|part| spent(part)).sum::<i128>());
        }
        for (strategy, book) in portfolio.strategies() {
            for id in instruments().iter().map(|terms| terms.id) {
                let size = tally.sizes.get(&(strategy, id)).copied().unwrap_or(0);
                prop_assert_eq!(book.position_size(id), Size(size));
            }
        }
        for currency in [USD, EUR, BNB] {
            let books = portfolio.strategies().filter_map(|(_, book)| book.capital_in(currency));
            let of_books: i128 = books.map(|capital| capital.fees.0).sum();
            let cash = portfolio.account().cash().filter(|cash| cash.currency == currency);
            prop_assert_eq!(of_books, cash.map(|cash| cash.fees.0).sum::<i128>());
        }
    }

    #[test]
    fn a_strategys_capital_is_what_its_positions_made(steps in stream()) {
        let mut portfolio = portfolio(&STRATEGIES);
        steps.iter().for_each(|step| take(&mut portfolio, step));
        for (strategy, book) in portfolio.strategies() {
            for (currency, capital) in book.capital() {
                let positions = instruments().into_iter().filter_map(|terms| book.position(terms.id));
                let realised: i128 = positions.filter(|p| p.quote == currency).map(|p| p.realised.0).sum();
                prop_assert_eq!(capital.realised.0, realised);
                let mut alone = Tally::default();
                filled(&steps).filter(|fill| fill.strategy == strategy).for_each(|fill| alone.add(&fill));
                let fees: i128 = alone.fees.iter().filter(|(key, _)| key.1 == currency).map(|(_, fee)| fee).sum();
                prop_assert_eq!(capital.fees.0, fees);
                prop_assert_eq!(capital.balance(), Money(capital.allocation.0 + realised - fees));
            }
        }
    }

    #[test]
    fn all_replicas_agree(steps in stream()) {
        let mut whole = portfolio(&STRATEGIES);
        let mut parts = [portfolio(&[ONE, THREE]), portfolio(&[TWO]), portfolio(&[])];
        let mut again = portfolio(&STRATEGIES);
        for step in &steps {
            take(&mut whole, step);
            parts.iter_mut().for_each(|part| take(part, step));
        }
        steps.iter().for_each(|step| take(&mut again, step));
        for part in &parts {
            prop_assert_eq!(part.account(), whole.account());
            prop_assert_eq!(part.account().digest(), whole.account().digest());
            for (id, book) in part.strategies() {
                prop_assert_eq!(Some(book), whole.book(id));
                prop_assert_eq!(Some(book.digest()), again.book(id).map(StrategyBook::digest));
            }
        }
        prop_assert_eq!(parts.iter().map(|part| part.strategies().count()).sum::<usize>(), 3);
    }

    #[test]
    fn orders_are_in_order_alive_and_counted(steps in stream()) {
        let mut portfolio = portfolio(&STRATEGIES);
        for step in &steps {
            take(&mut portfolio, step);
            for (_, book) in portfolio.strategies() {
                prop_assert!(book.orders().is_sorted_by(|a, b| a.number < b.number));
                for order in book.orders() {
                    prop_assert!(!order.state.is_done() && order.number < book.next_order());
                    prop_assert_eq!(book.order(order.number), Some(order));
                    prop_assert_eq!(book.ended_order(order.number), None);
                }
                for terms in instruments() {
                    prop_assert_eq!(book.exposure(terms.id), exposure_of(book, terms.id));
                }
            }
        }
    }

    #[test]
    fn closing_a_position_in_any_pieces_leaves_no_cost_behind(
        opens in prop::collection::vec((1..1_000_000i64, 1..10_000_000_000i64), 1..8),
        closes in prop::collection::vec((1..1_000_000i64, 1..10_000_000_000i64), 0..8),
        side in side(),
    ) {
        let mut portfolio = portfolio(&[ONE]);
        let mut left = 0;
        let mut spent = 0;
        let mut deal = |side: Side, size: i64, price: i64| {
            let order = submit(1, ETHEUR, side, size, price);
            assert!(portfolio.apply(&at(1, fill_of(ONE, &order))).unwrap_err().is_anomaly());
            spent += i128::from(side.sign() * size) * i128::from(price);
            *portfolio.book(ONE).unwrap().position(ETHEUR).unwrap()
        };
        for (size, price) in opens {
            deal(side, size, price);
            left += size;
        }
        for (size, price) in closes {
            let size = size.min(left);
            if size > 0 {
                deal(side.opposite(), size, price);
                left -= size;
            }
        }
        let last = if left > 0 { deal(side.opposite(), left, 7) } else { deal(side, 1, 7) };
        let flat = if last.size == Size(0) { last } else { deal(side.opposite(), 1, 7) };
        prop_assert_eq!((flat.size, flat.cost), (Size(0), Money::ZERO));
        prop_assert_eq!(flat.realised, Money(-spent), "scales 9 and 9: the product is in 10^-18");
    }

    #[test]
    fn no_fill_makes_the_fold_panic(
        fills in prop::collection::vec((any::<i64>(), any::<i64>(), any::<i64>(), side(), instrument()), 1..12),
    ) {
        let mut portfolio = portfolio(&[ONE]);
        for (price, size, fee, side, instrument) in fills {
            let order = submit(1, instrument, side, size, 1);
            let fill = Fill { price: Price(price), fee: Amount(fee), ..fill_of(ONE, &order) };
            prop_assert!(portfolio.apply(&at(1, fill)).is_err());
            for cash in portfolio.account().cash() {
                let cost = cost_at(&portfolio, cash.venue, cash.currency);
                prop_assert_eq!(Some(cash.balance().0), cash.cash().0.checked_add(cost));
            }
        }
    }
}
