//! The plain display: one line of figures per second, notices as lines, no cursor movement.

use super::model::head;
use std::collections::BTreeMap;
use tickdeck_control::protocol::HostStatus;
use tickdeck_deck::feed::{FeedLine, FeedLines, Topic, Weight};
use tickdeck_model::format::{short, time_of_day};

/// Lines of one topic per second; any more are only counted.
const LINES_PER_KIND: u64 = 2;

/// Formats the figures of one second: `12:00:03 ev 123456 (41k/s) orders 12 fills 9 pnl +12.34 USDT`.
pub fn figures(status: &HostStatus) -> String {
    let profit = head(status).profit.0;
    let denied = match status.denied {
        0 => String::new(),
        denied => format!(" denied {denied}"),
    };
    format!(
        "{} ev {} ({}/s) orders {}{denied} fills {} pnl {profit}{}",
        time_of_day(status.event_time_ns),
        status.events,
        short(status.events_per_s),
        status.orders,
        status.fills,
        if status.killed { " KILLED" } else { "" },
    )
}

/// Formats notices, at most a few of each topic unless each one matters; with `errors_only`, only failures.
pub fn notices(lines: &FeedLines, errors_only: bool) -> Vec<String> {
    let wanted = |line: &&FeedLine| {
        !errors_only || matches!(line.topic, Topic::Anomaly | Topic::Exit | Topic::Failure)
    };
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
        let listed = if topic.stays() {
            count
        } else {
            count.min(LINES_PER_KIND)
        };
        let hidden = count - listed + lines.left_out.get(&topic).copied().unwrap_or(0);
        if hidden > 0 {
            shown.push(format!("         ... and {hidden} more {}", topic.plural()));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    fn line(topic: Topic, weight: Weight, text: &str) -> FeedLine {
        FeedLine {
            at: 1_000_000_000,
            topic,
            weight,
            text: text.to_owned(),
        }
    }

    #[test]
    fn the_figures_of_a_second_fit_on_a_line() {
        let mut status = HostStatus {
            event_time_ns: 43_203_000_000_000,
            events: 41_000,
            events_per_s: 41_000.0,
            orders: 12,
            fills: 9,
            profit: "12.345".to_owned(),
            currency: "USDT".to_owned(),
            ..HostStatus::default()
        };
        assert_eq!(
            figures(&status),
            "12:00:03 ev 41000 (41.0k/s) orders 12 fills 9 pnl +12.34 USDT"
        );
        (status.denied, status.killed) = (3, true);
        let line = figures(&status);
        assert!(line.contains("orders 12 denied 3 fills 9"), "{line}");
        assert!(line.ends_with(" KILLED"), "{line}");
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
