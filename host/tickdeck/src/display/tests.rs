//! The view of a status, as text.

use super::{MessageLog, Prompt, Rate, ViewModel, render, view};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use std::sync::Arc;
use tickdeck_control::protocol::HostStatus;
use tickdeck_deck::feed::{BuildPhase, BuildProgress, FeedLine, Topic, Weight};
use tickdeck_deck::read_model::ReadModel;
use tickdeck_engine::{
    InstrumentStatus, ShadowStatus, Status, StrategyResult, StrategyState, StrategyStatus,
    WorkingOrder,
};
use tickdeck_model::{
    Amount, ClientOrderId, CurrencyId, Instrument, InstrumentId, Money, OrderState, Price, Reason,
    Registry, Side, Size, StrategyId, VenueId, Working,
};
use tickdeck_recording::names::Names;

const SECOND: i64 = 1_000_000_000;

fn names() -> Names {
    let mut registry = Registry::new();
    registry.add_venue("SIM");
    let base = registry.add_currency("BTC", 8).unwrap();
    let quote = registry.add_currency("USDT", 8).unwrap();
    let terms = Instrument {
        id: InstrumentId(0),
        venue: VenueId(0),
        symbol: "BTCUSDT.SIM".to_owned(),
        base,
        quote,
        price_scale: 2,
        size_scale: 5,
        quote_scale: 8,
        tick: Price(1),
        lot: Size(1),
        min_notional: Amount(1),
    };
    registry.add_instrument(terms).unwrap();
    registry.add_strategy("ema-cross");
    Names::new(Arc::new(registry), Some(quote))
}

fn cents(cents: i128) -> Money {
    Money(cents * 10i128.pow(16))
}

fn status() -> Status {
    let result = StrategyResult {
        currency: CurrencyId(1),
        realised: cents(12_345),
        unrealised: cents(-1_500),
        fees: cents(845),
    };
    Status {
        now: 1_723_132_803 * SECOND,
        events: 1_234_567,
        actions: 890,
        orders: 456,
        denied: [(Reason::MaxNotional, 3)].into(),
        fills: 321,
        instruments: vec![InstrumentStatus {
            instrument: InstrumentId(0),
            bid: Some((Price(6_168_599), Size(100_870))),
            ask: Some((Price(6_168_600), Size(229_327))),
            last: Some(Price(6_168_600)),
            events: 1_000_000,
            stale: false,
        }],
        strategies: vec![StrategyStatus {
            id: StrategyId(1),
            name: "ema-cross".to_owned(),
            version: "0.2.0".to_owned(),
            hash: String::new(),
            generation: 2,
            pause_ns: None,
            traps: 0,
            held_bytes: 0,
            times: Default::default(),
            shadow: Some(ShadowStatus {
                version: "0.3.0".to_owned(),
                hash: String::new(),
                agreed: 12,
                differed: 0,
                differences: Vec::new(),
            }),
            state: StrategyState::Running,
            events: 54_321,
            actions: 890,
            ns_per_event: Some(48.6),
            lag_events: 0,
            lag_ns: 0,
            held_up_ns: 0,
            debt_ns: 0,
            results: vec![result],
            positions: vec![(InstrumentId(0), Size(-1_000))],
        }],
        working: vec![WorkingOrder {
            id: ClientOrderId {
                strategy: StrategyId(1),
                number: 7,
            },
            instrument: InstrumentId(0),
            side: Side::Sell,
            price: Price(6_170_000),
            stop_price: Price(0),
            size: Size(1_000),
            filled: Size(250),
            state: OrderState::Working(Working::PartiallyFilled),
            is_held: false,
        }],
        capital: vec![(CurrencyId(1), cents(100_011_500))],
        killed: false,
    }
}

fn messages() -> MessageLog {
    let line = |after_s: i64, topic, weight, text: &str| FeedLine {
        at: (1_723_132_800 + after_s) * SECOND,
        topic,
        weight,
        text: text.to_owned(),
    };
    let mut messages = MessageLog::default();
    messages.add([
        line(
            0,
            Topic::Denied,
            Weight::Warning,
            "ema-cross: order 6 denied, MAX_NOTIONAL: notional=31000.00, limit=25000",
        ),
        line(
            1,
            Topic::Version,
            Weight::Note,
            "ema-cross: 0.1.0 -> 0.2.0 compiled in 31 ms, handed over in 85 us with 38 bytes of state",
        ),
        line(
            1,
            Topic::Version,
            Weight::Note,
            "ema-cross: first event 130 us after the old one's last",
        ),
        line(
            2,
            Topic::Failure,
            Weight::Error,
            "pairs ended: trapped at event 123: wasm `unreachable` instruction executed",
        ),
        line(2, Topic::Notified, Weight::Note, "ema-cross: cross -1"),
    ]);
    messages
}

fn read(title: &str, status: &Status) -> HostStatus {
    ReadModel::new(title, names()).host_status(status, 41_234.0)
}

fn model() -> ViewModel {
    let status = read("demo on the simulated exchange, seed 7", &status());
    view(&status, &messages(), 10)
}

/// A strategy whose next version does not build.
fn broken() -> ViewModel {
    let mut messages = messages();
    let error = |line: u32| {
        format!(
            "plugins/ema-cross/src/lib.rs:{line}:23: mismatched types: expected `u32`,\nfound `f64`"
        )
    };
    messages.draft = Some(BuildProgress {
        headline: "ema-cross does not build, 8 errors; the previous version keeps running"
            .to_owned(),
        phase: BuildPhase::Broken,
        errors: (81..89).map(error).collect(),
    });
    view(&read("dev ema-cross", &status()), &messages, 10)
}

fn picture(model: &ViewModel, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| render(frame, model)).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |y: u16| -> String { (0..width).map(|x| buffer[(x, y)].symbol()).collect() };
    (0..height)
        .map(|y| line(y).trim_end().to_owned() + "\n")
        .collect()
}

#[test]
fn the_views_match_the_snapshot() {
    let pictures = [
        picture(&model(), 160, 24),
        picture(&broken(), 110, 26),
        picture(&broken(), 80, 24),
    ]
    .join("\n");
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/display/view.snapshot.txt");
    // After an intended change run `UPDATE_SNAPSHOTS=1 cargo test -p tickdeck`, and review the difference.
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(file, &pictures).unwrap();
    }
    assert_eq!(pictures, std::fs::read_to_string(file).unwrap());
}

#[test]
fn an_order_is_shown_with_the_price_that_it_waits_for() {
    let shown = |change: fn(&mut WorkingOrder)| {
        let mut status = status();
        change(&mut status.working[0]);
        let read = read("demo", &status);
        let row = &view(&read, &messages(), 10).orders[0];
        format!("{}, {}", row.price, row.state)
    };
    assert_eq!(shown(|_| {}), "61700.00, part filled");
    let stop = shown(|order| {
        (order.price, order.stop_price) = (Price(0), Price(6_160_000));
        order.is_held = true;
    });
    assert_eq!(stop, "≤61600.00, held");
    assert_eq!(shown(|order| order.price = Price(0)), "market, part filled");
}

#[test]
fn a_kill_is_confirmed_and_shown() {
    let mut model = model();
    model.prompt = Prompt::Kill;
    assert!(picture(&model, 160, 18).contains("kill: cancel every order and deny new ones? y yes"));
    let killed = Status {
        killed: true,
        ..status()
    };
    let model = view(&read("demo", &killed), &MessageLog::default(), 10);
    assert!(
        picture(&model, 160, 18)
            .lines()
            .next()
            .unwrap()
            .ends_with("KILLED")
    );
}

#[test]
fn a_figure_of_the_head_is_whole_or_left_out_and_the_profit_stays_longest() {
    let model = model();
    let whole = picture(&model, 200, 30).lines().nth(1).unwrap().to_owned();
    let words =
        |line: &str| -> Vec<String> { line.split_whitespace().map(str::to_owned).collect() };
    let all = words(&whole);
    for width in 30..200 {
        let line = picture(&model, width, 30)
            .lines()
            .nth(1)
            .unwrap()
            .to_owned();
        let words = words(&line);
        assert!(
            words.iter().all(|word| all.contains(word)),
            "{width}: {line}"
        );
        assert!(words.contains(&"pnl".to_owned()), "{width}: {line}");
    }
}

#[test]
fn no_size_of_terminal_is_too_small() {
    for (width, height) in [(1, 1), (5, 3), (20, 8), (80, 24)] {
        picture(&model(), width, height);
        picture(&broken(), width, height);
    }
    picture(&ViewModel::default(), 80, 24);
    Rate::default().look(std::time::Instant::now(), 0);
}
