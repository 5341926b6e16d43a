//! What a strategy may do: what the deck gives, what its plugin asks for, what the operator granted, and what holds.
//!
//! Three parties have a say. The deck's `[risk]` and `[wasm]` hold for every strategy. A *grant* widens them for one,
//! by what its operator approved. `[strategies.NAME]` is the operator's last word about one strategy: it stands over
//! both. The plugin's `NAME.toml` only asks. What holds is what it asks for, as far as that was granted; what goes
//! beyond is listed in words and waits for an approval. `docs/PERMISSIONS.md` tells operators the same.

mod extent;
mod quantity;
mod request;

/// MiB of memory of a strategy that no setting speaks of; what the sandbox has by default.
pub const DEFAULT_MEMORY_MIB: u32 = 64;
/// CPU time of a call with events that no setting speaks of, in ms; what the sandbox has by default.
pub const DEFAULT_TIME_MS: u32 = 15;

pub use crate::permissions::request::PermissionRequest;
pub use quantity::Quantity;

use crate::config::{Config, Problems, RateSettings, StrategySettings};
use extent::Bound;
use std::collections::{BTreeMap, BTreeSet};
use tickdeck_engine::OrderRate;
use tickdeck_model::{Amount, Instrument, InstrumentId, OrderType, Registry};

/// Everything that a strategy may do. `None` is no limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions {
    /// Venues to trade on, by name.
    pub venues: Option<BTreeSet<String>>,
    /// Instruments to trade, by whole symbol.
    pub instruments: Option<BTreeSet<String>>,
    /// Order types to send.
    pub order_types: Option<BTreeSet<OrderType>>,
    /// Largest size of one order, by whole symbol; those that are not here have no limit.
    pub max_sizes: BTreeMap<String, Quantity>,
    /// Largest price times size of one order, in whole units of the quote currency.
    pub max_notional: Option<u64>,
    /// Largest position at its worst case, in whole units of the quote currency.
    pub max_position_notional: Option<u64>,
    /// Most orders in a time.
    pub order_rate: Option<RateSettings>,
    /// Memory.
    pub memory_mib: u32,
    /// CPU time of a call with events.
    pub time_ms: u32,
}

/// A permission that is asked for beyond what was granted.
struct Excess {
    key: &'static str,
    words: String,
}

impl Permissions {
    /// What the deck gives a strategy without asking: `[strategies.NAME]` over `[risk]` and `[wasm]`, over the
    /// defaults.
    ///
    /// # Errors
    /// Every name that the deck does not know.
    pub fn defaults(
        config: &Config,
        strategy: &StrategySettings,
        registry: &Registry,
    ) -> Result<Self, Problems> {
        Ok(OperatorRules::of(config, strategy, registry)?.defaults())
    }

    /// What is asked for: what `NAME.toml` states, and of the rest what the deck gives.
    pub fn requested(request: &PermissionRequest, defaults: &Self) -> Self {
        request.over(defaults)
    }

    /// What of it was granted: nothing wider, and narrower where less is asked for.
    #[must_use]
    pub fn within(&self, granted: &Self) -> Self {
        Self {
            venues: self.venues.within(&granted.venues),
            instruments: self.instruments.within(&granted.instruments),
            order_types: self.order_types.within(&granted.order_types),
            max_sizes: sizes(self, granted, Bound::within),
            max_notional: self.max_notional.within(&granted.max_notional),
            max_position_notional: self
                .max_position_notional
                .within(&granted.max_position_notional),
            order_rate: self.order_rate.within(&granted.order_rate),
            memory_mib: self.memory_mib.within(&granted.memory_mib),
            time_ms: self.time_ms.within(&granted.time_ms),
        }
    }

    /// As far as either goes.
    #[must_use]
    pub fn join(&self, granted: &Self) -> Self {
        Self {
            venues: self.venues.join(&granted.venues),
            instruments: self.instruments.join(&granted.instruments),
            order_types: self.order_types.join(&granted.order_types),
            max_sizes: sizes(self, granted, Bound::join),
            max_notional: self.max_notional.join(&granted.max_notional),
            max_position_notional: self
                .max_position_notional
                .join(&granted.max_position_notional),
            order_rate: self.order_rate.join(&granted.order_rate),
            memory_mib: self.memory_mib.join(&granted.memory_mib),
            time_ms: self.time_ms.join(&granted.time_ms),
        }
    }

    /// Each permission that goes beyond what was granted, in words: `max_notional: asks for 50,000, granted 25,000`.
    pub fn increases(&self, granted: &Self) -> Vec<String> {
        let excesses = self.excesses(granted).into_iter();
        excesses.map(|excess| excess.words).collect()
    }

    fn excesses(&self, granted: &Self) -> Vec<Excess> {
        let mut list = Excesses::default();
        list.see("venues", &self.venues, &granted.venues);
        list.see("instruments", &self.instruments, &granted.instruments);
        list.see("order_types", &self.order_types, &granted.order_types);
        for symbol in symbols(self, granted) {
            let of = |of: &Self| of.max_sizes.get(symbol).copied();
            list.see_named("max_size", Some(symbol), &of(self), &of(granted));
        }
        list.see("max_notional", &self.max_notional, &granted.max_notional);
        list.see(
            "max_position_notional",
            &self.max_position_notional,
            &granted.max_position_notional,
        );
        list.see("order_rate", &self.order_rate, &granted.order_rate);
        list.see("memory_mib", &self.memory_mib, &granted.memory_mib);
        list.see("time_ms", &self.time_ms, &granted.time_ms);
        list.0
    }

    /// Each permission with its extent here and in `granted`, in words.
    pub fn rows(&self, granted: &Self) -> Vec<(String, String, String)> {
        let row = |name: &str, asked: String, granted: String| (name.to_owned(), asked, granted);
        let mut rows = vec![
            row("venues", self.venues.words(), granted.venues.words()),
            row(
                "instruments",
                self.instruments.words(),
                granted.instruments.words(),
            ),
            row(
                "order_types",
                self.order_types.words(),
                granted.order_types.words(),
            ),
        ];
        for symbol in symbols(self, granted) {
            let of = |of: &Self| of.max_sizes.get(symbol).copied().words();
            rows.push(row(&format!("max_size of {symbol}"), of(self), of(granted)));
        }
        rows.extend([
            row(
                "max_notional",
                self.max_notional.words(),
                granted.max_notional.words(),
            ),
            row(
                "max_position_notional",
                self.max_position_notional.words(),
                granted.max_position_notional.words(),
            ),
            row(
                "order_rate",
                self.order_rate.words(),
                granted.order_rate.words(),
            ),
            row(
                "memory_mib",
                self.memory_mib.words(),
                granted.memory_mib.words(),
            ),
            row("time_ms", self.time_ms.words(), granted.time_ms.words()),
        ]);
        rows
    }

    /// As limits of the engine: `base`, which [`crate::risk_limits::of_strategy`] gives, with what these permissions say.
    pub fn engine_limits(
        &self,
        base: tickdeck_engine::OrderLimits,
        registry: &Registry,
    ) -> tickdeck_engine::OrderLimits {
        let amount = |units: u64| Amount(i64::try_from(units).unwrap_or(i64::MAX));
        let rate = |rate: RateSettings| OrderRate {
            orders: rate.orders,
            window_ns: rate.window_ms.saturating_mul(1_000_000),
        };
        let max_sizes = registry.instruments().iter().filter_map(|terms| {
            let size = self.max_sizes.get(&terms.symbol)?.size(terms.size_scale);
            Some((terms.id, size))
        });
        tickdeck_engine::OrderLimits {
            max_notional: self.max_notional.map(amount),
            max_position_notional: self.max_position_notional.map(amount),
            order_rate: self.order_rate.map(rate),
            allow: self.allow(registry),
            order_types: self
                .order_types
                .as_ref()
                .map(|types| types.iter().copied().collect()),
            max_sizes: max_sizes.collect(),
            ..base
        }
    }

    fn allow(&self, registry: &Registry) -> Option<Vec<InstrumentId>> {
        if self.venues.is_none() && self.instruments.is_none() {
            return None;
        }
        let on = |terms: &&Instrument| {
            let venue = registry.venue(terms.venue).unwrap_or_default();
            self.venues
                .as_ref()
                .is_none_or(|venues| venues.contains(venue))
        };
        let named = |terms: &&Instrument| {
            self.instruments
                .as_ref()
                .is_none_or(|symbols| symbols.contains(&terms.symbol))
        };
        let allowed = registry.instruments().iter().filter(on).filter(named);
        Some(allowed.map(|terms| terms.id).collect())
    }
}

fn symbols<'p>(one: &'p Permissions, other: &'p Permissions) -> BTreeSet<&'p String> {
    one.max_sizes.keys().chain(other.max_sizes.keys()).collect()
}

fn sizes(
    one: &Permissions,
    other: &Permissions,
    both: impl Fn(&Option<Quantity>, &Option<Quantity>) -> Option<Quantity>,
) -> BTreeMap<String, Quantity> {
    let of = |of: &Permissions, symbol| of.max_sizes.get(symbol).copied();
    symbols(one, other)
        .into_iter()
        .filter_map(|symbol| {
            let size = both(&of(one, symbol), &of(other, symbol))?;
            Some((symbol.clone(), size))
        })
        .collect()
}

#[derive(Default)]
struct Excesses(Vec<Excess>);

impl Excesses {
    fn see<E: Bound>(&mut self, key: &'static str, asked: &E, granted: &E) {
        self.see_named(key, None, asked, granted);
    }

    fn see_named<E: Bound>(&mut self, key: &'static str, of: Option<&str>, asked: &E, granted: &E) {
        if asked.fits(granted) {
            return;
        }
        let name = of.map_or_else(|| key.to_owned(), |of| format!("{key} of {of}"));
        let (asked, granted) = (asked.words_beyond(granted), granted.words());
        let words = format!("{name}: asks for {asked}, granted {granted}");
        self.0.push(Excess { key, words });
    }
}

/// What the operator wrote into `tickdeck.toml` about a strategy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorRules {
    deck: Permissions,
    own: PermissionRequest,
}

impl OperatorRules {
    /// Reads it.
    ///
    /// # Errors
    /// Every name that the deck does not know.
    pub fn of(
        config: &Config,
        strategy: &StrategySettings,
        registry: &Registry,
    ) -> Result<Self, Problems> {
        let deck = PermissionRequest::of_deck(config, registry)?.over(&built_in());
        let own = PermissionRequest::of_strategy(&config.file, strategy, registry)?;
        Ok(Self { deck, own })
    }

    /// What the strategy may do without asking.
    pub fn defaults(&self) -> Permissions {
        self.own.over(&self.deck)
    }

    /// What it may do at most, with what the operator granted it.
    pub fn granted(&self, grant: Option<&PermissionRequest>) -> Permissions {
        match grant {
            Some(grant) => self.own.over(&self.deck.join(&grant.over(&self.deck))),
            None => self.defaults(),
        }
    }

    /// Judges what a plugin asks for.
    pub fn judge(
        &self,
        request: &PermissionRequest,
        grant: Option<&PermissionRequest>,
    ) -> PermissionDecision {
        let granted = self.granted(grant);
        let asked = Permissions::requested(request, &self.defaults());
        let (overruled, increases): (Vec<_>, Vec<_>) = asked
            .excesses(&granted)
            .into_iter()
            .partition(|excess| self.own.mentions(excess.key));
        let keys: Vec<&str> = increases.iter().map(|excess| excess.key).collect();
        let words = |list: Vec<Excess>| list.into_iter().map(|excess| excess.words).collect();
        let asked_more = request.only(&keys);
        PermissionDecision {
            asked: asked.clone(),
            permissions: asked.within(&granted),
            approval: grant.map_or_else(|| asked_more.clone(), |grant| grant.join(&asked_more)),
            increases: words(increases),
            overruled: words(overruled),
        }
    }
}

/// What becomes of what a plugin asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermissionDecision {
    /// What it asks for; of the rest what the deck gives.
    pub asked: Permissions,
    /// What it may do for now: nothing wider than granted, and narrower where it asks for less.
    pub permissions: Permissions,
    /// What it asks for beyond that and the operator may approve, in words.
    pub increases: Vec<String>,
    /// What it asks for beyond what `[strategies.NAME]` says, in words: no approval changes that, only the file.
    pub overruled: Vec<String>,
    /// The grant that approves the increases, the one that there is included.
    pub approval: PermissionRequest,
}

/// What holds in a deck that says nothing.
fn built_in() -> Permissions {
    let risk = tickdeck_engine::OrderLimits::default();
    let units = |amount: Amount| u64::try_from(amount.0).unwrap_or(0);
    Permissions {
        venues: None,
        instruments: None,
        order_types: None,
        max_sizes: BTreeMap::new(),
        max_notional: risk.max_notional.map(units),
        max_position_notional: risk.max_position_notional.map(units),
        order_rate: risk.order_rate.map(|rate| RateSettings {
            orders: rate.orders,
            window_ms: rate.window_ns / 1_000_000,
        }),
        memory_mib: DEFAULT_MEMORY_MIB,
        time_ms: DEFAULT_TIME_MS,
    }
}

#[cfg(test)]
mod tests;
