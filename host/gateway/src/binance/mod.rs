//! Binance Spot: the wire decoder, the local book, and how a book is kept whole. Nothing in here does I/O or reads a
//! clock, so a live link and a capture share it to the last line.
//!
//! A frame goes through [`Decoder::decode`] into a [`Frame`] (its levels into a reused [`Levels`]), depth and snapshots
//! go through [`BookSync`], which keeps a [`LocalBook`] and says what to tell the deck. [`TopCheck`] holds the exchange's
//! own best bid and ask against the book's.

mod book;
mod decode;
mod ladder;
mod scan;
mod symbol;
mod sync;
mod top_check;
mod wire;

pub use crate::binance::top_check::{Top, TopCheck, TopVerdict};
pub use book::{Level, LocalBook};
pub use decode::{DecodeError, Decoder, TimeUnit};
pub use symbol::Symbol;
pub use sync::{BookSync, Recovery, SnapshotRequest, SyncStep, Synced};
pub use wire::{BookTicker, DepthSnapshot, DepthUpdate, Frame, Levels, TradeTick};
