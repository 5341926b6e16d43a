//! Measures the Binance path: `cargo run --release -p tickdeck-gateway --example capture_profile -- FILE...`
//!
//! Prints the time of a frame by kind, of a book change on the file's own depth stream (ladders against a
//! `BTreeMap`), and of playing the file.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::Read;
use std::path::Path;
use std::time::Instant;
use tickdeck_engine::port::Gateway;
use tickdeck_gateway::binance::{Decoder, Frame, Levels, LocalBook};
use tickdeck_gateway::playback::{Market, Playback, PlaybackConfig, SymbolTerms};
use tickdeck_model::{Price, Registry, Side, Size, Timestamp};

const ROUNDS: u32 = 5;

fn main() {
    for file in std::env::args().skip(1) {
        let path = Path::new(&file);
        println!("{file}");
        decode(path);
        play(path);
    }
}

/// The best of several rounds, in nanoseconds per piece.
fn best(pieces: usize, mut round: impl FnMut()) -> f64 {
    let times = (0..ROUNDS).map(|_| {
        let start = Instant::now();
        round();
        start.elapsed().as_nanos() as f64 / pieces.max(1) as f64
    });
    times.fold(f64::MAX, f64::min)
}

fn decode(path: &Path) {
    let mut text = String::new();
    let file = std::fs::File::open(path).expect("the file opens");
    flate2::read::MultiGzDecoder::new(file)
        .read_to_string(&mut text)
        .expect("the file is whole");
    let name = if text.contains("BTCUSDT") {
        "BTCUSDT"
    } else {
        "ETHUSDT"
    };
    let terms = SymbolTerms::known(Market::Spot, name).expect("the two are known");
    let symbol = tickdeck_gateway::binance::Symbol {
        name: terms.name,
        price_scale: terms.price_scale,
        size_scale: terms.size_scale,
    };
    let decoder = Decoder::new(vec![symbol]);
    let frames: Vec<&[u8]> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(_, json)| json.as_bytes())
        .collect();
    let mut levels = Levels::default();
    let mut changes: Vec<(Side, Price, Size)> = Vec::new();
    for kind in ["@trade", "@bookTicker", "@depth"] {
        let of_kind: Vec<&[u8]> = frames
            .iter()
            .copied()
            .filter(|frame| frame.windows(kind.len()).any(|at| at == kind.as_bytes()))
            .collect();
        let mut pieces = of_kind.len();
        if kind == "@depth" {
            for frame in &of_kind {
                if let Ok(Frame::Depth(_)) = decoder.decode(frame, &mut levels) {
                    changes.extend(
                        levels
                            .bids
                            .iter()
                            .map(|(price, size)| (Side::Buy, *price, *size)),
                    );
                    changes.extend(
                        levels
                            .asks
                            .iter()
                            .map(|(price, size)| (Side::Sell, *price, *size)),
                    );
                }
            }
            pieces = changes.len();
        }
        let each = best(pieces, || {
            for frame in &of_kind {
                let _ = black_box(decoder.decode(frame, &mut levels));
            }
        });
        println!(
            "  decode {kind:12} {each:7.1} ns a {}",
            if kind == "@depth" { "level" } else { "frame" }
        );
    }
    books(&changes);
}

fn books(changes: &[(Side, Price, Size)]) {
    let vectors = best(changes.len(), || {
        let mut book = LocalBook::default();
        for (side, price, size) in changes {
            book.set(*side, *price, *size);
        }
        black_box(&book);
    });
    let tops = best(changes.len(), || {
        let mut book = LocalBook::default();
        for (side, price, size) in changes {
            book.set(*side, *price, *size);
            black_box((book.best_bid(), book.best_ask()));
        }
    });
    let map = best(changes.len(), || {
        let mut sides: [BTreeMap<Price, Size>; 2] = [BTreeMap::new(), BTreeMap::new()];
        for (side, price, size) in changes {
            let side = &mut sides[usize::from(*side == Side::Sell)];
            if *size == Size::ZERO {
                side.remove(price);
            } else {
                side.insert(*price, *size);
            }
        }
        black_box(&sides);
    });
    println!(
        "  book   ladders {vectors:5.1} ns a level, with both tops read {tops:5.1}; BTreeMap {map:5.1}"
    );
}

fn play(path: &Path) {
    for preload in [false, true] {
        let config = PlaybackConfig {
            preload,
            ..PlaybackConfig::new(vec![path.to_owned()])
        };
        let mut capture = Playback::open(config).expect("the file opens");
        let start = Instant::now();
        capture
            .register(&mut Registry::new())
            .expect("an empty registry takes anything");
        let loaded = start.elapsed();
        let (mut events, mut count) = (Vec::new(), 0);
        let start = Instant::now();
        while let tickdeck_engine::port::Due::At(due) = capture.next_due() {
            events.clear();
            capture
                .poll(due.saturating_add(2_000_000), &mut events)
                .expect("the file is whole");
            count += events.len();
            if due == Timestamp::MAX {
                break;
            }
        }
        let took = start.elapsed();
        let each = took.as_nanos() as f64 / count.max(1) as f64;
        println!(
            "  play   preload {preload:5}: {count} events, {each:6.1} ns an event, loading {loaded:?}"
        );
    }
}
