//! A made-up world for a strategy: instruments, texts and a store.

use crate::action::Submit;
use crate::event::{Body, Event, Fill, OrderUpdate};
use crate::fixed::{Amount, Price, Size, pow10};
use crate::ids::{AccountId, CurrencyId, InstrumentId, OrderNumber, TextId, Timestamp, VenueId};
use crate::instrument::Instrument;
use crate::store::{Capital, Position, WorkingOrder};
use crate::terms::{Level, OrderStatus, OrderType, TimeInForce};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Everything that a strategy can read (instruments, interned texts, the store), and the log that it wrote.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct World {
    /// The deck's instruments.
    pub instruments: Vec<Instrument>,
    /// Interned texts; a [`TextId`](crate::TextId) is an index into them.
    pub texts: Vec<String>,
    /// Capital by currency.
    pub capital: Vec<Capital>,
    /// Positions, flat ones included.
    pub positions: BTreeMap<InstrumentId, Position>,
    /// Orders that are not done.
    pub orders: BTreeMap<OrderNumber, WorkingOrder>,
    /// The time of the last change of the store.
    pub timestamp: Timestamp,
    /// The log lines.
    pub log: Vec<(Level, String)>,
}

/// `BTCUSDT.BINANCE` of [`World::demo`].
pub const BTCUSDT: InstrumentId = InstrumentId(1);
/// `ETHUSDT.BINANCE` of [`World::demo`].
pub const ETHUSDT: InstrumentId = InstrumentId(2);

thread_local! {
    static CURRENT: RefCell<World> = RefCell::new(World::default());
}

/// Removes the world from the thread again, even if a test panics.
struct Entered<'a>(&'a mut World);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        CURRENT.with_borrow_mut(|current| std::mem::swap(current, self.0));
    }
}

impl World {
    /// Creates a world without instruments.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a world with two instruments of venue 1, `BTCUSDT.BINANCE` and `ETHUSDT.BINANCE`, with Binance's scales
    /// of August 2024 (prices to 0.01, sizes to 0.00001 and 0.0001, orders of 5 USDT or more), and 1,000,000 USDT.
    pub fn demo() -> Self {
        let instrument = |id, symbol: &str, size_scale| Instrument {
            id,
            venue: VenueId(1),
            symbol: symbol.to_owned(),
            base: CurrencyId(id.0 + 1),
            quote: CurrencyId(1),
            price_scale: 2,
            size_scale,
            quote_scale: 8,
            tick: Price(1),
            lot: Size(1),
            min_notional: Amount(500_000_000),
        };
        let balance = Amount(1_000_000 * 100_000_000);
        Self {
            instruments: vec![
                instrument(BTCUSDT, "BTCUSDT.BINANCE", 5),
                instrument(ETHUSDT, "ETHUSDT.BINANCE", 4),
            ],
            capital: vec![Capital {
                currency: CurrencyId(1),
                balance,
                realised: Amount(0),
                fees: Amount(0),
            }],
            ..Self::default()
        }
    }

    /// Runs `f` while strategies on this thread read this world.
    pub fn enter<R>(&mut self, f: impl FnOnce() -> R) -> R {
        CURRENT.with_borrow_mut(|current| std::mem::swap(current, self));
        let entered = Entered(self);
        let result = f();
        drop(entered);
        result
    }

    /// Runs `f` on the world entered on this thread, or on an empty one if none was entered.
    pub(crate) fn with<R>(f: impl FnOnce(&mut Self) -> R) -> R {
        CURRENT.with_borrow_mut(f)
    }

    /// Returns the instrument with this symbol, which may be given with or without its venue.
    pub fn find(&self, symbol: &str) -> Option<InstrumentId> {
        let ticker = |full: &str| {
            full.split_once('.')
                .is_some_and(|(ticker, _)| ticker == symbol)
        };
        let mut found = self
            .instruments
            .iter()
            .filter(|known| known.symbol == symbol || ticker(&known.symbol));
        match (found.next(), found.next()) {
            (Some(only), None) => Some(only.id),
            _ => None,
        }
    }

    /// Returns the id of a text, which is interned if it is new.
    pub fn intern(&mut self, text: &str) -> TextId {
        let index = self
            .texts
            .iter()
            .position(|known| known == text)
            .unwrap_or_else(|| {
                self.texts.push(text.to_owned());
                self.texts.len() - 1
            });
        TextId(index as u32)
    }

    /// Parses a price of an instrument.
    ///
    /// # Panics
    /// There is no such instrument, or the text is not a price of it.
    pub fn price(&self, instrument: InstrumentId, text: &str) -> Price {
        self.terms(instrument)
            .price(text)
            .expect("a test's prices are decimals of the instrument's scale")
    }

    fn terms(&self, instrument: InstrumentId) -> &Instrument {
        let found = self.instruments.iter().find(|known| known.id == instrument);
        found.unwrap_or_else(|| panic!("the world has no instrument {instrument}"))
    }

    /// Returns the signed size of a position.
    pub fn position(&self, instrument: InstrumentId) -> Size {
        self.positions
            .get(&instrument)
            .map_or(Size::ZERO, |position| position.size)
    }

    /// Adds an order that was just sent; it is accepted at once.
    ///
    /// # Panics
    /// The order is malformed: the host would deny it.
    pub(super) fn send(&mut self, submit: &Submit) {
        let terms = self.terms(submit.instrument);
        let whole = |units: i64, step: i64| units > 0 && units % step == 0;
        let fits = |wanted: bool, price: Price| {
            if wanted {
                whole(price.0, terms.tick.0)
            } else {
                price.0 == 0
            }
        };
        assert!(
            whole(submit.size.0, terms.lot.0),
            "the size is not in whole lots above zero: {submit:?}"
        );
        let (limit, stop) = match submit.kind {
            OrderType::Market => (false, false),
            OrderType::Limit => (true, false),
            OrderType::Stop => (false, true),
            OrderType::StopLimit => (true, true),
            OrderType::MarketIfTouched => (false, true),
            OrderType::LimitIfTouched => (true, true),
            OrderType::TrailingStop => (false, submit.stop_price != Price::ZERO),
            // Its price is a signed distance.
            OrderType::TrailingStopLimit => (submit.price.0 > 0, submit.stop_price != Price::ZERO),
            kind => panic!("no venue has {kind} orders: {submit:?}"),
        };
        let trails = matches!(
            submit.kind,
            OrderType::TrailingStop | OrderType::TrailingStopLimit
        );
        assert_eq!(
            submit.trail > 0,
            trails,
            "a trailing stop has a distance, and no other order: {submit:?}"
        );
        assert_eq!(
            submit.time_in_force == TimeInForce::Gtd,
            submit.expires > 0,
            "GTD needs a time, and no other has one: {submit:?}"
        );
        assert!(
            (submit.price.0 < 0 || fits(limit, submit.price)) && fits(stop, submit.stop_price),
            "a price does not fit: {submit:?}"
        );
        let Submit {
            order,
            instrument,
            side,
            kind,
            time_in_force,
            size,
            price,
            stop_price,
            ..
        } = *submit;
        let (status, filled) = (Some(OrderStatus::Accepted), Size::ZERO);
        let working = WorkingOrder {
            order,
            instrument,
            side,
            kind,
            time_in_force,
            status,
            price,
            stop_price,
            size,
            filled,
            after: submit.after,
            group: submit.group,
            trail: submit.trail,
            expires: submit.expires,
            reduce_only: submit.reduce_only,
            account: submit.account,
        };
        let before = self.orders.insert(order, working);
        assert!(before.is_none(), "order number {order} was used twice");
    }

    /// Applies an event to the store, as the host does before the strategy sees it.
    pub(super) fn apply(&mut self, event: &Event) {
        match &event.body {
            Body::Order(update) => self.update_order(update),
            Body::Fill(fill) => self.fill(fill),
            _ => return,
        }
        self.timestamp = event.ts_host;
    }

    fn update_order(&mut self, update: &OrderUpdate) {
        if update.status.is_final() {
            self.orders.remove(&update.order);
        } else if let Some(working) = self.orders.get_mut(&update.order) {
            working.status = Some(update.status);
            (working.price, working.size, working.filled) =
                (update.price, update.size, update.filled);
        }
    }

    fn fill(&mut self, fill: &Fill) {
        if let Some(working) = self.orders.get_mut(&fill.order) {
            working.filled += fill.size;
            if working.remaining() <= Size::ZERO {
                self.orders.remove(&fill.order);
            }
        }
        let terms = self.terms(fill.instrument).clone();
        let flat = Position {
            account: AccountId(0),
            instrument: fill.instrument,
            size: Size::ZERO,
            cost: Amount::ZERO,
            average_price: Price::ZERO,
            realised: Amount::ZERO,
        };
        let position = self.positions.entry(fill.instrument).or_insert(flat);
        move_position(position, &terms, fill);
    }
}

/// Moves a position by a fill at average cost: the closed part takes its share of the cost with it.
fn move_position(position: &mut Position, terms: &Instrument, fill: &Fill) {
    let change = fill.size * fill.side.sign();
    let opposite = position.size.0.signum() * change.0.signum() < 0;
    let closed = if opposite {
        position.size.0.abs().min(change.0.abs())
    } else {
        0
    };
    if closed > 0 {
        let share =
            i128::from(position.cost.0) * i128::from(closed) / i128::from(position.size.0.abs());
        let share =
            Amount(i64::try_from(share).expect("a share of a cost fits where the cost fits"));
        let proceeds = notional(terms, fill.price, Size(-closed * change.0.signum()));
        position.realised += proceeds - share;
        position.cost -= share;
    }
    let opened = Size(change.0 - change.0.signum() * closed);
    position.cost += notional(terms, fill.price, opened);
    position.size += change;
    position.average_price = average_price(terms, position);
}

/// Returns price times size in the quote currency.
fn notional(terms: &Instrument, price: Price, size: Size) -> Amount {
    let units = i128::from(price.0) * i128::from(size.0) * i128::from(pow10(terms.quote_scale));
    let amount = units / i128::from(pow10(terms.price_scale)) / i128::from(pow10(terms.size_scale));
    Amount(i64::try_from(amount).expect("a test's notionals fit 64 bits"))
}

fn average_price(terms: &Instrument, position: &Position) -> Price {
    if position.size == Size::ZERO {
        return Price::ZERO;
    }
    let cost = i128::from(position.cost.0)
        * i128::from(pow10(terms.price_scale))
        * i128::from(pow10(terms.size_scale));
    let price = cost / i128::from(pow10(terms.quote_scale)) / i128::from(position.size.0);
    Price(i64::try_from(price).expect("a mean of prices fits where the prices fit"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::StrategyId;
    use crate::terms::{Liquidity, Side};

    fn fill(side: Side, price: i64, size: i64) -> Fill {
        Fill {
            account: AccountId(0),
            reserved: 0,
            instrument: BTCUSDT,
            strategy: StrategyId(1),
            order: OrderNumber(1),
            trade_id: 1,
            price: Price(price),
            size: Size(size),
            fee: Amount::ZERO,
            fee_currency: CurrencyId(1),
            side,
            liquidity: Liquidity::Taker,
        }
    }

    #[test]
    fn positions_follow_fills_through_zero() {
        let mut world = World::demo();
        // 1 BTC at 60,000, 1 more at 62,000: 2 at 61,000.
        world.fill(&fill(Side::Buy, 6_000_000, 100_000));
        world.fill(&fill(Side::Buy, 6_200_000, 100_000));
        assert_eq!(world.positions[&BTCUSDT].average_price, Price(6_100_000));
        // 3 sold at 61,500: 2 close with 500 each, 1 is short.
        world.fill(&fill(Side::Sell, 6_150_000, 300_000));
        let position = world.positions[&BTCUSDT];
        assert_eq!(position.size, Size(-100_000));
        assert_eq!(position.realised, Amount(1_000 * 100_000_000));
        assert_eq!(position.average_price, Price(6_150_000));
        assert_eq!(position.cost, Amount(-61_500 * 100_000_000));
    }

    #[test]
    fn a_symbol_is_found_with_or_without_its_venue() {
        let mut world = World::demo();
        assert_eq!(world.find("BTCUSDT"), Some(BTCUSDT));
        assert_eq!(world.find("BTCUSDT.BINANCE"), Some(BTCUSDT));
        assert_eq!(world.find("SOLUSDT"), None);
        let mut other = world.instruments[0].clone();
        other.symbol = "BTCUSDT.OTHER".to_owned();
        world.instruments.push(other);
        assert_eq!(world.find("BTCUSDT"), None, "two venues have it");
    }
}
