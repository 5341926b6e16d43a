//! A deck with two venues, three currencies and three instruments, and short ways to make its events.

use tickdeck_model::{
    AccountId, Amount, Currency, CurrencyId, Event, Fill, Instrument, InstrumentId, Liquidity,
    OrderNumber, OrderStatus, OrderType, OrderUpdate, Pad, Price, Reason, Side, Size, StrategyId,
    Submit, TimeInForce, VenueId,
};
use tickdeck_portfolio::Portfolio;

pub(crate) const FOREX: VenueId = VenueId(0);
pub(crate) const CRYPTO: VenueId = VenueId(1);

pub(crate) const USD: CurrencyId = CurrencyId(0);
pub(crate) const EUR: CurrencyId = CurrencyId(1);
pub(crate) const BNB: CurrencyId = CurrencyId(2);

/// Quoted in USD at FOREX; price scale 5, size scale 0.
pub(crate) const AUDUSD: InstrumentId = InstrumentId(0);
/// Quoted in USD at CRYPTO; price scale 2, size scale 5.
pub(crate) const BTCUSD: InstrumentId = InstrumentId(1);
/// Quoted in EUR at CRYPTO; price scale 9, size scale 9.
pub(crate) const ETHEUR: InstrumentId = InstrumentId(2);

pub(crate) const ONE: StrategyId = StrategyId(1);
pub(crate) const TWO: StrategyId = StrategyId(2);
pub(crate) const THREE: StrategyId = StrategyId(3);

pub(crate) fn currencies() -> Vec<Currency> {
    [(USD, "USD", 2), (EUR, "EUR", 2), (BNB, "BNB", 8)]
        .map(|(id, code, scale)| Currency {
            id,
            code: code.to_owned(),
            scale,
        })
        .to_vec()
}

pub(crate) fn instruments() -> Vec<Instrument> {
    let terms = |id, venue, symbol: &str, quote, price_scale, size_scale| Instrument {
        id,
        venue,
        symbol: symbol.to_owned(),
        base: BNB,
        quote,
        price_scale,
        size_scale,
        quote_scale: 2,
        tick: Price(1),
        lot: Size(1),
        min_notional: Amount::ZERO,
    };
    vec![
        terms(AUDUSD, FOREX, "AUDUSD.FOREX", USD, 5, 0),
        terms(BTCUSD, CRYPTO, "BTCUSD.CRYPTO", USD, 2, 5),
        terms(ETHEUR, CRYPTO, "ETHEUR.CRYPTO", EUR, 9, 9),
    ]
}

/// A replica that keeps the books of `strategies`, each with 10,000.00 USD.
pub(crate) fn portfolio(strategies: &[StrategyId]) -> Portfolio {
    let mut portfolio = Portfolio::new(&instruments(), &currencies());
    portfolio.open_account(FOREX, USD, Amount(100_000_000));
    portfolio.open_account(CRYPTO, USD, Amount(5_000_000));
    for strategy in strategies {
        portfolio.open_strategy(*strategy, &[(USD, Amount(1_000_000))], 1);
    }
    portfolio
}

pub(crate) fn submit(
    order: OrderNumber,
    instrument: InstrumentId,
    side: Side,
    size: i64,
    price: i64,
) -> Submit {
    Submit {
        order,
        instrument,
        side,
        kind: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        size: Size(size),
        price: Price(price),
        stop_price: Price::ZERO,
        ..Submit::EMPTY
    }
}

/// A whole fill of that order, without a fee.
pub(crate) fn fill_of(strategy: StrategyId, order: &Submit) -> Fill {
    Fill {
        account: AccountId(0),
        reserved: Pad::ZERO,
        instrument: order.instrument,
        strategy,
        order: order.order,
        trade_id: 0,
        price: order.price,
        size: order.size,
        fee: Amount::ZERO,
        fee_currency: USD,
        side: order.side,
        liquidity: Liquidity::Taker,
        pad: Pad::ZERO,
    }
}

/// An update of that order with its first price and size in force.
pub(crate) fn update_of(strategy: StrategyId, order: &Submit, status: OrderStatus) -> OrderUpdate {
    OrderUpdate {
        account: AccountId(0),
        reserved: Pad::ZERO,
        stop_price: Price::ZERO,
        instrument: order.instrument,
        strategy,
        order: order.order,
        price: order.price,
        size: order.size,
        filled: Size::ZERO,
        status,
        reason: Reason::Normal,
        side: order.side,
        pad: Pad::ZERO,
    }
}

/// An event that the host received at that time.
pub(crate) fn at(ts_host: i64, body: impl Into<tickdeck_model::Body>) -> Event {
    Event::new(0, ts_host, body)
}
