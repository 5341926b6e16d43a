//! Events that cannot be folded change nothing.

use crate::fixture::*;
use tickdeck_model::{
    AccountId, AccountUpdate, Amount, CurrencyId, Event, Fill, InstrumentId, Liquidity, Money,
    OrderStatus, Pad, Price, Side, Size, StrategyId, Timer, Trade,
};
use tickdeck_portfolio::{Account, Portfolio, PortfolioError, StrategyBook};

fn state(portfolio: &Portfolio) -> (Account, Vec<(StrategyId, StrategyBook)>) {
    let books = portfolio
        .strategies()
        .map(|(id, book)| (id, book.clone()))
        .collect();
    (portfolio.account().clone(), books)
}

/// Checks that the event is refused, not as an anomaly, and changes nothing.
fn refused(portfolio: &mut Portfolio, event: &Event) -> PortfolioError {
    let before = state(portfolio);
    let error = portfolio.apply(event).unwrap_err();
    assert!(!error.is_anomaly(), "{error}");
    assert_eq!(state(portfolio), before, "{error}");
    error
}

fn fill() -> Fill {
    Fill {
        account: AccountId(0),
        reserved: Pad::ZERO,
        instrument: BTCUSD,
        strategy: ONE,
        order: 1,
        trade_id: 1,
        price: Price(1),
        size: Size(1),
        fee: Amount(1),
        fee_currency: USD,
        side: Side::Buy,
        liquidity: Liquidity::Maker,
        pad: Pad::ZERO,
    }
}

#[test]
fn what_was_never_made_known_is_refused_by_name() {
    let mut portfolio = portfolio(&[ONE]);
    let (instrument, currency) = (InstrumentId(50), CurrencyId(50));
    let error = refused(
        &mut portfolio,
        &at(
            1,
            Fill {
                instrument,
                ..fill()
            },
        ),
    );
    assert_eq!(error, PortfolioError::UnknownInstrument { instrument });
    let error = refused(
        &mut portfolio,
        &at(
            1,
            Fill {
                fee_currency: currency,
                ..fill()
            },
        ),
    );
    assert_eq!(error, PortfolioError::UnknownCurrency { currency });
    let stated = AccountUpdate {
        account: AccountId(0),
        pad: Pad::ZERO,
        reserved: Pad::ZERO,
        venue: FOREX,
        currency,
        total: Amount(1),
        free: Amount(1),
    };
    let error = refused(&mut portfolio, &at(1, stated));
    assert_eq!(error, PortfolioError::UnknownCurrency { currency });
    let error = portfolio
        .intend(TWO, &submit(1, BTCUSD, Side::Buy, 1, 1))
        .unwrap_err();
    assert_eq!(error, PortfolioError::UnknownStrategy { strategy: TWO });
}

#[test]
fn a_fill_of_nothing_is_refused() {
    let mut portfolio = portfolio(&[ONE]);
    for size in [0, -1, i64::MIN] {
        let error = refused(
            &mut portfolio,
            &at(
                1,
                Fill {
                    size: Size(size),
                    ..fill()
                },
            ),
        );
        assert!(matches!(error, PortfolioError::FillSize { .. }));
    }
}

#[test]
fn a_sum_out_of_range_names_the_instrument_and_changes_nothing() {
    let mut portfolio = portfolio(&[ONE]);
    // Price times size alone.
    let huge = Fill {
        price: Price(i64::MAX),
        size: Size(i64::MAX),
        ..fill()
    };
    let error = refused(&mut portfolio, &at(1, huge));
    assert!(matches!(
        error,
        PortfolioError::OutOfRange {
            instrument: BTCUSD,
            ..
        }
    ));
    assert_eq!(
        error.to_string(),
        "the books of instrument 1 would leave their range"
    );

    // The position's size.
    let most = Fill {
        size: Size(i64::MAX),
        ..fill()
    };
    assert!(portfolio.apply(&at(1, most)).unwrap_err().is_anomaly());
    let error = refused(&mut portfolio, &at(1, fill()));
    assert!(matches!(error, PortfolioError::OutOfRange { .. }));
}

#[test]
fn a_position_is_never_so_short_that_its_size_has_no_opposite() {
    let mut portfolio = portfolio(&[ONE]);
    let most = Fill {
        size: Size(i64::MAX),
        side: Side::Sell,
        ..fill()
    };
    assert!(portfolio.apply(&at(1, most)).unwrap_err().is_anomaly());
    refused(
        &mut portfolio,
        &at(
            1,
            Fill {
                side: Side::Sell,
                ..fill()
            },
        ),
    );
    assert!(
        portfolio.apply(&at(1, fill())).unwrap_err().is_anomaly(),
        "it can be closed"
    );
}

#[test]
fn a_sum_out_of_range_is_refused_though_each_fill_is_in_range() {
    let mut portfolio = portfolio(&[ONE]);
    // Bought for nothing and sold for 9.2e18 whole units each time, of the 4.2e19 that are kept at most.
    let bought = Fill {
        instrument: AUDUSD,
        size: Size(100_000),
        ..fill()
    };
    let sold = Fill {
        side: Side::Sell,
        price: Price(i64::MAX),
        ..bought
    };
    for _ in 0..4 {
        assert!(portfolio.apply(&at(1, bought)).unwrap_err().is_anomaly());
        assert!(portfolio.apply(&at(1, sold)).unwrap_err().is_anomaly());
    }
    assert!(portfolio.apply(&at(1, bought)).unwrap_err().is_anomaly());
    refused(&mut portfolio, &at(1, sold));
    let cash = portfolio.account().cash_at(FOREX, USD).unwrap();
    assert!(cash.balance() > Money::from_units(36, 0).unwrap());
}

#[test]
fn a_sum_out_of_range_in_the_account_alone_leaves_the_books_alone() {
    let mut portfolio = portfolio(&[ONE, TWO]);
    let most = Fill {
        size: Size(i64::MAX),
        ..fill()
    };
    assert!(portfolio.apply(&at(1, most)).unwrap_err().is_anomaly());
    refused(
        &mut portfolio,
        &at(
            1,
            Fill {
                strategy: TWO,
                ..fill()
            },
        ),
    );
}

#[test]
fn a_sum_out_of_range_in_a_book_alone_leaves_the_account_alone() {
    let mut portfolio = portfolio(&[ONE, TWO]);
    let most = Fill {
        size: Size(i64::MAX),
        ..fill()
    };
    assert!(portfolio.apply(&at(1, most)).unwrap_err().is_anomaly());
    let other = Fill {
        strategy: TWO,
        side: Side::Sell,
        ..most
    };
    assert!(portfolio.apply(&at(1, other)).unwrap_err().is_anomaly());
    assert_eq!(portfolio.account().position_size(BTCUSD), Size(0));
    refused(&mut portfolio, &at(1, fill()));
}

#[test]
fn events_that_are_none_of_a_portfolios_change_nothing() {
    let mut portfolio = portfolio(&[ONE]);
    let before = state(&portfolio);
    let trade = Trade {
        reserved: Pad::ZERO,
        instrument: InstrumentId(999),
        aggressor: tickdeck_model::Aggressor::Buyer,
        pad: Pad::ZERO,
        price: Price(1),
        size: Size(1),
        trade_id: 1,
    };
    portfolio.apply(&at(1, trade)).unwrap();
    portfolio
        .apply(&at(
            2,
            Timer {
                reserved: Pad::ZERO,
                strategy: ONE,
                id: 1,
                due: 2,
            },
        ))
        .unwrap();
    // An order of a strategy whose book another replica keeps.
    let theirs = submit(1, BTCUSD, Side::Buy, 1, 1);
    portfolio
        .apply(&at(3, update_of(TWO, &theirs, OrderStatus::Accepted)))
        .unwrap();
    assert_eq!(state(&portfolio), before);
    portfolio.apply(&at(4, fill_of(TWO, &theirs))).unwrap();
    assert_eq!(portfolio.account().position_size(BTCUSD), Size(1));
    assert_eq!(state(&portfolio).1, before.1);
}
