//! The folder to watch, and the intervals of watching.

use std::path::PathBuf;
use std::time::Duration;

/// The folder to watch, and the intervals of watching.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchConfig {
    /// The plugins folder. It need not exist yet.
    pub folder: PathBuf,
    /// Plugins that are looked at whatever else the folder has. They need not exist.
    pub known: Vec<String>,
    /// Time that a plugin's files must stay unchanged before they are read.
    pub settle: Duration,
    /// Minimum time before a plugin that keeps changing is read, and before a truncated one is refused.
    pub settle_cap: Duration,
    /// Interval at which the folder is polled without a hint.
    pub rescan: Duration,
}

impl WatchConfig {
    /// No known plugins, and the default intervals: settles 200 ms, at most 2 s, and polls every 2 s.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            known: Vec::new(),
            settle: Duration::from_millis(200),
            settle_cap: Duration::from_secs(2),
            rescan: Duration::from_secs(2),
        }
    }
}
