//! Numbers worked out by hand.

use crate::fixture::*;
use tickdeck_model::{
    AccountId, AccountUpdate, Amount, Fill, Money, OrderStatus, Pad, Price, Side, Size,
};
use tickdeck_portfolio::Portfolio;

fn usd(cents: i64) -> Money {
    Money::from_amount(Amount(cents), 2)
}

/// Sends an order, has it accepted and filled whole with a fee in cents.
fn trade(portfolio: &mut Portfolio, number: u64, side: Side, size: i64, price: i64, fee: i64) {
    let order = submit(number, AUDUSD, side, size, price);
    portfolio.intend(ONE, &order).unwrap();
    for status in [OrderStatus::Submitted, OrderStatus::Accepted] {
        portfolio
            .apply(&at(1, update_of(ONE, &order, status)))
            .unwrap();
    }
    portfolio
        .apply(&at(
            2,
            Fill {
                fee: Amount(fee),
                ..fill_of(ONE, &order)
            },
        ))
        .unwrap();
}

#[test]
fn a_round_trip_in_aud_usd_earns_seventeen_dollars_twenty() {
    let mut portfolio = Portfolio::new(&instruments(), &currencies());
    portfolio.open_account(FOREX, USD, Amount(100_000_000));
    portfolio.open_strategy(ONE, &[(USD, Amount(100_000_000))], 1);

    trade(&mut portfolio, 1, Side::Buy, 100_000, 70_000, 140);
    let position = *portfolio.book(ONE).unwrap().position(AUDUSD).unwrap();
    assert_eq!(
        position.average_price(&instruments()[0]),
        Some(Price(70_000))
    );
    assert_eq!(
        (position.size, position.cost),
        (Size(100_000), usd(7_000_000))
    );
    assert_eq!(
        portfolio.account().cash_at(FOREX, USD).unwrap().cash(),
        usd(92_999_860)
    );

    trade(&mut portfolio, 2, Side::Sell, 100_000, 70_020, 140);
    let (_, capital) = portfolio.book(ONE).unwrap().capital().next().unwrap();
    assert_eq!(capital.realised, usd(2_000), "20.00 before fees");
    assert_eq!(capital.balance(), usd(100_001_720), "17.20 after");
    let cash = portfolio.account().cash_at(FOREX, USD).unwrap();
    assert_eq!(
        (cash.realised, cash.fees, cash.balance()),
        (usd(2_000), usd(280), usd(100_001_720))
    );
    assert_eq!(cash.cash(), cash.balance(), "nothing is held any more");
    assert_eq!(
        portfolio.account().balance(USD).unwrap().to_amount(2),
        Ok(Amount(100_001_720))
    );

    let book = portfolio.book(ONE).unwrap();
    assert_eq!(book.positions().count(), 0);
    let flat = book.position(AUDUSD).unwrap();
    assert_eq!(
        (flat.cost, flat.realised, flat.fees),
        (usd(0), usd(2_000), usd(280))
    );
    assert_eq!(flat.average_price(&instruments()[0]), None);
}

#[test]
fn a_partial_close_leaves_the_average_price_where_it_was() {
    let mut portfolio = portfolio(&[ONE]);
    trade(&mut portfolio, 1, Side::Buy, 100, 100_000, 0);
    trade(&mut portfolio, 2, Side::Buy, 300, 200_000, 0);
    trade(&mut portfolio, 3, Side::Sell, 100, 300_000, 0);
    let position = portfolio.book(ONE).unwrap().position(AUDUSD).unwrap();
    assert_eq!((position.size, position.cost), (Size(300), usd(52_500)));
    assert_eq!(
        position.average_price(&instruments()[0]),
        Some(Price(175_000))
    );
    assert_eq!(position.realised, usd(12_500));
}

#[test]
fn a_fill_larger_than_the_position_flips_it_at_the_fill_price() {
    let mut portfolio = portfolio(&[ONE]);
    trade(&mut portfolio, 1, Side::Sell, 100, 200_000, 0);
    let short = *portfolio.book(ONE).unwrap().position(AUDUSD).unwrap();
    assert_eq!((short.size, short.cost), (Size(-100), usd(-20_000)));
    trade(&mut portfolio, 2, Side::Buy, 150, 180_000, 0);
    let long = *portfolio.book(ONE).unwrap().position(AUDUSD).unwrap();
    assert_eq!(
        (long.size, long.cost, long.realised),
        (Size(50), usd(9_000), usd(2_000))
    );
}

#[test]
fn a_rebate_and_a_fee_in_another_currency_go_where_they_belong() {
    let mut portfolio = portfolio(&[ONE]);
    let order = submit(1, ETHEUR, Side::Buy, 1_000_000_000, 2_000_000_000);
    portfolio.intend(ONE, &order).unwrap();
    portfolio
        .apply(&at(1, update_of(ONE, &order, OrderStatus::Submitted)))
        .unwrap();
    let half = Fill {
        size: Size(500_000_000),
        fee_currency: BNB,
        ..fill_of(ONE, &order)
    };
    portfolio
        .apply(&at(
            2,
            Fill {
                fee: Amount(3),
                ..half
            },
        ))
        .unwrap();
    portfolio
        .apply(&at(
            3,
            Fill {
                fee: Amount(-100),
                fee_currency: EUR,
                ..half
            },
        ))
        .unwrap();

    let book = portfolio.book(ONE).unwrap();
    assert_eq!(
        book.capital_in(BNB).unwrap().balance(),
        Money::from_amount(Amount(-3), 8)
    );
    assert_eq!(
        book.capital_in(EUR).unwrap().balance(),
        usd(100),
        "a rebate is income"
    );
    assert_eq!(
        book.position(ETHEUR).unwrap().fees,
        usd(-100),
        "of the quote currency only"
    );
    let cash = |currency| {
        portfolio
            .account()
            .cash_at(CRYPTO, currency)
            .unwrap()
            .cash()
    };
    assert_eq!(
        (cash(BNB), cash(EUR)),
        (Money::from_amount(Amount(-3), 8), usd(-100))
    );
}

#[test]
fn what_the_venue_states_stands_beside_what_was_folded() {
    let mut portfolio = portfolio(&[ONE]);
    let before = *portfolio.account().cash_at(FOREX, USD).unwrap();
    let digest = portfolio.account().digest();
    let stated = AccountUpdate {
        account: AccountId(0),
        pad: Pad::ZERO,
        reserved: Pad::ZERO,
        venue: FOREX,
        currency: USD,
        total: Amount(99),
        free: Amount(42),
    };
    portfolio.apply(&at(7, stated)).unwrap();
    let after = *portfolio.account().cash_at(FOREX, USD).unwrap();
    let noted = after.stated.unwrap();
    assert_eq!(
        (noted.total, noted.free, noted.ts_host),
        (Amount(99), Amount(42), 7)
    );
    assert_eq!(
        tickdeck_portfolio::Cash {
            stated: None,
            ..after
        },
        before
    );
    assert_eq!(portfolio.account().digest(), digest);
    assert_eq!(
        portfolio.book(ONE).unwrap().timestamp(),
        0,
        "no strategy sees it"
    );
}

#[test]
fn unrealised_profit_names_what_had_no_price() {
    let mut portfolio = portfolio(&[ONE]);
    trade(&mut portfolio, 1, Side::Buy, 100, 100_000, 0);
    let order = submit(2, ETHEUR, Side::Sell, 1_000_000_000, 2_000_000_000);
    portfolio.intend(ONE, &order).unwrap();
    portfolio
        .apply(&at(1, update_of(ONE, &order, OrderStatus::Submitted)))
        .unwrap();
    portfolio.apply(&at(2, fill_of(ONE, &order))).unwrap();

    let book = portfolio.book(ONE).unwrap();
    let terms = instruments();
    let all = book
        .unrealised(
            |id| Some(Price(if id == AUDUSD { 110_000 } else { 2_500_000_000 })),
            &terms,
        )
        .unwrap();
    assert_eq!(all.profit, [(USD, usd(1_000)), (EUR, usd(-50))]);
    assert!(all.unmarked.is_empty());
    let some = book
        .unrealised(|id| (id == AUDUSD).then_some(Price(90_000)), &terms)
        .unwrap();
    assert_eq!(
        (some.profit, some.unmarked),
        (vec![(USD, usd(-1_000))], vec![ETHEUR])
    );
}

#[test]
fn an_allocation_can_be_changed_without_losing_what_the_book_holds() {
    let mut portfolio = portfolio(&[ONE]);
    trade(&mut portfolio, 1, Side::Buy, 100, 100_000, 5);
    portfolio.open_strategy(ONE, &[(EUR, Amount(700))], 1);
    let book = portfolio.book(ONE).unwrap();
    let balances: Vec<_> = book
        .capital()
        .map(|(id, capital)| (id, capital.balance()))
        .collect();
    assert_eq!(balances, [(USD, usd(-5)), (EUR, usd(700))]);
    assert_eq!(
        (book.position_size(AUDUSD), book.next_order()),
        (Size(100), 2)
    );
}
