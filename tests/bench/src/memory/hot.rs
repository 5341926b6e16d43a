//! Allocations per event while nobody decides anything.
//!
//! The example plugins trade on the capture as ever. The kernel's thread, which runs the strategies too, is looked at
//! between two windows: one in which nothing but market data came and no strategy acted is *quiet*. What quiet windows
//! allocate, once the run has warmed up, is the row; the others are beside it. What the venue allocates, which keeps a
//! book of its own to fill our orders from, has a row of its own. A look at the clock ten times a second would make a
//! status for the operator, which is no part of the path: the run's clock stands still.

use crate::allocations;
use crate::deck::{CodeWrapper, Deck, Market, NullObserver, StrategySpec};
use crate::effort::Effort;
use crate::guests;
use crate::row::{Claim, Goal, Row};
use anyhow::{Result, ensure};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tickdeck_engine::EngineConfig;
use tickdeck_engine::port::{
    Clock, Code, Command, Due, Fault, Gateway, GatewayError, State, StopReason, Strategy,
    VenueTerms,
};
use tickdeck_model::{Action, Event, Kind, Registry, Timestamp};
use tickdeck_portfolio::StrategyBook;
use tickdeck_strategy::{ResourceLimits, Runtime, RuntimeConfig};

/// Part of the windows, the first, that warms up.
const WARM_UP: usize = 2;

/// Allocations an event that are buffers reaching their size. One that is made for each event would be a thousand times
/// that.
const GROWTH: f64 = 0.001;

pub(super) fn run(effort: &Effort) -> Result<Vec<Row>> {
    let meter = Arc::new(Meter::default());
    let market = Market::Captures(&effort.captures);
    let gateway = Box::new(Venue(market.open()?, Arc::clone(&meter)));
    let clock = Box::new(Standing(Arc::clone(&meter)));
    let deck = Deck::assemble(gateway, clock, &specs(&meter)?, EngineConfig::default())?;
    deck.engine.run(&mut NullObserver)?;
    let windows = meter.windows();
    let counted = &windows[windows.len() / WARM_UP..];
    let events = |quiet| -> u64 { of_kind(counted, quiet).map(|window| window.events).sum() };
    let per_event = |quiet, of: fn(&Window) -> u64| {
        let allocations: u64 = of_kind(counted, quiet).map(of).sum();
        [allocations as f64 / events(quiet).max(1) as f64]
    };
    let (quiet, busy) = (events(true), events(false));
    ensure!(
        quiet > 1_000 && busy > 100,
        "of the events counted, {quiet} came in windows of market data alone and {busy} in others: both must be there"
    );
    let [of_engine] = per_event(true, |window| window.allocations);
    ensure!(
        of_engine < GROWTH,
        "{of_engine} allocations an event: something on the hot path allocates"
    );
    let row = |bench, of| {
        let claim = Claim {
            bench,
            unit: "allocations",
            against: "windows in which strategies act or hear of their orders",
            goal: Some(Goal::Value(0.0)),
            more_is_better: false,
        };
        claim.row(&per_event(true, of), &per_event(false, of))
    };
    Ok(vec![
        row("memory/allocations-per-event", |window| window.allocations),
        row("memory/allocations-per-event/venue", |window| {
            window.of_venue
        }),
    ])
}

fn of_kind(windows: &[Window], quiet: bool) -> impl Iterator<Item = &Window> {
    windows.iter().filter(move |window| window.quiet == quiet)
}

/// The example plugins, metered.
fn specs(meter: &Arc<Meter>) -> Result<Vec<StrategySpec>> {
    let host = Runtime::new(RuntimeConfig::default())?;
    let wrapper = |meter: Arc<Meter>| -> CodeWrapper {
        Arc::new(move |code| Arc::new(MeteredCode(code, Arc::clone(&meter))))
    };
    let load = |(name, file): (String, std::path::PathBuf)| {
        let module = host.load(&file, &name, &ResourceLimits::default())?;
        Ok(StrategySpec::of(&module).wrapped_in(wrapper(Arc::clone(meter))))
    };
    guests::modules()?.into_iter().map(load).collect()
}

/// The figures of a window.
struct Window {
    /// Events of the venue.
    events: u64,
    /// By the engine and its strategies.
    allocations: u64,
    of_venue: u64,
    /// Market data alone, and nobody acted.
    quiet: bool,
}

/// Sees the windows go by.
#[derive(Default)]
struct Meter {
    /// Something else than market data came, or a strategy acted.
    busy: AtomicBool,
    events: AtomicU64,
    /// Allocations of the kernel's thread at the beginning of the window.
    began: AtomicU64,
    /// The venue's part of the allocations.
    of_venue: AtomicU64,
    windows: Mutex<Vec<Window>>,
}

impl Meter {
    /// Between two windows, on the kernel's thread.
    fn between_windows(&self) {
        let made = allocations::so_far() - self.began.load(Ordering::Relaxed);
        let of_venue = self.of_venue.swap(0, Ordering::Relaxed);
        let window = Window {
            events: self.events.swap(0, Ordering::Relaxed),
            allocations: made.saturating_sub(of_venue),
            of_venue,
            quiet: !self.busy.swap(false, Ordering::Relaxed),
        };
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        windows.push(window);
        drop(windows);
        // What the meter itself allocates is not counted.
        self.began.store(allocations::so_far(), Ordering::Relaxed);
    }

    fn saw(&self, events: &[Event]) {
        let is_market =
            |event: &Event| matches!(event.kind(), Kind::Quote | Kind::Trade | Kind::Book);
        if !events.iter().all(is_market) {
            self.is_busy();
        }
    }

    fn is_busy(&self) {
        self.busy.store(true, Ordering::Relaxed);
    }

    fn windows(&self) -> Vec<Window> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut windows)
    }
}

/// A clock that stands still, asked before each window.
struct Standing(Arc<Meter>);

impl Clock for Standing {
    fn wait_until(&mut self, _: Timestamp) {
        self.0.between_windows();
    }

    fn paces(&self) -> bool {
        false
    }

    fn reached(&self) -> Timestamp {
        Timestamp::MAX
    }

    fn now_ns(&self) -> u64 {
        0
    }
}

struct Venue(Box<dyn Gateway>, Arc<Meter>);

impl Gateway for Venue {
    fn register(&mut self, registry: &mut Registry) -> Result<VenueTerms, GatewayError> {
        self.0.register(registry)
    }

    fn send(&mut self, at: Timestamp, command: Command) {
        self.1.is_busy();
        self.0.send(at, command);
    }

    fn next_due(&mut self) -> Due {
        self.0.next_due()
    }

    fn poll(&mut self, until: Timestamp, out: &mut Vec<Event>) -> Result<(), GatewayError> {
        let (before, made) = (out.len(), allocations::so_far());
        self.0.poll(until, out)?;
        let made = allocations::so_far() - made;
        self.1.of_venue.fetch_add(made, Ordering::Relaxed);
        self.1.saw(&out[before..]);
        let events = (out.len() - before) as u64;
        self.1.events.fetch_add(events, Ordering::Relaxed);
        Ok(())
    }
}

struct MeteredCode(Arc<dyn Code>, Arc<Meter>);

impl MeteredCode {
    fn around(&self, strategy: Box<dyn Strategy>) -> Box<dyn Strategy> {
        Box::new(Metered(strategy, Arc::clone(&self.1)))
    }
}

impl Code for MeteredCode {
    fn start(&self, book: &mut Box<StrategyBook>) -> Result<Box<dyn Strategy>, Fault> {
        self.0.start(book).map(|strategy| self.around(strategy))
    }

    fn start_in_place(&self, book: &mut Box<StrategyBook>) -> Result<Box<dyn Strategy>, Fault> {
        let started = self.0.start_in_place(book);
        started.map(|strategy| self.around(strategy))
    }

    fn is_ready(&self) -> bool {
        self.0.is_ready()
    }

    fn restore(
        &self,
        book: &mut Box<StrategyBook>,
        state: &State,
    ) -> Result<Box<dyn Strategy>, Fault> {
        let restored = self.0.restore(book, state);
        restored.map(|strategy| self.around(strategy))
    }

    fn schema(&self) -> u32 {
        self.0.schema()
    }

    fn restores(&self) -> &[u32] {
        self.0.restores()
    }
}

struct Metered(Box<dyn Strategy>, Arc<Meter>);

impl Strategy for Metered {
    fn on_events(
        &mut self,
        batch: &[Event],
        book: &mut Box<StrategyBook>,
        actions: &mut Vec<Action>,
    ) -> Result<usize, Fault> {
        let handled = self.0.on_events(batch, book, actions)?;
        self.1.saw(batch);
        if !actions.is_empty() {
            self.1.is_busy();
        }
        Ok(handled)
    }

    fn save(&mut self) -> Result<Result<Vec<u8>, String>, Fault> {
        self.0.save()
    }

    fn save_into(&mut self, state: &mut Vec<u8>) -> Result<Result<(), String>, Fault> {
        self.0.save_into(state)
    }

    fn long_call_ns(&self) -> Option<u64> {
        self.0.long_call_ns()
    }

    fn thread_time_ns(&self) -> Option<u64> {
        self.0.thread_time_ns()
    }

    fn stop(&mut self, reason: StopReason) -> Result<(), Fault> {
        self.0.stop(reason)
    }
}
