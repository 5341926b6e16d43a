//! A pure fold over events: capital, positions, orders and time of each strategy, and of the whole account.
//!
//! State and event in, state out: this crate must never see a clock, I/O or randomness, so that every replica that folds the
//! same events holds the same state. Each worker thread owns one [`Portfolio`] with the books of its strategies; the router
//! owns one.
//!
//! Start reading at [`Portfolio::apply`]; `deal.rs` is the arithmetic of a fill, `position.rs` its effect on a position.
//!
//! Money is exact (10^-18), so that two equations hold to the last digit at every venue and in every currency after
//! every event:
//!
//! ```text
//! cash                     = opening - sum of signed notionals - fees
//! cash + cost of positions = opening + realised - fees
//! ```
//!
//! A fill is evidence: it is folded into the position whatever state its order is in, and only then is a problem with
//! the order reported, see [`PortfolioError::is_anomaly`]. The gateway removes fills that a venue repeats; a fill
//! that arrives here twice is counted twice.
#![forbid(unsafe_code)]

mod account;
mod book;
mod deal;
mod digest;
mod error;
mod order;
mod portfolio;
mod position;
mod table;
mod unrealised;

pub use account::{Account, Cash, Stated};
pub use book::{Capital, StrategyBook};
pub use error::PortfolioError;
pub use order::{ENDED_REMEMBERED, MAX_ORDERS, Order};
pub use portfolio::Portfolio;
pub use position::Position;
pub use unrealised::Unrealised;
