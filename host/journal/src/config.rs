//! The settings of a reel's writer.

use std::time::Duration;

/// The time at which records become durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// At this interval, by a thread of the reel. A machine crash loses the records appended within about that time; a process
    /// crash loses nothing.
    Interval(Duration),
    /// Every 50 ms, and the host calls [`Reel::sync`](crate::Reel::sync) before an order is sent. So no venue knows of an order
    /// that is not on disk, at the price of one disk sync per order.
    Order,
    /// Only when [`Reel::sync`](crate::Reel::sync) or [`Reel::close`](crate::Reel::close) is called. For backtests, which can be repeated.
    Never,
}

impl Default for Sync {
    fn default() -> Self {
        Self::Interval(Duration::from_millis(50))
    }
}

/// The settings of a reel's writer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReelConfig {
    /// The time at which records become durable.
    pub sync: Sync,
    /// The bytes of a segment, rounded up to whole pages. Every record must fit into one. A changed size applies from the first segment
    /// that is started after the reel was closed cleanly.
    pub segment_bytes: u64,
    /// The version of the records' meaning, which is written into the header of every new segment.
    pub schema: u16,
}

impl Default for ReelConfig {
    fn default() -> Self {
        Self {
            sync: Sync::default(),
            segment_bytes: 128 << 20,
            schema: 1,
        }
    }
}
