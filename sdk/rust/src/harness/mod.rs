//! Runs a strategy natively, with instruments and a store that the test makes up.

mod world;

use crate::ids::InstrumentId;

pub use world::World;

/// `BTCUSDT.BINANCE` of [`World::demo`].
pub const BTCUSDT: InstrumentId = InstrumentId(1);
/// `ETHUSDT.BINANCE` of [`World::demo`].
pub const ETHUSDT: InstrumentId = InstrumentId(2);
