//! Every line of the protocol, against the golden file, and what is no line of it.

use super::*;

/// Every request, then every answer, a line each.
const GOLDEN: &str = include_str!("protocol.golden.jsonl");

fn requests() -> Vec<Request> {
    let name = || "ema-cross".to_owned();
    vec![
        Request::Status,
        Request::Strategies,
        Request::Show { name: name() },
        Request::Pause { name: Some(name()) },
        Request::Pause { name: None },
        Request::Reduce { name: Some(name()) },
        Request::Resume { name: Some(name()) },
        Request::Reload { name: name() },
        Request::Rollback { name: name() },
        Request::Promote { name: name() },
        Request::Remove { name: name() },
        Request::Approve {
            name: name(),
            seen: None,
        },
        Request::Kill,
    ]
}

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
        event_times: Vec::new(),
        positions: vec![PositionLine {
            symbol: "BTCUSDT.SIM".to_owned(),
            size: "-0.01".to_owned(),
        }],
        profit: Some("-48.06".to_owned()),
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
        }],
        strategies: vec![timed()],
    }
}

/// As a status has it.
fn timed() -> StrategyLine {
    StrategyLine {
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
    ]
}

#[test]
fn every_line_is_as_in_the_golden_file_and_reads_back_as_what_was_written() {
    let (requests, answers) = (requests(), answers());
    let written: Vec<Vec<u8>> = requests
        .iter()
        .map(|request| request_line(request).unwrap())
        .chain(answers.iter().map(|answer| answer_line(answer).unwrap()))
        .collect();
    let text = String::from_utf8(written.concat()).unwrap();
    assert_eq!(text, GOLDEN, "this changes the protocol:\n{text}");

    let mut lines = GOLDEN.lines().map(str::as_bytes);
    for request in requests {
        assert_eq!(read_request(lines.next().unwrap()), Ok(request));
    }
    for answer in answers {
        assert_eq!(read_answer(lines.next().unwrap()), Ok(answer));
    }
    assert_eq!(lines.next(), None);
}

#[test]
fn another_version_is_told_apart_from_a_line_that_makes_no_sense() {
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
fn a_misspelt_name_never_means_all_strategies() {
    let line = br#"{"protocol":1,"request":{"command":"pause","nmae":"ema-cross"}}"#;
    let Err(Misread::Malformed(problem)) = read_request(line) else {
        panic!("it was taken");
    };
    assert!(problem.contains("nmae"), "{problem}");
}

#[test]
fn a_status_of_a_host_that_tells_no_times_is_understood() {
    let times = r#""event_times":[{"up_to_ns":2048,"count":900}],"#;
    let line = GOLDEN.lines().find(|line| line.contains(r#""status":"#));
    let (told, untold) = (line.unwrap(), line.unwrap().replacen(times, "", 1));
    assert_ne!(told, untold);
    let Ok(Answer::Status(status)) = read_answer(untold.as_bytes()) else {
        panic!("it was not understood");
    };
    assert_eq!(status.strategies, vec![strategy()]);
}

#[test]
fn an_answer_may_hold_more_than_this_build_knows() {
    let line = br#"{"protocol":1,"answer":{"done":{"message":"done","took_ms":3}},"host":"next"}"#;
    assert_eq!(read_answer(line), Ok(Answer::done("done")));
}
