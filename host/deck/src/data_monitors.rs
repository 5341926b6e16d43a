//! The quality of the venues' data, for everybody who shows a deck.

use std::sync::Arc;
use tickdeck_control::protocol::DataLine;
use tickdeck_engine::port::{DataMonitor, DataQuality, Gateway};

/// Faults that are shown of each venue.
const PROBLEMS_SHOWN: usize = 3;

/// The venues that know how good their data is, with their names.
#[derive(Debug, Clone, Default)]
pub struct DataMonitors(Vec<(String, Arc<dyn DataMonitor>)>);

impl DataMonitors {
    pub(crate) fn add(&mut self, name: &str, venue: &dyn Gateway) {
        if let Some(monitor) = venue.data_monitor() {
            self.0.push((name.to_owned(), monitor));
        }
    }

    /// Returns what was found so far, one line per venue.
    pub fn lines(&self) -> Vec<DataLine> {
        let venues = self.0.iter();
        venues
            .map(|(name, monitor)| line(name, monitor.quality()))
            .collect()
    }
}

fn line(venue: &str, quality: DataQuality) -> DataLine {
    DataLine {
        venue: venue.to_owned(),
        faults: quality.faults(),
        messages: quality.messages,
        damaged: quality.damaged,
        ignored: quality.ignored,
        gaps: quality.gaps,
        contradictions: quality.contradictions,
        time_went_back: quality.time_went_back,
        duplicates: quality.duplicates,
        cut_sizes: quality.cut_sizes,
        problems: quality.problems.into_iter().take(PROBLEMS_SHOWN).collect(),
    }
}
