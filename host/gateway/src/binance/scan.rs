//! Frames as Binance sends them, read in one pass over their bytes. Whatever looks otherwise is left to the full reader
//! in [`wire`](super::wire), which knows every legal spelling of JSON and says what is wrong with the rest.

use super::decode::Symbol;
use super::wire::{Fields, Levels};
use tickdeck_model::{Price, Size, parse_plain_fixed};

/// Reads a frame, or gives up: then what it has filled in means nothing.
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

/// A place in a frame. Nothing here allows for white space, escapes, or bytes outside printable ASCII.
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
            let key = self.string()?;
            self.eat(b':')?;
            match key {
                "data" if outer => self.object(symbols, fields, levels, false)?,
                _ => self.value(key, symbols, fields, levels)?,
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
        key: &str,
        symbols: &[Symbol],
        fields: &mut Fields<'a>,
        levels: &mut Levels,
    ) -> Option<()> {
        match key {
            "stream" => {
                let stream = self.string()?;
                fields.stream = Some(stream);
                fields.resolve(symbols, stream.split('@').next().unwrap_or(stream));
            }
            "e" => fields.event = Some(self.string()?),
            "E" => fields.event_time = Some(i64::try_from(self.integer()?).ok()?),
            "T" => fields.trade_time = Some(i64::try_from(self.integer()?).ok()?),
            "s" => {
                let symbol = self.string()?;
                fields.resolve(symbols, symbol);
            }
            "U" => fields.first_id = Some(self.integer()?),
            "u" => fields.update_id = Some(self.integer()?),
            "lastUpdateId" => fields.snapshot_id = Some(self.integer()?),
            "t" => fields.trade_id = Some(self.integer()?),
            "b" if self.peek()? == b'"' => {
                (fields.bid, fields.has_bids) = (Some(self.string()?), false);
            }
            "a" if self.peek()? == b'"' => {
                (fields.ask, fields.has_asks) = (Some(self.string()?), false);
            }
            "b" | "bids" => {
                self.levels(fields.symbol_for_levels(symbols)?, &mut levels.bids)?;
                (fields.bid, fields.has_bids) = (None, true);
            }
            "a" | "asks" => {
                self.levels(fields.symbol_for_levels(symbols)?, &mut levels.asks)?;
                (fields.ask, fields.has_asks) = (None, true);
            }
            "B" => fields.bid_size = Some(self.string()?),
            "A" => fields.ask_size = Some(self.string()?),
            "p" => fields.price = Some(self.string()?),
            "q" => fields.size = Some(self.string()?),
            "m" => fields.buyer_is_maker = Some(self.boolean()?),
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

    fn string(&mut self) -> Option<&'a str> {
        self.eat(b'"')?;
        let start = self.at;
        loop {
            match self.next()? {
                b'"' => break,
                b'\\' | ..b' ' | 0x7f.. => return None,
                _ => {}
            }
        }
        // Printable ASCII, as was seen.
        std::str::from_utf8(&self.text[start..self.at - 1]).ok()
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
