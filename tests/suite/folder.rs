//! A plugins folder in which anything may happen: after a thousand random operations a running host runs what the
//! folder holds, and a strategy that was swapped all along has missed nothing.

use crate::support::guests::Guest;
use crate::support::host::{Folder, Hosted, SIM};
use crate::support::random::{Dice, seed};
use crate::support::versions::{counting, hash, marked};
use std::path::PathBuf;
use tickdeck_engine::StrategyState;

/// Strategies that come and go.
const NAMES: [&str; 6] = ["ada", "ben", "cleo", "dan", "eve", "flo"];
/// Operations.
const STEPS: u32 = 1_000;
/// Operations between two looks at whether the host has followed.
const BETWEEN_LOOKS: u32 = 50;
/// Modules that run.
const GOOD: u32 = 6;

fn any_name(dice: &mut Dice) -> &'static str {
    NAMES[dice.below(NAMES.len() as u32) as usize]
}

/// What modules and settings there are.
struct Stock {
    good: Vec<Vec<u8>>,
    /// It is a strategy, and refuses to start.
    unwilling: Vec<u8>,
}

const SETTINGS: [&str; 4] = [
    "[parameters]\nspeed = \"fast\"\n",
    "[parameters]\nspeed = \"faster\"\n",
    "[parameters]\nspeed = 1\nnonsense = 2\n",
    "this is = = no toml",
];

impl Stock {
    fn new() -> Self {
        let guest = |version: &str| counting(version).parameter("speed", Some("slow"));
        Self {
            good: (0..GOOD)
                .map(|minor| guest(&format!("1.{minor}.0")).component())
                .collect(),
            unwilling: guest("2.0.0")
                .init("(call $error)")
                .restore("(call $error)")
                .component(),
        }
    }

    fn any(&self, dice: &mut Dice) -> &[u8] {
        match dice.below(GOOD + 1) {
            GOOD => &self.unwilling,
            at => &self.good[at as usize],
        }
    }

    /// What a strategy has to run by what its files are now: its module and its parameter. Nothing inside if it must
    /// not run, and nothing at all if what is there is no plugin, so that whatever ran before goes on.
    fn expected(&self, folder: &Folder, name: &str) -> Option<Option<(String, &'static str)>> {
        let Ok(module) = std::fs::read(folder.file(&format!("{name}.wasm"))) else {
            return Some(None);
        };
        let settings = std::fs::read_to_string(folder.file(&format!("{name}.toml"))).ok();
        let speed = match settings.as_deref() {
            None => "slow",
            Some(text) if text == SETTINGS[0] => "fast",
            Some(text) if text == SETTINGS[1] => "faster",
            Some(_) => return None,
        };
        let known = self.good.iter().find(|good| **good == module)?;
        Some(Some((hash(known), speed)))
    }
}

/// Does one thing to the folder, as people, builds and copies do.
fn disturb(dice: &mut Dice, stock: &Stock, folder: &Folder) {
    let name = any_name(dice);
    let module = folder.file(&format!("{name}.wasm"));
    let settings = folder.file(&format!("{name}.toml"));
    // What is not there can't be moved or removed: that is as good as nothing done.
    match dice.below(12) {
        0..=2 => folder.put(name, stock.any(dice)),
        3 | 4 => std::fs::write(&module, stock.any(dice)).unwrap(),
        5 => {
            let whole = stock.any(dice);
            std::fs::write(&module, &whole[..dice.below(whole.len() as u32) as usize]).unwrap();
        }
        6 => drop(std::fs::remove_file(&module)),
        7 => {
            let to = any_name(dice);
            drop(std::fs::rename(&module, folder.file(&format!("{to}.wasm"))));
        }
        8 => folder.settings(name, SETTINGS[dice.below(4) as usize]),
        9 => drop(std::fs::remove_file(&settings)),
        10 => std::fs::write(&module, b"no module at all").unwrap(),
        _ => clutter(dice, folder),
    }
}

/// Puts things there that are nobody's plugin, and takes them away.
fn clutter(dice: &mut Dice, folder: &Folder) {
    let things: [PathBuf; 5] = [
        "notes.txt",
        ".ada.wasm.part",
        "ben.wasm~",
        "lonely.toml",
        "cleo.wasm.minisig",
    ]
    .map(|name| folder.file(name));
    let thing = &things[dice.below(5) as usize];
    match dice.below(3) {
        0 => drop(std::fs::remove_file(thing)),
        _ => std::fs::write(thing, dice.below(u32::MAX).to_le_bytes()).unwrap(),
    }
    let folder_like_a_module = folder.file("folder.wasm");
    match dice.below(2) {
        0 => drop(std::fs::create_dir(folder_like_a_module)),
        _ => drop(std::fs::remove_dir(folder_like_a_module)),
    }
}

/// Waits until every strategy runs what the folder holds, and none that it does not.
fn follows(host: &mut Hosted, stock: &Stock) {
    for name in NAMES {
        let expected = stock.expected(&host.folder, name);
        host.until(&format!("{name} is {expected:?}"), |host| {
            let running = host
                .find(name)
                .filter(|one| one.state == StrategyState::Running);
            let fits = match (&expected, &running) {
                (None, _) | (Some(None), None) => true,
                (Some(None), Some(_)) | (Some(Some(_)), None) => false,
                (Some(Some((hash, speed))), Some(running)) => {
                    let record = host.record(name);
                    let given = record.parameters.first();
                    running.hash == *hash && given.is_some_and(|given| given.value == *speed)
                }
            };
            fits.then_some(())
        });
    }
}

/// Counts its events, and says how many there were when it is stopped.
fn witness() -> Guest {
    counting("1.0.0")
        .import(r#"(import "tickdeck:strategy/log@0.1.0" "write" (func $log (param i32 i32 i32)))"#)
        .stop(
            "(local $left i64) (local $at i32)
             (local.set $left (global.get $seen))
             (local.set $at (i32.const 7200))
             (loop $digit
               (local.set $at (i32.sub (local.get $at) (i32.const 1)))
               (i32.store8 (local.get $at)
                 (i32.add (i32.const 48) (i32.wrap_i64 (i64.rem_u (local.get $left) (i64.const 10)))))
               (local.set $left (i64.div_u (local.get $left) (i64.const 10)))
               (br_if $digit (i64.ne (local.get $left) (i64.const 0))))
             (call $log (i32.const 1) (local.get $at) (i32.sub (i32.const 7200) (local.get $at)))",
        )
}

#[test]
fn after_a_thousand_random_operations_the_host_runs_what_the_folder_holds_and_no_event_was_lost() {
    let (mut dice, stock) = (Dice::from(seed()), Stock::new());
    let folder = Folder::new();
    let (calm, witness) = (counting("1.0.0").component(), witness().component());
    folder.put("calm", &calm);
    folder.put("witness", &witness);
    let workers = 1 + dice.below(3);
    let stepping = ["lockstep", "free"][dice.below(2) as usize];
    println!("{workers} workers, {stepping}");
    let settings = format!("{SIM}[engine]\nworkers = {workers}\nstepping = \"{stepping}\"\n");
    let mut host = Hosted::start(&settings, folder);
    host.keeps_trading("witness");
    let mut swaps = 0;
    for step in 1..=STEPS {
        disturb(&mut dice, &stock, &host.folder);
        if dice.below(10) == 0 {
            host.keeps_trading("calm");
        }
        if dice.below(20) == 0 {
            swaps += 1;
            host.folder.put("witness", &marked(&witness, swaps));
        }
        if step.is_multiple_of(BETWEEN_LOOKS) {
            follows(&mut host, &stock);
        }
    }
    let last = marked(&witness, swaps);
    let swapped = host.runs("witness", &last);
    assert!(swapped.generation > 10, "{swapped:?}");
    assert_eq!(host.keeps_trading("calm").generation, 1);
    heard_all(host);
}

/// Swaps the witness in a host that runs freely, whose workers wait for nobody.
#[test]
fn a_host_that_runs_freely_loses_no_event_across_swaps() {
    let folder = Folder::new();
    let (calm, witness) = (counting("1.0.0").component(), witness().component());
    folder.put("calm", &calm);
    folder.put("witness", &witness);
    let settings = format!("{SIM}[engine]\nworkers = 2\nstepping = \"free\"\n");
    let mut host = Hosted::start(&settings, folder);
    host.keeps_trading("witness");
    for swap in 1..=10 {
        let next = marked(&witness, swap);
        host.folder.put("witness", &next);
        let swapped = host.runs("witness", &next);
        assert_eq!(swapped.generation, 1 + swap);
    }
    host.keeps_trading("witness");
    heard_all(host);
}

/// Stops the host: the witness, which was swapped, and the calm one, which was not, heard the same, and nothing failed.
fn heard_all(host: Hosted) {
    assert_eq!(host.failures(), [""; 0]);
    let (report, feed) = host.stop();
    let find = |name: &str| {
        let mut all = report.status.strategies.iter();
        all.find(|one| one.name == name).unwrap().events
    };
    assert_eq!(
        find("witness"),
        find("calm"),
        "both hear the same, and one was never swapped"
    );
    let words = feed.tail("witness", None).pop().unwrap();
    let count = format!(" info: {}", find("witness"));
    assert!(words.ends_with(&count), "{words} instead of{count}");
}
