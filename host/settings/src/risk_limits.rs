//! Turns settings into the engine's limits. Symbols and decimals are only checked here, against the deck.

use crate::config::{Config, InstrumentSettings, LimitSettings};
use crate::permissions::{PermissionRequest, Permissions};
use crate::reader::Problems;
use crate::resolver::Resolver;
use std::collections::HashMap;
use tickdeck_engine::{InstrumentLimits, OrderLimits, RiskConfig};
use tickdeck_model::{Instrument, Registry};

const NS_PER_US: u64 = 1_000;
const NS_PER_MS: u64 = 1_000_000;

/// Returns the limits of the deck and of its instruments.
///
/// # Errors
/// Returns every symbol that the deck does not know, and every size that does not fit its instrument.
pub fn risk(config: &Config, registry: &Registry) -> Result<RiskConfig, Problems> {
    let mut lookup = Resolver::new(registry);
    let default = limits(&mut lookup, &config.risk, &LimitSettings::default());
    let mut instruments = HashMap::new();
    for (symbol, settings) in &config.instruments {
        if let Some(terms) = lookup.instrument(symbol) {
            instruments.insert(terms.id, instrument(&mut lookup, terms, settings));
        }
    }
    let risk = RiskConfig {
        default,
        // Each strategy has its own.
        strategies: HashMap::new(),
        instruments,
    };
    lookup.finish(&config.file, risk)
}

/// Returns the limits of one strategy: its own settings over the deck's, and those over the defaults.
///
/// # Errors
/// Returns every symbol that the deck does not know.
pub fn of_strategy(
    config: &Config,
    registry: &Registry,
    settings: &LimitSettings,
) -> Result<OrderLimits, Problems> {
    let mut lookup = Resolver::new(registry);
    let limits = limits(&mut lookup, settings, &config.risk);
    lookup.finish(&config.file, limits)
}

/// Returns the limits that `own` sets, and those of `deck` for the rest.
fn limits(lookup: &mut Resolver<'_>, own: &LimitSettings, deck: &LimitSettings) -> OrderLimits {
    let (own, deck, default) = (own.clone(), deck.clone(), OrderLimits::default());
    let permissions = own.permissions.or(&deck.permissions);
    let permissions = PermissionRequest::resolve(&permissions, lookup);
    let limits = OrderLimits {
        collar_bps: own.collar_bps.or(deck.collar_bps).over(default.collar_bps),
        duplicate_window_ns: own
            .duplicate_window_us
            .or(deck.duplicate_window_us)
            .map(|us| us * NS_PER_US)
            .over(default.duplicate_window_ns),
        max_quote_age_ns: own
            .max_quote_age_ms
            .or(deck.max_quote_age_ms)
            .map(|ms| ms * NS_PER_MS)
            .over(default.max_quote_age_ns),
        ..default
    };
    permissions
        .over(&Permissions::default())
        .engine_limits(limits, lookup.registry())
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

#[cfg(test)]
mod tests {
    use super::*;
    use tickdeck_model::{Amount, InstrumentId, OrderType, Price, Size, VenueId};

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
    fn limits_of_a_strategy_override_those_of_the_deck_and_those_the_defaults() {
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
