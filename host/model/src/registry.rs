//! The deck's interned names: append-only, so that a number means the same thing for the life of a data folder.

use crate::fixed::MAX_SCALE;
use crate::ids::{CurrencyId, InstrumentId, StrategyId, TextId, VenueId};
use crate::instrument::{Currency, Instrument};
use crate::money::Amount;
use crate::name::{HOST_NAME, is_name};
use crate::untrusted::Untrusted;
use crate::{Price, Size};
use std::collections::HashMap;

/// Venues, currencies, instruments, strategies and texts by number and by name.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    venues: Names,
    currencies: Names,
    currency_scales: Vec<u8>,
    strategies: Names,
    texts: Names,
    instruments: Vec<Instrument>,
    symbols: HashMap<String, InstrumentId>,
}

/// Why a name could not be registered, or a stored registry could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The same name was given with other scales: old events would be misread. Use another data folder or symbol.
    #[error(
        "{what} `{name}` was {was} in this data folder and is now {now}; numbers kept under it would be misread"
    )]
    Changed {
        /// The kind of name.
        what: &'static str,
        /// Its name.
        name: Untrusted,
        /// As it was.
        was: String,
        /// As it is asked for now.
        now: String,
    },
    /// Invalid terms: a scale above 9, or a tick or lot that is not positive.
    #[error("instrument `{symbol}`: {problem}")]
    Terms {
        /// The instrument.
        symbol: Untrusted,
        /// The problem.
        problem: &'static str,
    },
    /// A currency has more decimal digits than numbers are kept with.
    #[error(
        "currency `{code}` has {scale} decimal digits, and at most {} are kept",
        MAX_SCALE
    )]
    Scale {
        /// The code.
        code: String,
        /// As given.
        scale: u8,
    },
    /// The first strategy of a stored registry is not the host itself.
    #[error("the registry is damaged: its first strategy is not `{}`", HOST_NAME)]
    NoHost,
    /// A line of a stored registry is damaged.
    #[error("line {line} of the registry is damaged: `{text}`")]
    Damaged {
        /// Its number, from 1.
        line: usize,
        /// The line.
        text: Untrusted,
    },
}

/// How many names a registry has of the kinds that grow while a deck runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NameCount {
    /// Strategies, the host included.
    pub strategies: usize,
    /// Texts.
    pub texts: usize,
}

impl NameCount {
    /// Returns the sum.
    pub const fn total(self) -> usize {
        self.strategies + self.texts
    }
}

#[derive(Debug, Clone, Default)]
struct Names {
    by_number: Vec<String>,
    by_name: HashMap<String, u32>,
    /// The length of all names together.
    bytes: usize,
}

impl Names {
    fn intern(&mut self, name: &str) -> u32 {
        if let Some(number) = self.by_name.get(name) {
            return *number;
        }
        let number = u32::try_from(self.by_number.len())
            .expect("four thousand million names do not fit in memory");
        self.bytes += name.len();
        self.by_number.push(name.to_owned());
        self.by_name.insert(name.to_owned(), number);
        number
    }

    fn name(&self, number: u32) -> Option<&str> {
        self.by_number.get(number as usize).map(String::as_str)
    }
}

/// The names of one kind from number `from` on, one a line.
fn lines(kind: &str, names: &Names, from: usize) -> String {
    let names = names.by_number.iter().skip(from);
    names
        .map(|name| format!("{kind}\t{}\n", name.escape_default()))
        .collect()
}

/// Maximum length of the names that strategies bring into a deck, together, in bytes.
const MAX_NAME_BYTES: usize = 4 << 20;

impl Registry {
    /// An empty registry; strategy 0 is the host.
    pub fn new() -> Self {
        let mut registry = Self::default();
        registry.strategies.intern(HOST_NAME);
        registry
    }

    /// Interns a venue.
    pub fn add_venue(&mut self, name: &str) -> VenueId {
        VenueId(self.venues.intern(name))
    }

    /// Interns a strategy.
    pub fn add_strategy(&mut self, name: &str) -> StrategyId {
        StrategyId(self.strategies.intern(name))
    }

    /// Whether these texts may be interned, of which some may be known: names are never forgotten, and all of them have to fit
    /// into the record that begins a run.
    pub fn has_room_for<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> bool {
        let unknown = |text: &&str| !self.texts.by_name.contains_key(*text);
        let added: usize = texts.into_iter().filter(unknown).map(str::len).sum();
        self.texts.bytes + self.strategies.bytes + added <= MAX_NAME_BYTES
    }

    /// Interns a text.
    pub fn add_text(&mut self, text: &str) -> TextId {
        TextId(self.texts.intern(text))
    }

    /// Interns a currency.
    ///
    /// # Errors
    /// The currency is known with another scale, or has more decimal digits than are kept.
    pub fn add_currency(&mut self, code: &str, scale: u8) -> Result<CurrencyId, RegistryError> {
        if scale > MAX_SCALE {
            let code = code.to_owned();
            return Err(RegistryError::Scale { code, scale });
        }
        let known = self.currency_scales.len();
        let id = self.currencies.intern(code) as usize;
        if id == known {
            self.currency_scales.push(scale);
        } else if self.currency_scales[id] != scale {
            let (was, now) = (
                format!("of scale {}", self.currency_scales[id]),
                format!("of scale {scale}"),
            );
            return Err(RegistryError::Changed {
                what: "currency",
                name: Untrusted::new(code),
                was,
                now,
            });
        }
        Ok(CurrencyId(id as u32))
    }

    /// Interns an instrument; `terms.id` is ignored. A known symbol takes the new tick, lot and smallest notional.
    ///
    /// # Errors
    /// The terms are invalid, or the scales, venue or currencies of a known symbol changed.
    pub fn add_instrument(&mut self, mut terms: Instrument) -> Result<InstrumentId, RegistryError> {
        check_terms(&terms)?;
        if let Some(id) = self.symbols.get(&terms.symbol).copied() {
            let known = &mut self.instruments[id.index()];
            if identity(known) != identity(&terms) {
                let (was, now) = (describe(known), describe(&terms));
                return Err(RegistryError::Changed {
                    what: "instrument",
                    name: Untrusted::new(&terms.symbol),
                    was,
                    now,
                });
            }
            terms.id = id;
            *known = terms;
            return Ok(id);
        }
        let id = InstrumentId(self.instruments.len() as u32);
        terms.id = id;
        self.symbols.insert(terms.symbol.clone(), id);
        self.instruments.push(terms);
        Ok(id)
    }

    /// The instrument of this number.
    pub fn instrument(&self, id: InstrumentId) -> Option<&Instrument> {
        self.instruments.get(id.index())
    }

    /// All instruments, by number.
    pub fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    /// Finds an instrument by symbol, or by the symbol without its venue if only one venue has it.
    pub fn find_instrument(&self, symbol: &str) -> Option<&Instrument> {
        if let Some(id) = self.symbols.get(symbol) {
            return self.instrument(*id);
        }
        let mut found = self
            .instruments
            .iter()
            .filter(|instrument| instrument.ticker() == symbol);
        match (found.next(), found.next()) {
            (Some(instrument), None) => Some(instrument),
            _ => None,
        }
    }

    /// The currency of this number.
    pub fn currency(&self, id: CurrencyId) -> Option<Currency> {
        let code = self.currencies.name(id.0)?.to_owned();
        Some(Currency {
            id,
            code,
            scale: self.currency_scales[id.index()],
        })
    }

    /// The currency of this code.
    pub fn find_currency(&self, code: &str) -> Option<Currency> {
        self.currencies
            .by_name
            .get(code)
            .and_then(|id| self.currency(CurrencyId(*id)))
    }

    /// The venue's name.
    pub fn venue(&self, id: VenueId) -> Option<&str> {
        self.venues.name(id.0)
    }

    /// The strategy's name.
    pub fn strategy(&self, id: StrategyId) -> Option<&str> {
        self.strategies.name(id.0)
    }

    /// The number of a strategy's name, if it is known.
    pub fn find_strategy(&self, name: &str) -> Option<StrategyId> {
        self.strategies.by_name.get(name).map(|id| StrategyId(*id))
    }

    /// Interns a signal as a subscription names it: `SIGNAL` of whoever publishes it, or `NAME/SIGNAL` of the strategy
    /// of that name, which need not exist yet.
    pub fn add_signal(&mut self, written: &str) -> (Option<StrategyId>, TextId) {
        match split_publisher(written) {
            Some((publisher, signal)) => {
                (Some(self.add_strategy(publisher)), self.add_text(signal))
            }
            None => (None, self.add_text(written)),
        }
    }

    /// Finds a text, or the signal that `NAME/SIGNAL` names. The strategy's signal takes precedence, so that no text of another
    /// strategy can replace it.
    pub fn find_signal(&self, written: &str) -> Option<TextId> {
        let named = split_publisher(written)
            .filter(|(publisher, _)| self.find_strategy(publisher).is_some())
            .map(|(_, signal)| self.find_text(signal));
        named.unwrap_or_else(|| self.find_text(written))
    }

    /// The text behind a number.
    pub fn text(&self, id: TextId) -> Option<&str> {
        self.texts.name(id.0)
    }

    /// The number of a text, if it is known.
    pub fn find_text(&self, text: &str) -> Option<TextId> {
        self.texts.by_name.get(text).map(|id| TextId(*id))
    }

    /// The registry as lines of text, one name each, from which [`Registry::from_text`] gives the same numbers.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        text += &lines("venue", &self.venues, 0);
        for (code, scale) in self.currencies.by_number.iter().zip(&self.currency_scales) {
            text += &format!("currency\t{}\t{scale}\n", code.escape_default());
        }
        for terms in &self.instruments {
            text += &format!(
                "instrument\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\n",
                terms.symbol.escape_default(),
                terms.venue.0,
                terms.base.0,
                terms.quote.0,
                terms.price_scale,
                terms.size_scale,
                terms.quote_scale,
                terms.tick.0,
                terms.lot.0,
                terms.min_notional.0
            );
        }
        text + &self.names_since(NameCount::default())
    }

    /// Reads what [`Registry::to_text`] wrote.
    ///
    /// # Errors
    /// A line is damaged or contradicts an earlier one.
    pub fn from_text(text: &str) -> Result<Self, RegistryError> {
        let mut registry = Self::default();
        registry.add_lines(text, Self::read_line)?;
        registry.strategies.intern(HOST_NAME);
        match registry.strategy(StrategyId::HOST) {
            Some(HOST_NAME) => Ok(registry),
            // With another name in its place, a strategy would be the host.
            _ => Err(RegistryError::NoHost),
        }
    }

    /// Adds names from the lines of [`Registry::names_since`]; those that are known keep their numbers.
    ///
    /// # Errors
    /// A line is damaged, or of a kind that does not grow while a deck runs.
    pub fn add_names(&mut self, text: &str) -> Result<(), RegistryError> {
        self.add_lines(text, Self::read_name)
    }

    fn add_lines(
        &mut self,
        text: &str,
        read: fn(&mut Self, &str) -> Option<()>,
    ) -> Result<(), RegistryError> {
        for (at, line) in text.lines().enumerate() {
            read(self, line).ok_or_else(|| RegistryError::Damaged {
                line: at + 1,
                text: Untrusted::up_to(80, line),
            })?;
        }
        Ok(())
    }

    /// Returns how many names there are of the kinds that grow while a deck runs.
    pub fn name_count(&self) -> NameCount {
        NameCount {
            strategies: self.strategies.by_number.len(),
            texts: self.texts.by_number.len(),
        }
    }

    /// Returns the names beyond a count as lines of text, which [`Registry::add_names`] adds to a registry of that count.
    pub fn names_since(&self, count: NameCount) -> String {
        lines("strategy", &self.strategies, count.strategies)
            + &lines("text", &self.texts, count.texts)
    }

    /// Reads a name of a kind that grows while a deck runs.
    fn read_name(&mut self, line: &str) -> Option<()> {
        let (kind, name) = line.split_once('\t')?;
        let names = match kind {
            "strategy" => &mut self.strategies,
            "text" => &mut self.texts,
            _ => return None,
        };
        names.intern(&unescape(name)?);
        Some(())
    }

    fn read_line(&mut self, line: &str) -> Option<()> {
        let fields: Vec<&str> = line.split('\t').collect();
        match fields.as_slice() {
            ["venue", name] => drop(self.venues.intern(&unescape(name)?)),
            ["strategy" | "text", _] => self.read_name(line)?,
            ["currency", code, scale] => drop(
                self.add_currency(&unescape(code)?, scale.parse().ok()?)
                    .ok()?,
            ),
            [
                "instrument",
                symbol,
                venue,
                base,
                quote,
                price_scale,
                size_scale,
                quote_scale,
                tick,
                lot,
                least,
            ] => {
                let terms = Instrument {
                    id: InstrumentId(0),
                    venue: VenueId(venue.parse().ok()?),
                    symbol: unescape(symbol)?,
                    base: CurrencyId(base.parse().ok()?),
                    quote: CurrencyId(quote.parse().ok()?),
                    price_scale: price_scale.parse().ok()?,
                    size_scale: size_scale.parse().ok()?,
                    quote_scale: quote_scale.parse().ok()?,
                    tick: Price(tick.parse().ok()?),
                    lot: Size(lot.parse().ok()?),
                    min_notional: Amount(least.parse().ok()?),
                };
                // A file is untrusted: everything that an instrument names must exist.
                self.venues.name(terms.venue.0)?;
                self.currencies.name(terms.base.0)?;
                self.currencies.name(terms.quote.0)?;
                self.add_instrument(terms).ok()?;
            }
            _ => return None,
        }
        Some(())
    }
}

/// Splits `NAME/SIGNAL`; a text whose first part is not a name is a plain signal.
fn split_publisher(written: &str) -> Option<(&str, &str)> {
    let (publisher, signal) = written.split_once('/')?;
    (is_name(publisher) && !signal.is_empty()).then_some((publisher, signal))
}

/// Undoes `str::escape_default` for the escapes it writes.
fn unescape(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            plain.push(char);
            continue;
        }
        plain.push(match chars.next()? {
            't' => '\t',
            'r' => '\r',
            'n' => '\n',
            'u' => {
                let code: String = chars
                    .by_ref()
                    .skip(1)
                    .take_while(|char| *char != '}')
                    .collect();
                char::from_u32(u32::from_str_radix(&code, 16).ok()?)?
            }
            other => other,
        });
    }
    Some(plain)
}

fn check_terms(terms: &Instrument) -> Result<(), RegistryError> {
    let scale_too_large = [terms.price_scale, terms.size_scale, terms.quote_scale]
        .iter()
        .any(|scale| *scale > 9);
    let problem = if scale_too_large {
        "a scale is above 9 decimal digits"
    } else if terms.tick.0 <= 0 || terms.lot.0 <= 0 {
        "tick and lot must be above zero"
    } else if terms.min_notional.0 < 0 {
        "the smallest notional is below zero"
    } else {
        return Ok(());
    };
    Err(RegistryError::Terms {
        symbol: Untrusted::new(&terms.symbol),
        problem,
    })
}

/// The terms of an instrument that may never change under its number.
fn identity(terms: &Instrument) -> (VenueId, CurrencyId, CurrencyId, u8, u8, u8) {
    (
        terms.venue,
        terms.base,
        terms.quote,
        terms.price_scale,
        terms.size_scale,
        terms.quote_scale,
    )
}

fn describe(terms: &Instrument) -> String {
    format!(
        "of venue {}, currencies {}/{}, scales {}/{}/{}",
        terms.venue,
        terms.base,
        terms.quote,
        terms.price_scale,
        terms.size_scale,
        terms.quote_scale
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled() -> Registry {
        let mut registry = Registry::new();
        let venue = registry.add_venue("BINANCE");
        let base = registry.add_currency("BTC", 8).unwrap();
        let quote = registry.add_currency("USDT", 8).unwrap();
        let terms = Instrument {
            id: InstrumentId(99),
            venue,
            symbol: "BTCUSDT.BINANCE".to_owned(),
            base,
            quote,
            price_scale: 2,
            size_scale: 5,
            quote_scale: 8,
            tick: Price(1),
            lot: Size(1),
            min_notional: Amount(500_000_000),
        };
        registry.add_instrument(terms).unwrap();
        registry.add_strategy("ema\tcross é\\n");
        registry.add_text("crossed");
        registry
    }

    #[test]
    fn a_stored_registry_gives_the_same_numbers() {
        let registry = filled();
        let mut read = Registry::from_text(&registry.to_text()).unwrap();
        assert_eq!(read.to_text(), registry.to_text());
        assert_eq!(read.add_strategy("ema\tcross é\\n"), StrategyId(1));
        assert_eq!(
            read.find_instrument("BTCUSDT").map(|terms| terms.id),
            Some(InstrumentId(0))
        );
        assert_eq!(read.strategy(StrategyId::HOST), Some("host"));
    }

    #[test]
    fn a_number_never_comes_to_mean_another_scale() {
        let mut registry = filled();
        assert!(matches!(
            registry.add_currency("BTC", 6),
            Err(RegistryError::Changed { .. })
        ));
        let mut terms = registry.instruments()[0].clone();
        terms.tick = Price(10);
        assert_eq!(
            registry.add_instrument(terms.clone()),
            Ok(InstrumentId(0)),
            "a new tick is fine"
        );
        terms.price_scale = 3;
        assert!(matches!(
            registry.add_instrument(terms),
            Err(RegistryError::Changed { .. })
        ));
    }

    #[test]
    fn a_stored_registry_that_contradicts_itself_is_refused() {
        let text = filled().to_text();
        let cases = [
            ("currency\tBTC\t8", "currency\tBTC\t10", "line 2 "),
            (
                "BTCUSDT.BINANCE\t0\t0\t1",
                "BTCUSDT.BINANCE\t7\t0\t1",
                "line 4 ",
            ),
            (
                "BTCUSDT.BINANCE\t0\t0\t1",
                "BTCUSDT.BINANCE\t0\t0\t2",
                "line 4 ",
            ),
            (
                "BTCUSDT.BINANCE\t0\t0\t1",
                "BTCUSDT.BINANCE\t0\t9\t1",
                "line 4 ",
            ),
            ("strategy\thost\n", "", "its first strategy is not `host`"),
        ];
        for (is, becomes, said) in cases {
            assert!(text.contains(is), "{is}");
            let error = Registry::from_text(&text.replace(is, becomes)).unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
        }
        let error = Registry::new().add_currency("X", 10).unwrap_err();
        assert_eq!(
            error.to_string(),
            "currency `X` has 10 decimal digits, and at most 9 are kept"
        );
    }

    #[test]
    fn a_damaged_line_is_named() {
        let text = filled()
            .to_text()
            .replace("currency\tUSDT\t8", "currency\tUSDT");
        let error = Registry::from_text(&text).unwrap_err();
        assert_eq!(
            error.to_string(),
            "line 3 of the registry is damaged: `currency\\tUSDT`"
        );
    }

    #[test]
    fn no_stored_name_takes_the_place_of_the_host() {
        let text = filled().to_text().replace("strategy\thost\n", "");
        let error = Registry::from_text(&text).unwrap_err().to_string();
        assert!(
            error.contains("its first strategy is not `host`"),
            "{error}"
        );
    }

    #[test]
    fn a_signal_is_anyones_or_that_of_a_named_strategy() {
        let mut registry = filled();
        let (anyone, cross) = registry.add_signal("cross");
        assert_eq!(anyone, None);
        let (publisher, same) = registry.add_signal("ema-cross/cross");
        assert_eq!(
            (publisher, same),
            (registry.find_strategy("ema-cross"), cross)
        );
        assert!(publisher.is_some());
        assert_eq!(registry.add_signal("host/mood").0, Some(StrategyId::HOST));
        // No name before the slash: a text like any other.
        for plain in ["/cross", "ema-cross/", "a b/cross", "2/3"] {
            let (anyone, id) = registry.add_signal(plain);
            assert_eq!((anyone, registry.text(id)), (None, Some(plain)));
        }
        // Another strategy's text of the same spelling does not stand in for the signal.
        registry.add_text("ema-cross/cross");
        assert_eq!(registry.find_signal("ema-cross/cross"), Some(cross));
        registry.add_text("profit/loss");
        assert_eq!(
            registry.find_signal("profit/loss"),
            registry.find_text("profit/loss"),
            "no strategy is called profit"
        );
    }
}
