//! Middleware between the ring and the strategies, and between the strategies and the venues: pure folds that pass or drop
//! an event or an order, and derive other events.
//!
//! A middleware sees every event of the ring in order and nothing else, so each worker can run its own copy and all copies
//! agree. A derived event carries the sequence and host time of its cause and is never recorded: a replay derives it
//! again.

mod bars;
mod chain;
mod conflate;
mod event;
mod filter;
mod order;

pub use crate::router::risk::Risk;
pub use bars::{BarBuilder, BarSpec};
pub use chain::Chain;
pub use conflate::ConflateQuotes;
pub use event::{Derived, Middleware, Verdict};
pub use filter::{DropDuplicates, DropStale};
pub(crate) use order::deny;
pub use order::{Denial, OrderChange, OrderContext, OrderMiddleware};
