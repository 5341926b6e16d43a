//! `tickdeck dev`: while an author works on a strategy, every save becomes the version that trades.
//!
//! One thread, the [`DevLoop`], looks at the sources (`sources`), decides when to build (`rhythm`), runs cargo in
//! the background and puts what it built into the plugins folder, whole. That is all: from there the watcher and the
//! loader of the host take it like any other module, so that there is one way into a host. What became of it comes back
//! from the [`Board`](tickdeck_deck::feed::Board), and is told (`news`) to whoever is there to hear it.

mod build_news;

mod dev_loop;

pub use crate::dev::build_news::{
    BuildNews, BuildPrinter, BuildReporter, BuildTimes, FeedReporter,
};
pub use crate::dev::dev_loop::{DevLoop, DevLoopHandle};
