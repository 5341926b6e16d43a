//! Tickdeck's vocabulary: instruments, prices, money, events, actions and orders, as every other crate uses them.
//!
//! This crate depends on no other crate of the host, and must never see I/O, a clock or a venue's spellings. Start reading
//! at [`Event`] and [`Action`], which cross the boundary to strategies, then [`Registry`] and [`OrderState`].
//! Prices and sizes are integers at the instrument's own decimal scale, money is
//! exact, and [`Event`] is, byte for byte, the `event` of `wit/events.wit` in the component model's canonical layout,
//! so that a batch moves from the ring into a sandbox by one memcpy.

mod action;
mod event;
mod fixed;
pub mod format;
mod ids;
mod instrument;
mod layout;
mod module_hash;
mod money;
pub mod name;
mod order;
mod registry;
pub mod suggestion;
mod terms;
pub mod untrusted;

pub use action::{
    Action, ActionBytes, ActionError, ActionRecord, CancelAll, CancelScope, Feed, FeedRequest,
    Modify, Notify, OrderFlags, Submit, TimerRequest,
};
// A glob, so that the record of a new kind needs no line here.
pub use event::*;
pub use fixed::{Fixed, FixedError, Price, Size, parse_fixed, parse_plain_fixed};
pub use ids::{
    AccountId, ClientOrderId, CurrencyId, END_OF_TIME, InstrumentId, OrderNumber, StrategyId,
    TextId, Timestamp, VenueId, VenueOrderId, is_event_time,
};
pub use instrument::{Currency, Instrument, OrderFormError};
pub use layout::{Bool, Pad, Reserved};
pub use module_hash::ModuleHash;
pub use money::{Amount, Money, MoneyError};
pub use order::{InvalidTransition, OrderEvent, OrderState, Working};
pub use registry::{NameCount, Registry, RegistryError};
pub use terms::{
    Aggressor, BarBasis, BookChange, Liquidity, MarginMode, OrderStatus, OrderType, Reason,
    SelfTrade, Severity, Side, TimeInForce, TrailBasis, Trigger, VenueScope, VenueState,
};
pub use untrusted::Untrusted;
