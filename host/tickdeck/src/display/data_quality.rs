//! The quality of a venue's data, in words.

use tickdeck_control::protocol::DataLine;
use tickdeck_model::format::grouped;

/// Describes what was found in a venue's data; `None` if there is nothing to tell.
pub(crate) fn data_quality(line: &DataLine) -> Option<String> {
    let found: Vec<String> = [
        (line.damaged, "unreadable"),
        (line.gaps, "gaps"),
        (line.contradictions, "contradictions"),
        (line.time_went_back, "out of time"),
        (line.duplicates, "repeated"),
        (line.cut_sizes, "sizes cut to the scale"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{} {what}", grouped(count)))
    .collect();
    if found.is_empty() {
        return None;
    }
    let mut text = format!(
        "data of {}: {} messages, {}",
        line.venue,
        grouped(line.messages),
        found.join(", ")
    );
    for problem in &line.problems {
        text += &format!("\n    {problem}");
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_without_a_fault_needs_no_word_and_any_other_says_what_and_where() {
        let clean = DataLine {
            venue: "BINANCE".to_owned(),
            messages: 12_000,
            ignored: 7,
            ..DataLine::default()
        };
        assert_eq!(data_quality(&clean), None);
        let faulty = DataLine {
            damaged: 3_362,
            gaps: 1,
            problems: vec!["a.gz:7: not a line".to_owned()],
            ..clean
        };
        assert_eq!(
            data_quality(&faulty).unwrap(),
            "data of BINANCE: 12,000 messages, 3,362 unreadable, 1 gaps\n    a.gz:7: not a line"
        );
    }
}
