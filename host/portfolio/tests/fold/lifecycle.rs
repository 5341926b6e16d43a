//! Orders from the decision to the end, and the fills that cross it.

use crate::fixture::*;
use tickdeck_model::{
    Fill, InstrumentId, OrderState, OrderStatus, OrderUpdate, Price, Side, Size, Submit, Working,
};
use tickdeck_portfolio::{ENDED_REMEMBERED, MAX_ORDERS, Portfolio, PortfolioError, StrategyBook};

const BUY: fn(u64) -> Submit = |number| submit(number, BTCUSD, Side::Buy, 100, 5_000);

fn book(portfolio: &Portfolio) -> &StrategyBook {
    portfolio.book(ONE).unwrap()
}

/// A portfolio with the order at the venue.
fn accepted(order: &Submit) -> Portfolio {
    let mut portfolio = portfolio(&[ONE]);
    portfolio.intend(ONE, order).unwrap();
    tell(
        &mut portfolio,
        order,
        &[OrderStatus::Submitted, OrderStatus::Accepted],
    );
    portfolio
}

fn tell(portfolio: &mut Portfolio, order: &Submit, statuses: &[OrderStatus]) {
    for status in statuses {
        portfolio
            .apply(&at(5, update_of(ONE, order, *status)))
            .unwrap();
    }
}

fn part(order: &Submit, size: i64) -> tickdeck_model::Event {
    at(
        9,
        Fill {
            size: Size(size),
            ..fill_of(ONE, order)
        },
    )
}

#[test]
fn an_order_is_in_the_book_as_soon_as_it_is_decided() {
    let mut portfolio = portfolio(&[ONE]);
    portfolio.intend(ONE, &BUY(3)).unwrap();
    let order = book(&portfolio).order(3).unwrap();
    assert_eq!(
        (order.state, order.remaining()),
        (OrderState::Initialised, Size(100))
    );
    assert_eq!(book(&portfolio).exposure(BTCUSD), (Size(100), Size(0)));
    assert_eq!(
        (book(&portfolio).next_order(), book(&portfolio).timestamp()),
        (4, 0)
    );
}

#[test]
fn a_denied_order_leaves_the_book_and_its_exposure() {
    let mut portfolio = portfolio(&[ONE]);
    portfolio.intend(ONE, &BUY(1)).unwrap();
    tell(&mut portfolio, &BUY(1), &[OrderStatus::Denied]);
    assert_eq!(book(&portfolio).order(1), None);
    assert_eq!(
        book(&portfolio).ended_order(1),
        None,
        "nothing can come of it"
    );
    assert_eq!(book(&portfolio).exposure(BTCUSD), (Size(0), Size(0)));
    assert_eq!(book(&portfolio).timestamp(), 5);
}

#[test]
fn denied_orders_of_any_instrument_leave_nothing_behind() {
    let mut random = portfolio(&[ONE]);
    let mut one = portfolio(&[ONE]);
    for number in 1..100u64 {
        for (portfolio, instrument) in [(&mut random, number * 7_919), (&mut one, 0)] {
            let instrument = InstrumentId(instrument as u32);
            let order = submit(number, instrument, Side::Sell, 5, 5);
            portfolio.intend(ONE, &order).unwrap();
            tell(portfolio, &order, &[OrderStatus::Denied]);
        }
    }
    assert_eq!(book(&random), book(&one));
}

#[test]
fn an_update_in_the_normal_course_does_not_change_price_or_size() {
    let mut portfolio = portfolio(&[ONE]);
    portfolio.intend(ONE, &BUY(1)).unwrap();
    tell(&mut portfolio, &BUY(1), &[OrderStatus::Submitted]);
    let other = submit(1, BTCUSD, Side::Buy, 7, 8);
    for status in [
        OrderStatus::Accepted,
        OrderStatus::Triggered,
        OrderStatus::PendingModify,
    ] {
        tell(&mut portfolio, &other, &[status]);
        let seen = book(&portfolio).order(1).unwrap();
        assert_eq!(
            (seen.price, seen.size),
            (Price(5_000), Size(100)),
            "{status}"
        );
    }
}

#[test]
fn a_partly_filled_order_counts_with_what_is_left() {
    let order = BUY(1);
    let mut portfolio = accepted(&order);
    portfolio.apply(&part(&order, 30)).unwrap();
    let seen = *book(&portfolio).order(1).unwrap();
    assert_eq!((seen.filled, seen.remaining()), (Size(30), Size(70)));
    assert_eq!(seen.state, OrderState::Working(Working::PartiallyFilled));
    assert_eq!(book(&portfolio).open_buy(BTCUSD), Size(70));
    portfolio.apply(&part(&order, 70)).unwrap();
    assert_eq!(
        (book(&portfolio).order(1), book(&portfolio).open_buy(BTCUSD)),
        (None, Size(0))
    );
    assert_eq!(
        book(&portfolio).ended_order(1).unwrap().state,
        OrderState::Filled
    );
    assert_eq!(book(&portfolio).timestamp(), 9);
}

#[test]
fn a_replaced_order_works_at_the_new_price_and_size() {
    let order = BUY(1);
    let mut portfolio = accepted(&order);
    tell(&mut portfolio, &order, &[OrderStatus::PendingModify]);
    assert_eq!(
        book(&portfolio).order(1).unwrap().price,
        Price(5_000),
        "not before the answer"
    );
    let replaced = OrderUpdate {
        price: Price(4_900),
        size: Size(250),
        ..update_of(ONE, &order, OrderStatus::Replaced)
    };
    portfolio.apply(&at(6, replaced)).unwrap();
    let seen = book(&portfolio).order(1).unwrap();
    assert_eq!(
        (seen.price, seen.size, seen.submit),
        (Price(4_900), Size(250), order)
    );
    assert_eq!(book(&portfolio).open_buy(BTCUSD), Size(250));
}

#[test]
fn evidence_that_ends_not_knowing_brings_the_price_and_size_in_force() {
    let order = BUY(1);
    let mut portfolio = accepted(&order);
    tell(
        &mut portfolio,
        &order,
        &[OrderStatus::PendingModify, OrderStatus::Unknown],
    );
    assert_eq!(
        book(&portfolio).open_buy(BTCUSD),
        Size(100),
        "still counted"
    );
    let evidence = OrderUpdate {
        size: Size(40),
        ..update_of(ONE, &order, OrderStatus::Accepted)
    };
    portfolio.apply(&at(6, evidence)).unwrap();
    assert_eq!(
        book(&portfolio).order(1).unwrap().state,
        OrderState::Working(Working::Accepted)
    );
    assert_eq!(book(&portfolio).open_buy(BTCUSD), Size(40));
}

#[test]
fn a_late_fill_after_a_cancel_is_folded() {
    let order = BUY(1);
    let mut portfolio = accepted(&order);
    tell(
        &mut portfolio,
        &order,
        &[OrderStatus::PendingCancel, OrderStatus::Canceled],
    );
    assert_eq!(book(&portfolio).orders().count(), 0);
    portfolio.apply(&part(&order, 30)).unwrap();
    assert_eq!(book(&portfolio).position_size(BTCUSD), Size(30));
    assert_eq!(portfolio.account().position_size(BTCUSD), Size(30));
    let ended = *book(&portfolio).ended_order(1).unwrap();
    assert_eq!(
        (ended.state, ended.filled),
        (OrderState::Canceled, Size(30))
    );
    assert_eq!(book(&portfolio).open_buy(BTCUSD), Size(0));
    portfolio.apply(&part(&order, 70)).unwrap();
    assert_eq!(
        book(&portfolio).ended_order(1).unwrap().state,
        OrderState::Filled
    );
}

#[test]
fn a_fill_of_an_order_that_is_already_filled_is_folded_and_reported() {
    let order = BUY(1);
    let mut portfolio = accepted(&order);
    portfolio.apply(&part(&order, 100)).unwrap();
    let error = portfolio.apply(&part(&order, 1)).unwrap_err();
    assert!(matches!(error, PortfolioError::InvalidTransition { .. }) && error.is_anomaly());
    assert_eq!(book(&portfolio).position_size(BTCUSD), Size(101));
    assert_eq!(
        book(&portfolio).ended_order(1).unwrap().filled,
        Size(100),
        "as it was"
    );
}

#[test]
fn a_fill_of_an_unknown_order_is_folded_and_reported() {
    let mut portfolio = portfolio(&[ONE]);
    let error = portfolio.apply(&part(&BUY(77), 5)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "order td-1-77 is not in the strategy's book"
    );
    assert!(error.is_anomaly());
    assert_eq!(book(&portfolio).position_size(BTCUSD), Size(5));
}

#[test]
fn a_fill_beyond_the_size_is_folded_and_ends_the_order_and_is_reported() {
    let order = BUY(1);
    let mut portfolio = accepted(&order);
    let error = portfolio.apply(&part(&order, 130)).unwrap_err();
    assert_eq!(error.to_string(), "order td-1-1 of size 100 was filled 130");
    assert!(error.is_anomaly());
    assert_eq!(book(&portfolio).position_size(BTCUSD), Size(130));
    assert_eq!(
        book(&portfolio).ended_order(1).unwrap().state,
        OrderState::Filled
    );
}

#[test]
fn a_fill_that_names_another_side_is_folded_as_it_says_and_leaves_the_order() {
    let order = BUY(1);
    let mut portfolio = accepted(&order);
    let before = *book(&portfolio).order(1).unwrap();
    let wrong = Fill {
        side: Side::Sell,
        ..fill_of(ONE, &order)
    };
    let error = portfolio.apply(&at(9, wrong)).unwrap_err();
    assert!(matches!(error, PortfolioError::Mismatch { .. }) && error.is_anomaly());
    assert_eq!(book(&portfolio).position_size(BTCUSD), Size(-100));
    assert_eq!(*book(&portfolio).order(1).unwrap(), before);
}

#[test]
fn an_invalid_transition_leaves_the_book_as_it_was() {
    let order = BUY(1);
    let mut portfolio = accepted(&order);
    let before = book(&portfolio).clone();
    let replaced = OrderUpdate {
        size: Size(1),
        ..update_of(ONE, &order, OrderStatus::Denied)
    };
    let error = portfolio.apply(&at(6, replaced)).unwrap_err();
    assert!(matches!(error, PortfolioError::InvalidTransition { .. }));
    assert_eq!(*book(&portfolio), before);
}

#[test]
fn an_update_of_an_order_that_ended_changes_nothing() {
    let order = BUY(1);
    let mut portfolio = accepted(&order);
    tell(&mut portfolio, &order, &[OrderStatus::Canceled]);
    let before = book(&portfolio).clone();
    for status in OrderStatus::ALL {
        let crossed = matches!(
            status,
            OrderStatus::PendingModify
                | OrderStatus::PendingCancel
                | OrderStatus::ModifyRejected
                | OrderStatus::CancelRejected
        );
        let folded = portfolio.apply(&at(6, update_of(ONE, &order, *status)));
        let refused = matches!(folded, Err(PortfolioError::InvalidTransition { .. }));
        assert!(if crossed { folded.is_ok() } else { refused }, "{status}");
    }
    let ended = |book: &StrategyBook| (book.ended_order(1).copied(), book.order_count());
    assert_eq!(ended(book(&portfolio)), ended(&before));
}

#[test]
fn the_oldest_ended_order_is_forgotten_and_its_late_fill_still_folded() {
    let mut portfolio = portfolio(&[ONE]);
    for number in 1..=ENDED_REMEMBERED as u64 + 1 {
        portfolio.intend(ONE, &BUY(number)).unwrap();
        let end = [OrderStatus::Submitted, OrderStatus::Canceled];
        tell(&mut portfolio, &BUY(number), &end);
    }
    assert_eq!(book(&portfolio).ended_order(1), None);
    let error = portfolio.apply(&part(&BUY(1), 10)).unwrap_err();
    assert!(matches!(error, PortfolioError::UnknownOrder { .. }));
    portfolio.apply(&part(&BUY(2), 10)).unwrap();
    assert_eq!(book(&portfolio).position_size(BTCUSD), Size(20));
}

#[test]
fn a_number_that_does_not_rise_is_refused() {
    let mut portfolio = portfolio(&[ONE]);
    portfolio.intend(ONE, &BUY(5)).unwrap();
    let before = book(&portfolio).clone();
    for got in [0, 4, 5, u64::MAX] {
        let error = portfolio.intend(ONE, &BUY(got)).unwrap_err();
        assert_eq!(
            error,
            PortfolioError::OrderNumber {
                strategy: ONE,
                got,
                next: 6
            }
        );
    }
    assert_eq!(*book(&portfolio), before);
}

#[test]
fn a_book_holds_a_bounded_number_of_orders_of_any_size() {
    let mut portfolio = portfolio(&[ONE]);
    for number in 1..=MAX_ORDERS as u64 {
        let huge = submit(number, BTCUSD, Side::Sell, i64::MAX, 1);
        portfolio.intend(ONE, &huge).unwrap();
    }
    assert_eq!(
        book(&portfolio).open_sell(BTCUSD),
        Size(i64::MAX),
        "saturates, never wraps"
    );
    let error = portfolio.intend(ONE, &BUY(1_000_000)).unwrap_err();
    assert_eq!(
        error,
        PortfolioError::TooManyOrders {
            strategy: ONE,
            limit: MAX_ORDERS
        }
    );
    assert_eq!(book(&portfolio).order_count(), MAX_ORDERS);
}

#[test]
fn a_book_can_be_lent_out_and_put_back() {
    let order = BUY(1);
    let mut portfolio = accepted(&order);
    let before = book(&portfolio).clone();
    let mut lent: Box<StrategyBook> = Box::default();
    std::mem::swap(&mut lent, portfolio.book_mut(ONE).unwrap());
    assert_eq!(
        (&*lent, book(&portfolio)),
        (&before, &StrategyBook::default())
    );
    std::mem::swap(&mut lent, portfolio.book_mut(ONE).unwrap());
    assert_eq!(*book(&portfolio), before);
    assert_eq!(*portfolio.close_strategy(ONE).unwrap(), before);
    assert_eq!(portfolio.book(ONE), None);
}
