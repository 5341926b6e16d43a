//! Formats the answers of a host as plain text.

mod times;

use crate::display::data_quality::data_quality;
use crate::text_table::aligned;
use tickdeck_control::Answer;
use tickdeck_control::protocol::{
    HostStatus, InstrumentLine, LagLine, MemoryLine, PositionLine, ShadowLine, StrategyDetail,
    StrategyLine, TimeBucket,
};
use tickdeck_model::format::{bytes, date, grouped, money_text, short, span, time_of_day};
use tickdeck_model::untrusted::printable;

/// Digits of a hash shown in a table; `show` and `--json` have all of them.
const HASH_SHOWN: usize = 12;
/// Smallest lag that is shown.
const LAG_SHOWN_NS: u64 = 1_000_000;
/// Length of the longest bar, in characters.
const BAR: u64 = 30;

/// Formats an answer.
pub(super) fn answer(answer: &Answer) -> String {
    match answer {
        Answer::Done { message } | Answer::Refused { message } => {
            printable(message).into_owned() + "\n"
        }
        Answer::Status(status) => self::status(status),
        Answer::Strategies(lines) => printable(&strategies(lines)).into_owned(),
        Answer::Strategy(detail) => printable(&self::detail(detail)).into_owned(),
        Answer::Complete => String::new(),
    }
}

/// Formats the status of a host.
pub(super) fn status(status: &HostStatus) -> String {
    printable(&(figures(status) + &notes(&status.strategies))).into_owned()
}

/// Formats the status of a host with the times of its strategies.
pub(super) fn top(status: &HostStatus) -> String {
    let times = times::times(&status.strategies);
    printable(&(figures(status) + &times + &notes(&status.strategies))).into_owned()
}

fn figures(status: &HostStatus) -> String {
    let mut text = head(status);
    if !status.strategies.is_empty() {
        let rows: Vec<_> = status.strategies.iter().map(strategy_row).collect();
        text += &format!("\n{}", aligned(&STRATEGY_HEADER, &rows));
    }
    if !status.instruments.is_empty() {
        let rows: Vec<_> = status.instruments.iter().map(instrument_row).collect();
        text += &format!("\n{}", aligned(&INSTRUMENT_HEADER, &rows));
    }
    text
}

fn head(status: &HostStatus) -> String {
    let at = status.event_time_ns;
    let mut text = format!(
        "{}: {}\n  up {}, process {}, event time {} {} UTC\n",
        status.title,
        status.mode,
        span(status.uptime_s),
        status.pid,
        date(at),
        time_of_day(at),
    );
    text += &format!(
        "  {} events ({}/s), {} actions, {} orders, {} working, {} denied, {} fills\n",
        grouped(status.events),
        short(status.events_per_s),
        grouped(status.actions),
        grouped(status.orders),
        grouped(status.working_orders),
        grouped(status.denied),
        grouped(status.fills),
    );
    text += &format!("  pnl {} {}", money_text(&status.profit), status.currency);
    if let Some(capital) = &status.capital {
        text += &format!(", capital {} {}", money_text(capital), status.currency);
    }
    if let Some(memory) = &status.memory {
        text += &format!("\n  strategies take {} of memory", all_memory(memory));
    }
    for line in status.data.iter().filter_map(data_quality) {
        text += &format!("\n  {line}");
    }
    if status.killed {
        text += "\n  the kill switch is on: every new order is denied; lift it with `tickdeck run --clear-kill`";
    }
    text + "\n"
}

/// The columns of the strategies in a status.
const STRATEGY_HEADER: [&str; 8] = [
    "<strategy",
    "<version",
    "<state",
    "pnl",
    "<position",
    "actions",
    "events",
    "per event",
];

fn strategy_row(line: &StrategyLine) -> [String; 8] {
    [
        line.name.clone(),
        line.version.clone(),
        line.state.clone(),
        profit(line),
        position(&line.positions),
        grouped(line.actions),
        grouped(line.events),
        per_event(line),
    ]
}

const INSTRUMENT_HEADER: [&str; 6] = ["<instrument", "bid", "ask", "last", "events", "<state"];

fn instrument_row(line: &InstrumentLine) -> [String; 6] {
    let price = |price: &Option<String>| price.clone().unwrap_or_else(|| "-".to_owned());
    [
        line.symbol.clone(),
        price(&line.bid),
        price(&line.ask),
        price(&line.last),
        grouped(line.events),
        if line.stale { "stale" } else { "live" }.to_owned(),
    ]
}

/// The columns of the list of strategies.
const LIST_HEADER: [&str; 9] = [
    "<strategy",
    "<version",
    "<state",
    "generation",
    "<hash",
    "<since",
    "events",
    "pnl",
    "<position",
];

fn strategies(lines: &[StrategyLine]) -> String {
    if lines.is_empty() {
        return "no strategies\n".to_owned();
    }
    let row = |line: &StrategyLine| {
        [
            line.name.clone(),
            line.version.clone(),
            line.state.clone(),
            line.generation.to_string(),
            line.hash.chars().take(HASH_SHOWN).collect(),
            line.since.clone(),
            grouped(line.events),
            profit(line),
            position(&line.positions),
        ]
    };
    let rows: Vec<_> = lines.iter().map(row).collect();
    aligned(&LIST_HEADER, &rows) + &notes(lines)
}

/// Formats what an operator should know or do, one line each, after an empty line.
fn notes(lines: &[StrategyLine]) -> String {
    let of_line = |line: &StrategyLine| {
        let shadow = line
            .shadow
            .as_ref()
            .map(|shadow| describe_shadow(shadow, &line.name));
        let lag = line.lag.as_ref().and_then(describe_lag);
        let notes = line.note.clone().into_iter().chain(lag).chain(shadow);
        notes
            .map(|note| format!("{}: {note}\n", line.name))
            .collect::<String>()
    };
    let text: String = lines.iter().map(of_line).collect();
    if text.is_empty() {
        text
    } else {
        format!("\n{text}")
    }
}

/// Says how far a strategy is behind, if it is worth a line.
fn describe_lag(lag: &LagLine) -> Option<String> {
    let ms = |ns: u64| grouped(ns / 1_000_000);
    let behind = (lag.ns >= LAG_SHOWN_NS).then(|| {
        format!(
            "{} ms and {} events behind",
            ms(lag.ns),
            grouped(lag.events)
        )
    });
    let held_up = (lag.held_up_ns >= LAG_SHOWN_NS).then(|| {
        format!(
            "kept the others waiting for {} ms so far",
            ms(lag.held_up_ns)
        )
    });
    let parts: Vec<String> = behind.into_iter().chain(held_up).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn describe_shadow(shadow: &ShadowLine, name: &str) -> String {
    let hash: String = shadow.hash.chars().take(HASH_SHOWN).collect();
    format!(
        "{} ({hash}) runs in the shadow: {} decisions agreed, {} differed; `tickdeck strategies promote {name}`",
        shadow.version,
        grouped(shadow.agreed),
        grouped(shadow.differed),
    )
}

fn detail(detail: &StrategyDetail) -> String {
    let line = &detail.line;
    let head = format!(
        "{} {}: {}\n  generation {} since {}, hash {}\n  {} events, {} actions, {} per event\n  pnl {}, position {}{}\n",
        line.name,
        line.version,
        line.state,
        line.generation,
        line.since,
        line.hash,
        grouped(line.events),
        grouped(line.actions),
        per_event(line),
        profit(line),
        position(&line.positions),
        line.memory_bytes
            .map_or_else(String::new, |count| format!(", memory {}", bytes(count))),
    );
    let faults = detail
        .faults
        .iter()
        .map(|fault| format!("{}  {}\n", fault.at, fault.text));
    let log = detail.log.iter().map(|line| format!("{line}\n"));
    head + &notes(std::slice::from_ref(line))
        + &section("parameters", &parameters(detail))
        + &section("permissions", &permissions(detail))
        + &section("generations", &generations(detail))
        + &differences(detail)
        + &section("time per event", &histogram(&detail.event_times))
        + &section("faults", &faults.collect::<String>())
        + &section("log", &log.collect::<String>())
}

/// Formats a heading with its lines indented, or with `none` if there are none.
fn section(title: &str, body: &str) -> String {
    if body.is_empty() {
        return format!("\n{title}: none\n");
    }
    let lines = body.lines().map(|line| format!("  {line}\n"));
    format!("\n{title}\n{}", lines.collect::<String>())
}

/// Formats the differences of the shadow version; empty if there are none.
fn differences(detail: &StrategyDetail) -> String {
    if detail.differences.is_empty() {
        return String::new();
    }
    let rows = detail.differences.iter().map(|line| {
        let line = line.clone();
        [line.at, line.event.to_string(), line.sent, line.shadow]
    });
    let header = ["<at", "event", "<sent", "<in the shadow"];
    section("differences", &table(&header, rows.collect()))
}

fn parameters(detail: &StrategyDetail) -> String {
    let rows = detail.parameters.iter().map(|line| {
        let line = line.clone();
        [line.name, line.value, line.source]
    });
    table(&["<name", "<value", "<from"], rows.collect())
}

fn permissions(detail: &StrategyDetail) -> String {
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let rows = detail.permissions.iter().map(|line| {
        let line = line.clone();
        [
            line.permission,
            or_none(line.requested),
            or_none(line.granted),
        ]
    });
    table(&["<permission", "<requested", "<granted"], rows.collect())
}

fn generations(detail: &StrategyDetail) -> String {
    let rows = detail.generations.iter().map(|line| {
        let hash = line.hash.chars().take(HASH_SHOWN).collect();
        let line = line.clone();
        [
            line.number.to_string(),
            line.version,
            hash,
            line.at,
            line.reason,
            line.handover,
        ]
    });
    let header = ["number", "<version", "<hash", "<at", "<reason", "<handover"];
    table(&header, rows.collect())
}

fn table<const N: usize>(header: &[&str; N], rows: Vec<[String; N]>) -> String {
    if rows.is_empty() {
        String::new()
    } else {
        aligned(header, &rows)
    }
}

fn histogram(buckets: &[TimeBucket]) -> String {
    let most = buckets
        .iter()
        .map(|bucket| bucket.count)
        .max()
        .unwrap_or(0)
        .max(1);
    let rows = buckets.iter().map(|bucket| {
        let bound = match bucket.up_to_ns {
            u64::MAX => "longer".to_owned(),
            bound => format!("{} ns", grouped(bound)),
        };
        // At least one mark for a bucket that is not empty.
        let length = u128::from(bucket.count) * u128::from(BAR) / u128::from(most);
        let length = (length as usize).max(usize::from(bucket.count > 0));
        [bound, grouped(bucket.count), "#".repeat(length)]
    });
    table(&["up to", "events", "<"], rows.collect())
}

fn profit(line: &StrategyLine) -> String {
    line.profit
        .as_deref()
        .map_or_else(|| "-".to_owned(), money_text)
}

fn per_event(line: &StrategyLine) -> String {
    line.ns_per_event
        .map_or_else(|| "-".to_owned(), |ns| format!("{} ns", short(ns)))
}

/// `0.05 BTCUSDT.SIM, -1.2 ETHUSDT.SIM`
fn position(positions: &[PositionLine]) -> String {
    if positions.is_empty() {
        return "flat".to_owned();
    }
    let texts = positions
        .iter()
        .map(|line| format!("{} {}", line.size, line.symbol));
    texts.collect::<Vec<_>>().join(", ")
}

/// The memory of all strategies: `312.4 MB of 8.2 GB`.
fn all_memory(line: &MemoryLine) -> String {
    let most = line.most_bytes.map(|most| format!(" of {}", bytes(most)));
    bytes(line.bytes) + &most.unwrap_or_default()
}

#[cfg(test)]
mod tests;
