//! Binance Spot and USD-M futures: the wire decoder, the local book and its synchronisation. Nothing in here does I/O or reads a clock, so a
//! live connection and a capture share all of it.
//!
//! A frame goes through [`Decoder::decode`] into a [`Frame`] (its levels into a reused [`Levels`]), depth and snapshots
//! go through [`BookSync`], which keeps a [`LocalBook`] and returns the events for the deck. [`TopCheck`] compares the
//! exchange's own best bid and ask with the book's.

mod book;
mod decode;
mod ladder;
mod scan;
mod symbol;
mod sync;
mod time;
mod top_check;
mod wire;

pub use crate::binance::top_check::{Top, TopCheck, TopVerdict};
pub use book::{Level, LocalBook};
pub use decode::{DecodeError, Decoder};
pub use symbol::Symbol;
pub use sync::{BookSync, Contradiction, Recovery, SnapshotRequest, SyncStep, Synced};
pub(crate) use time::timestamp;
pub use wire::{BookTicker, DepthSnapshot, DepthUpdate, Frame, Levels, TradeTick};
