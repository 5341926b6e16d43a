//! The table of permissions: one row per permission. Everything that handles permissions goes through it.
//!
//! A row states the field and its type, how it is written ([`super::format`]), its key, where it is set, its default,
//! and how the engine enforces it. The fields of [`Permissions`], [`PermissionRequest`] and [`PermissionSettings`] follow from
//! it. `docs/PERMISSIONS.md` shows how to add one.

use super::field::{Comparison, Field};
use super::format::{
    CallMs, Format, MemoryMib, OrderTypes, QuoteUnits, Rate, SignalNames, SizeByInstrument,
    Symbols, VenueNames,
};
use super::quantity::Quantity;
use super::rate::RateSettings;
use crate::reader::{Section, Setting};
use crate::resolver::Resolver;
use std::collections::{BTreeMap, BTreeSet};
use tickdeck_engine::{OrderLimits, OrderRate};
use tickdeck_model::{Amount, Instrument, OrderType, Registry};
use toml::Table;

/// Default memory of a strategy, in MiB; the sandbox's own default.
pub const DEFAULT_MEMORY_MIB: u32 = 64;
/// Default CPU time of a call with events, in milliseconds; the sandbox's own default.
pub const DEFAULT_TIME_MS: u32 = 15;

const NS_PER_MS: u64 = 1_000_000;

/// The place where a permission is set. In `grants.toml` all of them are in their strategy's table.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// `[permissions]` of a plugin; `[risk]` and `[strategies.NAME.risk]` of the deck, under this key.
    Risk(&'static str),
    /// `[permissions]` of a plugin; `[risk.instruments.SYMBOL]` of the deck.
    Instrument,
    /// `[limits]` of a plugin; `[wasm]` and `[strategies.NAME]` of the deck.
    Resource,
}

/// Generates the three structs and [`TABLE`] from the rows.
macro_rules! permissions {
    ($(
        $(#[$doc:meta])*
        $field:ident: $held:ty, as $format:ident {
            key: $key:literal,
            place: $place:expr,
            default: $default:expr,
            enforce: $enforce:expr,
        }
    )*) => {
        /// Everything that a strategy may do. `None` is no limit.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Permissions {
            $($(#[$doc])* pub $field: $held,)*
        }

        impl Default for Permissions {
            /// Returns the permissions in a deck without any setting.
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        /// Some permissions, with the deck's own names; a permission that is not mentioned is left as it is.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct PermissionRequest {
            $(pub(super) $field: Setting<<$held as Field>::Stated>,)*
        }

        /// Some permissions as a file states them, before their names are looked up in a deck.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct PermissionSettings {
            $(pub(crate) $field: Setting<<$format as Format>::Written>,)*
        }

        /// Every permission, in the order in which they are shown.
        pub(super) static TABLE: &[&dyn Permission] = &[$(
            &Row::<$format> {
                key: $key,
                place: $place,
                enforce: $enforce,
                held: Access { get: |of| &of.$field, get_mut: |of| &mut of.$field },
                stated: Access { get: |of| &of.$field, get_mut: |of| &mut of.$field },
                written: Access { get: |of| &of.$field, get_mut: |of| &mut of.$field },
            },
        )*];
    };
}

permissions! {
    /// Venues to trade on, by name.
    venues: Option<BTreeSet<String>>, as VenueNames {
        key: "venues",
        place: Place::Risk("venues"),
        default: None,
        enforce: |venues, limits, registry| {
            if let Some(venues) = venues {
                let name = |terms: &Instrument| registry.venue(terms.venue).unwrap_or_default();
                restrict(limits, registry, |terms| venues.contains(name(terms)));
            }
        },
    }
    /// Instruments to trade, by full symbol.
    instruments: Option<BTreeSet<String>>, as Symbols {
        key: "instruments",
        place: Place::Risk("allow"),
        default: None,
        enforce: |symbols, limits, registry| {
            if let Some(symbols) = symbols {
                restrict(limits, registry, |terms| symbols.contains(&terms.symbol));
            }
        },
    }
    /// Order types to send.
    order_types: Option<BTreeSet<OrderType>>, as OrderTypes {
        key: "order_types",
        place: Place::Risk("order_types"),
        default: None,
        enforce: |types, limits, _| {
            limits.order_types = types.as_ref().map(|types| types.iter().copied().collect());
        },
    }
    /// Largest size of one order, by full symbol; an instrument that is not listed has no limit.
    max_sizes: BTreeMap<String, Quantity>, as SizeByInstrument {
        key: "max_size",
        place: Place::Instrument,
        default: BTreeMap::new(),
        enforce: |sizes, limits, registry| {
            let size = |terms: &Instrument| {
                Some((terms.id, sizes.get(&terms.symbol)?.size(terms.size_scale)))
            };
            limits.max_sizes = registry.instruments().iter().filter_map(size).collect();
        },
    }
    /// Largest price times size of one order, in whole units of the quote currency.
    max_notional: Option<u64>, as QuoteUnits {
        key: "max_notional",
        place: Place::Risk("max_notional"),
        default: OrderLimits::default().max_notional.map(units),
        enforce: |most, limits, _| limits.max_notional = most.map(amount),
    }
    /// Largest position with every working order filled, in whole units of the quote currency.
    max_position_notional: Option<u64>, as QuoteUnits {
        key: "max_position_notional",
        place: Place::Risk("max_position_notional"),
        default: OrderLimits::default().max_position_notional.map(units),
        enforce: |most, limits, _| limits.max_position_notional = most.map(amount),
    }
    /// Maximum number of orders in a sliding window.
    order_rate: Option<RateSettings>, as Rate {
        key: "order_rate",
        place: Place::Risk("order_rate"),
        default: OrderLimits::default().order_rate.map(|rate| RateSettings {
            orders: rate.orders,
            window_ms: rate.window_ns / NS_PER_MS,
        }),
        enforce: |rate, limits, _| {
            limits.order_rate = rate.map(|rate| OrderRate {
                orders: rate.orders,
                window_ns: rate.window_ms.saturating_mul(NS_PER_MS),
            });
        },
    }
    /// Signals to publish, by name.
    publish: Option<BTreeSet<String>>, as SignalNames {
        key: "publish",
        place: Place::Risk("publish"),
        default: None,
        enforce: |names, limits, registry| {
            limits.publish = names.as_ref().map(|names| {
                // A name that nobody has is no message of any strategy.
                names.iter().filter_map(|name| registry.find_text(name)).collect()
            });
        },
    }
    /// Memory in MiB. The sandbox enforces it.
    memory_mib: u32, as MemoryMib {
        key: "memory_mib",
        place: Place::Resource,
        default: DEFAULT_MEMORY_MIB,
        enforce: |_, _, _| {},
    }
    /// CPU time of a call with events, in milliseconds. The sandbox enforces it.
    time_ms: u32, as CallMs {
        key: "time_ms",
        place: Place::Resource,
        default: DEFAULT_TIME_MS,
        enforce: |_, _, _| {},
    }
}

/// Removes the instruments that are not `allowed` from those that may be traded.
fn restrict(limits: &mut OrderLimits, registry: &Registry, allowed: impl Fn(&Instrument) -> bool) {
    let before = limits.allow.take();
    let instruments = registry.instruments().iter();
    let kept = instruments
        .filter(|terms| before.as_ref().is_none_or(|ids| ids.contains(&terms.id)))
        .filter(|terms| allowed(terms));
    limits.allow = Some(kept.map(|terms| terms.id).collect());
}

fn amount(units: u64) -> Amount {
    Amount(i64::try_from(units).unwrap_or(i64::MAX))
}

fn units(amount: Amount) -> u64 {
    u64::try_from(amount.0).unwrap_or(0)
}

/// One permission of any type. Every method concerns that permission alone.
pub(super) trait Permission: Sync {
    /// Returns its key in a plugin's settings and in `grants.toml`.
    fn key(&self) -> &'static str;

    /// Returns where it is set.
    fn place(&self) -> Place;

    /// Reads it from a plugin's settings, from `grants.toml`, or from the deck's resources.
    fn read(&self, section: &Section<'_, '_>, into: &mut PermissionSettings);

    /// Reads it from the deck's limits, where `false` takes the limit off.
    fn read_limit(
        &self,
        section: &Section<'_, '_>,
        key: &'static str,
        into: &mut PermissionSettings,
    );

    /// Takes it from `otherwise` if `into` does not mention it.
    fn fill_in(&self, otherwise: &PermissionSettings, into: &mut PermissionSettings);

    /// Writes it into a table of `grants.toml`.
    fn write(&self, settings: &PermissionSettings, into: &mut Table);

    /// Looks up its names.
    fn resolve(
        &self,
        settings: &PermissionSettings,
        lookup: &mut Resolver<'_>,
        into: &mut PermissionRequest,
    );

    /// Converts it to the form in which files state it.
    fn unresolve(&self, request: &PermissionRequest, into: &mut PermissionSettings);

    /// Applies what is stated about it.
    fn apply(&self, request: &PermissionRequest, into: &mut Permissions);

    /// Copies what is stated about it.
    fn copy(&self, request: &PermissionRequest, into: &mut PermissionRequest);

    /// Returns whether anything is stated about it.
    fn is_stated(&self, request: &PermissionRequest) -> bool;

    /// Widens a statement so that it covers another one.
    fn unite(&self, other: &PermissionRequest, into: &mut PermissionRequest);

    /// Narrows it to what `granted` covers.
    fn narrow(&self, granted: &Permissions, into: &mut Permissions);

    /// Widens it so that it covers `granted`.
    fn widen(&self, granted: &Permissions, into: &mut Permissions);

    /// Compares what is requested with what is granted.
    fn compare(&self, asked: &Permissions, granted: &Permissions) -> Vec<Comparison>;

    /// Sets it in the limits that the engine enforces.
    fn enforce(&self, permissions: &Permissions, limits: &mut OrderLimits, registry: &Registry);
}

/// A row of the table.
struct Row<F: Format> {
    key: &'static str,
    place: Place,
    enforce: fn(&F::Held, &mut OrderLimits, &Registry),
    held: Access<Permissions, F::Held>,
    stated: Access<PermissionRequest, Setting<<F::Held as Field>::Stated>>,
    written: Access<PermissionSettings, Setting<F::Written>>,
}

/// A field of a struct.
struct Access<S, T> {
    get: fn(&S) -> &T,
    get_mut: fn(&mut S) -> &mut T,
}

impl<F: Format> Permission for Row<F> {
    fn key(&self) -> &'static str {
        self.key
    }

    fn place(&self) -> Place {
        self.place
    }

    fn read(&self, section: &Section<'_, '_>, into: &mut PermissionSettings) {
        let read = F::read(section, self.key);
        *(self.written.get_mut)(into) = read.map_or(Setting::Default, Setting::To);
    }

    fn read_limit(
        &self,
        section: &Section<'_, '_>,
        key: &'static str,
        into: &mut PermissionSettings,
    ) {
        *(self.written.get_mut)(into) = section.limit(key, F::read);
    }

    fn fill_in(&self, otherwise: &PermissionSettings, into: &mut PermissionSettings) {
        let own = (self.written.get_mut)(into);
        *own = own.clone().or((self.written.get)(otherwise).clone());
    }

    fn write(&self, settings: &PermissionSettings, into: &mut Table) {
        if let Setting::To(written) = (self.written.get)(settings) {
            into.insert(self.key.to_owned(), F::to_toml(written));
        }
    }

    fn resolve(
        &self,
        settings: &PermissionSettings,
        lookup: &mut Resolver<'_>,
        into: &mut PermissionRequest,
    ) {
        *(self.stated.get_mut)(into) = match (self.written.get)(settings) {
            Setting::Default => Setting::Default,
            Setting::Off => Setting::Off,
            Setting::To(written) => {
                F::resolve(lookup, written).map_or(Setting::Default, Setting::To)
            }
        };
    }

    fn unresolve(&self, request: &PermissionRequest, into: &mut PermissionSettings) {
        let stated = (self.stated.get)(request).clone();
        *(self.written.get_mut)(into) = stated.map(|stated| F::unresolve(&stated));
    }

    fn apply(&self, request: &PermissionRequest, into: &mut Permissions) {
        let field = (self.held.get_mut)(into);
        *field = F::Held::over((self.stated.get)(request), field);
    }

    fn copy(&self, request: &PermissionRequest, into: &mut PermissionRequest) {
        *(self.stated.get_mut)(into) = (self.stated.get)(request).clone();
    }

    fn is_stated(&self, request: &PermissionRequest) -> bool {
        !matches!((self.stated.get)(request), Setting::Default)
    }

    fn unite(&self, other: &PermissionRequest, into: &mut PermissionRequest) {
        let own = (self.stated.get_mut)(into);
        *own = match (&*own, (self.stated.get)(other)) {
            (Setting::Default, stated) | (stated, Setting::Default) => stated.clone(),
            (Setting::Off, _) | (_, Setting::Off) => Setting::Off,
            (Setting::To(one), Setting::To(other)) => F::Held::union(one, other),
        };
    }

    fn narrow(&self, granted: &Permissions, into: &mut Permissions) {
        let field = (self.held.get_mut)(into);
        *field = field.within((self.held.get)(granted));
    }

    fn widen(&self, granted: &Permissions, into: &mut Permissions) {
        let field = (self.held.get_mut)(into);
        *field = field.join((self.held.get)(granted));
    }

    fn compare(&self, asked: &Permissions, granted: &Permissions) -> Vec<Comparison> {
        (self.held.get)(asked).compare((self.held.get)(granted))
    }

    fn enforce(&self, permissions: &Permissions, limits: &mut OrderLimits, registry: &Registry) {
        (self.enforce)((self.held.get)(permissions), limits, registry);
    }
}
