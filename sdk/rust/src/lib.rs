//! Write a Tickdeck strategy in Rust.

// The code of `derive` names this crate, also in its own tests.
extern crate self as tickdeck_sdk;

mod action;
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

#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod generated;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod raw;

pub use action::{Action, ActionWords, BarSpec, Modify, Notify, SetTimer, Stream, Submit};
pub use context::{Context, Init, MAX_ACTIONS, OrderBuilder};
pub use event::{
    Account, Bar, Body, BookUpdate, Event, Fill, Lagged, OrderUpdate, Quote, Signal, Timer, Trade, VenueStatus,
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
    Aggressor, BarBasis, BookChange, Feed, Level, Liquidity, OrderPolicy, OrderStatus, OrderType, Reason, Severity,
    Side, StopReason, TimeInForce, VenueScope, VenueState,
};
pub use tickdeck_sdk_derive::Parameters;
