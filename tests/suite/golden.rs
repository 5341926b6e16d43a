//! The golden account: known quotes, two orders, and every figure to the cent.

use crate::support::native::{play, seat};
use tickdeck_engine::OrderLimits;
use tickdeck_engine::port::{Fault, Gateway, StopReason, Strategy};
use tickdeck_gateway::broker::{FeeRate, Fees, Latency};
use tickdeck_gateway::scripted::{
    Script, ScriptStep, ScriptedInstrument, ScriptedTick, ScriptedVenue,
};
use tickdeck_model::{
    Action, Amount, BarBasis, Event, Feed, FeedRequest, InstrumentId, Kind, OrderType, Pad, Price,
    Registry, Side, Size, Submit, TimeInForce,
};
use tickdeck_portfolio::StrategyBook;

const MINUTE_NS: i64 = 60_000_000_000;

/// Buys on the second quote and sells on the fourth.
struct TwoOrders(u64);

impl Strategy for TwoOrders {
    fn on_events(
        &mut self,
        batch: &[Event],
        _: &mut Box<StrategyBook>,
        actions: &mut Vec<Action>,
    ) -> Result<usize, Fault> {
        for (at, event) in batch.iter().enumerate() {
            if event.kind() != Kind::Quote {
                continue;
            }
            self.0 += 1;
            let (order, side) = match self.0 {
                2 => (1, Side::Buy),
                4 => (2, Side::Sell),
                _ => continue,
            };
            actions.push(Action::Submit(Submit {
                order,
                instrument: InstrumentId(0),
                side,
                kind: OrderType::Market,
                time_in_force: TimeInForce::Ioc,
                size: Size(100_000),
                price: Price(0),
                stop_price: Price(0),
                ..Submit::EMPTY
            }));
            return Ok(at + 1);
        }
        Ok(batch.len())
    }

    fn save(&mut self) -> Result<Result<Vec<u8>, String>, Fault> {
        Ok(Ok(Vec::new()))
    }

    fn stop(&mut self, _: StopReason) -> Result<(), Fault> {
        Ok(())
    }
}

fn script() -> Script {
    let prices = [70_000, 70_000, 70_010, 70_020, 70_020];
    let steps = prices.iter().enumerate().map(|(minute, price)| ScriptStep {
        at: minute as i64 * MINUTE_NS,
        instrument: 0,
        tick: ScriptedTick::Quote {
            bid: (Price(*price), Size(1_000_000)),
            ask: (Price(*price), Size(1_000_000)),
        },
    });
    Script {
        venue: "FX".to_owned(),
        instruments: vec![ScriptedInstrument {
            ticker: "AUDUSD".to_owned(),
            base: ("AUD".to_owned(), 2),
            quote: ("USD".to_owned(), 2),
            price_scale: 5,
            size_scale: 0,
        }],
        steps: steps.collect(),
        latency: Latency {
            order_ns: 1_000_000,
            answer_ns: 1_000_000,
        },
        fees: Fees {
            maker: FeeRate { ppm: 20 },
            taker: FeeRate { ppm: 20 },
        },
        allow_short: true,
        margin: true,
        balances: vec![("USD".to_owned(), 2, Amount(100_000_000))],
    }
}

#[test]
fn the_golden_account_ends_at_1_000_017_20() {
    let mut registry = Registry::new();
    let mut venue = ScriptedVenue::new(script());
    let terms = venue.register(&mut registry).unwrap();
    let usd = registry.find_currency("USD").unwrap();
    let audusd = registry.find_instrument("AUDUSD").unwrap().clone();
    let feed = FeedRequest {
        target: audusd.id.0,
        step: 0,
        feed: Feed::Quotes,
        basis: BarBasis::Time,
        pad: Pad::ZERO,
    };
    let two_orders = (
        "two-orders",
        vec![feed],
        Box::new(TwoOrders(0)) as Box<dyn Strategy>,
    );
    let allocation = vec![(usd.id, Amount(100_000_000))];
    let seat = seat(&mut registry, two_orders, allocation);
    // The default limits are for smaller orders.
    let limits = OrderLimits {
        max_notional: Some(Amount(100_000)),
        max_quote_age_ns: None,
        ..OrderLimits::default()
    };
    let (report, notices) = play(registry, (Box::new(venue), terms), seat, limits);

    let strategy = &report.status.strategies[0];
    let result = strategy
        .results
        .iter()
        .find(|result| result.currency == usd.id)
        .unwrap();
    assert_eq!(
        (report.status.orders, report.status.fills),
        (2, 2),
        "{:?}",
        notices
    );
    assert_eq!(result.realised.at(2).to_string(), "20.00");
    assert_eq!(result.fees.at(2).to_string(), "2.80");
    assert_eq!(
        result.realised.sub(result.fees).unwrap().at(2).to_string(),
        "17.20"
    );
    assert!(strategy.positions.is_empty());
    let (_, balance) = report
        .status
        .capital
        .iter()
        .find(|(currency, _)| *currency == usd.id)
        .unwrap();
    assert_eq!(balance.at(2).to_string(), "1000017.20");
}
