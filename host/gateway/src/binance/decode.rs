//! Decodes the text of a frame into a typed [`Frame`]; a bad frame gives a typed error with the problem and its position.

use super::scan::scan;
use super::symbol::Symbol;
use super::time::timestamp;
use super::wire::{
    BookTicker, DepthSnapshot, DepthUpdate, Fields, Frame, FrameSeed, Levels, TradeTick, fixed,
    level_size,
};
use serde::de::DeserializeSeed;
use tickdeck_model::{Aggressor, FixedError, Price, Size, Timestamp, Untrusted};

/// What futures call a trade between two orders; the others are booked by the exchange (`INSURANCE_FUND`, `ADL`, `NA`).
const ON_THE_MARKET: &[u8] = b"MARKET";

/// The event name of a diff.
const DEPTH_UPDATE: &str = "depthUpdate";

/// Kinds of frames that are no diffs.
const NO_DIFFS: &[&[u8]] = &[b"bookTicker", b"trade", b"aggTrade"];

/// Bytes of a frame within which its symbol and its kind are named.
const MAX_TAG: usize = 256;

/// Maximum number of bytes shown of a frame's text.
const MAX_SHOWN: usize = 64;

/// Why a frame could not be read. Skip it; if it was a depth frame, the next one shows the gap.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not the JSON it should be, or a level that is not one.
    #[error("{problem} (column {column})")]
    Json {
        /// The problem.
        problem: String,
        /// The column in the frame, from 1.
        column: usize,
    },
    /// A field is not there.
    #[error("a {kind} frame lacks `{field}`")]
    Missing {
        /// Kind of frame.
        kind: &'static str,
        /// Name of the field on the wire.
        field: &'static str,
    },
    /// A number is not a decimal, or finer than the instrument's scale: then the scale in use is wrong.
    #[error("`{field}`: {problem}")]
    Number {
        /// Name of the field on the wire.
        field: &'static str,
        /// The problem.
        problem: FixedError,
    },
    /// A number is outside what the field may hold.
    #[error("`{field}` is {value}, which cannot be")]
    Range {
        /// Name of the field on the wire.
        field: &'static str,
        /// As it was read.
        value: i64,
    },
    /// A time is none in any unit from seconds to nanoseconds.
    #[error("`{field}` is {value}, which is not between 2000 and 2250 in s, ms, us or ns")]
    Time {
        /// Name of the field on the wire.
        field: &'static str,
        /// As it was read.
        value: i64,
    },
    /// The book would have more levels than are kept.
    #[error("the book would have more than {most} levels, more than any exchange has")]
    Levels {
        /// Maximum number of levels on both sides.
        most: usize,
    },
    /// The decoder does not know this symbol. Not damage: skip the frame.
    #[error("symbol `{symbol}` is not one of this source's")]
    Symbol {
        /// As the frame names it.
        symbol: Untrusted,
    },
    /// A kind of frame that is not read here. Not damage: skip the frame.
    #[error("frames of kind `{kind}` are not read")]
    Kind {
        /// As the frame names it.
        kind: Untrusted,
    },
    /// A snapshot, which names no symbol, from a source of several. Not damage: skip the frame.
    #[error("a depth snapshot names no symbol, and the source has several")]
    NamelessSnapshot,
}

impl DecodeError {
    /// Whether the frame is sound and only not for this decoder.
    pub fn is_other(&self) -> bool {
        match self {
            Self::Symbol { .. } | Self::Kind { .. } | Self::NamelessSnapshot => true,
            Self::Json { .. }
            | Self::Missing { .. }
            | Self::Number { .. }
            | Self::Range { .. }
            | Self::Time { .. }
            | Self::Levels { .. } => false,
        }
    }

    /// Whether the frame may have been a diff, which the book then lacks.
    pub fn may_be_a_diff(&self) -> bool {
        match self {
            Self::Json { .. } | Self::Levels { .. } => true,
            Self::Missing { kind, .. } => *kind == DEPTH_UPDATE,
            Self::Range { field, .. } => matches!(*field, "u" | "pu"),
            Self::Time { field, .. } => *field == "E",
            Self::Number { .. }
            | Self::Symbol { .. }
            | Self::Kind { .. }
            | Self::NamelessSnapshot => false,
        }
    }
}

/// Reads the frames of a set of symbols.
#[derive(Debug, Clone)]
pub struct Decoder {
    symbols: Vec<Symbol>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Depth,
    BookTicker,
    Trade,
    Snapshot,
}

impl Decoder {
    /// A decoder of these symbols. With more than one, a REST snapshot (which names none) is refused.
    pub fn new(symbols: Vec<Symbol>) -> Self {
        Self { symbols }
    }

    /// The symbols, by the index that frames carry.
    pub fn symbols(&self) -> &[Symbol] {
        &self.symbols
    }

    /// Reads one frame. `levels` is emptied, and filled by depth frames and snapshots.
    ///
    /// # Errors
    /// The frame is damaged, of another kind, or of an unknown symbol; `levels` is then meaningless.
    pub fn decode(&self, text: &[u8], levels: &mut Levels) -> Result<Frame, DecodeError> {
        levels.clear();
        let mut fields = Fields::default();
        if scan(text, &self.symbols, &mut fields, levels).is_none() {
            levels.clear();
            fields = self.read(text, levels)?;
        }
        match kind_of(&fields)? {
            Kind::Depth => self.depth(&fields).map(Frame::Depth),
            Kind::BookTicker => self.book_ticker(&fields, levels).map(Frame::BookTicker),
            Kind::Trade => self.trade(&fields).map(Frame::Trade),
            Kind::Snapshot => self.snapshot(&fields).map(Frame::Snapshot),
        }
    }

    /// Finds the symbol that a line names which can't be read as a frame; `None` if that can't be told.
    pub fn symbol_in(&self, line: &[u8]) -> Option<&Symbol> {
        let is_it = |word: &[u8]| {
            let same = |symbol: &&Symbol| symbol.name.as_bytes().eq_ignore_ascii_case(word);
            self.symbols.iter().find(same)
        };
        words_of(line).find_map(is_it)
    }

    /// Whether a line that can't be read as a frame names the kind of one that is no diff.
    pub fn is_no_diff(line: &[u8]) -> bool {
        words_of(line).any(|word| NO_DIFFS.contains(&word))
    }

    /// Reads any legal spelling of a frame, and describes the problem of any other.
    fn read<'t>(&self, text: &'t [u8], levels: &mut Levels) -> Result<Fields<'t>, DecodeError> {
        let mut fields = Fields::default();
        let mut json = serde_json::Deserializer::from_slice(text);
        FrameSeed {
            symbols: &self.symbols,
            fields: &mut fields,
            levels,
        }
        .deserialize(&mut json)
        .and_then(|()| json.end())
        .map_err(json_error)?;
        Ok(fields)
    }

    fn depth(&self, fields: &Fields<'_>) -> Result<DepthUpdate, DecodeError> {
        const KIND: &str = DEPTH_UPDATE;
        let symbol = symbol_of(fields, KIND)?;
        let first_id = need(fields.first_id, KIND, "U")?;
        let last_id = need(fields.update_id, KIND, "u")?;
        need(fields.has_bids.then_some(()), KIND, "b")?;
        need(fields.has_asks.then_some(()), KIND, "a")?;
        let previous_id = fields.previous_id;
        let impossible = |field, id: u64| DecodeError::Range {
            field,
            value: i64::try_from(id).unwrap_or(i64::MAX),
        };
        if last_id < first_id {
            return Err(impossible("u", last_id));
        }
        if let Some(previous) = previous_id.filter(|previous| *previous >= last_id) {
            return Err(impossible("pu", previous));
        }
        let ts_venue = time(need(fields.event_time, KIND, "E")?, "E")?;
        Ok(DepthUpdate {
            symbol,
            ts_venue,
            first_id,
            last_id,
            previous_id,
        })
    }

    fn book_ticker(
        &self,
        fields: &Fields<'_>,
        levels: &mut Levels,
    ) -> Result<BookTicker, DecodeError> {
        const KIND: &str = "bookTicker";
        let symbol = symbol_of(fields, KIND)?;
        let mut size = |text, field| {
            let text = need(text, KIND, field)?;
            let scale = self.symbols[symbol].size_scale;
            let read = level_size(text, scale, &mut levels.cut_sizes);
            not_negative(read, field).map(Size)
        };
        Ok(BookTicker {
            symbol,
            update_id: need(fields.update_id, KIND, "u")?,
            bid: (
                self.price(symbol, fields.bid, KIND, "b")?,
                size(fields.bid_size, "B")?,
            ),
            ask: (
                self.price(symbol, fields.ask, KIND, "a")?,
                size(fields.ask_size, "A")?,
            ),
        })
    }

    fn trade(&self, fields: &Fields<'_>) -> Result<TradeTick, DecodeError> {
        const KIND: &str = "trade";
        let symbol = symbol_of(fields, KIND)?;
        if let Some(kind) = fields.trade_kind.filter(|kind| *kind != ON_THE_MARKET) {
            return Err(DecodeError::Kind { kind: shown(kind) });
        }
        let buyer_is_maker = need(fields.buyer_is_maker, KIND, "m")?;
        let price = self.price(symbol, fields.price, KIND, "p")?;
        let size = Size(number(
            need(fields.size, KIND, "q")?,
            self.symbols[symbol].size_scale,
            "q",
        )?);
        for (field, value) in [("p", price.0), ("q", size.0)] {
            if value == 0 {
                return Err(DecodeError::Range { field, value });
            }
        }
        Ok(TradeTick {
            symbol,
            ts_venue: time(need(fields.trade_time, KIND, "T")?, "T")?,
            trade_id: need(fields.trade_id, KIND, "t")?,
            price,
            size,
            aggressor: if buyer_is_maker {
                Aggressor::Seller
            } else {
                Aggressor::Buyer
            },
        })
    }

    fn snapshot(&self, fields: &Fields<'_>) -> Result<DepthSnapshot, DecodeError> {
        const KIND: &str = "depth snapshot";
        let last_id = need(fields.snapshot_id, KIND, "lastUpdateId")?;
        need(fields.has_bids.then_some(()), KIND, "bids")?;
        need(fields.has_asks.then_some(()), KIND, "asks")?;
        match self.symbols.len() {
            1 => Ok(DepthSnapshot { last_id }),
            _ => Err(DecodeError::NamelessSnapshot),
        }
    }

    fn price(
        &self,
        symbol: usize,
        text: Option<&[u8]>,
        kind: &'static str,
        field: &'static str,
    ) -> Result<Price, DecodeError> {
        number(
            need(text, kind, field)?,
            self.symbols[symbol].price_scale,
            field,
        )
        .map(Price)
    }
}

/// The words at the start of a line, where a frame names its kind and its symbol.
fn words_of(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let start = line.get(..MAX_TAG).unwrap_or(line);
    start.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')
}

fn time(value: i64, field: &'static str) -> Result<Timestamp, DecodeError> {
    timestamp(value).ok_or(DecodeError::Time { field, value })
}

/// Determines the kind of a frame: by its event name, else by its stream, else by the fields that only one kind has.
fn kind_of(fields: &Fields<'_>) -> Result<Kind, DecodeError> {
    if let Some(event) = fields.event {
        return match event {
            b"depthUpdate" => Ok(Kind::Depth),
            b"bookTicker" => Ok(Kind::BookTicker),
            b"trade" => Ok(Kind::Trade),
            other => Err(DecodeError::Kind { kind: shown(other) }),
        };
    }
    if fields.snapshot_id.is_some() && fields.stream.is_none() {
        return Ok(Kind::Snapshot);
    }
    let stream = fields.stream.and_then(|stream| {
        let at = stream.iter().position(|byte| *byte == b'@')?;
        Some(&stream[at + 1..])
    });
    match stream {
        Some(b"bookTicker") => Ok(Kind::BookTicker),
        Some(other) => Err(DecodeError::Kind { kind: shown(other) }),
        None if fields.bid.is_some() && fields.ask.is_some() => Ok(Kind::BookTicker),
        None => Err(DecodeError::Kind {
            kind: Untrusted::new("neither event, stream nor snapshot"),
        }),
    }
}

fn symbol_of(fields: &Fields<'_>, kind: &'static str) -> Result<usize, DecodeError> {
    match (fields.symbol, fields.unknown_symbol) {
        (Some(symbol), _) => Ok(symbol),
        (None, Some(unknown)) => Err(DecodeError::Symbol {
            symbol: shown(unknown),
        }),
        (None, None) => Err(DecodeError::Missing { kind, field: "s" }),
    }
}

/// A text of a frame, for people.
fn shown(text: &[u8]) -> Untrusted {
    let start = text.get(..MAX_SHOWN).unwrap_or(text);
    Untrusted::up_to(MAX_SHOWN, &String::from_utf8_lossy(start))
}

fn need<T>(value: Option<T>, kind: &'static str, field: &'static str) -> Result<T, DecodeError> {
    value.ok_or(DecodeError::Missing { kind, field })
}

fn number(text: &[u8], scale: u8, field: &'static str) -> Result<i64, DecodeError> {
    not_negative(fixed(text, scale), field)
}

fn not_negative(read: Result<i64, FixedError>, field: &'static str) -> Result<i64, DecodeError> {
    let value = read.map_err(|problem| DecodeError::Number { field, problem })?;
    if value < 0 {
        Err(DecodeError::Range { field, value })
    } else {
        Ok(value)
    }
}

fn json_error(error: serde_json::Error) -> DecodeError {
    let text = error.to_string();
    // The place is a field of its own, and a frame is one line.
    let problem = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(problem, _)| problem)
        .to_owned();
    DecodeError::Json {
        problem,
        column: error.column(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoder() -> Decoder {
        Decoder::new(vec![Symbol {
            name: "BTCUSDT".to_owned(),
            price_scale: 2,
            size_scale: 5,
        }])
    }

    fn decode(text: &str) -> (Result<Frame, DecodeError>, Levels) {
        let mut levels = Levels::default();
        (decoder().decode(text.as_bytes(), &mut levels), levels)
    }

    const TRADE: &str = r#"{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,"p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}"#;
    const DEPTH: &str = r#"{"e":"depthUpdate","E":1723161255308,"s":"BTCUSDT","U":203,"u":207,"b":[["55653.87000000","0.00000000"]],"a":[["61838.04000000","0.32332000"],["61844.30000000","0.40163000"]]}"#;
    const TICKER: &str = r#"{"u":212,"s":"BTCUSDT","b":"61837.63000000","B":"3.78826000","a":"61837.64000000","A":"1.54698000"}"#;

    fn combined(stream: &str, data: &str) -> String {
        format!(r#"{{"stream":"btcusdt@{stream}","data":{data}}}"#)
    }

    #[test]
    fn what_the_quick_reader_takes_the_full_reader_reads_alike() {
        let decoder = decoder();
        let quick = |text: &[u8]| {
            let (mut fields, mut levels) = (Fields::default(), Levels::default());
            let taken = scan(text, decoder.symbols(), &mut fields, &mut levels).is_some();
            taken.then(|| (format!("{fields:?}"), levels))
        };
        let full = |text: &[u8]| {
            let mut levels = Levels::default();
            let read = decoder.read(text, &mut levels);
            read.map(|fields| (format!("{fields:?}"), levels))
        };
        let (mut taken, mut left) = (0, 0);
        for frame in [TRADE, DEPTH, TICKER] {
            let stream = if frame == DEPTH { "depth@100ms" } else { "x" };
            for frame in [frame.to_owned(), combined(stream, frame)] {
                let frame = frame.as_bytes();
                assert_eq!(quick(frame).map(Ok), Some(full(frame)), "as it comes");
                for at in 0..frame.len() {
                    for byte in *b"\"0179.,:[]{}\\ -xb\x00\xff" {
                        let mut other = frame.to_vec();
                        other[at] = byte;
                        let shorter = [&frame[..at], &frame[at + 1..]].concat();
                        for text in [&other, &shorter] {
                            match quick(text) {
                                Some(read) => {
                                    taken += 1;
                                    let shown = String::from_utf8_lossy(text);
                                    assert_eq!(Ok(read), full(text), "{shown}");
                                }
                                None => left += 1,
                            }
                        }
                    }
                }
            }
        }
        assert!(taken > 10_000 && left > 1_000, "{taken} {left}");
    }

    #[test]
    fn a_trade_is_read_raw_and_combined_and_the_aggressor_is_who_did_not_make() {
        let trade = TradeTick {
            symbol: 0,
            ts_venue: 1_723_161_255_342_000_000,
            trade_id: 3_735_683_259,
            price: Price(6_183_763),
            size: Size(2_000),
            aggressor: Aggressor::Seller,
        };
        assert_eq!(decode(TRADE).0, Ok(Frame::Trade(trade)));
        assert_eq!(decode(&combined("trade", TRADE)).0, Ok(Frame::Trade(trade)));
        let bought = TRADE.replace(r#""m":true"#, r#""m":false"#);
        assert_eq!(
            decode(&bought).0,
            Ok(Frame::Trade(TradeTick {
                aggressor: Aggressor::Buyer,
                ..trade
            }))
        );
    }

    #[test]
    fn a_depth_frame_gives_its_levels_in_order() {
        for text in [DEPTH.to_owned(), combined("depth@100ms", DEPTH)] {
            let (frame, levels) = decode(&text);
            let ts_venue = 1_723_161_255_308_000_000;
            assert_eq!(
                frame,
                Ok(Frame::Depth(DepthUpdate {
                    symbol: 0,
                    ts_venue,
                    first_id: 203,
                    last_id: 207,
                    previous_id: None,
                }))
            );
            assert_eq!(levels.bids, [(Price(5_565_387), Size(0))]);
            assert_eq!(
                levels.asks,
                [
                    (Price(6_183_804), Size(32_332)),
                    (Price(6_184_430), Size(40_163))
                ]
            );
        }
    }

    #[test]
    fn a_book_ticker_and_a_rest_snapshot_are_told_apart_by_their_fields() {
        let ticker = BookTicker {
            symbol: 0,
            update_id: 212,
            bid: (Price(6_183_763), Size(378_826)),
            ask: (Price(6_183_764), Size(154_698)),
        };
        assert_eq!(decode(TICKER).0, Ok(Frame::BookTicker(ticker)));
        assert_eq!(
            decode(&combined("bookTicker", TICKER)).0,
            Ok(Frame::BookTicker(ticker))
        );
        let (frame, levels) = decode(r#"{"lastUpdateId":219,"bids":[["1.00","2.0"]],"asks":[]}"#);
        assert_eq!(frame, Ok(Frame::Snapshot(DepthSnapshot { last_id: 219 })));
        assert_eq!(
            levels,
            Levels {
                bids: vec![(Price(100), Size(200_000))],
                asks: vec![],
                cut_sizes: 0
            }
        );
    }

    #[test]
    fn dust_of_a_level_below_the_lot_is_cut_and_counted() {
        let (frame, levels) = decode(&DEPTH.replace("0.32332000", "0.32332900"));
        assert!(frame.is_ok());
        assert_eq!(
            (levels.asks[0], levels.cut_sizes),
            ((Price(6_183_804), Size(32_332)), 1)
        );
        // Less than the smallest unit is still a level.
        let (_, levels) = decode(&DEPTH.replace("0.32332000", "0.00000400"));
        assert_eq!(levels.asks[0], (Price(6_183_804), Size(1)));
        let (frame, _) = decode(&DEPTH.replace("0.32332000", "-0.00000400"));
        assert!(frame.is_err(), "{frame:?}");
        let (frame, levels) = decode(&TICKER.replace("3.78826000", "3.78826100"));
        let Ok(Frame::BookTicker(ticker)) = frame else {
            panic!()
        };
        assert_eq!((ticker.bid.1, levels.cut_sizes), (Size(378_826), 1));
    }

    #[test]
    fn a_time_is_read_in_the_unit_that_it_is_in() {
        for (written, read) in [
            ("1723161255", 1_723_161_255_000_000_000),
            ("1723161255342001", 1_723_161_255_342_001_000),
            ("1723161255342001002", 1_723_161_255_342_001_002),
        ] {
            let (frame, _) = decode(&TRADE.replace("1723161255342", written));
            let Ok(Frame::Trade(trade)) = frame else {
                panic!("{frame:?}")
            };
            assert_eq!(trade.ts_venue, read);
        }
        let (frame, _) = decode(&TRADE.replace("1723161255342", "17231612553"));
        assert!(
            matches!(frame, Err(DecodeError::Time { field: "T", .. })),
            "{frame:?}"
        );
    }

    #[test]
    fn frames_of_usdm_futures_are_read() {
        let depth = r#"{"e":"depthUpdate","E":1723161256299,"T":1723161256298,"s":"BTCUSDT","U":203,"u":207,"pu":199,"b":[["61496.50","0.010"]],"a":[]}"#;
        let (frame, levels) = decode(&combined("depth@0ms", depth));
        let update = DepthUpdate {
            symbol: 0,
            ts_venue: 1_723_161_256_299_000_000,
            first_id: 203,
            last_id: 207,
            previous_id: Some(199),
        };
        assert_eq!((frame, update.base_id()), (Ok(Frame::Depth(update)), 199));
        assert_eq!(levels.bids, [(Price(6_149_650), Size(1_000))]);
        let trade = r#"{"e":"trade","E":1723161256322,"T":1723161256322,"s":"BTCUSDT","t":5,"p":"61800.30","q":"0.006","X":"MARKET","m":false}"#;
        assert!(matches!(decode(trade).0, Ok(Frame::Trade(_))));
        let booked = trade.replace("MARKET", "INSURANCE_FUND");
        let said = decode(&booked).0.unwrap_err().to_string();
        assert_eq!(said, "frames of kind `INSURANCE_FUND` are not read");
        let ticker = r#"{"e":"bookTicker","u":512,"s":"BTCUSDT","b":"61800.20","B":"2.507","a":"61800.30","A":"2.510","T":1723161256313,"E":1723161256313}"#;
        assert!(matches!(decode(ticker).0, Ok(Frame::BookTicker(_))));
        let backwards = depth.replace("\"pu\":199", "\"pu\":207");
        let said = decode(&backwards).0.unwrap_err().to_string();
        assert_eq!(said, "`pu` is 207, which cannot be");
    }

    #[test]
    fn the_symbol_of_a_broken_frame_is_found_where_it_is_named() {
        let symbol = |name: &str| Symbol {
            name: name.to_owned(),
            price_scale: 2,
            size_scale: 5,
        };
        let decoder = Decoder::new(vec![symbol("BTCUSDT"), symbol("ETHUSDT")]);
        let find = |text: &str| {
            let found = decoder.symbol_in(text.as_bytes());
            found.map(|symbol| symbol.name.as_str())
        };
        assert_eq!(
            find(r#"1723161255 {"stream":"ethusdt@depth","data":{"e"#),
            Some("ETHUSDT")
        );
        assert_eq!(
            find(r#"{"e":"depthUpdate","E":x,"s":"BTCUSDT"#),
            Some("BTCUSDT")
        );
        assert_eq!(find(r#"{"e":"depthUpdate","s":"BTCUSDTX"}"#), None);
        assert_eq!(find(""), None);
        let is_no_diff = |text: &str| Decoder::is_no_diff(text.as_bytes());
        assert!(is_no_diff(
            r#"1723161255 {"stream":"ethusdt@bookTicker","da"#
        ));
        assert!(is_no_diff(r#"{"e":"trade","E":x"#));
        assert!(!is_no_diff(r#"{"e":"depthUpdate","E":x"#) && !is_no_diff("x"));
    }

    #[test]
    fn a_bad_frame_says_what_and_where() {
        let cases = [
            (
                DEPTH.replace("61838.04", "61838.041"),
                "`61838.041000000` has more than 2 decimal digits (column 142)",
            ),
            (
                TRADE.replace("0.02000000", "0.000001"),
                "`q`: `0.000001` has more than 5 decimal digits",
            ),
            (
                DEPTH.replace("\"0.32332000\"", "7"),
                "invalid type: integer `7`, expected a borrowed string (column 129)",
            ),
            (
                DEPTH.replace(",\"0.32332000\"", ""),
                "a level needs a price and a size (column 128)",
            ),
            (
                DEPTH.replace("55653.87", "-5.00"),
                "a level's price must be above zero and its size not below (column 100)",
            ),
            (
                DEPTH.replace("\"u\":207", "\"u\":202"),
                "`u` is 202, which cannot be",
            ),
            (
                DEPTH.replace("\"u\":207,", ""),
                "a depthUpdate frame lacks `u`",
            ),
            (
                DEPTH.replace("BTCUSDT", "BTCEUR"),
                "symbol `BTCEUR` is not one of this source's",
            ),
            (
                TRADE.replace("61837.63", "NaN"),
                "`p`: `NaN000000` is not a decimal number such as 12.5",
            ),
            (
                TRADE.replace("\"q\":\"0.02000000\",", ""),
                "a trade frame lacks `q`",
            ),
            (
                TRADE.replace("\"trade\"", "\"aggTrade\""),
                "frames of kind `aggTrade` are not read",
            ),
            (
                TICKER.replace("\"a\"", "\"x\""),
                "frames of kind `neither event, stream nor snapshot` are not read",
            ),
            (
                combined("kline_1m", "{}"),
                "frames of kind `kline_1m` are not read",
            ),
            (
                TRADE[..60].to_owned(),
                "EOF while parsing a value (column 60)",
            ),
            (TRADE.to_owned() + "x", "trailing characters (column 135)"),
            (
                "[]".to_owned(),
                "invalid type: sequence, expected a frame of Binance, which is a JSON object (column 0)",
            ),
        ];
        for (text, said) in cases {
            assert_eq!(decode(&text).0.unwrap_err().to_string(), said, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_cut_or_changed_byte_panics(at in 0usize..230, byte: u8, cut: bool) {
            for text in [TRADE, DEPTH, TICKER] {
                let mut bytes = combined("depth@100ms", text).into_bytes();
                let at = at % bytes.len();
                if cut { bytes.truncate(at) } else { bytes[at] = byte }
                let _ = decoder().decode(&bytes, &mut Levels::default());
            }
        }
    }
}
