//! The table printed at the end of a run.

use super::data_quality::data_quality;
use super::model::{head, position, result_in};
use super::money;
use crate::text_table::aligned;
use tickdeck_control::protocol::{HostStatus, StrategyLine};
use tickdeck_deck::data_monitors::DataMonitors;
use tickdeck_deck::read_model::ReadModel;
use tickdeck_engine::{Ending, Report};
use tickdeck_model::format::{grouped, short};
use tickdeck_recording::names::Names;

/// The columns of the table.
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

/// Formats a report: one line of totals, the denied orders by reason, what is wrong with the data, and a table of the strategies.
pub fn closing(report: &Report, names: &Names, data: DataMonitors) -> String {
    let seconds = report.elapsed_ns as f64 / 1e9;
    let rate = if seconds > 0.0 {
        report.status.events as f64 / seconds
    } else {
        0.0
    };
    let read_model = ReadModel::new("", names.clone()).with_data(data);
    text(
        &read_model.host_status(&report.status, rate),
        seconds,
        report.ending,
    )
}

fn text(status: &HostStatus, seconds: f64, ending: Ending) -> String {
    let head = head(status);
    let mut text = format!(
        "{} events in {seconds:.1} s ({}), {} actions, {} orders, {} denied, {} fills, pnl {}",
        head.events, head.rate, head.actions, head.orders, head.denied, head.fills, head.profit.0
    );
    if !head.capital.is_empty() {
        text += &format!(", capital {} {}", head.capital, status.currency);
    }
    text += &format!("; {}\n", describe(ending));
    for (reason, count) in &status.denied_by_reason {
        text += &format!("  denied {reason}: {}\n", grouped(*count));
    }
    for line in status.data.iter().filter_map(data_quality) {
        text += &format!("  {line}\n");
    }
    let strategies = status.strategies.iter();
    let rows: Vec<[String; 11]> = strategies.map(|one| row(one, &status.currency)).collect();
    text + "\n" + &aligned(&HEADER, &rows)
}

/// Describes why a run ended.
const fn describe(ending: Ending) -> &'static str {
    match ending {
        Ending::TapeOver => "end of the tape",
        Ending::Limit => "event limit reached",
        Ending::Asked => "stopped cleanly",
        Ending::Broken => "every venue broke",
    }
}

fn row(line: &StrategyLine, currency: &str) -> [String; 11] {
    let result = result_in(line, currency);
    [
        line.name.clone(),
        line.version.clone(),
        line.state.clone(),
        grouped(line.events),
        grouped(line.actions),
        line.ns_per_event
            .map_or_else(|| "-".to_owned(), |ns| format!("{} ns", short(ns))),
        money::result(&result.realised),
        money::result(&result.unrealised),
        money::amount(&result.fees),
        money::result(line.profit.as_deref().unwrap_or("0")),
        position(&line.positions),
    ]
}
