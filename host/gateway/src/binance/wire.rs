//! Binance's frames as they are on the wire, read in one pass without a buffer of strings.
//!
//! One visitor reads every kind of frame, raw or wrapped in a combined stream's `{"stream":…,"data":{…}}`. Levels are
//! parsed straight to [`Price`] and [`Size`] at the instrument's scale into a reused [`Levels`], which is why the
//! symbol must come before them in the frame (Binance always sends it so).
//!
//! The size of a level may be finer than the lot: old orders keep remainders from the time when lots were smaller (BTCUSDT of
//! 2024-08-08 has 25.426189 at 200000). No order can trade a part of a lot, so such a size is cut down to the scale, and
//! counted; a remainder below one unit counts as one, because the level is there. Prices and the sizes of trades are never cut:
//! finer ones mean that the scale in use is wrong.

use super::symbol::Symbol;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use tickdeck_model::{
    Aggressor, FixedError, Price, Size, Timestamp, parse_fixed, parse_plain_fixed,
};

/// The levels of one depth frame, in the frame's order. Reused from frame to frame.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Levels {
    /// Bids: price and total size; size zero removes the level.
    pub bids: Vec<(Price, Size)>,
    /// Asks.
    pub asks: Vec<(Price, Size)>,
    /// Sizes of the frame that were cut down to the scale.
    pub cut_sizes: u64,
}

impl Levels {
    /// Levels of both sides.
    pub fn count(&self) -> usize {
        self.bids.len() + self.asks.len()
    }

    /// Forgets all levels and keeps the memory.
    pub fn clear(&mut self) {
        self.bids.clear();
        self.asks.clear();
        self.cut_sizes = 0;
    }
}

/// A frame. `symbol` is an index into the decoder's symbols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// `depthUpdate`; its levels are in the [`Levels`] given to the decoder.
    Depth(DepthUpdate),
    /// `bookTicker`.
    BookTicker(BookTicker),
    /// `trade`.
    Trade(TradeTick),
    /// The REST answer of `/api/v3/depth`; its levels are in the [`Levels`] given to the decoder.
    Snapshot(DepthSnapshot),
}

impl Frame {
    /// Index of the symbol. A snapshot names none, and is that of the only one.
    pub fn symbol(&self) -> usize {
        match self {
            Self::Depth(update) => update.symbol,
            Self::BookTicker(ticker) => ticker.symbol,
            Self::Trade(tick) => tick.symbol,
            Self::Snapshot(_) => 0,
        }
    }
}

/// Changes of the book between two update ids. On Spot the ids of diffs are consecutive; on USD-M futures they are not, and each
/// diff names the last id of the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DepthUpdate {
    /// Index of the symbol.
    pub symbol: usize,
    /// `E`, nanoseconds.
    pub ts_venue: Timestamp,
    /// `U`: the first update id in the event.
    pub first_id: u64,
    /// `u`: the last update id in the event.
    pub last_id: u64,
    /// `pu`: the last update id of the event before, on USD-M futures.
    pub previous_id: Option<u64>,
}

impl DepthUpdate {
    /// The id of the book that this diff changes: it applies to no other.
    pub fn base_id(&self) -> u64 {
        self.previous_id
            .unwrap_or_else(|| self.first_id.saturating_sub(1))
    }
}

/// Best bid and ask after an update id. Spot's has no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BookTicker {
    /// Index of the symbol.
    pub symbol: usize,
    /// `u`.
    pub update_id: u64,
    /// Best bid and its size.
    pub bid: (Price, Size),
    /// Best ask and its size.
    pub ask: (Price, Size),
}

/// A public trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TradeTick {
    /// Index of the symbol.
    pub symbol: usize,
    /// `T`, nanoseconds.
    pub ts_venue: Timestamp,
    /// `t`.
    pub trade_id: u64,
    /// `p`.
    pub price: Price,
    /// `q`.
    pub size: Size,
    /// From `m`: if the buyer is the maker, the seller crossed the spread.
    pub aggressor: Aggressor,
}

/// A whole book as of an update id. The frame names no symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DepthSnapshot {
    /// `lastUpdateId`.
    pub last_id: u64,
}

/// The fields of any frame, as far as they were present. Texts are borrowed from the frame, as bytes: validating UTF-8 would
/// cost more than using them.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Fields<'a> {
    pub(super) stream: Option<&'a [u8]>,
    pub(super) event: Option<&'a [u8]>,
    pub(super) event_time: Option<i64>,
    pub(super) trade_time: Option<i64>,
    pub(super) symbol: Option<usize>,
    /// A symbol that the decoder does not know.
    pub(super) unknown_symbol: Option<&'a [u8]>,
    pub(super) first_id: Option<u64>,
    pub(super) update_id: Option<u64>,
    pub(super) previous_id: Option<u64>,
    pub(super) snapshot_id: Option<u64>,
    pub(super) trade_id: Option<u64>,
    pub(super) bid: Option<&'a [u8]>,
    pub(super) bid_size: Option<&'a [u8]>,
    pub(super) ask: Option<&'a [u8]>,
    pub(super) ask_size: Option<&'a [u8]>,
    pub(super) price: Option<&'a [u8]>,
    pub(super) size: Option<&'a [u8]>,
    pub(super) buyer_is_maker: Option<bool>,
    /// The kind of a futures trade.
    pub(super) trade_kind: Option<&'a [u8]>,
    /// Whether `b`/`bids` and `a`/`asks` were there as arrays.
    pub(super) has_bids: bool,
    pub(super) has_asks: bool,
}

/// Reads a frame into [`Fields`] and [`Levels`].
pub(super) struct FrameSeed<'s, 'a> {
    pub(super) symbols: &'s [Symbol],
    pub(super) fields: &'s mut Fields<'a>,
    pub(super) levels: &'s mut Levels,
}

impl<'de> DeserializeSeed<'de> for FrameSeed<'_, 'de> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FrameSeed<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a frame of Binance, which is a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self {
            symbols,
            fields,
            levels,
        } = self;
        while let Some(key) = map.next_key::<&'de str>()? {
            match key {
                "stream" => {
                    let stream: &'de str = map.next_value()?;
                    fields.resolve_stream(symbols, stream.as_bytes());
                }
                "data" => map.next_value_seed(FrameSeed {
                    symbols,
                    fields: &mut *fields,
                    levels: &mut *levels,
                })?,
                "e" => fields.event = Some(text(&mut map)?),
                "E" => fields.event_time = Some(map.next_value()?),
                "T" => fields.trade_time = Some(map.next_value()?),
                "s" => {
                    let symbol = text(&mut map)?;
                    fields.resolve(symbols, symbol);
                }
                "U" => fields.first_id = Some(map.next_value()?),
                "u" => fields.update_id = Some(map.next_value()?),
                "pu" => fields.previous_id = Some(map.next_value()?),
                "lastUpdateId" => fields.snapshot_id = Some(map.next_value()?),
                "t" => fields.trade_id = Some(map.next_value()?),
                "b" | "bids" => {
                    let symbol = fields.symbol_for_levels(symbols);
                    let value = map.next_value_seed(SideSeed {
                        symbol,
                        levels: &mut levels.bids,
                        cut_sizes: &mut levels.cut_sizes,
                    })?;
                    (fields.bid, fields.has_bids) = (value.text, value.is_array);
                }
                "a" | "asks" => {
                    let symbol = fields.symbol_for_levels(symbols);
                    let value = map.next_value_seed(SideSeed {
                        symbol,
                        levels: &mut levels.asks,
                        cut_sizes: &mut levels.cut_sizes,
                    })?;
                    (fields.ask, fields.has_asks) = (value.text, value.is_array);
                }
                "B" => fields.bid_size = Some(text(&mut map)?),
                "A" => fields.ask_size = Some(text(&mut map)?),
                "p" => fields.price = Some(text(&mut map)?),
                "q" => fields.size = Some(text(&mut map)?),
                "m" => fields.buyer_is_maker = Some(map.next_value()?),
                "X" => fields.trade_kind = Some(text(&mut map)?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

fn text<'de, A: MapAccess<'de>>(map: &mut A) -> Result<&'de [u8], A::Error> {
    map.next_value::<&'de str>().map(str::as_bytes)
}

impl<'a> Fields<'a> {
    /// A combined stream's name, `btcusdt@trade`, which begins with the symbol.
    pub(super) fn resolve_stream(&mut self, symbols: &[Symbol], stream: &'a [u8]) {
        self.stream = Some(stream);
        let name = stream.split(|byte| *byte == b'@').next();
        self.resolve(symbols, name.unwrap_or(stream));
    }

    pub(super) fn resolve(&mut self, symbols: &[Symbol], name: &'a [u8]) {
        let is_it = |symbol: &Symbol| symbol.name.as_bytes().eq_ignore_ascii_case(name);
        if self.symbol.is_some_and(|at| is_it(&symbols[at])) {
            return;
        }
        self.symbol = symbols.iter().position(is_it);
        self.unknown_symbol = if self.symbol.is_none() {
            Some(name)
        } else {
            None
        };
    }

    /// The symbol whose scales the levels have; the REST snapshot names none, so it needs a decoder of one symbol.
    pub(super) fn symbol_for_levels<'s>(&self, symbols: &'s [Symbol]) -> Option<&'s Symbol> {
        match (self.symbol, self.unknown_symbol, symbols) {
            (Some(at), _, _) => symbols.get(at),
            (None, None, [only]) => Some(only),
            (None, _, _) => None,
        }
    }
}

/// The value of `b` or `a`: a price (bookTicker), levels (depth), or an irrelevant value (old trade frames).
#[derive(Default)]
struct SideValue<'a> {
    text: Option<&'a [u8]>,
    is_array: bool,
}

struct SideSeed<'s> {
    symbol: Option<&'s Symbol>,
    levels: &'s mut Vec<(Price, Size)>,
    cut_sizes: &'s mut u64,
}

impl<'de> DeserializeSeed<'de> for SideSeed<'_> {
    type Value = SideValue<'de>;

    fn deserialize<D: serde::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for SideSeed<'_> {
    type Value = SideValue<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a price or an array of [price, size]")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(SideValue {
            text: Some(text.as_bytes()),
            is_array: false,
        })
    }

    fn visit_u64<E: Error>(self, _order_id: u64) -> Result<Self::Value, E> {
        Ok(SideValue::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        match self.symbol {
            Some(symbol) => {
                let (levels, cut_sizes) = (self.levels, self.cut_sizes);
                while seq
                    .next_element_seed(LevelSeed {
                        symbol,
                        levels,
                        cut_sizes,
                    })?
                    .is_some()
                {}
            }
            // The frame as a whole is refused later, and the error names the missing field.
            None => while seq.next_element::<IgnoredAny>()?.is_some() {},
        }
        Ok(SideValue {
            text: None,
            is_array: true,
        })
    }
}

struct LevelSeed<'s> {
    symbol: &'s Symbol,
    levels: &'s mut Vec<(Price, Size)>,
    cut_sizes: &'s mut u64,
}

impl<'de> DeserializeSeed<'de> for LevelSeed<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for LevelSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a level [\"price\", \"size\"]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let missing = || A::Error::custom("a level needs a price and a size");
        let price: &'de str = seq.next_element()?.ok_or_else(missing)?;
        let size: &'de str = seq.next_element()?.ok_or_else(missing)?;
        // Binance once sent a third, empty element; it is of no interest.
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        let price = parse_fixed(price, self.symbol.price_scale).map_err(A::Error::custom)?;
        let size = level_size(size.as_bytes(), self.symbol.size_scale, self.cut_sizes)
            .map_err(A::Error::custom)?;
        if price <= 0 || size < 0 {
            return Err(A::Error::custom(
                "a level's price must be above zero and its size not below",
            ));
        }
        self.levels.push((Price(price), Size(size)));
        Ok(())
    }
}

/// Reads a number.
pub(super) fn fixed(text: &[u8], scale: u8) -> Result<i64, FixedError> {
    match parse_plain_fixed(text, scale) {
        Some((value, length)) if length == text.len() => Ok(value),
        _ => parse_fixed(&String::from_utf8_lossy(text), scale),
    }
}

/// Reads the size of a level, cut down to the scale if it is finer; a size above zero stays so.
pub(super) fn level_size(text: &[u8], scale: u8, cut_sizes: &mut u64) -> Result<i64, FixedError> {
    match fixed(text, scale) {
        Err(FixedError::TooFine { .. }) => {
            *cut_sizes += 1;
            let point = text.iter().position(|byte| *byte == b'.');
            let end = point.map_or(text.len(), |point| point + 1 + usize::from(scale));
            let cut = fixed(text.get(..end).unwrap_or(text), scale)?;
            // What was cut off is not zero, so neither is the whole.
            Ok(match text.starts_with(b"-") {
                true => cut.min(-1),
                false => cut.max(1),
            })
        }
        read => read,
    }
}
