//! From the settings to the engine's limits. Symbols and decimals are only judged here, against the deck.

use crate::config::{
    Config, InstrumentSettings, LimitSettings, Located, Problems, RateSettings, Setting,
};
use crate::resolver::Resolver;
use std::collections::HashMap;
use tickdeck_engine::{InstrumentLimits, OrderLimits, OrderRate, RiskConfig};
use tickdeck_model::{Amount, Instrument, InstrumentId, Registry};

const NS_PER_US: u64 = 1_000;
const NS_PER_MS: u64 = 1_000_000;

/// The limits of the deck and of its instruments.
///
/// # Errors
/// Every symbol that the deck does not know, and every size that does not fit its instrument.
pub fn risk(config: &Config, registry: &Registry) -> Result<RiskConfig, Problems> {
    let mut lookup = Resolver::new(registry);
    let default = limits(&mut lookup, &config.risk);
    let mut instruments = HashMap::new();
    for (symbol, settings) in &config.instruments {
        if let Some(terms) = lookup.instrument(symbol) {
            instruments.insert(terms.id, instrument(&mut lookup, terms, settings));
        }
    }
    let risk = RiskConfig {
        default,
        // Each strategy brings its own.
        strategies: HashMap::new(),
        instruments,
    };
    lookup.finish(&config.file, risk)
}

/// The limits of one strategy: its own settings over the deck's, and those over the defaults.
///
/// # Errors
/// Every symbol that the deck does not know.
pub fn of_strategy(
    config: &Config,
    registry: &Registry,
    settings: &LimitSettings,
) -> Result<OrderLimits, Problems> {
    let mut lookup = Resolver::new(registry);
    let limits = limits(&mut lookup, &settings.clone().over(&config.risk));
    lookup.finish(&config.file, limits)
}

fn limits(lookup: &mut Resolver<'_>, settings: &LimitSettings) -> OrderLimits {
    let (settings, default) = (settings.clone(), OrderLimits::default());
    let rate = |rate: RateSettings| OrderRate {
        orders: rate.orders,
        window_ns: rate.window_ms * NS_PER_MS,
    };
    OrderLimits {
        max_notional: whole(settings.max_notional).over(default.max_notional),
        max_position_notional: whole(settings.max_position_notional)
            .over(default.max_position_notional),
        collar_bps: settings.collar_bps.over(default.collar_bps),
        order_rate: settings.order_rate.map(rate).over(default.order_rate),
        duplicate_window_ns: settings
            .duplicate_window_us
            .map(|us| us * NS_PER_US)
            .over(default.duplicate_window_ns),
        max_quote_age_ns: settings
            .max_quote_age_ms
            .map(|ms| ms * NS_PER_MS)
            .over(default.max_quote_age_ns),
        allow: allowed(
            lookup,
            settings.allow.over(None),
            settings.venues.over(None),
        ),
        order_types: settings.order_types.over(None),
        max_sizes: HashMap::new(),
    }
}

/// The instruments that are on both lists; no list: all.
fn allowed(
    lookup: &mut Resolver<'_>,
    symbols: Option<Vec<Located<String>>>,
    venues: Option<Vec<Located<String>>>,
) -> Option<Vec<InstrumentId>> {
    if symbols.is_none() && venues.is_none() {
        return None;
    }
    let mut instruments: Vec<&Instrument> = match symbols {
        Some(symbols) => symbols
            .iter()
            .filter_map(|symbol| lookup.instrument(symbol))
            .collect(),
        None => lookup.registry().instruments().iter().collect(),
    };
    if let Some(venues) = venues {
        let venues: Vec<_> = venues
            .iter()
            .filter_map(|venue| lookup.venue(venue))
            .collect();
        instruments.retain(|terms| venues.contains(&terms.venue));
    }
    Some(instruments.iter().map(|terms| terms.id).collect())
}

fn instrument(
    lookup: &mut Resolver<'_>,
    terms: &Instrument,
    settings: &InstrumentSettings,
) -> InstrumentLimits {
    InstrumentLimits {
        max_size: lookup.size(terms, "max_size", settings.max_size.as_ref()),
        max_position: lookup.size(terms, "max_position", settings.max_position.as_ref()),
    }
}

fn whole(units: Setting<u64>) -> Setting<Amount> {
    units.map(|units| Amount(i64::try_from(units).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickdeck_model::{OrderType, Price, Size, VenueId};

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
        let risk = risk(&config, &registry()).unwrap();
        assert_eq!(
            (risk.default.max_notional, risk.default.collar_bps),
            (Some(Amount(5)), None)
        );
        assert_eq!(risk.default.order_rate, OrderLimits::default().order_rate);
        let own = of_strategy(&config, &registry(), &config.strategies["a"].risk).unwrap();
        assert_eq!((own.max_notional, own.collar_bps), (None, None));
        assert_eq!(own.allow, Some(vec![InstrumentId(0)]));
        assert_eq!(
            risk.instruments[&InstrumentId(0)].max_size,
            Some(Size(50_000))
        );
    }

    #[test]
    fn venues_and_order_types_are_limits_too() {
        let text = "[risk]\nvenues = [\"SIM\"]\norder_types = [\"limit\"]\n\
                    [strategies.a.risk]\nvenues = []\norder_types = [\"limit\", \"stop\"]\n\
                    [strategies.b.risk]\nallow = []\norder_types = false\n";
        let config = Config::parse("t", text).unwrap();
        let of = |name: &str| {
            let own = &config.strategies[name].risk;
            let limits = of_strategy(&config, &registry(), own).unwrap();
            (limits.allow, limits.order_types)
        };
        let types = Some(vec![OrderType::Limit, OrderType::Stop]);
        assert_eq!(of("a"), (Some(Vec::new()), types));
        assert_eq!(of("b"), (Some(Vec::new()), None));
        let deck = risk(&config, &registry()).unwrap().default;
        assert_eq!(deck.allow, Some(vec![InstrumentId(0)]));
        assert_eq!(deck.order_types, Some(vec![OrderType::Limit]));
        let config = Config::parse("t", "[risk]\nvenues = [\"SYM\"]").unwrap();
        assert_eq!(
            risk(&config, &registry()).unwrap_err().to_string(),
            "no venue `SYM` in this deck at t:2, did you mean `SIM`?"
        );
    }

    #[test]
    fn unknown_symbols_and_sizes_too_fine_are_named_with_their_lines() {
        let text = "[risk]\nallow = [\"BTCUSD\", \"DOGE\"]\n[risk.instruments.BTCUSDT]\nmax_size = 0.0000001\n";
        let config = Config::parse("t", text).unwrap();
        let problems = risk(&config, &registry()).unwrap_err().to_string();
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
