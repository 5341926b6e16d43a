//! Write a Tickdeck strategy in Rust.
//!
//! A strategy is a struct, which is its state, with handlers for what happens. It is compiled to a WebAssembly
//! component that the host runs in a sandbox, feeds with events, and can swap for a new build while everything else
//! goes on.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use tickdeck_sdk::{Context, Init, Instrument, Parameters, Price, Strategy, Subscription, Trade, export};
//!
//! /// What the user can set; the doc comments are shown to them.
//! #[derive(Parameters)]
//! struct Params {
//!     /// What to trade.
//!     #[param(default = "BTCUSDT")]
//!     instrument: Instrument,
//!     /// Size of each order, in the base currency.
//!     #[param(default = 0.01, min = 0.0)]
//!     size: f64,
//! }
//!
//! /// Buys whenever the price falls to a new low.
//! #[derive(Serialize, Deserialize)]
//! struct NewLow {
//!     low: Option<Price>,
//! }
//!
//! impl Strategy for NewLow {
//!     type Params = Params;
//!
//!     fn subscriptions() -> Vec<Subscription> {
//!         vec![Subscription::trades("{instrument}")]
//!     }
//!
//!     fn new(params: &Params, _: &Init) -> Result<Self, String> {
//!         params.instrument.lots(params.size)?;
//!         Ok(Self { low: None })
//!     }
//!
//!     fn on_trade(&mut self, cx: &mut Context<Self>, trade: &Trade) {
//!         let before = *self.low.get_or_insert(trade.price);
//!         if trade.price < before {
//!             let (instrument, size) = (&cx.params.instrument, cx.params.size);
//!             cx.buy(instrument.id, instrument.round_to_lot(size)).limit(trade.price).post_only().send();
//!             self.low = Some(trade.price);
//!         }
//!     }
//! }
//!
//! export!(NewLow);
//! # fn main() {
//! # let mut harness = tickdeck_sdk::harness::Harness::<NewLow>::new(&[]).unwrap();
//! # assert_eq!(harness.trade(tickdeck_sdk::harness::BTCUSDT, "60000.00"), []);
//! # assert_eq!(harness.trade(tickdeck_sdk::harness::BTCUSDT, "59999.99").len(), 1);
//! # }
//! ```
//!
//! # Building
//!
//! `Cargo.toml` needs `crate-type = ["cdylib", "rlib"]` under `[lib]`, and `tickdeck-sdk` and `serde` as dependencies.
//!
//! ```text
//! rustup target add wasm32-unknown-unknown
//! cargo build --release --target wasm32-unknown-unknown
//! ```
//!
//! The resulting `.wasm` goes into the deck's `plugins/` as it is; the host makes a component of it.
//!
//! # How events and actions meet
//!
//! Handlers run one at a time, in the order of the tape. What a handler sends takes effect when it returns, before
//! the next event. How the host cuts the tape into batches never matters. The store ([`Host`], reached through the
//! context) is always as of the event at hand, so there is no need to keep positions or orders in the state.
//!
//! There is no clock, no randomness, no file and no network: time is in the events ([`Context::now`]), and timers
//! ([`Context::set_timer`]) are events. That is what makes a session replay to the same bytes.
//!
//! # State and parameters
//!
//! The strategy itself is saved with serde when it is swapped or the host restarts, and restored into the new build.
//! Keep in it what was learned from events. Parameters come anew from the host at each start, as `cx.params`;
//! [`Strategy::on_restore`] is the place to see whether they still fit the state. When the fields of the state
//! change, raise [`Strategy::STATE_VERSION`], and read old states in [`Strategy::migrate`] if they are worth it.
//!
//! # Numbers
//!
//! Prices and sizes are integers at the instrument's scale ([`Price`], [`Size`]); [`Instrument`] turns decimals into
//! them and rounds to ticks and lots. `f64` is for indicators and ratios.
//!
//! # Tests
//!
//! [`harness`] runs the same strategy under plain `cargo test`. A panic in the sandbox is written to the host's log and
//! ends the instance; the host rebuilds it from the last saved state.
//!
//! # Size
//!
//! A strategy is about 90 kB. Showing an `f64` (`format!("{x}")`) adds 20 kB; prices and sizes shown through
//! [`Instrument::show_price`] cost nothing extra.

// The code of `derive` names this crate, also in its own tests.
extern crate self as tickdeck_sdk;

mod action;
mod book;
mod context;
mod event;
mod export;
mod fixed;
#[cfg(not(target_arch = "wasm32"))]
pub mod harness;
mod host;
mod ids;
mod imports;
pub mod indicators;
mod instrument;
mod manifest;
#[doc(hidden)]
pub mod params;
mod runner;
mod store;
mod strategy;
mod terms;
mod wire;

#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod generated;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod raw;

pub use action::{Action, ActionWords, BarSpec, Modify, Notify, SetTimer, Stream, Submit};
pub use book::{Book, PriceLevel};
pub use context::{Context, Init, MAX_ACTIONS, OrderBuilder};
pub use event::{
    Account, Bar, Body, BookUpdate, Event, Fill, Lagged, OrderUpdate, Quote, Signal, Timer, Trade,
    VenueStatus,
};
pub use export::Exported;
pub use fixed::{Amount, Fixed, MAX_SCALE, Price, Size, parse_decimal, pow10};
pub use host::Host;
pub use ids::{CurrencyId, InstrumentId, OrderNumber, StrategyId, TextId, Timestamp, VenueId};
pub use instrument::Instrument;
pub use manifest::{Identity, Manifest, Message, Subscription};
pub use params::{Parameter, ParameterKind, ParameterValue, Parameters, SignalName};
pub use runner::Runner;
pub use store::{Capital, Position, WorkingOrder};
pub use strategy::Strategy;
pub use terms::{
    Aggressor, BarBasis, BookChange, Feed, Level, Liquidity, OrderPolicy, OrderStatus, OrderType,
    Reason, Severity, Side, StopReason, TimeInForce, VenueScope, VenueState,
};
pub use tickdeck_sdk_derive::Parameters;
