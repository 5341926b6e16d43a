//! The development loop behind `tickdeck dev`: every save becomes the version that trades.
//!
//! One thread, the [`DevLoop`], watches the sources, decides when to build, runs cargo in the background and installs the
//! module in the plugins folder. From there the watcher and the loader of the host pick it up like any other module, so that
//! there is only one way into a host. The outcome comes back through the
//! [`OperatorFeed`](tickdeck_deck::feed::OperatorFeed) and is reported as [`BuildNews`].

mod build_news;
mod dev_loop;

pub use crate::dev::build_news::{
    BuildNews, BuildPrinter, BuildReporter, BuildTimes, FeedReporter,
};
pub use crate::dev::dev_loop::{DevLoop, DevLoopHandle};
