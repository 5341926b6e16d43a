//! The closing table: what each strategy did and what came of it.

use crate::display::head;
use crate::text_table::aligned;
use tickdeck_engine::{Ending, Report, StrategyStatus};
use tickdeck_model::Money;
use tickdeck_model::format::{grouped, plain, short, signed};
use tickdeck_recording::names::{Names, net};

/// The columns; `<` stands left, the others right.
const HEADER: [&str; 11] = [
    "<strategy",
    "<version",
    "<state",
    "events",
    "actions",
    "per event",
    "realised",
    "unrealised",
    "fees",
    "pnl",
    "<position",
];

/// The closing table with a summary above it.
pub fn closing(report: &Report, names: &Names) -> String {
    let status = &report.status;
    let seconds = report.elapsed_ns as f64 / 1e9;
    let rate = if seconds > 0.0 {
        status.events as f64 / seconds
    } else {
        0.0
    };
    let head = head(status, rate, names);
    let mut text = format!(
        "{} events in {seconds:.1} s ({}), {} actions, {} orders, {} denied, {} fills, pnl {}",
        head.events, head.rate, head.actions, head.orders, head.denied, head.fills, head.profit.0
    );
    if !head.capital.is_empty() {
        text += &format!(", capital {} {}", head.capital, names.money_code());
    }
    text += &format!("; {}\n", ending(report.ending));
    for (reason, count) in &status.denied {
        text += &format!("  denied {}: {}\n", reason.code(), grouped(*count));
    }
    let rows: Vec<[String; 11]> = status
        .strategies
        .iter()
        .map(|strategy| row(strategy, names))
        .collect();
    text + "\n" + &aligned(&HEADER, &rows)
}

/// Why a run ended, in words.
pub fn ending(ending: Ending) -> &'static str {
    match ending {
        Ending::TapeOver => "the tape is over",
        Ending::Limit => "all the events asked for are through",
        Ending::Asked => "stopped in order",
        Ending::Broken => "every venue broke",
    }
}

fn row(status: &StrategyStatus, names: &Names) -> [String; 11] {
    let result = names.result(status);
    let signed_of = |money: Option<Money>| signed(money.unwrap_or(Money::ZERO));
    [
        status.name.clone(),
        status.version.clone(),
        status.state.as_str().to_owned(),
        grouped(status.events),
        grouped(status.actions),
        status
            .ns_per_event
            .map_or_else(|| "-".to_owned(), |ns| format!("{} ns", short(ns))),
        signed_of(result.map(|result| result.realised)),
        signed_of(result.map(|result| result.unrealised)),
        plain(result.map_or(Money::ZERO, |result| result.fees)),
        signed_of(result.as_ref().map(net)),
        crate::display::position(status, names),
    ]
}
