//! The surroundings of a strategy, made up.

use crate::fixed::{Amount, Price, Size};
use crate::ids::{CurrencyId, InstrumentId, OrderNumber, Timestamp, VenueId};
use crate::instrument::Instrument;
use crate::store::{Capital, Position, WorkingOrder};
use crate::terms::Level;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// What a strategy can read: instruments, interned texts, the store; and what it wrote to the log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct World {
    /// The deck's instruments.
    pub instruments: Vec<Instrument>,
    /// Interned texts; a [`TextId`](crate::TextId) is an index.
    pub texts: Vec<String>,
    /// Capital by currency.
    pub capital: Vec<Capital>,
    /// Positions, flat ones included.
    pub positions: BTreeMap<InstrumentId, Position>,
    /// Orders that are not done.
    pub orders: BTreeMap<OrderNumber, WorkingOrder>,
    /// When the store last changed.
    pub timestamp: Timestamp,
    /// What was logged.
    pub log: Vec<(Level, String)>,
}

thread_local! {
    static CURRENT: RefCell<World> = RefCell::new(World::default());
}

/// Takes the world out of the thread again, also when a test panics.
struct Entered<'a>(&'a mut World);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        CURRENT.with_borrow_mut(|current| std::mem::swap(current, self.0));
    }
}

impl World {
    /// A world without instruments.
    pub fn new() -> Self {
        Self::default()
    }

    /// Two instruments of venue 1, `BTCUSDT.BINANCE` and `ETHUSDT.BINANCE`, with Binance's scales of August 2024
    /// (prices to 0.01, sizes to 0.00001 and 0.0001, orders of 5 USDT or more), and 1,000,000 USDT.
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
                instrument(super::BTCUSDT, "BTCUSDT.BINANCE", 5),
                instrument(super::ETHUSDT, "ETHUSDT.BINANCE", 4),
            ],
            capital: vec![Capital { currency: CurrencyId(1), balance, realised: Amount(0), fees: Amount(0) }],
            ..Self::default()
        }
    }

    /// Runs `f` with this world as what strategies on this thread read.
    pub fn enter<R>(&mut self, f: impl FnOnce() -> R) -> R {
        CURRENT.with_borrow_mut(|current| std::mem::swap(current, self));
        let entered = Entered(self);
        let result = f();
        drop(entered);
        result
    }

    /// The world entered on this thread; an empty one if none was.
    pub(crate) fn with<R>(f: impl FnOnce(&mut Self) -> R) -> R {
        CURRENT.with_borrow_mut(f)
    }

    /// The instrument of this symbol, with or without its venue.
    pub fn find(&self, symbol: &str) -> Option<InstrumentId> {
        let ticker = |full: &str| full.split_once('.').is_some_and(|(ticker, _)| ticker == symbol);
        let mut found = self.instruments.iter().filter(|known| known.symbol == symbol || ticker(&known.symbol));
        match (found.next(), found.next()) {
            (Some(only), None) => Some(only.id),
            _ => None,
        }
    }

    /// The signed size of a position.
    pub fn position(&self, instrument: InstrumentId) -> Size {
        self.positions.get(&instrument).map_or(Size::ZERO, |position| position.size)
    }
}
