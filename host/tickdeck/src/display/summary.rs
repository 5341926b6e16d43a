//! The JSON object printed at the end of a run. Money, sizes and positions are JSON numbers with their exact decimal
//! digits.

use super::model::result_in;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::time::Duration;
use tickdeck_control::protocol::{DataLine, ResultLine, StrategyLine};
use tickdeck_deck::data_monitors::DataMonitors;
use tickdeck_deck::read_model::ReadModel;
use tickdeck_engine::{Ending, Report};
use tickdeck_recording::names::Names;

/// The results of a run.
#[derive(Debug, Serialize)]
pub struct Summary {
    events: u64,
    events_per_second: f64,
    actions: u64,
    orders: u64,
    /// By deny code.
    denied: BTreeMap<String, u64>,
    fills: u64,
    strategies: Vec<StrategySummary>,
    /// In `currency`.
    capital: Option<Exact>,
    /// The currency of `capital` and of the strategies' results.
    currency: String,
    /// The account in every currency.
    balances: BTreeMap<String, Exact>,
    tape_hash: String,
    actions_hash: String,
    seed: u64,
    workers: usize,
    ending: &'static str,
    elapsed_s: f64,
    /// From the start of the command to the first action applied.
    first_decision_ms: Option<f64>,
    killed: bool,
    /// What the venues know of their data.
    data: Vec<DataLine>,
    /// Strategies that did not run, with the reason.
    skipped: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
struct StrategySummary {
    name: String,
    version: String,
    state: String,
    events: u64,
    actions: u64,
    ns_per_event: Option<f64>,
    realised: Exact,
    unrealised: Exact,
    fees: Exact,
    /// The one position, 0 if flat; null if the strategy holds more than one.
    position: Option<Exact>,
    /// Open positions by symbol.
    positions: BTreeMap<String, Exact>,
    /// Results in other currencies than `currency`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    other_results: BTreeMap<String, ResultSummary>,
}

#[derive(Debug, Serialize)]
struct ResultSummary {
    realised: Exact,
    unrealised: Exact,
    fees: Exact,
}

/// Facts about a run that its report lacks.
#[derive(Debug, Clone, Default)]
pub struct RunFacts {
    /// The seed of everything random.
    pub seed: u64,
    /// Worker threads.
    pub workers: usize,
    /// From the start of the command to the start of the run.
    pub start_up: Duration,
    /// Strategies that did not run, with the reason.
    pub skipped: BTreeMap<String, String>,
    /// What the venues know of their data.
    pub data: DataMonitors,
}

/// Builds the summary of a report.
pub fn summary(report: &Report, about: RunFacts, names: &Names) -> Summary {
    let elapsed_s = report.elapsed_ns as f64 / 1e9;
    let rate = if elapsed_s > 0.0 {
        (report.status.events as f64 / elapsed_s).round()
    } else {
        0.0
    };
    let read_model = ReadModel::new("", names.clone());
    let status = read_model.host_status(&report.status, rate);
    let strategies = status.strategies.into_iter();
    Summary {
        events: status.events,
        events_per_second: status.events_per_s,
        actions: status.actions,
        orders: status.orders,
        denied: status.denied_by_reason,
        fills: status.fills,
        strategies: strategies
            .map(|strategy| strategy_summary(strategy, &status.currency))
            .collect(),
        capital: status.capital.map(Exact),
        balances: exact_by_name(status.balances),
        currency: status.currency,
        tape_hash: format!("{:032x}", report.tape_hash),
        actions_hash: format!("{:032x}", report.actions_hash),
        seed: about.seed,
        workers: about.workers,
        ending: match report.ending {
            Ending::TapeOver => "tape-over",
            Ending::Limit => "limit",
            Ending::Asked => "asked",
            Ending::Broken => "broken",
        },
        elapsed_s,
        first_decision_ms: report
            .first_action_ns
            .map(|ns| milliseconds(about.start_up + Duration::from_nanos(ns))),
        killed: status.killed,
        data: about.data.lines(),
        skipped: about.skipped,
    }
}

/// With one decimal.
fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e4).round() / 10.0
}

fn strategy_summary(line: StrategyLine, currency: &str) -> StrategySummary {
    let main = ResultSummary::from(result_in(&line, currency));
    let open = line.positions.into_iter();
    // An instrument that the registry lacks has no size to show.
    let positions: BTreeMap<String, String> = open
        .filter(|position| !position.size.is_empty())
        .map(|position| (position.symbol, position.size))
        .collect();
    let position = match positions.len() {
        0 => Some(Exact("0".to_owned())),
        1 => positions.values().next().cloned().map(Exact),
        _ => None,
    };
    let results = line.results.into_iter();
    StrategySummary {
        name: line.name,
        version: line.version,
        state: line.state,
        events: line.events,
        actions: line.actions,
        ns_per_event: line.ns_per_event.map(|ns| (ns * 10.0).round() / 10.0),
        realised: main.realised,
        unrealised: main.unrealised,
        fees: main.fees,
        position,
        positions: exact_by_name(positions),
        other_results: results
            .filter(|result| result.currency != currency)
            .map(|result| (result.currency.clone(), result.into()))
            .collect(),
    }
}

impl From<ResultLine> for ResultSummary {
    fn from(result: ResultLine) -> Self {
        Self {
            realised: Exact(result.realised),
            unrealised: Exact(result.unrealised),
            fees: Exact(result.fees),
        }
    }
}

/// A decimal that is written digit by digit, never through a float.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Exact(String);

fn exact_by_name(decimals: BTreeMap<String, String>) -> BTreeMap<String, Exact> {
    let decimals = decimals.into_iter();
    decimals
        .map(|(name, decimal)| (name, Exact(decimal)))
        .collect()
}

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.0.clone())
            .map_err(serde::ser::Error::custom)?
            .serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tickdeck_engine::{Status, StrategyResult, StrategyState};
    use tickdeck_model::{
        Amount, CurrencyId, Instrument, InstrumentId, Money, Price, Reason, Registry, Size,
        StrategyId, VenueId,
    };

    fn names() -> Names {
        let mut registry = Registry::new();
        let venue = registry.add_venue("SIM");
        let base = registry.add_currency("BTC", 8).unwrap();
        let quote = registry.add_currency("USDT", 8).unwrap();
        let terms = Instrument {
            id: InstrumentId(0),
            venue: VenueId(venue.0),
            symbol: "BTCUSDT.SIM".to_owned(),
            base,
            quote,
            price_scale: 2,
            size_scale: 5,
            quote_scale: 8,
            tick: Price(1),
            lot: Size(1),
            min_notional: Amount(1),
        };
        registry.add_instrument(terms).unwrap();
        Names::new(Arc::new(registry), Some(quote))
    }

    fn report() -> Report {
        let result = StrategyResult {
            currency: CurrencyId(1),
            realised: Money(12_345_678_901_234_567_891_234),
            unrealised: Money(-500_000_000_000_000_000),
            fees: Money(0),
        };
        let strategy = tickdeck_engine::StrategyStatus {
            id: StrategyId(1),
            name: "ema".to_owned(),
            version: "1.2.3".to_owned(),
            hash: String::new(),
            generation: 1,
            pause_ns: None,
            traps: 0,
            held_bytes: 0,
            times: Default::default(),
            shadow: None,
            state: StrategyState::Stopped,
            events: 10,
            actions: 2,
            ns_per_event: Some(12.34),
            lag_events: 0,
            lag_ns: 0,
            held_up_ns: 0,
            debt_ns: 0,
            results: vec![result],
            positions: vec![(InstrumentId(0), Size(-2_500))],
        };
        let status = Status {
            events: 1_000,
            orders: 3,
            denied: [(Reason::MaxNotional, 1)].into(),
            strategies: vec![strategy],
            capital: vec![(CurrencyId(1), Money(1_000_000_123_456_789_000_000_000))],
            ..Status::default()
        };
        Report {
            status,
            tape_hash: 10,
            actions_hash: 11,
            ending: Ending::Limit,
            elapsed_ns: 500_000_000,
            first_action_ns: Some(12_340_000),
        }
    }

    #[test]
    fn the_object_has_exact_numbers_and_stable_names() {
        let about = RunFacts {
            data: DataMonitors::default(),
            seed: 7,
            workers: 1,
            start_up: Duration::from_millis(200),
            skipped: BTreeMap::new(),
        };
        let text = serde_json::to_string(&summary(&report(), about, &names())).unwrap();
        let golden = concat!(
            r#"{"events":1000,"events_per_second":2000.0,"actions":0,"orders":3,"denied":{"MAX_NOTIONAL":1},"fills":0,"#,
            r#""strategies":[{"name":"ema","version":"1.2.3","state":"stopped","events":10,"actions":2,"#,
            r#""ns_per_event":12.3,"realised":12345.678901234567891234,"unrealised":-0.5,"fees":0,"position":-0.025,"#,
            r#""positions":{"BTCUSDT.SIM":-0.025}}],"capital":1000000.123456789,"currency":"USDT","#,
            r#""balances":{"USDT":1000000.123456789},"tape_hash":"0000000000000000000000000000000a","#,
            r#""actions_hash":"0000000000000000000000000000000b","seed":7,"workers":1,"ending":"limit","#,
            r#""elapsed_s":0.5,"first_decision_ms":212.3,"killed":false,"data":[],"skipped":{}}"#
        );
        assert_eq!(text, golden);
    }
}
