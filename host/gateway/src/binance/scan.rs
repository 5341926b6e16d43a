//! Fast path for frames as Binance sends them, read in one pass over their bytes. Anything else is left to the full reader in
//! [`wire`](super::wire), which accepts every legal spelling of JSON and describes what is wrong with the rest.

use super::symbol::Symbol;
use super::wire::{Fields, Levels};
use tickdeck_model::{Price, Size, parse_plain_fixed};

/// Reads a frame, or gives up: the fields filled in until then are meaningless.
pub(super) fn scan<'a>(
    text: &'a [u8],
    symbols: &[Symbol],
    fields: &mut Fields<'a>,
    levels: &mut Levels,
) -> Option<()> {
    let mut frame = Scanner { text, at: 0 };
    frame.object(symbols, fields, levels, true)?;
    (frame.at == text.len()).then_some(())
}

/// A position in a frame. White space, escapes and bytes outside printable ASCII are not supported here.
struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    fn object(
        &mut self,
        symbols: &[Symbol],
        fields: &mut Fields<'a>,
        levels: &mut Levels,
        outer: bool,
    ) -> Option<()> {
        self.eat(b'{')?;
        loop {
            match self.key()? {
                b"data" if outer => self.object(symbols, fields, levels, false)?,
                key => self.value(key, symbols, fields, levels)?,
            }
            match self.next()? {
                b',' => {}
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    fn value(
        &mut self,
        key: &[u8],
        symbols: &[Symbol],
        fields: &mut Fields<'a>,
        levels: &mut Levels,
    ) -> Option<()> {
        match key {
            b"stream" => {
                let stream = self.string()?;
                fields.resolve_stream(symbols, stream);
            }
            b"e" => fields.event = Some(self.string()?),
            b"E" => fields.event_time = Some(i64::try_from(self.integer()?).ok()?),
            b"T" => fields.trade_time = Some(i64::try_from(self.integer()?).ok()?),
            b"s" => {
                let symbol = self.string()?;
                fields.resolve(symbols, symbol);
            }
            b"U" => fields.first_id = Some(self.integer()?),
            b"u" => fields.update_id = Some(self.integer()?),
            b"pu" => fields.previous_id = Some(self.integer()?),
            b"lastUpdateId" => fields.snapshot_id = Some(self.integer()?),
            b"t" => fields.trade_id = Some(self.integer()?),
            b"b" if self.peek()? == b'"' => {
                (fields.bid, fields.has_bids) = (Some(self.string()?), false);
            }
            b"a" if self.peek()? == b'"' => {
                (fields.ask, fields.has_asks) = (Some(self.string()?), false);
            }
            b"b" | b"bids" => {
                self.levels(fields.symbol_for_levels(symbols)?, &mut levels.bids)?;
                (fields.bid, fields.has_bids) = (None, true);
            }
            b"a" | b"asks" => {
                self.levels(fields.symbol_for_levels(symbols)?, &mut levels.asks)?;
                (fields.ask, fields.has_asks) = (None, true);
            }
            b"B" => fields.bid_size = Some(self.string()?),
            b"A" => fields.ask_size = Some(self.string()?),
            b"p" => fields.price = Some(self.string()?),
            b"q" => fields.size = Some(self.string()?),
            b"m" => fields.buyer_is_maker = Some(self.boolean()?),
            b"X" => fields.trade_kind = Some(self.string()?),
            _ => self.skip()?,
        }
        Some(())
    }

    /// `[["price","size"],...]`
    fn levels(&mut self, symbol: &Symbol, levels: &mut Vec<(Price, Size)>) -> Option<()> {
        self.eat(b'[')?;
        if self.peek()? == b']' {
            self.at += 1;
            return Some(());
        }
        loop {
            self.eat(b'[')?;
            let price = self.decimal(symbol.price_scale)?;
            self.eat(b',')?;
            let size = self.decimal(symbol.size_scale)?;
            self.eat(b']')?;
            if price == 0 {
                return None;
            }
            levels.push((Price(price), Size(size)));
            match self.next()? {
                b',' => {}
                b']' => return Some(()),
                _ => return None,
            }
        }
    }

    /// A quoted decimal at `scale`.
    #[inline]
    fn decimal(&mut self, scale: u8) -> Option<i64> {
        self.eat(b'"')?;
        let (value, length) = parse_plain_fixed(self.text.get(self.at..)?, scale)?;
        self.at += length;
        self.eat(b'"')?;
        Some(value)
    }

    /// A key and its colon. Nearly all are single letters.
    #[inline]
    fn key(&mut self) -> Option<&'a [u8]> {
        if let Some([b'"', b'A'..=b'Z' | b'a'..=b'z', b'"', b':']) = self.ahead::<4>() {
            self.at += 4;
            return Some(&self.text[self.at - 3..self.at - 2]);
        }
        let key = self.string()?;
        self.eat(b':')?;
        Some(key)
    }

    /// A text, eight bytes at a time: it ends at the first byte that may not be in it, which must be the quote.
    #[inline]
    fn string(&mut self) -> Option<&'a [u8]> {
        self.eat(b'"')?;
        let start = self.at;
        while let Some(word) = self.ahead::<8>() {
            let ends = ends_of_text(u64::from_le_bytes(*word));
            if ends != 0 {
                self.at += (ends.trailing_zeros() / u8::BITS) as usize;
                break;
            }
            self.at += word.len();
        }
        while let Some(b' '..=b'!' | b'#'..=b'[' | b']'..=b'~') = self.peek() {
            self.at += 1;
        }
        let text = &self.text[start..self.at];
        self.eat(b'"')?;
        Some(text)
    }

    /// A whole number without sign and without a zero before it.
    fn integer(&mut self) -> Option<u64> {
        let start = self.at;
        let mut value: u64 = 0;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            value = value
                .checked_mul(10)?
                .checked_add(u64::from(digit - b'0'))?;
            self.at += 1;
        }
        let digits = &self.text[start..self.at];
        let ends = matches!(self.peek()?, b',' | b'}');
        let plain = digits.len() == 1 || digits.first().is_some_and(|first| *first != b'0');
        (ends && plain).then_some(value)
    }

    fn boolean(&mut self) -> Option<bool> {
        for (word, value) in [(&b"true"[..], true), (b"false", false)] {
            if self.text[self.at..].starts_with(word) {
                self.at += word.len();
                return Some(value);
            }
        }
        None
    }

    /// A value of no interest, of a simple kind.
    fn skip(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(drop),
            b'0'..=b'9' => self.integer().map(drop),
            b't' | b'f' => self.boolean().map(drop),
            _ => None,
        }
    }

    #[inline]
    fn ahead<const N: usize>(&self) -> Option<&'a [u8; N]> {
        self.text.get(self.at..)?.first_chunk()
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    #[inline]
    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    #[inline]
    fn eat(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }
}

/// Sets the top bit of each byte that is not printable ASCII, or is a quote or a backslash; exact up to the first one.
#[inline]
fn ends_of_text(word: u64) -> u64 {
    const LOW: u64 = u64::from_le_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    let is = |byte: u8| {
        let other = word ^ (LOW * u64::from(byte));
        other.wrapping_sub(LOW) & !other
    };
    let below_space = word.wrapping_sub(LOW * u64::from(b' ')) & !word;
    (is(b'"') | is(b'\\') | is(0x7f) | below_space | word) & HIGH
}
