//! Real plugins swapped under load for modules that do the same: nothing can be seen of it in what they decide.

use crate::support::deck::parts;
use crate::support::guests::Guest;
use crate::support::host::{Folder, Hosted, SIM};
use crate::support::native::Quiet;
use crate::support::plugins::{module, sample};
use crate::support::versions::{hash, marked};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, OnceLock};
use tickdeck_deck::assemble::assemble;
use tickdeck_deck::clock::Pace;
use tickdeck_deck::folder::scan;
use tickdeck_deck::lifecycle::{ManagerSetup, StrategyCommand};
use tickdeck_deck::loading::LoadedStrategy;
use tickdeck_deck::venues::open_all;
use tickdeck_engine::port::{Clock, Version};
use tickdeck_engine::{
    ChangeResult, Engine, EngineConfig, EngineHandle, Notice, Report, StateSource, StrategyChange,
    VersionChange,
};
use tickdeck_model::{Reason, StrategyId, Timestamp};
use tickdeck_settings::config::{Config, StrategySettings};
use tickdeck_settings::grants::Grants;
use tickdeck_settings::risk_limits::risk;

/// Modules of a plugin that differ in nothing but a custom section.
const MARKS: u32 = 3;

fn capture() -> String {
    let file = sample().display().to_string();
    format!("[venue]\nkind = \"capture\"\nfiles = [{file:?}]\n")
}

/// Asks for the next change every so many windows, on the kernel's thread and so always at the same moments.
struct Moments {
    every: u64,
    windows: u64,
    changes: std::vec::IntoIter<StrategyChange>,
    controls: Arc<OnceLock<EngineHandle>>,
    answers: Answers,
}

type Answers = Arc<Mutex<Vec<Receiver<Result<ChangeResult, String>>>>>;

impl Clock for Moments {
    fn wait_until(&mut self, _: Timestamp) {
        self.windows += 1;
        if self.windows.is_multiple_of(self.every)
            && let Some(change) = self.changes.next()
        {
            let answer = self.controls.get().unwrap().change(change);
            self.answers.lock().unwrap().push(answer);
        }
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

/// A run that is taken apart to be played with swaps at chosen moments.
struct Rehearsed {
    setup: ManagerSetup,
    config: Config,
    workers: usize,
    batch: usize,
}

/// What it came to.
struct Outcome {
    report: Report,
    notices: Vec<Notice>,
    answers: Vec<Result<ChangeResult, String>>,
}

impl Outcome {
    fn hashes(&self) -> (u128, u128) {
        (self.report.tape_hash, self.report.actions_hash)
    }

    /// Swaps that took the state of the running instance over.
    fn swaps(&self) -> usize {
        let swapped = |answer: &&Result<ChangeResult, String>| match answer {
            Ok(ChangeResult::Swapped(swapped)) => {
                assert!(matches!(swapped.inherited, StateSource::Saved { .. }));
                true
            }
            Ok(_) => panic!("no swap"),
            // The tape ends before the last ones are asked for.
            Err(why) => panic!("{why}"),
        };
        self.answers.iter().filter(swapped).count()
    }
}

impl Rehearsed {
    fn new(settings: &str, name: &str, (workers, batch): (usize, usize)) -> Self {
        let config = Config::parse("test.toml", settings).unwrap();
        let folder = Folder::new();
        folder.put(name, &module(name));
        let setup = assemble(parts(settings, folder.path()))
            .unwrap_or_else(|error| panic!("{error:#}"))
            .setup;
        Self {
            setup,
            config,
            workers,
            batch,
        }
    }

    fn candidate(&self, module: &[u8]) -> LoadedStrategy {
        let name = self.setup.started[0].name.clone();
        let folder = Folder::new();
        folder.put(&name, module);
        let plugin = scan(folder.path(), &[]).unwrap().plugins.remove(0);
        let settings = self.config.strategies.get(&name).cloned();
        let settings: StrategySettings = settings.unwrap_or_default();
        let mut registry = (*self.setup.registry).clone();
        let grants = Grants::in_memory();
        let loader = &self.setup.loader;
        let loaded = loader.load((&name, settings), &plugin, &grants, &mut registry);
        loaded.unwrap_or_else(|failure| panic!("{}", failure.describe()))
    }

    fn version(&self, candidate: &LoadedStrategy) -> Version {
        let (program, version) = candidate.version(&self.setup.registry, &self.setup.loader.feed);
        program.prepare().unwrap();
        version
    }

    fn strategy(&self) -> StrategyId {
        self.setup.started[0].id
    }

    /// Plays `events` market events, with one of `changes` every so many windows.
    fn play(&self, events: u64, every: u64, changes: Vec<StrategyChange>) -> Outcome {
        let registry = &self.setup.registry;
        let first = &self.setup.started[0];
        let loader = &self.setup.loader;
        let start = loader.start(first, self.version(first), registry, None);
        let start = start.unwrap_or_else(|failure| panic!("{}", failure.describe()));
        let mut venues = open_all(&self.config).unwrap();
        let mut gateway = venues.remove(0).gateway;
        let terms = gateway.register(&mut (**registry).clone()).unwrap();
        let controls: Arc<OnceLock<EngineHandle>> = Arc::default();
        let answers = Answers::default();
        let moments = Moments {
            every,
            windows: 0,
            changes: changes.into_iter(),
            controls: Arc::clone(&controls),
            answers: Arc::clone(&answers),
        };
        let config = EngineConfig {
            workers: self.workers,
            max_batch: self.batch,
            max_market_events: Some(events),
            risk: risk(&self.config, registry).unwrap(),
            ..EngineConfig::default()
        };
        let engine = Engine::new(
            config,
            Arc::clone(registry),
            vec![(gateway, terms)],
            vec![start],
            Box::new(moments),
            Arc::new(|| 0),
        );
        let engine = engine.unwrap();
        controls.set(engine.controls()).ok();
        let mut quiet = Quiet::default();
        let report = engine.run(&mut quiet).unwrap();
        let answers = std::mem::take(&mut *answers.lock().unwrap());
        Outcome {
            report,
            notices: quiet.0,
            answers: answers
                .into_iter()
                .filter_map(|answer| answer.recv().ok())
                .collect(),
        }
    }

    /// Plays it once as it is, and once with a swap every so many windows; returns both.
    fn twins(&self, events: u64, every: u64, swaps: u32) -> (Outcome, Outcome) {
        let name = &self.setup.started[0].name;
        let candidates: Vec<LoadedStrategy> = (0..MARKS)
            .map(|mark| self.candidate(&marked(&module(name), mark)))
            .collect();
        let changes = (0..swaps).map(|swap| {
            let candidate = &candidates[swap as usize % candidates.len()];
            StrategyChange::Swap(self.strategy(), Box::new(self.version(candidate)))
        });
        let changes = changes.collect();
        (
            self.play(events, u64::MAX, Vec::new()),
            self.play(events, every, changes),
        )
    }
}

/// Checks that nothing can be seen of the swaps, except that there were so many.
fn assert_twins((whole, swapped): &(Outcome, Outcome), least: usize) {
    let swaps = swapped.swaps();
    assert!(swaps >= least, "{swaps}");
    let strategy = |outcome: &Outcome| outcome.report.status.strategies[0].clone();
    assert_eq!(strategy(swapped).generation as usize, 1 + swaps);
    assert_ne!(
        strategy(swapped).hash,
        strategy(whole).hash,
        "another module"
    );
    assert_eq!(
        strategy(swapped).events,
        strategy(whole).events,
        "every event once"
    );
    assert_eq!(strategy(swapped).results, strategy(whole).results);
    assert_eq!(strategy(swapped).positions, strategy(whole).positions);
    assert_eq!(swapped.hashes(), whole.hashes());
    let odd = swapped.notices.iter().find(|notice| {
        matches!(
            notice,
            Notice::Anomaly { .. } | Notice::Recovered { .. } | Notice::Ended { .. }
        )
    });
    assert_eq!(odd, None);
    let lives = swapped.notices.iter().filter(|notice| {
        let live = |change: &VersionChange| matches!(change, VersionChange::Live { .. });
        matches!(notice, Notice::Version { change, .. } if live(change))
    });
    let lives = lives.count();
    assert!(
        lives > swaps / 3,
        "{lives} of {swaps} were offered events before the next came"
    );
}

#[test]
fn averages_go_on_without_a_jump_through_many_swaps_on_a_real_market() {
    for crew in [(1, 1_024), (2, 7)] {
        let run = Rehearsed::new(&capture(), "ema-cross", crew);
        let twins = run.twins(u64::MAX, 7, 60);
        assert!(
            twins.0.report.status.orders > 5,
            "{:?}",
            twins.0.report.status
        );
        assert_twins(&twins, 40);
    }
}

#[test]
fn working_orders_are_kept_changed_and_canceled_by_the_next_instance_under_numbers_that_carry_on() {
    for crew in [(1, 1_024), (2, 7)] {
        let run = Rehearsed::new(SIM, "market-maker", crew);
        let twins = run.twins(9_000, 23, 60);
        let status = &twins.0.report.status;
        assert!(status.orders > 20 && status.fills > 5, "{status:?}");
        assert!(
            status.actions > status.orders + 20,
            "it changes and cancels too: {status:?}"
        );
        assert_twins(&twins, 40);
    }
}

/// Hears everything; cancels every order that its strategy has, and sends one of its own far from the market.
fn canceller() -> Guest {
    Guest::new()
        .version("9.9.9")
        .quotes("BTCUSDT")
        .item("(global $next (mut i64) (i64.const 0))")
        .init("(global.set $next (local.get $next)) (call $ok)")
        .on_events(
            "(if (i32.wrap_i64 (global.get $seen))
               (then (return (call $answer (local.get $len) (i32.const 0) (i32.const 0)))))
             (call $take (i32.const 1))
             ;; cancel-all, whose scope is everything
             (call $put (i32.const 0) (i32.const 3) (i64.const 0))
             (i32.store8 offset=12 (i32.const 8192) (i32.const SCOPE))
             ;; buys 0.00100 at 1.00, good till canceled
             (call $bid (i32.const 1) (global.get $next) (i64.const 100) (i64.const 100))
             (call $answer (i32.const 1) (i32.const 8192) (i32.const 2))"
                .replace(
                    "SCOPE",
                    &(tickdeck_model::CancelScope::Everything as u8).to_string(),
                )
                .as_str(),
        )
}

#[test]
fn another_program_under_the_name_finds_the_orders_of_the_one_before_and_cancels_them() {
    let folder = Folder::new();
    folder.put("guest", &module("market-maker"));
    let mut host = Hosted::start(SIM, folder);
    let id = host.keeps_trading("guest").id;
    let working = |host: &Hosted| -> Vec<u64> {
        let orders = host.status().working.into_iter();
        let own = orders.filter(|order| order.id.strategy == id);
        own.map(|order| order.id.number).collect()
    };
    host.until("orders work", |host| {
        (working(host).len() >= 2).then_some(())
    });
    host.folder
        .settings("guest", "[swap]\nother_schema = \"fresh\"\n");
    let other = canceller().restores(&[99]).component();
    host.folder.put("guest", &other);
    host.runs("guest", &other);
    // Its first action follows its first event.
    host.until("the orders are canceled", |host| {
        let acted = host.said().iter().any(|text| text.contains("MIN_NOTIONAL"));
        (working(host).is_empty() && acted).then_some(())
    });
    host.keeps_trading("guest");
    let (report, _) = host.stop();
    let strategy = &report.status.strategies[0];
    assert_eq!((strategy.traps, &strategy.hash), (0, &hash(&other)));
    // Its own order, which is too small for the venue, had a number that was free: it was judged.
    let denied = report.status.denied;
    assert_eq!(denied.get(&Reason::MinNotional), Some(&1), "{denied:?}");
}

#[test]
fn a_strategy_that_was_removed_and_comes_back_never_uses_an_order_number_again() {
    let folder = Folder::new();
    folder.put("market-maker", &module("market-maker"));
    let mut host = Hosted::start(SIM, folder);
    let traded = |host: &mut Hosted| {
        let before = host.status().orders;
        host.until("it sends orders", |host| {
            (host.status().orders > before + 5).then_some(())
        });
    };
    traded(&mut host);
    for _ in 0..3 {
        host.ask("market-maker", StrategyCommand::Remove);
        host.until("its orders are canceled", |host| {
            host.status().working.is_empty().then_some(())
        });
        let done = host.ask("market-maker", StrategyCommand::Reload);
        assert!(done.ends_with("trades"), "{done}");
        traded(&mut host);
    }
    let (report, _) = host.stop();
    let strategy = &report.status.strategies[0];
    assert_eq!(
        (strategy.traps, strategy.generation),
        (0, 4),
        "{strategy:?}"
    );
}

#[test]
fn files_that_replace_each_other_under_load_leave_no_trace_in_what_is_decided() {
    let settings = capture();
    let whole = {
        let folder = Folder::new();
        folder.put("ema-cross", &module("ema-cross"));
        Hosted::start_at(Pace::FlatOut, &settings, folder).join()
    };
    let folder = Folder::new();
    let first = module("ema-cross");
    folder.put("ema-cross", &first);
    // Slow enough for some files to be taken before the tape is over.
    let mut host = Hosted::start_at(Pace::Times(15.0), &settings, folder);
    for mark in 0.. {
        let next = marked(&first, mark);
        host.folder.put("ema-cross", &next);
        let taken = |host: &Hosted| {
            host.find("ema-cross")
                .is_some_and(|one| one.hash == hash(&next))
        };
        host.until("the file is taken, or the tape is over", |host| {
            (host.is_over() || taken(host)).then_some(())
        });
        if host.is_over() {
            break;
        }
    }
    let swapped = host.join();
    assert!(swapped.status.strategies[0].generation > 2);
    assert_eq!(
        (swapped.tape_hash, swapped.actions_hash),
        (whole.tape_hash, whole.actions_hash)
    );
}
