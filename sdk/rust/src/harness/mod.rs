//! Runs a strategy natively, with instruments and a store that the test makes up: for `cargo test`, and for comparing
//! the sandbox with the same logic outside of it.
//!
//! [`Harness`] feeds events one at a time and keeps the store as the host would: it accepts sent orders, moves positions
//! on fills, and fires timers as time advances. It has no matching engine: the test fills orders itself, or lets market
//! orders be filled at the last price.
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

mod driver;
mod world;

pub use driver::Harness;
pub use world::{BTCUSDT, ETHUSDT, World};
