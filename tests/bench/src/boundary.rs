//! `boundary`: what an event costs on its way into a Rust guest and through its EMA cross, by batch size and by way.

use crate::derived::Derived;
use crate::row::{Claim, Goal, Row, interleave};
use crate::{Effort, guests};
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
use tickdeck_strategy::{Discard, Host, HostConfig, Instance, Limits, StartOptions};

const BATCH: usize = 256;

pub(crate) fn run(effort: &Effort) -> Result<Vec<Row>> {
    let file = guests::module("ema-cross")?;
    let batch = trades(BATCH);
    let mut exact = Guest::start(&file, true)?;
    let mut exact_one = Guest::start(&file, true)?;
    let mut loose = Guest::start(&file, false)?;
    let mut derived = Derived::start(&file, &batch)?;
    let mut derived_one = Derived::start(&file, &batch[..1])?;
    let mut native = Native::start(&batch)?;
    let mut native_one = Native::start(&batch)?;
    let calls = (effort.events / BATCH).max(1);
    let singles = (effort.events / 8).max(1);
    let [
        exact_256,
        loose_256,
        derived_256,
        native_256,
        exact_1,
        derived_1,
        native_1,
    ] = interleave(
        effort.rounds,
        [
            &mut || per_event(calls, BATCH, || exact.call(&batch)),
            &mut || per_event(calls, BATCH, || loose.call(&batch)),
            &mut || {
                per_event(calls, BATCH, || {
                    derived.call().map(|consumed| consumed as usize)
                })
            },
            &mut || native.per_event(calls, BATCH),
            &mut || per_event(singles, 1, || exact_one.call(&batch[..1])),
            &mut || {
                per_event(singles, 1, || {
                    derived_one.call().map(|consumed| consumed as usize)
                })
            },
            &mut || native_one.per_event(singles, 1),
        ],
    )?;
    let claim = |bench, against, goal: Option<f64>| Claim {
        bench,
        unit: "ns/event",
        against,
        goal: goal.map(Goal::Value),
        more_is_better: false,
    };
    Ok(vec![
        claim("boundary/batch-256", "the same logic natively", Some(12.0))
            .row(&exact_256, &native_256),
        claim(
            "boundary/batch-256/nan-as-is",
            "the same logic natively",
            Some(7.5),
        )
        .row(&loose_256, &native_256),
        claim("boundary/batch-256/derived", "one memcpy", None).row(&derived_256, &exact_256),
        claim("boundary/batch-1", "the same logic natively", Some(200.0)).row(&exact_1, &native_1),
        claim("boundary/batch-1/derived", "one memcpy", None).row(&derived_1, &exact_1),
    ])
}

/// Trades at one price: the averages are worked out for each, and equal averages never cross.
pub(crate) fn trades(count: usize) -> Vec<Event> {
    (0..count as i64)
        .map(|at| {
            let trade = Trade {
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
        let host = Host::new(HostConfig {
            cache: None,
            nan_canonicalisation,
        })?;
        let limits = Limits::default();
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
    batch: Vec<tickdeck_sdk::Event>,
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
            batch: batch.iter().map(native).collect(),
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
                Ok(runner.on_events(std::hint::black_box(&events[..batch])))
            })
        })
    }
}

fn native(event: &Event) -> tickdeck_sdk::Event {
    let tickdeck_model::Body::Trade(trade) = event.body() else {
        unreachable!("the batch is made of trades")
    };
    tickdeck_sdk::Event {
        sequence: event.sequence,
        ts_venue: event.ts_venue,
        ts_host: event.ts_host,
        body: tickdeck_sdk::Body::Trade(tickdeck_sdk::Trade {
            instrument: tickdeck_sdk::InstrumentId(trade.instrument.0),
            aggressor: tickdeck_sdk::Aggressor::Buyer,
            price: tickdeck_sdk::Price(trade.price.0),
            size: tickdeck_sdk::Size(trade.size.0),
            trade_id: trade.trade_id,
        }),
    }
}
