//! The SDK for writing Tickdeck strategies in Rust.
//!
//! A strategy is a struct that holds its state, with a handler for each kind of event. It compiles to a WebAssembly
//! component. The host runs the component in a sandbox, feeds it events, and can swap it for a new build while
//! everything else keeps running.
//!
//! This crate must never see the host: it knows only the contract in `wit/`, so that a strategy builds without the host
//! and runs the same natively. To read the source, start with [`Strategy`] and [`Context`], then `runner.rs`, which
//! calls the one with the other, and `raw/`, which exports the runner from a component.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use tickdeck_sdk::{Context, Init, Instrument, Parameters, Price, Strategy, Subscription, Trade, export};
//!
//! /// The user's parameters; their doc comments are shown to the user.
//! #[derive(Parameters)]
//! struct Params {
//!     /// The instrument to trade.
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
//! Copy the resulting `.wasm` into the deck's `plugins/` folder as it is; the host encodes it as a component.
//!
//! # Events and actions
//!
//! Handlers run one at a time, in event order. A handler's actions take effect when it returns, before the next event.
//! How the host splits events into batches never matters. The store ([`Host`], reached through the context) always
//! reflects the current event, so there is no need to keep positions or orders in the state.
//!
//! There is no clock, no randomness, no file system and no network: events carry the time ([`Context::now`]), and timers
//! ([`Context::set_timer`]) are events. This is why a run replays to the same bytes.
//!
//! # State and parameters
//!
//! The strategy struct is saved with serde when the strategy is swapped or the host restarts, and restored into the new
//! build. Keep only what was learned from events in it. The host passes the parameters again at each start, as
//! `cx.params`; check in [`Strategy::on_restore`] whether they still fit the state. When the fields of the state change,
//! increase [`Strategy::STATE_VERSION`], and read old states in [`Strategy::migrate`] if they are worth keeping.
//!
//! # Numbers
//!
//! Prices and sizes are integers at the instrument's scale ([`Price`], [`Size`]). [`Instrument`] converts decimals to
//! them and rounds to ticks and lots. Use `f64` for indicators and ratios only.
//!
//! # Tests
//!
//! [`harness`] runs the same strategy under plain `cargo test`. In the sandbox, a panic is written to the host's log and
//! ends the instance; the host then restores a new one from the last saved state.
//!
//! # Size
//!
//! A strategy compiles to about 90 kB. Formatting an `f64` (`format!("{x}")`) adds 20 kB; formatting prices and sizes
//! with [`Instrument::show_price`] and [`Instrument::show_size`] adds nothing.

// Derived code refers to `tickdeck_sdk`, in this crate's own tests too.
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
mod message;
#[doc(hidden)]
pub mod params;
mod runner;
mod store;
mod strategy;
mod subscription;
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
// A glob, so that the record of a new kind needs no line here.
pub use event::*;
pub use export::Exported;
pub use fixed::{Amount, Fixed, MAX_SCALE, Price, Size, parse_decimal, pow10};
pub use host::Host;
pub use ids::{
    AccountId, CurrencyId, InstrumentId, OrderNumber, StrategyId, TextId, Timestamp, VenueId,
};
pub use instrument::Instrument;
pub use manifest::{Identity, Manifest};
pub use message::Message;
pub use params::{Parameter, ParameterKind, ParameterValue, Parameters, SignalName};
pub use runner::Runner;
pub use store::{Capital, Position, WorkingOrder};
pub use strategy::Strategy;
pub use subscription::Subscription;
pub use terms::{
    Aggressor, BarBasis, BookChange, Feed, Level, Liquidity, MarginMode, OrderPolicy, OrderStatus,
    OrderType, Reason, SelfTrade, Severity, Side, StopReason, TimeInForce, TrailBasis, Trigger,
    VenueScope, VenueState,
};
pub use tickdeck_sdk_derive::Parameters;
