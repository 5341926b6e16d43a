//! Permissions as someone stated them, with the deck's names made whole: some of them; the rest is left open.

use super::extent::Bound;
use super::{Permissions, Quantity};
use crate::config::{
    Config, Decimal, LimitSettings, Located, PermissionSettings, PluginSettings, Problems,
    RateSettings, Setting, StrategySettings,
};
use crate::resolver::Resolver;
use std::collections::{BTreeMap, BTreeSet};
use tickdeck_model::{Instrument, OrderType, Registry};

/// Some permissions; a setting that is not mentioned is left to whom this is stated over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PermissionRequest {
    /// As in [`Permissions::venues`].
    pub venues: Setting<BTreeSet<String>>,
    /// As in [`Permissions::instruments`].
    pub instruments: Setting<BTreeSet<String>>,
    /// As in [`Permissions::order_types`].
    pub order_types: Setting<BTreeSet<OrderType>>,
    /// As in [`Permissions::max_sizes`].
    pub max_sizes: BTreeMap<String, Quantity>,
    /// As in [`Permissions::max_notional`].
    pub max_notional: Setting<u64>,
    /// As in [`Permissions::max_position_notional`].
    pub max_position_notional: Setting<u64>,
    /// As in [`Permissions::order_rate`].
    pub order_rate: Setting<RateSettings>,
    /// As in [`Permissions::memory_mib`].
    pub memory_mib: Option<u32>,
    /// As in [`Permissions::time_ms`].
    pub time_ms: Option<u32>,
}

impl PermissionRequest {
    /// What a plugin asks for.
    ///
    /// # Errors
    /// Every name that the deck does not know, and every size that does not fit its instrument.
    pub fn asked(plugin: &PluginSettings, registry: &Registry) -> Result<Self, Problems> {
        Self::read(&plugin.file, &plugin.permissions, registry)
    }

    /// What is written in a file with the keys of `[permissions]`.
    ///
    /// # Errors
    /// As [`PermissionRequest::asked`].
    pub fn read(
        file: &str,
        settings: &PermissionSettings,
        registry: &Registry,
    ) -> Result<Self, Problems> {
        let mut lookup = Resolver::new(registry);
        let stated = Self {
            venues: set(settings
                .venues
                .as_deref()
                .map(|names| venues(&mut lookup, names))),
            instruments: set(settings
                .instruments
                .as_deref()
                .map(|symbols| instruments(&mut lookup, symbols))),
            order_types: set(settings
                .order_types
                .as_ref()
                .map(|types| types.iter().copied().collect())),
            max_sizes: settings
                .max_size
                .iter()
                .filter_map(|(symbol, size)| max_size(&mut lookup, symbol, size))
                .collect(),
            max_notional: set(settings.max_notional),
            max_position_notional: set(settings.max_position_notional),
            order_rate: set(settings.order_rate),
            memory_mib: settings.memory_mib.map(narrow),
            time_ms: settings.time_ms.map(narrow),
        };
        lookup.finish(file, stated)
    }

    /// What `[risk]`, `[risk.instruments]` and `[wasm]` say.
    pub(super) fn of_deck(config: &Config, registry: &Registry) -> Result<Self, Problems> {
        let mut lookup = Resolver::new(registry);
        let max_sizes = config.instruments.iter().filter_map(|(symbol, settings)| {
            max_size(&mut lookup, symbol, settings.max_size.as_ref()?)
        });
        let max_sizes = max_sizes.collect();
        let stated = Self {
            max_sizes,
            memory_mib: config.wasm.memory_mib.map(narrow),
            time_ms: config.wasm.time_ms.map(narrow),
            ..limits(&mut lookup, &config.risk)
        };
        lookup.finish(&config.file, stated)
    }

    /// What `[strategies.NAME]` says.
    pub(super) fn of_strategy(
        file: &str,
        settings: &StrategySettings,
        registry: &Registry,
    ) -> Result<Self, Problems> {
        let mut lookup = Resolver::new(registry);
        let stated = Self {
            memory_mib: settings.memory_mib.map(narrow),
            time_ms: settings.time_ms.map(narrow),
            ..limits(&mut lookup, &settings.risk)
        };
        lookup.finish(file, stated)
    }

    /// All permissions: what is not mentioned here, as `base` has it.
    pub fn over(&self, base: &Permissions) -> Permissions {
        let (own, base) = (self.clone(), base.clone());
        let mut max_sizes = base.max_sizes;
        max_sizes.extend(own.max_sizes);
        Permissions {
            venues: own.venues.over(base.venues),
            instruments: own.instruments.over(base.instruments),
            order_types: own.order_types.over(base.order_types),
            max_sizes,
            max_notional: own.max_notional.over(base.max_notional),
            max_position_notional: own.max_position_notional.over(base.max_position_notional),
            order_rate: own.order_rate.over(base.order_rate),
            memory_mib: own.memory_mib.unwrap_or(base.memory_mib),
            time_ms: own.time_ms.unwrap_or(base.time_ms),
        }
    }

    /// As it is written in a file. The names are the deck's own and need no lines.
    pub(crate) fn settings(&self) -> PermissionSettings {
        let own = self.clone();
        let names = |names: Setting<BTreeSet<String>>| {
            let names = names.over(None)?.into_iter();
            Some(names.map(|value| Located { value, line: 0 }).collect())
        };
        let sizes = own.max_sizes.into_iter().map(|(symbol, size)| {
            let size = Decimal(size.to_string());
            (
                Located {
                    value: symbol,
                    line: 0,
                },
                Located {
                    value: size,
                    line: 0,
                },
            )
        });
        PermissionSettings {
            venues: names(own.venues),
            instruments: names(own.instruments),
            order_types: own
                .order_types
                .over(None)
                .map(|types| types.into_iter().collect()),
            max_size: sizes.collect(),
            max_notional: own.max_notional.over(None),
            max_position_notional: own.max_position_notional.over(None),
            order_rate: own.order_rate.over(None),
            memory_mib: own.memory_mib.map(u64::from),
            time_ms: own.time_ms.map(u64::from),
        }
    }

    /// What is stated here or there; as far as either goes where both speak.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        let mut max_sizes = self.max_sizes.clone();
        for (symbol, size) in &other.max_sizes {
            let kept = max_sizes.entry(symbol.clone()).or_insert(*size);
            *kept = (*kept).max(*size);
        }
        Self {
            venues: either(&self.venues, &other.venues),
            instruments: either(&self.instruments, &other.instruments),
            order_types: either(&self.order_types, &other.order_types),
            max_sizes,
            max_notional: either(&self.max_notional, &other.max_notional),
            max_position_notional: either(
                &self.max_position_notional,
                &other.max_position_notional,
            ),
            order_rate: either(&self.order_rate, &other.order_rate),
            memory_mib: self.memory_mib.max(other.memory_mib),
            time_ms: self.time_ms.max(other.time_ms),
        }
    }

    /// Whether it says anything about the permission of this key.
    pub(super) fn mentions(&self, key: &str) -> bool {
        self.only(&[key]) != Self::default()
    }

    /// What it says about the permissions of these keys.
    pub(super) fn only(&self, keys: &[&str]) -> Self {
        let (own, none) = (self.clone(), Self::default());
        let of = |key| keys.contains(&key);
        Self {
            venues: pick(of("venues"), own.venues, none.venues),
            instruments: pick(of("instruments"), own.instruments, none.instruments),
            order_types: pick(of("order_types"), own.order_types, none.order_types),
            max_sizes: pick(of("max_size"), own.max_sizes, none.max_sizes),
            max_notional: pick(of("max_notional"), own.max_notional, none.max_notional),
            max_position_notional: pick(
                of("max_position_notional"),
                own.max_position_notional,
                none.max_position_notional,
            ),
            order_rate: pick(of("order_rate"), own.order_rate, none.order_rate),
            memory_mib: pick(of("memory_mib"), own.memory_mib, none.memory_mib),
            time_ms: pick(of("time_ms"), own.time_ms, none.time_ms),
        }
    }
}

fn pick<T>(own: bool, value: T, otherwise: T) -> T {
    if own { value } else { otherwise }
}

fn set<T>(value: Option<T>) -> Setting<T> {
    value.map_or(Setting::Default, Setting::To)
}

fn either<T: Clone>(one: &Setting<T>, other: &Setting<T>) -> Setting<T>
where
    Option<T>: Bound,
{
    match (one, other) {
        (Setting::Default, stated) | (stated, Setting::Default) => stated.clone(),
        (one, other) => match one.clone().over(None).join(&other.clone().over(None)) {
            Some(value) => Setting::To(value),
            None => Setting::Off,
        },
    }
}

fn limits(lookup: &mut Resolver<'_>, settings: &LimitSettings) -> PermissionRequest {
    let settings = settings.clone();
    PermissionRequest {
        venues: settings.venues.map(|names| venues(lookup, &names)),
        instruments: settings.allow.map(|symbols| instruments(lookup, &symbols)),
        order_types: settings
            .order_types
            .map(|types| types.into_iter().collect()),
        max_notional: settings.max_notional,
        max_position_notional: settings.max_position_notional,
        order_rate: settings.order_rate,
        ..PermissionRequest::default()
    }
}

fn instruments(lookup: &mut Resolver<'_>, symbols: &[Located<String>]) -> BTreeSet<String> {
    let whole = |symbol| Some(lookup.instrument(symbol)?.symbol.clone());
    symbols.iter().filter_map(whole).collect()
}

fn venues(lookup: &mut Resolver<'_>, names: &[Located<String>]) -> BTreeSet<String> {
    names
        .iter()
        .filter(|name| lookup.venue(name).is_some())
        .map(|name| name.value.clone())
        .collect()
}

fn max_size(
    lookup: &mut Resolver<'_>,
    symbol: &Located<String>,
    size: &Located<Decimal>,
) -> Option<(String, Quantity)> {
    let terms: &Instrument = lookup.instrument(symbol)?;
    lookup.size(terms, "max_size", Some(size))?;
    Some((terms.symbol.clone(), Quantity::parse(&size.value)?))
}

/// The reader keeps these numbers far below the bound.
fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
