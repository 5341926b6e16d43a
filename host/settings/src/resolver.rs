//! Names and numbers of settings, judged against what the deck has: everything that is wrong at once, with its line.

use crate::config::{Decimal, Located, Problem, Problems};
use tickdeck_model::suggestion::nearest;
use tickdeck_model::{Instrument, Registry, Size, VenueId};

/// Looks names up, and collects what is wrong.
#[derive(Debug)]
pub struct Resolver<'r> {
    registry: &'r Registry,
    problems: Vec<Problem>,
}

impl<'r> Resolver<'r> {
    /// Looks up in `registry`.
    pub const fn new(registry: &'r Registry) -> Self {
        Self {
            registry,
            problems: Vec::new(),
        }
    }

    /// What it looks up in.
    pub const fn registry(&self) -> &'r Registry {
        self.registry
    }

    /// The instrument of this symbol.
    pub fn instrument(&mut self, symbol: &Located<String>) -> Option<&'r Instrument> {
        let found = self.registry.find_instrument(&symbol.value);
        if found.is_none() {
            let instruments = self.registry.instruments();
            let known: Vec<&str> = instruments
                .iter()
                .map(|terms| terms.symbol.as_str())
                .collect();
            let tickers = instruments.iter().map(Instrument::ticker);
            let names = tickers.chain(known.iter().copied());
            self.unknown("instrument", symbol, names.collect(), &known);
        }
        found
    }

    /// The venue of this name.
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

    /// A size at the scale of its instrument.
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

    /// `value`, unless something was wrong; `file` is the one that the lines are of.
    ///
    /// # Errors
    /// Everything that was wrong.
    pub fn finish<T>(self, file: &str, value: T) -> Result<T, Problems> {
        let mut list = self.problems;
        if list.is_empty() {
            return Ok(value);
        }
        // What the whole deck says is looked up for every strategy, and told once.
        list.sort_by(|one, other| (one.line, &one.what).cmp(&(other.line, &other.what)));
        list.dedup();
        Err(Problems {
            file: file.to_owned(),
            list,
        })
    }

    fn unknown(&mut self, what: &str, name: &Located<String>, like: Vec<&str>, known: &[&str]) {
        let fix = match nearest(&name.value, like) {
            Some(near) if near != name.value => format!("did you mean `{near}`?"),
            _ => format!("it has {}", known.join(", ")),
        };
        let what = format!("no {what} `{}` in this deck", name.value);
        self.report(name.line, what, fix);
    }

    fn report(&mut self, line: usize, what: String, fix: String) {
        self.problems.push(Problem {
            line,
            what,
            fix: Some(fix),
        });
    }
}
