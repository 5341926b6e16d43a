//! Which folder is watched, and at which intervals.

use std::path::PathBuf;
use std::time::Duration;

/// Which folder is watched, and how patiently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchConfig {
    /// The plugins folder. It need not be there yet.
    pub folder: PathBuf,
    /// How long a plugin's files must be left alone before they are read.
    pub settle: Duration,
    /// How long a plugin that is changed again and again is left alone at least, and how long one that breaks off.
    pub settle_cap: Duration,
    /// How often the folder is looked at without any hint.
    pub rescan: Duration,
}

impl WatchConfig {
    /// Settles 200 ms, at most 2 s, and looks every 2 s.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            settle: Duration::from_millis(200),
            settle_cap: Duration::from_secs(2),
            rescan: Duration::from_secs(2),
        }
    }
}
