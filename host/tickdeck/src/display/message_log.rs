//! What the view has been told so far: a log that runs by, and the few lines that stay in sight.

use std::collections::VecDeque;
use tickdeck_deck::feed::{BuildProgress, FeedLine, Topic};

/// Lines of log that are kept.
const LOG_KEPT: usize = 200;
/// Changes that are kept; the view shows the last few.
const CHANGES_KEPT: usize = 50;

/// What the view has been told.
#[derive(Debug, Clone, Default)]
pub struct MessageLog {
    /// What runs by: what strategies say, denied orders, venues.
    pub log: VecDeque<FeedLine>,
    /// What happened to versions, what failed and what operators did last: no flood of the log pushes it out.
    pub changes: VecDeque<FeedLine>,
    /// How the next version stands that someone works on.
    pub draft: Option<BuildProgress>,
}

impl MessageLog {
    /// Takes in new lines, oldest first.
    pub fn hear(&mut self, lines: impl IntoIterator<Item = FeedLine>) {
        for line in lines {
            match line.topic {
                // The draft tells it, for as long as it is so.
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
    fn a_flood_of_notifications_pushes_no_change_of_a_version_out() {
        let line = |topic, text: String| FeedLine {
            at: 0,
            topic,
            weight: Weight::Note,
            text,
        };
        let mut told = MessageLog::default();
        told.hear((0..3).map(|n| line(Topic::Version, format!("swap {n}"))));
        told.hear((0..1_000).map(|n| line(Topic::Notified, format!("cross {n}"))));
        told.hear([line(Topic::Build, "does not build".to_owned())]);
        let texts: Vec<&str> = told.changes.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["swap 0", "swap 1", "swap 2"]);
        assert_eq!(told.log.len(), LOG_KEPT);
        assert_eq!(told.log[LOG_KEPT - 1].text, "cross 999");
    }
}
