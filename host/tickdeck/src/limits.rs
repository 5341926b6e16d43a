//! From the settings to the engine's limits. Symbols and decimals are only judged here, against the deck.

use crate::config::{
    Config, Decimal, InstrumentSettings, LimitSettings, Located, Problem, Problems, Setting,
    nearest,
};
use tickdeck_engine::{InstrumentLimits, Limits, OrderRate, RiskConfig};
use tickdeck_model::{Amount, Instrument, InstrumentId, Registry, Size, StrategyId};

const NS_PER_US: u64 = 1_000;
const NS_PER_MS: u64 = 1_000_000;

/// The limits of the deck, of its strategies and of its instruments.
///
/// # Errors
/// Every symbol that the deck does not know, and every size that does not fit its instrument.
pub fn risk(
    config: &Config,
    registry: &Registry,
    strategies: &[(StrategyId, LimitSettings)],
) -> Result<RiskConfig, Problems> {
    let mut reader = Reader {
        registry,
        problems: Vec::new(),
    };
    let default = reader.limits(&config.risk, &Limits::default());
    let strategies = strategies
        .iter()
        .map(|(id, settings)| (*id, reader.limits(settings, &default)))
        .collect();
    let mut instruments = std::collections::HashMap::new();
    for (symbol, settings) in &config.instruments {
        if let Some(terms) = reader.find(symbol) {
            instruments.insert(terms.id, reader.instrument(terms, settings));
        }
    }
    let mut list = reader.problems;
    if list.is_empty() {
        return Ok(RiskConfig {
            default,
            strategies,
            instruments,
        });
    }
    list.sort_by_key(|problem| problem.line);
    list.dedup();
    Err(Problems {
        file: config.file.clone(),
        list,
    })
}

struct Reader<'r> {
    registry: &'r Registry,
    problems: Vec<Problem>,
}

impl<'r> Reader<'r> {
    fn limits(&mut self, settings: &LimitSettings, over: &Limits) -> Limits {
        let LimitSettings {
            max_notional,
            max_position_notional,
            collar_bps,
            order_rate,
            duplicate_window_us,
            max_quote_age_ms,
            allow,
        } = settings.clone();
        let allow = match allow {
            Setting::Default => over.allow.clone(),
            Setting::Off => None,
            Setting::To(symbols) => Some(self.ids(&symbols)),
        };
        Limits {
            max_notional: whole(max_notional).over(over.max_notional),
            max_position_notional: whole(max_position_notional).over(over.max_position_notional),
            collar_bps: collar_bps.over(over.collar_bps),
            order_rate: order_rate
                .map(|rate| OrderRate {
                    orders: rate.orders,
                    window_ns: rate.window_ms * NS_PER_MS,
                })
                .over(over.order_rate),
            duplicate_window_ns: duplicate_window_us
                .map(|us| us * NS_PER_US)
                .over(over.duplicate_window_ns),
            max_quote_age_ns: max_quote_age_ms
                .map(|ms| ms * NS_PER_MS)
                .over(over.max_quote_age_ns),
            allow,
        }
    }

    fn ids(&mut self, symbols: &[Located<String>]) -> Vec<InstrumentId> {
        symbols
            .iter()
            .filter_map(|symbol| self.find(symbol))
            .map(|terms| terms.id)
            .collect()
    }

    fn find(&mut self, symbol: &Located<String>) -> Option<&'r Instrument> {
        let found = self.registry.find_instrument(&symbol.value);
        if found.is_none() {
            let known: Vec<&str> = self
                .registry
                .instruments()
                .iter()
                .map(|terms| terms.symbol.as_str())
                .collect();
            let tickers = self.registry.instruments().iter().map(Instrument::ticker);
            let fix = match nearest(&symbol.value, tickers.chain(known.iter().copied())) {
                Some(near) if near != symbol.value => format!("did you mean `{near}`?"),
                _ => format!("it has {}", known.join(", ")),
            };
            let what = format!("no instrument `{}` in this deck", symbol.value);
            self.problems.push(Problem {
                line: symbol.line,
                what,
                fix: Some(fix),
            });
        }
        found
    }

    fn instrument(
        &mut self,
        terms: &Instrument,
        settings: &InstrumentSettings,
    ) -> InstrumentLimits {
        InstrumentLimits {
            max_size: self.size(terms, "max_size", settings.max_size.as_ref()),
            max_position: self.size(terms, "max_position", settings.max_position.as_ref()),
        }
    }

    fn size(
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
                self.problems.push(Problem {
                    line: given.line,
                    what,
                    fix: Some(fix),
                });
                None
            }
        }
    }
}

fn whole(units: Setting<u64>) -> Setting<Amount> {
    units.map(|units| Amount(i64::try_from(units).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickdeck_model::{Price, VenueId};

    fn registry() -> Registry {
        let mut registry = Registry::new();
        registry.add_venue("SIM");
        let base = registry.add_currency("BTC", 8).unwrap();
        let quote = registry.add_currency("USDT", 8).unwrap();
        let terms = Instrument {
            id: InstrumentId(0),
            venue: VenueId(0),
            symbol: "BTCUSDT.SIM".to_owned(),
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
        registry
    }

    #[test]
    fn a_strategys_limits_stand_over_those_of_the_deck_and_those_over_the_defaults() {
        let text = "[risk]\nmax_notional = 5\ncollar_bps = false\n[risk.instruments.BTCUSDT]\nmax_size = 0.5\n\
                    [strategies.a.risk]\nmax_notional = false\nallow = [\"BTCUSDT\"]\n";
        let config = Config::parse("t", text).unwrap();
        let own = [(StrategyId(1), config.strategies["a"].risk.clone())];
        let risk = risk(&config, &registry(), &own).unwrap();
        assert_eq!(
            (risk.default.max_notional, risk.default.collar_bps),
            (Some(Amount(5)), None)
        );
        assert_eq!(risk.default.order_rate, Limits::default().order_rate);
        let own = &risk.strategies[&StrategyId(1)];
        assert_eq!((own.max_notional, own.collar_bps), (None, None));
        assert_eq!(own.allow, Some(vec![InstrumentId(0)]));
        assert_eq!(
            risk.instruments[&InstrumentId(0)].max_size,
            Some(Size(50_000))
        );
    }

    #[test]
    fn unknown_symbols_and_sizes_too_fine_are_named_with_their_lines() {
        let text = "[risk]\nallow = [\"BTCUSD\", \"DOGE\"]\n[risk.instruments.BTCUSDT]\nmax_size = 0.0000001\n";
        let config = Config::parse("t", text).unwrap();
        let problems = risk(&config, &registry(), &[]).unwrap_err().to_string();
        assert_eq!(
            problems.lines().collect::<Vec<_>>(),
            [
                "no instrument `BTCUSD` in this deck at t:2, did you mean `BTCUSDT`?",
                "no instrument `DOGE` in this deck at t:2, it has BTCUSDT.SIM",
                "`max_size`: `0.0000001` has more than 5 decimal digits at t:4, \
                 sizes of BTCUSDT.SIM have 5 decimal digits",
            ]
        );
    }
}
