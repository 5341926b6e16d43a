//! The lines of the view: a log that scrolls by, and the few lines that stay in sight.

use std::collections::VecDeque;
use tickdeck_deck::feed::{BuildProgress, FeedLine, Topic};

/// Lines kept in the log.
const LOG_KEPT: usize = 200;
/// Changes kept; the view shows the last few.
const CHANGES_KEPT: usize = 50;

/// The lines that the view shows.
#[derive(Debug, Clone, Default)]
pub struct MessageLog {
    /// The log that scrolls by: messages of strategies, denied orders, venues.
    pub log: VecDeque<FeedLine>,
    /// Changes of versions, failures and commands of operators, which no flood of the log pushes out.
    pub changes: VecDeque<FeedLine>,
    /// The progress of the build of the next version.
    pub draft: Option<BuildProgress>,
}

impl MessageLog {
    /// Adds lines, oldest first.
    pub fn add(&mut self, lines: impl IntoIterator<Item = FeedLine>) {
        for line in lines {
            match line.topic {
                // Shown as the draft while the build lasts.
                Topic::Build => {}
                topic if topic.stays() => keep_last(&mut self.changes, line, CHANGES_KEPT),
                _ => keep_last(&mut self.log, line, LOG_KEPT),
            }
        }
    }
}

fn keep_last(lines: &mut VecDeque<FeedLine>, line: FeedLine, most: usize) {
    if lines.len() == most {
        lines.pop_front();
    }
    lines.push_back(line);
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickdeck_deck::feed::Weight;

    #[test]
    fn a_flood_of_notifications_does_not_push_out_changes_of_versions() {
        let line = |topic, text: String| FeedLine {
            at: 0,
            topic,
            weight: Weight::Note,
            text,
        };
        let mut messages = MessageLog::default();
        messages.add((0..3).map(|n| line(Topic::Version, format!("swap {n}"))));
        messages.add((0..1_000).map(|n| line(Topic::Notified, format!("cross {n}"))));
        messages.add([line(Topic::Build, "does not build".to_owned())]);
        let texts: Vec<&str> = messages
            .changes
            .iter()
            .map(|line| line.text.as_str())
            .collect();
        assert_eq!(texts, ["swap 0", "swap 1", "swap 2"]);
        assert_eq!(messages.log.len(), LOG_KEPT);
        assert_eq!(messages.log[LOG_KEPT - 1].text, "cross 999");
    }
}
