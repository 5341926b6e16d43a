//! `boundary`: what an event costs on its way into a Rust guest and through its EMA cross, by batch size and by way.

use crate::derived::Derived;
use crate::effort::Effort;
use crate::empty::Empty;
use crate::row::{Claim, Goal, Row, interleave};
use crate::{guests, native};
use anyhow::{Result, ensure};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tickdeck_engine::port::Strategy;
use tickdeck_model::{Action, Aggressor, Event, InstrumentId, Pad, Price, Size, Trade};
use tickdeck_portfolio::StrategyBook;
use tickdeck_sdk::Runner;
use tickdeck_sdk::harness::World;
use tickdeck_strategy::{Discard, Instance, ResourceLimits, Runtime, RuntimeConfig, StartOptions};

/// Batches of a busy moment, and of a backtest.
const BATCH: usize = 256;
const LARGE: usize = 1_024;

/// Goals: the cost of an event in a batch, with all features and without NaN canonicalisation, and of a call with one event.
const EXACT_NS: f64 = 12.0;
const LOOSE_NS: f64 = 7.5;
const SINGLE_NS: f64 = 180.0;

pub(crate) fn run(effort: &Effort) -> Result<Vec<Row>> {
    let mut rows = batches(
        effort,
        BATCH,
        ["256", "256/nan-as-is", "256/derived", "256/bytes"],
    )?;
    let labels = ["1024", "1024/nan-as-is", "1024/derived", "1024/bytes"];
    rows.extend(batches(effort, LARGE, labels)?);
    rows.extend(singles(effort)?);
    Ok(rows)
}

const NATIVE: &str = "the same logic natively";

fn claim(against: &'static str, goal: Option<f64>) -> Claim {
    Claim {
        bench: "boundary",
        unit: "ns/event",
        against,
        goal: goal.map(Goal::Value),
        more_is_better: false,
    }
}

fn named(label: &str, row: Row) -> Row {
    Row {
        bench: format!("boundary/batch-{label}"),
        ..row
    }
}

/// Whole batches: as the host sends them, without NaN canonicalisation, by derived lowering, as bytes, and natively.
fn batches(effort: &Effort, size: usize, labels: [&str; 4]) -> Result<Vec<Row>> {
    let file = guests::module("ema-cross")?;
    let batch = trades(size);
    let mut exact = Guest::start(&file, true)?;
    let mut loose = Guest::start(&file, false)?;
    let mut bytes = Guest::start(&guests::in_bytes("ema-cross")?, true)?;
    let mut derived = Derived::start(&file, &batch)?;
    let mut native = Native::start(&batch)?;
    let calls = (effort.events / size).max(1);
    let [exact, loose, derived, bytes, native] = interleave(
        effort.rounds,
        [
            &mut || per_event(calls, size, || exact.call(&batch)),
            &mut || per_event(calls, size, || loose.call(&batch)),
            &mut || per_event(calls, size, || derived.call()),
            &mut || per_event(calls, size, || bytes.call(&batch)),
            &mut || native.per_event(calls, size),
        ],
    )?;
    let rows = [
        claim(NATIVE, Some(EXACT_NS)).row(&exact, &native),
        claim(NATIVE, Some(LOOSE_NS)).row(&loose, &native),
        claim("one memcpy", None).row(&derived, &exact),
        claim("one memcpy", None).row(&bytes, &exact),
    ];
    let rows = labels.into_iter().zip(rows);
    Ok(rows.map(|(label, row)| named(label, row)).collect())
}

/// One event a call, beside a call with nothing.
fn singles(effort: &Effort) -> Result<Vec<Row>> {
    let file = guests::module("ema-cross")?;
    let batch = trades(1);
    let mut exact = Guest::start(&file, true)?;
    let mut derived = Derived::start(&file, &batch)?;
    let mut empty = Empty::start()?;
    let calls = (effort.events / 8).max(1);
    let [exact, derived, empty] = interleave(
        effort.rounds,
        [
            &mut || per_event(calls, 1, || exact.call(&batch)),
            &mut || per_event(calls, 1, || derived.call()),
            &mut || per_event(calls, 1, || empty.call().map(|()| 1)),
        ],
    )?;
    let rows = [
        (
            "1",
            claim("an empty call", Some(SINGLE_NS)).row(&exact, &empty),
        ),
        ("1/derived", claim("one memcpy", None).row(&derived, &exact)),
    ];
    Ok(rows.map(|(label, row)| named(label, row)).into())
}

/// Trades at one price: the averages are worked out for each, and equal averages never cross.
pub(crate) fn trades(count: usize) -> Vec<Event> {
    (0..count as i64)
        .map(|at| {
            let trade = Trade {
                reserved: Pad::ZERO,
                instrument: InstrumentId(0),
                aggressor: Aggressor::Buyer,
                pad: Pad::ZERO,
                price: Price(6_000_000),
                size: Size(1_000),
                trade_id: at as u64,
            };
            Event::new(at, at, trade).with_sequence(at as u64)
        })
        .collect()
}

fn per_event(calls: usize, batch: usize, mut call: impl FnMut() -> Result<usize>) -> Result<f64> {
    let started = Instant::now();
    let mut consumed = 0;
    for _ in 0..calls {
        consumed += call()?;
    }
    let elapsed = started.elapsed();
    ensure!(
        consumed == calls * batch,
        "the guest stopped before the end of a batch: it must not have acted"
    );
    Ok(elapsed.as_nanos() as f64 / consumed as f64)
}

/// The plugin in the sandbox, through the port that the engine calls.
struct Guest {
    instance: Instance,
    book: Box<StrategyBook>,
    actions: Vec<Action>,
}

impl Guest {
    fn start(file: &Path, nan_canonicalisation: bool) -> Result<Self> {
        let host = Runtime::new(RuntimeConfig {
            nan_canonicalisation,
            ..RuntimeConfig::default()
        })?;
        let limits = ResourceLimits::default();
        let module = host.load(file, "ema-cross", &limits)?;
        let (registry, _) = guests::registry()?;
        let parameters = module
            .manifest()
            .resolve(&BTreeMap::new())
            .map_err(|errors| anyhow::anyhow!("{errors:?}"))?;
        let options = StartOptions {
            name: "ema-cross".to_owned(),
            parameters,
            limits,
            registry,
            log: Arc::new(Discard),
        };
        let mut book = Box::default();
        Ok(Self {
            instance: module.start(options, &mut book)?,
            book,
            actions: Vec::new(),
        })
    }

    fn call(&mut self, batch: &[Event]) -> Result<usize> {
        Ok(self
            .instance
            .on_events(batch, &mut self.book, &mut self.actions)?)
    }
}

/// The same logic compiled natively, on the same bytes.
struct Native {
    world: World,
    runner: Runner<ema_cross::EmaCross>,
    batch: Vec<Event>,
}

impl Native {
    fn start(batch: &[Event]) -> Result<Self> {
        let mut world = World::demo();
        let given: Vec<(String, String)> = [
            ("instrument", "BTCUSDT"),
            ("fast", "20"),
            ("slow", "60"),
            ("size", "0.01"),
            ("short", "true"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let runner = world
            .enter(|| Runner::start(&given, tickdeck_sdk::OrderNumber(1)))
            .map_err(anyhow::Error::msg)?;
        Ok(Self {
            world,
            runner,
            batch: batch.to_vec(),
        })
    }

    fn per_event(&mut self, calls: usize, batch: usize) -> Result<f64> {
        let Self {
            world,
            runner,
            batch: events,
        } = self;
        world.enter(|| {
            per_event(calls, batch, || {
                let events = native::batch(&events[..batch]);
                Ok(runner.on_events(std::hint::black_box(events)))
            })
        })
    }
}
