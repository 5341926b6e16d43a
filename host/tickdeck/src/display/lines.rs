//! The plain display: a line a second, notices as lines, no cursor movement.

use crate::display::{Rate, head};
use std::collections::BTreeMap;
use std::time::Instant;
use tickdeck_deck::feed::{FeedLine, FeedLines, Topic, Weight};
use tickdeck_engine::Status;
use tickdeck_model::format::{short, time_of_day};
use tickdeck_recording::names::Names;

/// Lines of one kind in a second; more are counted.
const LINES_PER_KIND: u64 = 2;

/// What the plain display has to remember between two lines.
#[derive(Default)]
pub struct PlainLines {
    rate: Rate,
}

impl PlainLines {
    /// The line of a second: `12:00:03 ev 123456 (41k/s) orders 12 fills 9 pnl +12.34 USDT`.
    pub fn line(&mut self, now: Instant, status: &Status, names: &Names) -> String {
        let rate = self.rate.look(now, status.events);
        let profit = head(status, rate, names).profit.0;
        let denied: u64 = status.denied.values().sum();
        let denied = if denied == 0 {
            String::new()
        } else {
            format!(" denied {denied}")
        };
        format!(
            "{} ev {} ({}/s) orders {}{denied} fills {} pnl {profit}{}",
            time_of_day(status.now),
            status.events,
            short(rate),
            status.orders,
            status.fills,
            if status.killed { " KILLED" } else { "" },
        )
    }
}

/// Notices as lines, at most a few of each kind unless each one matters; with `errors_only`, those alone that say what failed.
pub fn notices(lines: &FeedLines, errors_only: bool) -> Vec<String> {
    let wanted =
        |line: &&FeedLine| !errors_only || matches!(line.topic, Topic::Anomaly | Topic::Failure);
    let (mut shown, mut seen) = (Vec::new(), BTreeMap::<Topic, u64>::new());
    for line in lines.list.iter().filter(wanted) {
        let count = seen.entry(line.topic).or_default();
        *count += 1;
        if *count <= LINES_PER_KIND || line.topic.stays() {
            let mark = match line.weight {
                Weight::Note => "",
                Weight::Warning => "warning: ",
                Weight::Error => "error: ",
            };
            shown.push(format!("{} {mark}{}", time_of_day(line.at), line.text));
        }
    }
    for (topic, count) in seen {
        let told = if topic.stays() {
            count
        } else {
            count.min(LINES_PER_KIND)
        };
        let hidden = count - told + lines.left_out.get(&topic).copied().unwrap_or(0);
        if hidden > 0 {
            shown.push(format!("         ... and {hidden} more {}", topic.plural()));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;
    use tickdeck_model::{Reason, Registry};

    fn line(topic: Topic, weight: Weight, text: &str) -> FeedLine {
        FeedLine {
            at: 1_000_000_000,
            topic,
            weight,
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_line_says_where_the_tape_is_and_what_came_of_it() {
        let names = Names::new(Arc::new(Registry::new()), None);
        let (mut plain, start) = (PlainLines::default(), Instant::now());
        plain.line(start, &Status::default(), &names);
        let mut status = Status {
            now: 43_203_000_000_000,
            events: 41_000,
            orders: 12,
            fills: 9,
            ..Status::default()
        };
        assert_eq!(
            plain.line(start + Duration::from_secs(1), &status, &names),
            "12:00:03 ev 41000 (41.0k/s) orders 12 fills 9 pnl 0.00 "
        );
        status.denied.insert(Reason::MaxNotional, 3);
        status.killed = true;
        assert!(
            plain
                .line(start + Duration::from_secs(2), &status, &names)
                .contains("orders 12 denied 3 fills 9")
        );
    }

    #[test]
    fn a_second_holds_a_few_lines_of_each_kind_and_every_failure() {
        let denied = |number| line(Topic::Denied, Weight::Warning, &format!("denied {number}"));
        let mut list: Vec<FeedLine> = (0..9).map(denied).collect();
        list.extend((0..6).map(|_| line(Topic::Failure, Weight::Error, "trapped")));
        let lines = FeedLines {
            list,
            left_out: [(Topic::Denied, 100)].into(),
        };
        let shown = notices(&lines, false);
        assert_eq!(shown.len() as u64, LINES_PER_KIND + 6 + 1);
        assert_eq!(shown[0], "00:00:01 warning: denied 0");
        assert_eq!(
            shown.last().unwrap(),
            "         ... and 107 more orders denied"
        );
        assert_eq!(notices(&lines, true), vec!["00:00:01 error: trapped"; 6]);
    }
}
