//! Checks names and numbers of settings against the deck, and reports every mistake at once with its line.

use crate::reader::{Decimal, Located, Problem, Problems};
use tickdeck_model::suggestion::nearest;
use tickdeck_model::untrusted::{first, quoted};
use tickdeck_model::{Instrument, Registry, Size, VenueId};

/// Maximum number of mistakes that are kept.
const MAX_KEPT: usize = 64;
/// Maximum number of names that a message lists.
const MAX_LISTED: usize = 20;

/// Looks up names, and collects the mistakes.
#[derive(Debug)]
pub struct Resolver<'r> {
    registry: &'r Registry,
    problems: Vec<Problem>,
    /// Mistakes beyond those that are kept.
    more: usize,
}

impl<'r> Resolver<'r> {
    /// Looks up names in `registry`.
    pub const fn new(registry: &'r Registry) -> Self {
        Self {
            registry,
            problems: Vec::new(),
            more: 0,
        }
    }

    /// Returns the registry.
    pub const fn registry(&self) -> &'r Registry {
        self.registry
    }

    /// Returns the instrument of this symbol, with or without its venue: `BTCUSDT.SIM`, or `BTCUSDT` if only one venue
    /// lists it.
    pub fn instrument(&mut self, symbol: &Located<String>) -> Option<&'r Instrument> {
        let found = self.registry.find_instrument(&symbol.value);
        if found.is_none() {
            self.no_instrument(symbol);
        }
        found
    }

    fn no_instrument(&mut self, symbol: &Located<String>) {
        let instruments = self.registry.instruments();
        let known: Vec<&str> = instruments
            .iter()
            .map(|terms| terms.symbol.as_str())
            .collect();
        let same = instruments
            .iter()
            .filter(|terms| terms.ticker() == symbol.value);
        let same: Vec<&str> = same.map(|terms| terms.symbol.as_str()).collect();
        if same.is_empty() {
            let tickers = instruments.iter().map(Instrument::ticker);
            let names = tickers.chain(known.iter().copied());
            self.unknown("instrument", symbol, names.collect(), &known);
        } else {
            let what = format!("{} venues list {}", same.len(), quoted(&symbol.value));
            let fix = format!("name one: {}", first(MAX_LISTED, same, ", "));
            self.report(symbol.line, what, fix);
        }
    }

    /// Returns the venue of this name.
    pub fn venue(&mut self, name: &Located<String>) -> Option<VenueId> {
        let venues: Vec<(VenueId, &str)> = (0..)
            .map(VenueId)
            .map_while(|id| Some((id, self.registry.venue(id)?)))
            .collect();
        let found = venues.iter().find(|(_, known)| *known == name.value);
        if found.is_none() {
            let known: Vec<&str> = venues.iter().map(|(_, known)| *known).collect();
            self.unknown("venue", name, known.clone(), &known);
        }
        found.map(|(id, _)| *id)
    }

    /// Returns a size at the scale of its instrument.
    pub fn size(
        &mut self,
        terms: &Instrument,
        key: &str,
        given: Option<&Located<Decimal>>,
    ) -> Option<Size> {
        let given = given?;
        match Size::parse(&given.value.0, terms.size_scale) {
            Ok(size) => Some(size),
            Err(error) => {
                let what = format!("`{key}`: {error}");
                let fix = format!(
                    "sizes of {} have {} decimal digits",
                    terms.symbol, terms.size_scale
                );
                self.report(given.line, what, fix);
                None
            }
        }
    }

    /// Returns `value`, unless there were mistakes; the lines are those of `file`.
    ///
    /// # Errors
    /// Returns every mistake.
    pub fn finish<T>(self, file: &str, value: T) -> Result<T, Problems> {
        let mut list = self.problems;
        if list.is_empty() {
            return Ok(value);
        }
        // The settings of the whole deck are looked up once per strategy, and reported once.
        list.sort_by(|one, other| (one.line, &one.what).cmp(&(other.line, &other.what)));
        list.dedup();
        Err(Problems {
            file: file.to_owned(),
            list,
            more: self.more,
        })
    }

    fn unknown(&mut self, what: &str, name: &Located<String>, like: Vec<&str>, known: &[&str]) {
        if self.problems.len() >= MAX_KEPT {
            self.more += 1;
            return;
        }
        let fix = match nearest(&name.value, like) {
            Some(near) if near != name.value => format!("did you mean {}?", quoted(near)),
            _ => format!("it has {}", first(MAX_LISTED, known, ", ")),
        };
        let what = format!("no {what} {} in this deck", quoted(&name.value));
        self.report(name.line, what, fix);
    }

    fn report(&mut self, line: usize, what: String, fix: String) {
        if self.problems.len() >= MAX_KEPT {
            self.more += 1;
            return;
        }
        self.problems.push(Problem {
            line,
            what,
            fix: Some(fix),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickdeck_model::{Amount, InstrumentId, Price};

    fn registry() -> Registry {
        let mut registry = Registry::new();
        let base = registry.add_currency("BTC", 8).unwrap();
        let quote = registry.add_currency("USDT", 8).unwrap();
        for venue in ["EAST", "WEST"] {
            let terms = Instrument {
                id: InstrumentId(0),
                venue: registry.add_venue(venue),
                symbol: format!("BTCUSDT.{venue}"),
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
        }
        registry
    }

    #[test]
    fn a_symbol_of_several_venues_needs_its_venue() {
        let registry = registry();
        let mut lookup = Resolver::new(&registry);
        let symbol = |value: &str| Located {
            value: value.to_owned(),
            line: 3,
        };
        let west = lookup.instrument(&symbol("BTCUSDT.WEST")).unwrap();
        assert_eq!(registry.venue(west.venue), Some("WEST"));
        assert_eq!(lookup.instrument(&symbol("BTCUSDT")), None);
        assert_eq!(
            lookup.finish("t", ()).unwrap_err().to_string(),
            "2 venues list `BTCUSDT` at t:3, name one: BTCUSDT.EAST, BTCUSDT.WEST"
        );
    }
}
