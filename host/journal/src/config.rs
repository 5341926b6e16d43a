//! How a reel is written.

use std::time::Duration;

/// When records become durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// At this interval, by a thread of the reel's own. The end of the machine costs what was appended within about that time;
    /// the end of the process costs nothing.
    Interval(Duration),
    /// As every 50 ms, and the host calls [`Reel::sync`] before an order leaves. So no venue knows of an order that is not
    /// on the disk, at the price of a disk's sync on the way of each.
    Order,
    /// Only when [`Reel::sync`] or [`Reel::close`] is called. For backtests, which can be run again.
    Never,
}

impl Default for Sync {
    fn default() -> Self {
        Self::Interval(Duration::from_millis(50))
    }
}

/// How a reel is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReelConfig {
    /// When records become durable.
    pub sync: Sync,
    /// Bytes of a segment, rounded up to whole pages. A record must fit into one. A changed size counts from the first segment
    /// that is begun after the reel was closed in order.
    pub segment_bytes: u64,
    /// Version of what the records mean; stands in the header of every segment begun with it.
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
