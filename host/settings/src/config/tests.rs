//! Tables of cases: a file, and the settings or messages that it gives.

use super::*;
use std::path::Path;

fn messages(text: &str) -> Vec<String> {
    match Config::parse("tickdeck.toml", text) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.to_string().lines().map(str::to_owned).collect(),
    }
}

#[test]
fn the_repositorys_own_deck_is_valid() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tickdeck.toml");
    let config = Config::load(&path).unwrap();
    assert!(matches!(config.venues[0].kind, VenueKind::Sim(_)));
    assert_eq!(config.risk.permissions.max_notional, Setting::To(25_000));
}

#[test]
fn an_empty_file_leaves_every_default() {
    let config = Config::parse("tickdeck.toml", "").unwrap();
    assert_eq!(
        config,
        Config {
            file: "tickdeck.toml".to_owned(),
            ..Config::default()
        }
    );
}

#[test]
fn each_mistake_is_named_with_its_line_and_a_fix() {
    let cases = [
        (
            "[risk]\nmax_notinal = 5",
            "unknown key `max_notinal` at tickdeck.toml:2, did you mean `max_notional`?",
        ),
        (
            "[rysk]",
            "unknown key `rysk` at tickdeck.toml:1, did you mean `risk`?",
        ),
        (
            "[wasm]\nturbo = true",
            "unknown key `turbo` at tickdeck.toml:2, known in [wasm]: nan_canonicalisation, memory_mib, time_ms, deck_memory_mib, handover_ms, compile_memory_mib, compile_cpu_s, compile_sandbox, trusted_keys",
        ),
        (
            "[wasm]\ntrusted_keys = [\n\"RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\",\n\"RWQx\"]",
            "`trusted_keys` is \"RWQx\" at tickdeck.toml:4, \
             it must be a list of public keys as `tickdeck sign --new-key` prints them",
        ),
        (
            "[wasm]\ntrusted_keys = []",
            "`trusted_keys` is empty at tickdeck.toml:2, name a key, or remove it to run unsigned modules",
        ),
        (
            "[engine]\nworkers = 0",
            "`workers` is 0 at tickdeck.toml:2, it must be a whole number from 1 to 64",
        ),
        (
            "[engine]\nworkers = -1",
            "`workers` is -1 at tickdeck.toml:2, it must be a whole number from 1 to 64",
        ),
        (
            "[engine]\nworkers = \"two\"",
            "`workers` is \"two\" at tickdeck.toml:2, it must be a whole number from 1 to 64",
        ),
        (
            "[engine]\nwait = \"sleep\"",
            "`wait` is \"sleep\" at tickdeck.toml:2, it must be \"park\" or \"spin\" or \"busy\"",
        ),
        (
            "[engine]\nring_capacity = 5000",
            "`ring_capacity` is 5000, which is not a power of two at tickdeck.toml:2, set 4096 or 8192",
        ),
        (
            "[engine]\npin = [0, \"x\"]",
            "`pin` is \"x\" at tickdeck.toml:2, it must be a list of whole numbers from 0 to 1023",
        ),
        (
            "engine = 3",
            "`engine` is 3 at tickdeck.toml:1, it must be a table: [engine]",
        ),
        (
            "\n[venue]\nkind = \"capture\"",
            "a venue of kind \"capture\" has no `files` at tickdeck.toml:3, name the captures: files = [\"data/btcusdt.gz\"]",
        ),
        (
            "[venue]\nfiles = [\"a.gz\"]",
            "`files` is a setting of kind \"capture\" at tickdeck.toml:2, set kind = \"capture\" or remove it",
        ),
        (
            "[venue]\nbalance = 1e6",
            "`balance` is 1e6 at tickdeck.toml:2, it must be a number such as 0.5, not negative and without an exponent",
        ),
        (
            "[risk]\norder_rate = { orders = 5 }",
            "`order_rate` needs both `orders` and `window_ms` at tickdeck.toml:2, \
             write order_rate = { orders = 100, window_ms = 1000 }",
        ),
        (
            "[risk]\nmax_notional = true",
            "`max_notional` is true at tickdeck.toml:2, it must be a whole number from 1 to 1000000000000",
        ),
        (
            "[risk.instruments.BTCUSDT]\nmax_sice = 1",
            "unknown key `max_sice` at tickdeck.toml:2, did you mean `max_size`?",
        ),
        (
            "[strategies.ema-cross]\nenable = false",
            "unknown key `enable` at tickdeck.toml:2, did you mean `enabled`?",
        ),
        (
            "[strategies.ema-cross.parameters]\nfast = [1]",
            "`fast` is a list at tickdeck.toml:2, it must be a number, a text, true or false",
        ),
        (
            "[strategies.ema-cross.risk]\ncollar_bps = 20000",
            "`collar_bps` is 20000 at tickdeck.toml:2, it must be a whole number from 1 to 10000",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(messages(text), [expected], "{text}");
    }
}

#[test]
fn all_mistakes_come_at_once_in_the_order_of_their_lines() {
    let text = "[risk]\nmax_notinal = 5\n\n[engine]\nworkers = 0\nbatch = \"x\"\n[strategies.a]\ncapitol = 3\n";
    let lines: Vec<String> = messages(text)
        .iter()
        .map(|message| message.split(',').next().unwrap().to_owned())
        .collect();
    assert_eq!(
        lines,
        [
            "unknown key `max_notinal` at tickdeck.toml:2",
            "`workers` is 0 at tickdeck.toml:5",
            "`batch` is \"x\" at tickdeck.toml:6",
            "unknown key `capitol` at tickdeck.toml:8",
        ]
    );
}

#[test]
fn a_slip_of_the_grammar_does_not_hide_the_other_mistakes() {
    let found = messages("[engine]\nworkers = = 2\n[risk]\nmax_notinal = 5\n");
    assert!(
        found
            .iter()
            .any(|message| message.contains("tickdeck.toml:2")),
        "{found:?}"
    );
    assert!(
        found
            .iter()
            .any(|message| message.contains("`max_notinal` at tickdeck.toml:4")),
        "{found:?}"
    );
    // What is left of a torn table is no mistake of its own.
    let found = messages("[venue\nseed = 7\nsymbols = []\n");
    assert_eq!(
        found,
        ["unclosed table, expected `]` at tickdeck.toml:1"],
        "{found:?}"
    );
}

fn names(config: &Config) -> Vec<(&str, usize)> {
    let venues = config.venues.iter();
    venues
        .map(|venue| (venue.name.as_str(), venue.line))
        .collect()
}

#[test]
fn each_venue_has_the_settings_of_its_kind() {
    let text = "[venues.WEST]\nseed = 3\nevents_per_second = 10\nlatency_us = 4\n\
                [venues.tape-1]\nkind = \"capture\"\nfiles = [\"a.gz\"]\nbalance = 2.5\n\
                [venues.EAST]\nkind = \"sim\"\n";
    let config = Config::parse("t", text).unwrap();
    assert_eq!(names(&config), [("EAST", 9), ("WEST", 1), ("tape-1", 5)]);
    assert_eq!(
        config.venues[0].kind,
        VenueKind::Sim(SimSettings::default())
    );
    let west = SimSettings {
        start_ms: None,
        seed: Some(3),
        events_per_second: Some(10),
        broker: BrokerSettings {
            latency_us: Some(4),
            ..BrokerSettings::default()
        },
    };
    assert_eq!(config.venues[1].kind, VenueKind::Sim(west));
    let tape = CaptureSettings {
        files: vec!["a.gz".into()],
        broker: BrokerSettings {
            balance: Some(Located {
                value: Decimal("2.5".to_owned()),
                line: 8,
            }),
            ..BrokerSettings::default()
        },
        ..CaptureSettings::default()
    };
    assert_eq!(config.venues[2].kind, VenueKind::Capture(tape));
}

#[test]
fn a_single_venue_has_the_default_name_of_its_kind() {
    for text in ["", "[venue]", "[venue]\nkind = \"sim\"\nseed = 7"] {
        let config = Config::parse("t", text).unwrap();
        assert_eq!(names(&config), [("SIM", usize::from(!text.is_empty()))]);
    }
    // Older versions accepted settings of the simulated exchange for a capture: recorded runs may have them.
    let text = "\n[venue]\nkind = \"capture\"\nfiles = [\"a\"]\nseed = 5\nevents_per_second = 9\n";
    let mut config = Config::parse("t", text).unwrap();
    assert_eq!(names(&config), [("BINANCE", 2)]);
    config.locate_files(Path::new("deck"));
    let VenueKind::Capture(capture) = &config.venues[0].kind else {
        panic!("{:?}", config.venues);
    };
    assert_eq!(
        (capture.seed, &capture.files),
        (Some(5), &vec!["deck/a".into()])
    );
}

#[test]
fn captures_of_the_command_line_replace_the_venue_and_leave_its_costs() {
    let mut config = Config::parse("t", "[venue]\nlatency_us = 9\n").unwrap();
    config.play_captures(vec!["b.gz".into()]).unwrap();
    assert!(config.plays_captures_only());
    assert_eq!(names(&config), [("BINANCE", 1)]);
    let VenueKind::Capture(capture) = &config.venues[0].kind else {
        panic!("{:?}", config.venues);
    };
    assert_eq!(capture.broker.latency_us, Some(9));
    let mut named = Config::parse("t", "[venues.EAST]\n").unwrap();
    named.play_captures(vec!["b.gz".into()]).unwrap();
    assert_eq!(names(&named), [("EAST", 1)]);
}

#[test]
fn each_mistake_about_venues_is_named_with_its_line_and_a_fix() {
    let cases = [
        (
            "[venues.A]\nkind = \"capture\"\nfiles = [\"a\"]\nevents_per_second = 5",
            "`events_per_second` is a setting of kind \"sim\" at tickdeck.toml:4, set kind = \"sim\" or remove it",
        ),
        (
            "[venues.A]\nfiles = [\"a\"]",
            "`files` is a setting of kind \"capture\" at tickdeck.toml:2, set kind = \"capture\" or remove it",
        ),
        (
            "[venues.A]\nkind = \"capture\"",
            "a venue of kind \"capture\" has no `files` at tickdeck.toml:2, \
             name the captures: files = [\"data/btcusdt.gz\"]",
        ),
        (
            "[venues.A]\nkind = \"capture\"\nfiles = []",
            "`files` is empty at tickdeck.toml:3, name at least one capture",
        ),
        (
            "[venues.A]\nkind = \"live\"",
            "`kind` is \"live\" at tickdeck.toml:2, it must be \"sim\" or \"capture\"",
        ),
        (
            "[venues.A]\nlatency = 3",
            "unknown key `latency` at tickdeck.toml:2, did you mean `latency_us`?",
        ),
        (
            "[venues.\"a.b\"]",
            "`a.b` can't be the name of a venue at tickdeck.toml:1, use letters, digits, `-` and `_`",
        ),
        (
            "[venues]\n[risk]",
            "`[venues]` has no venue at tickdeck.toml:1, \
             add a section `[venues.NAME]`, or remove `[venues]` to trade on the simulated exchange",
        ),
        (
            "[venues.A]\n[venue]\nseed = 1",
            "there are both `[venue]` and `[venues]` at tickdeck.toml:2, \
             move the keys of `[venue]` into a section `[venues.NAME]`",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(messages(text), [expected], "{text}");
    }
}

#[test]
fn a_limit_is_kept_set_or_taken_off() {
    let config = Config::parse("t", "[risk]\nmax_notional = false\ncollar_bps = 7").unwrap();
    assert_eq!(config.risk.permissions.max_notional, Setting::Off);
    assert_eq!(config.risk.collar_bps, Setting::To(7));
    assert_eq!(config.risk.permissions.order_rate, Setting::Default);
    assert_eq!(config.risk.permissions.max_notional.over(Some(1)), None);
    assert_eq!(config.risk.collar_bps.over(Some(1)), Some(7));
    assert_eq!(Setting::Default.over(Some(1)), Some(1));
}

#[test]
fn a_strategys_own_settings_are_read_with_exact_decimals() {
    let text = "[strategies.fast]\nplugin = \"ema-cross\"\ncapital = 1000.10\nmemory_mib = 8\n\
                [strategies.fast.parameters]\nfast = 12\nsize = 0.010\nsymbol = \"BTCUSDT\"\nshort = true\n";
    let config = Config::parse("t", text).unwrap();
    let fast = &config.strategies["fast"];
    assert_eq!(
        fast.plugin,
        Some(Located {
            value: "ema-cross".to_owned(),
            line: 2
        })
    );
    assert_eq!(
        fast.capital,
        Some(Located {
            value: Decimal("1000.10".to_owned()),
            line: 3
        })
    );
    let parameters: Vec<(&str, &str)> = fast
        .parameters
        .iter()
        .map(|(name, value)| (name.as_str(), value.value.as_str()))
        .collect();
    assert_eq!(
        parameters,
        [
            ("fast", "12"),
            ("short", "true"),
            ("size", "0.010"),
            ("symbol", "BTCUSDT")
        ]
    );
}
