//! A deck on several venues at once: two simulated exchanges and a recorded market, traded together.

use crate::support::deck::Play;
use crate::support::plugins::{modules, plugins, sample};
use crate::support::process::{deck, last_object, tickdeck};
use serde_json::Value;

/// Two simulated exchanges that open when the recorded market begins, each with a strategy of its own, and one strategy on
/// the recorded market.
fn settings() -> String {
    let sample = sample();
    format!(
        "[venues.EAST]\nstart_ms = 1723161253937\n[venues.WEST]\nstart_ms = 1723161253937\n\
         [venues.TAPE]\nkind = \"capture\"\nfiles = [\"{}\"]\n\
         [strategies.east]\nplugin = \"market-maker\"\nparameters = {{ instrument = \"BTCUSDT.EAST\" }}\n\
         [strategies.west]\nplugin = \"market-maker\"\nparameters = {{ instrument = \"BTCUSDT.WEST\" }}\n\
         [strategies.tape]\nplugin = \"market-maker\"\nparameters = {{ instrument = \"BTCUSDT.TAPE\", size = 0.001 }}\n",
        sample.display()
    )
}

#[test]
fn a_deck_trades_two_simulated_venues_and_a_capture_with_the_same_result_for_any_batch_and_workers()
{
    let play = |engine: &str, split_seed| {
        let played = Play {
            settings: format!("{engine}{}", settings()),
            modules: modules(plugins(), &["market-maker"]),
            events: Some(40_000),
            split_seed,
        }
        .run();
        for name in ["east", "west", "tape"] {
            assert!(
                played.actions(name) > 0,
                "{name} did not trade: {:?}",
                played.skipped
            );
        }
        played.outcome()
    };
    let once = play("", None);
    for (engine, split_seed) in [
        ("[engine]\nbatch = 1\n", None),
        ("[engine]\nworkers = 3\nbatch = 7\n", Some(11)),
    ] {
        assert_eq!(play(engine, split_seed), once, "{engine}");
    }
}

#[test]
fn a_run_on_several_venues_replays_equal_in_lockstep_and_free() {
    for stepping in ["lockstep", "free"] {
        let deck = deck(&format!(
            "[engine]\nstepping = \"{stepping}\"\n{}",
            settings()
        ));
        let plugins = deck.path().join("plugins");
        for name in ["ema-cross", "pairs", "signal-follower"] {
            std::fs::remove_file(plugins.join(format!("{name}.wasm"))).unwrap();
        }
        // A free-running engine needs a clock that moves by itself.
        let pace = if stepping == "free" { "20" } else { "max" };
        let run = [
            "run",
            "--events",
            "20000",
            "--pace",
            pace,
            "--json",
            "--no-watch",
        ];
        let summary = last_object(&tickdeck(deck.path(), &run));
        let traded = |name: &str| {
            let strategies = summary["strategies"].as_array().unwrap();
            let one = strategies.iter().find(|one| one["name"] == name).unwrap();
            one["actions"].as_u64().unwrap()
        };
        for name in ["east", "west", "tape"] {
            assert!(traded(name) > 0, "{stepping}: {name} did not trade");
        }
        let replayed = last_object(&tickdeck(deck.path(), &["replay", "data", "--json"]));
        assert_eq!(
            replayed["equal"],
            Value::Bool(true),
            "{stepping}: {replayed}"
        );
        assert_eq!(
            replayed["actions_hash"], summary["actions_hash"],
            "{stepping}"
        );
    }
}
