//! Every message of the protocol against the golden file, and lines that are not messages.

use super::*;

/// Every request, then every answer, one per line.
const GOLDEN: &str = include_str!("protocol.golden.jsonl");

fn strategy() -> StrategyLine {
    StrategyLine {
        name: "ema-cross".to_owned(),
        version: "1.2.0".to_owned(),
        state: "running".to_owned(),
        generation: 3,
        hash: "3f2a9c01d4e5b6a7".to_owned(),
        since: "2026-01-01 00:00:07 UTC".to_owned(),
        events: 77_714,
        actions: 206,
        ns_per_event: Some(2_809.5),
        lag: None,
        memory_bytes: None,
        event_times: Vec::new(),
        positions: vec![PositionLine {
            symbol: "BTCUSDT.SIM".to_owned(),
            size: "-0.01".to_owned(),
        }],
        profit: Some("-48.06".to_owned()),
        results: Vec::new(),
        note: Some("asks for max_notional 50,000".to_owned()),
        shadow: Some(ShadowLine {
            version: "1.3.0".to_owned(),
            hash: "77aa00ff12345678".to_owned(),
            agreed: 1_000,
            differed: 2,
        }),
    }
}

fn status() -> HostStatus {
    HostStatus {
        title: "demo on the simulated exchange, seed 7".to_owned(),
        pid: 4_711,
        uptime_s: 14,
        event_time_ns: 1_767_225_614_000_000_000,
        events: 77_714,
        events_per_s: 4_800.5,
        actions: 1_004,
        orders: 498,
        working_orders: 2,
        fills: 518,
        denied: 0,
        killed: false,
        mode: "trading".to_owned(),
        capital: Some("999883.9".to_owned()),
        profit: "-116".to_owned(),
        currency: "USDT".to_owned(),
        instruments: vec![InstrumentLine {
            symbol: "BTCUSDT.SIM".to_owned(),
            bid: Some("60109.00".to_owned()),
            ask: Some("60110.00".to_owned()),
            last: None,
            events: 27_706,
            stale: false,
            ..InstrumentLine::default()
        }],
        strategies: vec![timed()],
        ..HostStatus::default()
    }
}

/// The strategy as a status has it.
fn timed() -> StrategyLine {
    StrategyLine {
        lag: Some(LagLine {
            events: 12,
            ns: 5_000_000,
            held_up_ns: 70_000_000,
        }),
        event_times: vec![TimeBucket {
            up_to_ns: 2_048,
            count: 900,
        }],
        ..strategy()
    }
}

fn detail() -> StrategyDetail {
    StrategyDetail {
        line: strategy(),
        parameters: vec![ParameterLine {
            name: "fast".to_owned(),
            value: "12".to_owned(),
            source: "default".to_owned(),
        }],
        permissions: vec![PermissionLine {
            permission: "max_notional".to_owned(),
            requested: Some("50000".to_owned()),
            granted: None,
        }],
        generations: vec![GenerationLine {
            number: 3,
            version: "1.2.0".to_owned(),
            hash: "3f2a9c01d4e5b6a7".to_owned(),
            at: "2026-01-01T00:00:07Z".to_owned(),
            reason: "replaced".to_owned(),
            handover: "412 bytes of state, paused 180 us, compiled in 85 ms".to_owned(),
        }],
        event_times: vec![TimeBucket {
            up_to_ns: 2_048,
            count: 900,
        }],
        differences: vec![DifferenceLine {
            at: "00:00:12".to_owned(),
            event: 123,
            sent: "nothing".to_owned(),
            shadow: "cancel order 7".to_owned(),
        }],
        faults: vec![FaultLine {
            at: "2026-01-01T00:00:05Z".to_owned(),
            text: "trapped at event 123: unreachable".to_owned(),
        }],
        log: vec!["00:00:14 cross -1".to_owned()],
    }
}

fn answers() -> Vec<Answer> {
    vec![
        Answer::done("ema-cross is paused"),
        Answer::Status(Box::new(status())),
        Answer::Strategies(vec![strategy()]),
        Answer::Strategy(Box::new(detail())),
        Answer::refused("no strategy is named `ema`"),
        Answer::Complete,
    ]
}

/// The lines of the golden file that hold a request.
fn golden_requests() -> impl Iterator<Item = &'static str> {
    let of_request = |line: &&str| line.starts_with(r#"{"protocol":1,"request":"#);
    GOLDEN.lines().filter(of_request)
}

#[test]
fn every_request_is_in_the_golden_file_and_is_written_as_it_is_read() {
    for line in golden_requests() {
        let request = read_request(line.as_bytes()).unwrap();
        let written = request_line(&request).unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), format!("{line}\n"));
    }
    // An unknown command is refused with the list of those that there are.
    let unknown = br#"{"protocol":1,"request":{"command":"?"}}"#;
    let Err(Misread::Malformed(problem)) = read_request(unknown) else {
        panic!("it was taken");
    };
    let (_, known) = problem.split_once("expected one of ").unwrap();
    for command in known.split(", ") {
        let command = command.trim_matches('`');
        let named = format!(r#""command":"{command}""#);
        let is_golden = golden_requests().any(|line| line.contains(&named));
        assert!(is_golden, "protocol.golden.jsonl lacks `{command}`");
    }
}

#[test]
fn every_answer_is_as_in_the_golden_file_and_reads_back_as_what_was_written() {
    let answers = answers();
    let written: Vec<Vec<u8>> = answers
        .iter()
        .map(|answer| answer_line(answer).unwrap())
        .collect();
    let text = String::from_utf8(written.concat()).unwrap();
    let mut golden = GOLDEN.lines().skip(golden_requests().count());
    let expected: String = golden.clone().map(|line| format!("{line}\n")).collect();
    assert_eq!(text, expected, "this changes the protocol:\n{text}");
    for answer in answers {
        assert_eq!(read_answer(golden.next().unwrap().as_bytes()), Ok(answer));
    }
    assert_eq!(golden.next(), None);
}

#[test]
fn fields_that_came_later_are_written_and_may_be_missing() {
    let mut later = status();
    later.denied_by_reason = [("MAX_NOTIONAL".to_owned(), 3)].into();
    later.balances = [("USDT".to_owned(), "999883.9".to_owned())].into();
    later.instruments[0].bid_size = Some("1.0087".to_owned());
    later.instruments[0].ask_size = Some("2.29327".to_owned());
    later.strategies[0].results = vec![ResultLine {
        currency: "USDT".to_owned(),
        realised: "-40".to_owned(),
        unrealised: "-8.06".to_owned(),
        fees: "0".to_owned(),
    }];
    later.working = vec![OrderLine {
        strategy: "ema-cross".to_owned(),
        id: "1-7".to_owned(),
        symbol: "BTCUSDT.SIM".to_owned(),
        side: "sell".to_owned(),
        price: None,
        stop_price: None,
        size: "0.01".to_owned(),
        filled: "0.0025".to_owned(),
        state: "part filled".to_owned(),
    }];
    let answer = Answer::Status(Box::new(later));
    let line = String::from_utf8(answer_line(&answer).unwrap()).unwrap();
    for field in [
        r#""denied_by_reason":{"MAX_NOTIONAL":3}"#,
        r#""balances":{"USDT":"999883.9"}"#,
        r#""bid":"60109.00","bid_size":"1.0087","ask":"60110.00","ask_size":"2.29327""#,
        r#""results":[{"currency":"USDT","realised":"-40","unrealised":"-8.06","fees":"0"}]"#,
        r#""price":null,"size":"0.01","filled":"0.0025","state":"part filled"}]"#,
    ] {
        assert!(line.contains(field), "{field}: {line}");
    }
    assert_eq!(read_answer(line.trim_end().as_bytes()), Ok(answer));
}

#[test]
fn another_version_is_told_apart_from_a_malformed_line() {
    let other = br#"{"protocol":2,"request":{"order":"pause","who":7}}"#;
    assert_eq!(read_request(other), Err(Misread::Version(2)));
    let other = br#"{"protocol":2,"said":"done"}"#;
    assert_eq!(read_answer(other), Err(Misread::Version(2)));
    for line in [
        "",
        "pause",
        "{}",
        r#"{"protocol":1}"#,
        r#"{"protocol":1,"request":{}}"#,
    ] {
        let read = read_request(line.as_bytes());
        assert!(
            matches!(read, Err(Misread::Malformed(_))),
            "{line}: {read:?}"
        );
    }
}

#[test]
fn a_misspelt_key_never_means_all_strategies() {
    let line = br#"{"protocol":1,"request":{"command":"pause","nmae":"ema-cross"}}"#;
    let Err(Misread::Malformed(problem)) = read_request(line) else {
        panic!("it was taken");
    };
    assert!(problem.contains("nmae"), "{problem}");
}

#[test]
fn a_status_without_times_is_understood() {
    let without_times = StrategyLine {
        event_times: Vec::new(),
        ..timed()
    };
    let times = r#""event_times":[{"up_to_ns":2048,"count":900}],"#;
    let line = GOLDEN.lines().find(|line| line.contains(r#""status":"#));
    let (timed, untimed) = (line.unwrap(), line.unwrap().replacen(times, "", 1));
    assert_ne!(timed, untimed);
    let Ok(Answer::Status(status)) = read_answer(untimed.as_bytes()) else {
        panic!("it was not understood");
    };
    assert_eq!(status.strategies, vec![without_times]);
}

#[test]
fn an_answer_may_hold_more_than_this_build_knows() {
    let line = br#"{"protocol":1,"answer":{"done":{"message":"done","took_ms":3}},"host":"next"}"#;
    assert_eq!(read_answer(line), Ok(Answer::done("done")));
}
