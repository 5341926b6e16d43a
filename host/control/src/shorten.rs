//! Shortens an answer that does not fit into a line: a shortened answer serves an operator better than none.

use crate::protocol::{Answer, HostStatus, StrategyDetail, StrategyLine};

/// Maximum number of strategies, and of instruments, in an answer that is still too long without its details.
const MOST_LISTED: usize = 500;
/// Approximate number of bytes kept of a text in an answer that is too long.
const SHORT: usize = 64;
/// Entries kept of a list in one strategy's details.
const FEW: usize = 5;

/// Steps that [`shorten`] knows.
pub(crate) const STEPS: u32 = 4;

/// Leaves out what matters least; each step more than the one before.
pub(crate) fn shorten(answer: &mut Answer, step: u32) {
    match answer {
        Answer::Status(status) => shorten_status(status, step),
        Answer::Strategies(lines) => shorten_lines(lines, step),
        Answer::Strategy(detail) => shorten_detail(detail, step),
        // Sentences of the host.
        Answer::Done { .. } | Answer::Refused { .. } | Answer::Complete => {}
    }
}

fn shorten_status(status: &mut HostStatus, step: u32) {
    shorten_lines(&mut status.strategies, step);
    if step == STEPS - 1 {
        status.instruments.truncate(MOST_LISTED);
        status.working.truncate(FEW);
        cut(&mut status.title);
    }
}

fn shorten_lines(lines: &mut Vec<StrategyLine>, step: u32) {
    if step == STEPS - 1 {
        lines.truncate(MOST_LISTED);
    }
    lines.iter_mut().for_each(|line| shorten_line(line, step));
}

fn shorten_line(line: &mut StrategyLine, step: u32) {
    match step {
        0 => line.event_times.clear(),
        1 => {
            let more = format!("`tickdeck strategies show {}` has more", line.name);
            line.note = line.note.take().map(|_| more);
        }
        _ => {
            line.positions.clear();
            line.results.clear();
            cut(&mut line.version);
        }
    }
}

fn shorten_detail(detail: &mut StrategyDetail, step: u32) {
    match step {
        0 => detail.log = detail.log.split_off(detail.log.len().saturating_sub(FEW)),
        1 => detail
            .parameters
            .iter_mut()
            .for_each(|line| cut(&mut line.value)),
        2 => {
            detail.faults = detail
                .faults
                .split_off(detail.faults.len().saturating_sub(FEW));
            detail.differences.truncate(FEW);
        }
        _ => {
            detail.log.clear();
            detail.faults.clear();
            detail.permissions.truncate(MOST_LISTED);
            detail.generations.clear();
            (0..STEPS).for_each(|step| shorten_line(&mut detail.line, step));
        }
    }
}

fn cut(text: &mut String) {
    if text.len() > SHORT {
        text.truncate(text.floor_char_boundary(SHORT));
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{FaultLine, MAX_LINE, ParameterLine, TimeBucket, answer_line};

    fn line(number: usize) -> StrategyLine {
        StrategyLine {
            name: format!("strategy-{number}"),
            note: Some("\u{1b}".repeat(11 << 20)),
            event_times: vec![
                TimeBucket {
                    up_to_ns: 1,
                    count: 1
                };
                64
            ],
            ..StrategyLine::default()
        }
    }

    #[test]
    fn every_answer_fits_into_a_line_at_last_and_the_first_strategies_stay_in_it() {
        let detail = StrategyDetail {
            parameters: vec![
                ParameterLine {
                    name: "p".repeat(64),
                    value: "x".repeat(4_096),
                    source: "default".to_owned(),
                };
                256
            ],
            faults: vec![
                FaultLine {
                    at: "12:00:00".to_owned(),
                    text: "y".repeat(1 << 20),
                };
                20
            ],
            log: vec!["z".repeat(1 << 16); 20],
            ..StrategyDetail::default()
        };
        let status = HostStatus {
            strategies: (0..3).map(line).collect(),
            ..HostStatus::default()
        };
        let answers = [
            Answer::Status(Box::new(status)),
            Answer::Strategies((0..3).map(line).collect()),
            Answer::Strategy(Box::new(detail)),
        ];
        for mut answer in answers {
            (0..STEPS).for_each(|step| shorten(&mut answer, step));
            let length = answer_line(&answer).unwrap().len();
            assert!(length < MAX_LINE, "{length}");
            if let Answer::Strategies(lines) = &answer {
                assert_eq!(
                    lines[2].note.as_deref(),
                    Some("`tickdeck strategies show strategy-2` has more")
                );
            }
        }
    }
}
