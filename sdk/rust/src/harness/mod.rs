//! Runs a strategy natively, with instruments and a store that the test makes up: for `cargo test`, and for
//! comparing the sandbox with the same logic outside of it.
//!
//! [`Harness`] feeds events one at a time and keeps the books as the host would: orders that were sent are accepted,
//! fills move positions, timers fire as time is advanced. It has no matching engine: the test says what is filled,
//! or lets market orders be filled at the last price seen.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use tickdeck_sdk::harness::{BTCUSDT, Harness};
//! use tickdeck_sdk::{Action, Context, Init, Size, Strategy, Subscription, Trade};
//!
//! /// Buys the first trade it sees.
//! #[derive(Serialize, Deserialize)]
//! struct First;
//!
//! impl Strategy for First {
//!     type Params = ();
//!
//!     fn subscriptions() -> Vec<Subscription> {
//!         vec![Subscription::trades("BTCUSDT")]
//!     }
//!
//!     fn new(_: &(), _: &Init) -> Result<Self, String> {
//!         Ok(Self)
//!     }
//!
//!     fn on_trade(&mut self, cx: &mut Context<Self>, trade: &Trade) {
//!         if cx.position(trade.instrument) == Size::ZERO {
//!             cx.buy(trade.instrument, Size(1_000)).send();
//!         }
//!     }
//! }
//!
//! let mut harness = Harness::<First>::new(&[]).unwrap().filling_market_orders();
//! let actions = harness.trade(BTCUSDT, "61685.99");
//! assert!(matches!(actions[..], [Action::Submit(_)]));
//! assert_eq!(harness.world().position(BTCUSDT), Size(1_000));
//! assert_eq!(harness.trade(BTCUSDT, "61686.00"), []);
//! ```

mod bench;
mod world;

pub use bench::Harness;
pub use world::World;

use crate::ids::InstrumentId;

/// `BTCUSDT.BINANCE` of [`World::demo`].
pub const BTCUSDT: InstrumentId = InstrumentId(1);
/// `ETHUSDT.BINANCE` of [`World::demo`].
pub const ETHUSDT: InstrumentId = InstrumentId(2);
