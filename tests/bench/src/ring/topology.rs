//! The set-up of a measurement: how many threads, and their work.

use super::item::{Source, Tally};
use anyhow::Result;

/// Slots of each ring and of each channel.
pub(super) const CAPACITY: usize = 1 << 12;

/// The number of producers and consumers, and the items per burst.
#[derive(Debug, Clone, Copy)]
pub(super) struct Topology {
    pub(super) producers: usize,
    pub(super) consumers: usize,
    pub(super) burst: usize,
}

pub(super) type Produce = Box<dyn FnOnce(Source) -> Result<()> + Send>;
pub(super) type Consume = Box<dyn FnOnce() -> Result<Tally> + Send>;

/// The work of the threads of one measurement, already connected.
pub(super) struct Threads {
    pub(super) producers: Vec<Produce>,
    pub(super) consumers: Vec<Consume>,
}
