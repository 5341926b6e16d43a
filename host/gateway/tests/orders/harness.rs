//! A handmade market as a capture file, and a kernel that plays it with given commands and poll boundaries.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use tickdeck_engine::port::NewTerms;
use tickdeck_engine::port::{Command, Due, Gateway};
use tickdeck_gateway::playback::{Playback, PlaybackConfig};
use tickdeck_model::{
    Body, ClientOrderId, Event, InstrumentId, OrderStatus, OrderType, Price, Registry, Side, Size,
    StrategyId, Submit, TimeInForce, Timestamp,
};

/// A millisecond in nanoseconds.
pub(crate) const MS: i64 = 1_000_000;
/// A day in nanoseconds.
pub(crate) const DAY_NS: i64 = 86_400_000 * MS;

/// When a market begins: midnight UTC of a day in 2024. The times that tests write and read count from there.
pub(crate) const EPOCH: i64 = 20_000 * DAY_NS;

/// Lines of a capture of BTCUSDT.
#[derive(Debug, Clone)]
pub(crate) struct Market {
    now: Timestamp,
    next_id: u64,
    lines: Vec<String>,
}

/// A file that goes with the test.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Market {
    /// At time 0: bids 99 x 2, 98 x 5; asks 101 x 1, 102 x 2, 103 x 5; the ticker says the same.
    pub(crate) fn new() -> Self {
        Self::starting(0)
    }

    /// The same, starting at another time.
    pub(crate) fn starting(now: Timestamp) -> Self {
        Self {
            now,
            ..Self::without_ticker()
        }
        .rebased()
        .ticker(99.0, 2.0, 101.0, 1.0)
    }

    /// The same, of depth alone.
    pub(crate) fn without_ticker() -> Self {
        Self {
            now: 0,
            next_id: 1,
            lines: Vec::new(),
        }
        .rebased()
    }

    fn rebased(mut self) -> Self {
        self.lines.clear();
        // The price stays above the last, beyond which nothing is known.
        let bids = levels(&[(99.0, 2.0), (98.0, 5.0), (50.0, 1.0)]);
        let asks = levels(&[(101.0, 1.0), (102.0, 2.0), (103.0, 5.0)]);
        self.push(format!(
            r#"{{"lastUpdateId":1,"bids":{bids},"asks":{asks}}}"#
        ));
        self.next_id = 1;
        self.depth(&[], &[])
    }

    /// A depth diff.
    pub(crate) fn depth(mut self, bids: &[(f64, f64)], asks: &[(f64, f64)]) -> Self {
        self.next_id += 1;
        let (id, bids, asks) = (self.next_id, levels(bids), levels(asks));
        let at = (EPOCH + self.now) / MS;
        self.push(format!(
            r#"{{"e":"depthUpdate","E":{at},"s":"BTCUSDT","U":{id},"u":{id},"b":{bids},"a":{asks}}}"#
        ));
        self
    }

    /// Leaves out a depth diff.
    pub(crate) fn gap(mut self) -> Self {
        self.next_id += 1;
        self
    }

    /// Best bid and ask.
    pub(crate) fn ticker(mut self, bid: f64, bid_size: f64, ask: f64, ask_size: f64) -> Self {
        let id = self.next_id;
        self.push(format!(
            r#"{{"u":{id},"s":"BTCUSDT","b":"{bid:.8}","B":"{bid_size:.8}","a":"{ask:.8}","A":"{ask_size:.8}"}}"#
        ));
        self
    }

    /// A trade in which `taker` crossed the spread.
    pub(crate) fn trade(mut self, taker: Side, size: f64, price: f64) -> Self {
        let buyer_is_maker = taker == Side::Sell;
        let (id, at) = (self.lines.len(), (EPOCH + self.now) / MS);
        self.push(format!(
            r#"{{"e":"trade","E":{at},"s":"BTCUSDT","t":{id},"p":"{price:.8}","q":"{size:.8}","T":{at},"m":{buyer_is_maker}}}"#
        ));
        self
    }

    /// Time passes; a frame that changes nothing ends it.
    pub(crate) fn quiet_ms(self, ms: i64) -> Self {
        self.quiet_us(ms as u64 * 1_000)
    }

    /// Time passes.
    pub(crate) fn quiet_us(mut self, us: u64) -> Self {
        self.now += us as i64 * 1_000;
        // A diff without levels gives no event, so this one sets a level far below anything a test looks at.
        self.depth(&[(50.0, 1.0)], &[])
    }

    fn push(&mut self, frame: String) {
        self.lines.push(format!("{} {frame}", EPOCH + self.now));
    }

    /// The market as a file.
    pub(crate) fn write(&self) -> Scratch {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!(
            "tickdeck-orders-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, self.lines.join("\n") + "\n").unwrap();
        Scratch(path)
    }
}

fn levels(levels: &[(f64, f64)]) -> String {
    let text = |(price, size): &(f64, f64)| format!(r#"["{price:.8}","{size:.8}"]"#);
    format!(
        "[{}]",
        levels.iter().map(text).collect::<Vec<_>>().join(",")
    )
}

/// The default terms.
pub(crate) fn terms() -> PlaybackConfig {
    PlaybackConfig::new(Vec::new())
}

/// A price of BTCUSDT.
pub(crate) fn price(price: f64) -> Price {
    Price((price * 100.0).round() as i64)
}

/// A size of BTCUSDT.
pub(crate) fn size(size: f64) -> Size {
    Size((size * 100_000.0).round() as i64)
}

/// The name of an order.
pub(crate) fn id(number: u64) -> ClientOrderId {
    ClientOrderId {
        strategy: StrategyId(1),
        number,
    }
}

/// A limit order to buy, good till canceled.
pub(crate) fn buy(of: f64, at: f64) -> Submit {
    Submit {
        order: 1,
        instrument: InstrumentId(0),
        side: Side::Buy,
        kind: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        size: size(of),
        price: price(at),
        stop_price: Price::ZERO,
        ..Submit::EMPTY
    }
}

/// A limit order to sell, good till canceled.
pub(crate) fn sell(size: f64, price: f64) -> Submit {
    Submit {
        side: Side::Sell,
        ..buy(size, price)
    }
}

/// The command for an order.
pub(crate) fn submit(number: u64, order: Submit) -> Command {
    Command::Submit {
        id: id(number),
        order: Submit {
            order: number,
            ..order
        },
    }
}

/// The command for a cancel.
pub(crate) fn cancel(number: u64) -> Command {
    Command::Cancel {
        id: id(number),
        instrument: InstrumentId(0),
    }
}

/// The command for a modify.
pub(crate) fn modify(number: u64, to: f64, of: f64) -> Command {
    Command::Modify {
        id: id(number),
        instrument: InstrumentId(0),
        terms: NewTerms {
            price: price(to),
            stop_price: Price::ZERO,
            size: size(of),
        },
    }
}

/// Plays a market with commands, polling at `cuts` too as far as the contract allows, and returns all events and the
/// lookahead.
pub(crate) fn play(
    market: &Market,
    config: PlaybackConfig,
    commands: &[(Timestamp, Command)],
    cuts: &[Timestamp],
) -> (Vec<Event>, u64) {
    let scratch = market.write();
    let mut capture = Playback::open(PlaybackConfig {
        files: vec![scratch.0.clone()],
        ..config
    })
    .unwrap();
    let lookahead_ns = capture.register(&mut Registry::new()).unwrap().lookahead_ns;
    let mut cuts: Vec<Timestamp> = cuts.iter().map(|cut| EPOCH + cut).collect();
    cuts.sort_unstable();
    let mut cuts = cuts.into_iter().peekable();
    let mut events = Vec::new();
    for (at, command) in commands {
        let at = EPOCH + at;
        // A command may still come at `at`, so nothing beyond its lookahead may be played.
        while let Some(cut) = cuts.next_if(|cut| *cut <= at + lookahead_ns as i64) {
            poll(&mut capture, cut, &mut events);
        }
        capture.send(at, *command);
    }
    for cut in cuts {
        poll(&mut capture, cut, &mut events);
    }
    // To the end as a kernel goes: from due to due.
    while let Due::At(due) = capture.next_due() {
        poll(&mut capture, due + lookahead_ns as i64, &mut events);
    }
    for event in &mut events {
        event.ts_host -= EPOCH;
        event.ts_venue -= EPOCH;
    }
    (events, lookahead_ns)
}

fn poll(capture: &mut Playback, until: Timestamp, events: &mut Vec<Event>) {
    let (due, before) = (capture.next_due(), events.len());
    capture.poll(until, events).unwrap();
    let new = &events[before..];
    assert!(
        new.iter().all(|event| event.ts_host < until),
        "nothing beyond the bound"
    );
    if let (Due::At(due), Some(first)) = (due, new.first()) {
        assert!(
            due <= first.ts_host,
            "`next_due` was {due}, too late for {first:?}"
        );
    }
}

/// The outcomes of our orders.
pub(crate) fn played(
    market: &Market,
    config: PlaybackConfig,
    commands: &[(Timestamp, Command)],
) -> String {
    ours(&play(market, config, commands, &[]).0)
}

/// Our order updates and fills in short.
pub(crate) fn ours(events: &[Event]) -> String {
    let number = |value: i64, scale: f64| (value as f64 / scale).to_string();
    let text = |event: &Event| match event.body() {
        Body::Order(update) => {
            let filled = format!(
                "{}/{}",
                number(update.filled.0, 1e5),
                number(update.size.0, 1e5)
            );
            Some(match update.status {
                OrderStatus::Accepted | OrderStatus::Triggered => update.status.to_string(),
                OrderStatus::Rejected => format!("rejected {}", update.reason),
                OrderStatus::Replaced => {
                    format!("replaced {} {filled}", number(update.price.0, 100.0))
                }
                status => format!("{status} {} {filled}", update.reason),
            })
        }
        Body::Fill(fill) => Some(format!(
            "fill {}@{} {}",
            number(fill.size.0, 1e5),
            number(fill.price.0, 100.0),
            fill.liquidity
        )),
        _ => None,
    };
    events
        .iter()
        .filter_map(text)
        .collect::<Vec<_>>()
        .join(", ")
}
