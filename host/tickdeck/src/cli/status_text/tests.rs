//! The texts that the commands print, which are the examples in `docs/OPERATING.md`, word for word.

use super::*;
use tickdeck_control::protocol::{FaultLine, GenerationLine, ParameterLine, PermissionLine};

const DOCS: &str = include_str!("../../../../../docs/OPERATING.md");

fn market_maker() -> StrategyLine {
    StrategyLine {
        name: "market-maker".to_owned(),
        version: "0.1.0".to_owned(),
        state: "waiting for approval".to_owned(),
        generation: 1,
        hash: "9b1c44d0e2f3a5b6c7d8e9f0a1b2c3d4".to_owned(),
        since: "2026-01-01 00:00:00 UTC".to_owned(),
        note: Some(
            "asks for max_notional 50,000; `tickdeck strategies approve market-maker`".to_owned(),
        ),
        ..StrategyLine::default()
    }
}

fn ema_cross() -> StrategyLine {
    StrategyLine {
        name: "ema-cross".to_owned(),
        version: "1.2.0".to_owned(),
        state: "running".to_owned(),
        generation: 2,
        hash: "3f2a9c01d4e5b6a708192a3b4c5d6e7f".to_owned(),
        since: "2026-01-01 00:00:07 UTC".to_owned(),
        events: 77_714,
        actions: 1_206,
        ns_per_event: Some(2_809.4),
        lag: None,
        memory_bytes: None,
        event_times: [(2_048, 900), (4_096, 450), (65_536, 2)]
            .map(|(up_to_ns, count)| TimeBucket { up_to_ns, count })
            .into(),
        positions: vec![PositionLine {
            symbol: "BTCUSDT.SIM".to_owned(),
            size: "-0.01".to_owned(),
        }],
        profit: Some("-1148.061234".to_owned()),
        results: Vec::new(),
        note: None,
        shadow: Some(ShadowLine {
            version: "1.3.0".to_owned(),
            hash: "77aa00ff123456789abcdef012345678".to_owned(),
            agreed: 1_000,
            differed: 2,
        }),
    }
}

fn host() -> HostStatus {
    let instrument = |symbol: &str, bid: Option<&str>, stale| InstrumentLine {
        symbol: symbol.to_owned(),
        bid: bid.map(str::to_owned),
        ask: Some("60110.00".to_owned()),
        last: None,
        events: 27_706,
        stale,
        ..InstrumentLine::default()
    };
    HostStatus {
        title: "deck btc on the simulated exchange".to_owned(),
        pid: 4_711,
        uptime_s: 12_059,
        event_time_ns: 1_767_225_614_000_000_000,
        events: 77_714,
        events_per_s: 4_812.3,
        actions: 1_206,
        orders: 498,
        working_orders: 2,
        fills: 518,
        denied: 3,
        killed: false,
        mode: "trading".to_owned(),
        capital: Some("998851.938766".to_owned()),
        profit: "-1148.061234".to_owned(),
        currency: "USDT".to_owned(),
        instruments: vec![
            instrument("BTCUSDT.SIM", Some("60109.00"), false),
            instrument("ETHUSDT.SIM", None, true),
        ],
        strategies: vec![ema_cross(), market_maker()],
        ..HostStatus::default()
    }
}

fn generation(number: u32, reason: &str, handover: &str) -> GenerationLine {
    GenerationLine {
        number,
        version: format!("1.{number}.0"),
        hash: "3f2a9c01d4e5b6a708192a3b4c5d6e7f".to_owned(),
        at: format!("2026-01-01T00:00:0{number}Z"),
        reason: reason.to_owned(),
        handover: handover.to_owned(),
    }
}

fn everything() -> StrategyDetail {
    let parameter = |name: &str, value: &str, source: &str| ParameterLine {
        name: name.to_owned(),
        value: value.to_owned(),
        source: source.to_owned(),
    };
    let handed = "412 bytes of state, paused 180 us, compiled in 85 ms";
    StrategyDetail {
        line: ema_cross(),
        parameters: vec![
            parameter("instrument", "BTCUSDT", "default"),
            parameter("fast", "12", "tickdeck.toml"),
        ],
        permissions: vec![PermissionLine {
            permission: "max_notional".to_owned(),
            requested: Some("50,000".to_owned()),
            granted: None,
        }],
        generations: vec![
            generation(1, "started", "-"),
            generation(2, "replaced", handed),
        ],
        event_times: [(1_024, 0), (2_048, 900), (4_096, 450), (u64::MAX, 1)]
            .map(|(up_to_ns, count)| TimeBucket { up_to_ns, count })
            .into(),
        differences: Vec::new(),
        faults: vec![FaultLine {
            at: "2026-01-01T00:00:05Z".to_owned(),
            text: "trapped at event 123: wasm `unreachable` instruction executed".to_owned(),
        }],
        log: vec![
            "00:00:13 cross 1".to_owned(),
            "00:00:14 cross -1".to_owned(),
        ],
    }
}

/// Indents a text by four columns, as the docs do.
fn in_docs(text: &str) -> String {
    let indented = |line: &str| {
        if line.is_empty() {
            "\n".to_owned()
        } else {
            format!("    {line}\n")
        }
    };
    text.lines().map(indented).collect()
}

#[test]
fn the_docs_show_what_the_commands_print() {
    let list = Answer::Strategies(vec![ema_cross(), market_maker()]);
    for text in [
        answer(&Answer::Status(Box::new(host()))),
        times::times(&host().strategies),
        answer(&list),
        answer(&Answer::Strategy(Box::new(everything()))),
    ] {
        let text = in_docs(&text);
        assert!(DOCS.contains(&text), "docs/OPERATING.md lacks\n{text}");
    }
}

#[test]
fn top_shows_the_times_between_the_figures_and_the_notes() {
    let (top, times) = (top(&host()), times::times(&host().strategies));
    assert_eq!(top.replacen(&times, "", 1), status(&host()));
    assert!(top.find(&times) < top.find("runs in the shadow"), "{top}");
}

#[test]
fn the_docs_show_lines_of_the_protocol_as_it_is() {
    let golden = include_str!("../../../../control/src/protocol/protocol.golden.jsonl");
    let shown: Vec<&str> = DOCS
        .lines()
        .map(str::trim_start)
        .filter(|line| line.starts_with(r#"{"protocol":"#))
        .collect();
    assert!(shown.len() >= 4, "{shown:?}");
    for line in shown {
        assert!(golden.lines().any(|known| known == line), "{line}");
    }
}

#[test]
fn a_kill_is_shown_with_how_to_lift_it() {
    let killed = HostStatus {
        killed: true,
        ..host()
    };
    let text = status(&killed);
    assert!(text.contains("`tickdeck run --clear-kill`"), "{text}");
}

#[test]
fn an_empty_strategy_is_shown_without_gaps() {
    let nothing = Answer::Strategy(Box::default());
    let text = answer(&nothing);
    for title in [
        "parameters",
        "permissions",
        "generations",
        "time per event",
        "faults",
        "log",
    ] {
        assert!(text.contains(&format!("\n{title}: none\n")), "{text}");
    }
    assert_eq!(answer(&Answer::Strategies(Vec::new())), "no strategies\n");
}

#[test]
fn no_text_of_a_strategy_steers_the_terminal() {
    let mut detail = everything();
    detail.log = vec!["\u{1b}[2Jgone\r".to_owned()];
    detail.line.note = Some("\u{7}".to_owned());
    let mut host = host();
    host.title = "\u{9b}31m".to_owned();
    for text in [
        answer(&Answer::Strategy(Box::new(detail))),
        answer(&Answer::Status(Box::new(host))),
        answer(&Answer::done("\u{1b}c")),
    ] {
        assert!(
            !text.chars().any(|char| char.is_control() && char != '\n'),
            "{text:?}"
        );
    }
}

#[test]
fn a_strategy_that_is_behind_or_keeps_the_others_waiting_has_a_line() {
    let behind = LagLine {
        events: 1_200,
        ns: 63_400_000,
        held_up_ns: 104_000_000,
    };
    let line = StrategyLine {
        lag: Some(behind),
        shadow: None,
        ..ema_cross()
    };
    let text = notes(&[line]);
    assert_eq!(
        text,
        "\nema-cross: 63 ms and 1,200 events behind, kept the others waiting for 104 ms so far\n"
    );
    let well = StrategyLine {
        lag: Some(LagLine::default()),
        shadow: None,
        ..ema_cross()
    };
    assert_eq!(notes(&[well]), "");
}
