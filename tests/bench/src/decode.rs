//! `decode`: a frame of Binance, as it was recorded, to what the deck is told.
//!
//! Ours: a trade or a book ticker to its event; a depth frame to its levels, per level, as the local book takes them.
//! Prices and sizes are read to fixed point, and checked, in each.
//!
//! The baseline is `serde_json` into plain structs of the fields in question, with texts borrowed from the frame, so
//! without any allocation but one vector a side of depth, and with prices and sizes left as texts. That is the least
//! that `serde_json` can do with such a frame, and less than what is needed of it.

use crate::effort::Effort;
use crate::frames::Frames;
use crate::row::{Claim, Goal, Row, interleave};
use anyhow::{Result, ensure};
use serde::Deserialize;
use std::hint::black_box;
use std::time::Instant;
use tickdeck_gateway::binance::{Decoder, Frame, Levels};
use tickdeck_model::{Event, InstrumentId, Pad, Quote, Trade};

/// A combined stream's frame.
#[derive(Deserialize)]
struct Combined<T> {
    data: T,
}

#[derive(Deserialize)]
struct PlainTrade<'a> {
    #[serde(rename = "s")]
    _symbol: &'a str,
    #[serde(rename = "t")]
    trade_id: u64,
    #[serde(rename = "p")]
    price: &'a str,
    #[serde(rename = "q")]
    size: &'a str,
    #[serde(rename = "T")]
    _time: i64,
    #[serde(rename = "m")]
    _buyer_is_maker: bool,
}

#[derive(Deserialize)]
struct PlainTicker<'a> {
    #[serde(rename = "u")]
    update_id: u64,
    #[serde(rename = "s")]
    _symbol: &'a str,
    #[serde(rename = "b")]
    bid: &'a str,
    #[serde(rename = "B")]
    _bid_size: &'a str,
    #[serde(rename = "a")]
    ask: &'a str,
    #[serde(rename = "A")]
    _ask_size: &'a str,
}

#[derive(Deserialize)]
struct PlainDepth<'a> {
    #[serde(rename = "E")]
    _time: i64,
    #[serde(rename = "s")]
    _symbol: &'a str,
    #[serde(rename = "U")]
    _first_id: u64,
    #[serde(rename = "u")]
    _last_id: u64,
    #[serde(rename = "b", borrow)]
    bids: Vec<(&'a str, &'a str)>,
    #[serde(rename = "a", borrow)]
    asks: Vec<(&'a str, &'a str)>,
}

/// Frames of one kind from one capture.
struct Kind<'a> {
    decoder: &'a Decoder,
    frames: Vec<&'a [u8]>,
    /// Events or levels in them.
    pieces: usize,
}

pub(crate) fn run(effort: &Effort) -> Result<Vec<Row>> {
    let captures = Frames::of(&effort.captures)?;
    let of = |stream: &str| -> Result<Vec<Kind<'_>>> {
        captures
            .iter()
            .map(|frames| kind(frames, stream, effort.events))
            .collect()
    };
    let (trades, tickers, depth) = (of("@trade")?, of("@bookTicker")?, of("@depth")?);
    let [trade, plain_trade, ticker, plain_ticker, level, plain_level] = interleave(
        effort.rounds,
        [
            &mut || ours(&trades),
            &mut || {
                serde(&trades, |frame| {
                    let trade: Combined<PlainTrade<'_>> = serde_json::from_slice(frame)?;
                    Ok(trade.data.price.len()
                        + trade.data.size.len()
                        + trade.data.trade_id as usize)
                })
            },
            &mut || ours(&tickers),
            &mut || {
                serde(&tickers, |frame| {
                    let ticker: Combined<PlainTicker<'_>> = serde_json::from_slice(frame)?;
                    Ok(ticker.data.bid.len()
                        + ticker.data.ask.len()
                        + ticker.data.update_id as usize)
                })
            },
            &mut || ours(&depth),
            &mut || {
                serde(&depth, |frame| {
                    let depth: Combined<PlainDepth<'_>> = serde_json::from_slice(frame)?;
                    Ok(depth.data.bids.len() + depth.data.asks.len())
                })
            },
        ],
    )?;
    let claim = |bench, unit, goal| Claim {
        bench,
        unit,
        against: "serde_json, numbers left as texts",
        goal: Some(Goal::Value(goal)),
        more_is_better: false,
    };
    Ok(vec![
        claim("decode/trade", "ns/frame", 500.0).row(&trade, &plain_trade),
        claim("decode/book-ticker", "ns/frame", 500.0).row(&ticker, &plain_ticker),
        claim("decode/depth-level", "ns/level", 40.0).row(&level, &plain_level),
    ])
}

/// The frames of one stream, which all must be readable.
fn kind<'a>(frames: &'a Frames, stream: &str, most: usize) -> Result<Kind<'a>> {
    let of_stream = |frame: &&[u8]| {
        let head = &frame[..frame.len().min(64)];
        head.windows(stream.len()).any(|at| at == stream.as_bytes())
    };
    let mut kind = Kind {
        decoder: &frames.decoder,
        frames: frames.iter().filter(of_stream).take(most).collect(),
        pieces: 0,
    };
    let mut levels = Levels::default();
    for frame in &kind.frames {
        kind.pieces += match kind.decoder.decode(frame, &mut levels)? {
            Frame::Depth(_) | Frame::Snapshot(_) => levels.bids.len() + levels.asks.len(),
            Frame::Trade(_) | Frame::BookTicker(_) => 1,
        };
    }
    ensure!(kind.pieces > 0, "the capture has no frame of {stream}");
    Ok(kind)
}

/// Nanoseconds a piece with our decoder.
fn ours(kinds: &[Kind<'_>]) -> Result<f64> {
    let mut levels = Levels::default();
    per_piece(kinds, |decoder, frame| {
        match decoder.decode(frame, &mut levels)? {
            Frame::Trade(trade) => {
                let body = Trade {
                    reserved: Pad::ZERO,
                    instrument: InstrumentId(0),
                    aggressor: trade.aggressor,
                    pad: Pad::ZERO,
                    price: trade.price,
                    size: trade.size,
                    trade_id: trade.trade_id,
                };
                black_box(Event::new(trade.ts_venue, 0, body));
            }
            Frame::BookTicker(ticker) => {
                let body = Quote {
                    reserved: Pad::ZERO,
                    instrument: InstrumentId(0),
                    pad: Pad::ZERO,
                    bid: ticker.bid.0,
                    bid_size: ticker.bid.1,
                    ask: ticker.ask.0,
                    ask_size: ticker.ask.1,
                };
                black_box(Event::new(0, 0, body));
            }
            Frame::Depth(_) | Frame::Snapshot(_) => {
                black_box(&levels);
            }
        }
        Ok(())
    })
}

/// Nanoseconds a piece with `serde_json`.
fn serde(kinds: &[Kind<'_>], read: fn(&[u8]) -> Result<usize>) -> Result<f64> {
    per_piece(kinds, |_, frame| {
        black_box(read(frame)?);
        Ok(())
    })
}

fn per_piece(
    kinds: &[Kind<'_>],
    mut decode: impl FnMut(&Decoder, &[u8]) -> Result<()>,
) -> Result<f64> {
    let start = Instant::now();
    for kind in kinds {
        for frame in &kind.frames {
            decode(kind.decoder, frame)?;
        }
    }
    let took = start.elapsed().as_nanos() as f64;
    Ok(took / kinds.iter().map(|kind| kind.pieces).sum::<usize>() as f64)
}
