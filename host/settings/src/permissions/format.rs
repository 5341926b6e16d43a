//! The written forms of permissions: read from TOML, resolved against the deck's names, and written again.

use super::field::Field;
use super::quantity::Quantity;
use super::rate::{self, RateSettings};
use crate::reader::{Decimal, Located, Section};
use crate::resolver::Resolver;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use tickdeck_model::OrderType;
use tickdeck_model::untrusted::is_line;
use toml::{Table, Value};

/// The largest money limit in whole units: a larger one is a mistake.
const MAX_UNITS: u64 = 1_000_000_000_000;
/// Maximum length of a signal's name in bytes; it is a message of a manifest.
const MAX_SIGNAL: usize = 256;
/// Maximum linear memory of one strategy: what 32-bit WebAssembly can address.
const MAX_MEMORY_MIB: u64 = 4_096;
/// The longest that a call may take: a deck that waits longer is not trading.
pub(crate) const MAX_CALL_MS: u64 = 60_000;

/// The written form of one kind of permission.
pub(crate) trait Format {
    /// The type in files, before names are looked up.
    type Written: Debug + Clone + PartialEq + Eq;
    /// The type in [`Permissions`](super::Permissions), with the deck's own names.
    type Held: Field;

    /// Reads the value of `key`.
    fn read(section: &Section<'_, '_>, key: &'static str) -> Option<Self::Written>;

    /// Looks its names up; `lookup` collects those that the deck does not know.
    fn resolve(
        lookup: &mut Resolver<'_>,
        written: &Self::Written,
    ) -> Option<<Self::Held as Field>::Stated>;

    /// Returns the statement as it is written. The deck's own names need no lines.
    fn unresolve(stated: &<Self::Held as Field>::Stated) -> Self::Written;

    /// Returns the TOML of it.
    fn to_toml(written: &Self::Written) -> Value;
}

/// Names of venues.
pub(crate) struct VenueNames;

impl Format for VenueNames {
    type Written = Vec<Located<String>>;
    type Held = Option<BTreeSet<String>>;

    fn read(section: &Section<'_, '_>, key: &'static str) -> Option<Self::Written> {
        section.texts(key)
    }

    fn resolve(lookup: &mut Resolver<'_>, written: &Self::Written) -> Option<BTreeSet<String>> {
        let known = |name: &&Located<String>| lookup.venue(name).is_some();
        Some(written.iter().filter(known).map(value).collect())
    }

    fn unresolve(stated: &BTreeSet<String>) -> Self::Written {
        stated.iter().map(unlocated).collect()
    }

    fn to_toml(written: &Self::Written) -> Value {
        array(written.iter().map(|name| name.value.as_str()))
    }
}

/// Symbols of instruments, with or without their venue.
pub(crate) struct Symbols;

impl Format for Symbols {
    type Written = Vec<Located<String>>;
    type Held = Option<BTreeSet<String>>;

    fn read(section: &Section<'_, '_>, key: &'static str) -> Option<Self::Written> {
        section.texts(key)
    }

    fn resolve(lookup: &mut Resolver<'_>, written: &Self::Written) -> Option<BTreeSet<String>> {
        let whole = |symbol| Some(lookup.instrument(symbol)?.symbol.clone());
        Some(written.iter().filter_map(whole).collect())
    }

    fn unresolve(stated: &BTreeSet<String>) -> Self::Written {
        VenueNames::unresolve(stated)
    }

    fn to_toml(written: &Self::Written) -> Value {
        VenueNames::to_toml(written)
    }
}

/// Names of signals; a deck has no list of them.
pub(crate) struct SignalNames;

impl Format for SignalNames {
    type Written = Vec<Located<String>>;
    type Held = Option<BTreeSet<String>>;

    fn read(section: &Section<'_, '_>, key: &'static str) -> Option<Self::Written> {
        section.texts_that(
            key,
            "a list of names of signals, such as [\"cross\"]",
            |text| !text.is_empty() && is_line(text, MAX_SIGNAL),
        )
    }

    fn resolve(_lookup: &mut Resolver<'_>, written: &Self::Written) -> Option<BTreeSet<String>> {
        Some(written.iter().map(value).collect())
    }

    fn unresolve(stated: &BTreeSet<String>) -> Self::Written {
        VenueNames::unresolve(stated)
    }

    fn to_toml(written: &Self::Written) -> Value {
        VenueNames::to_toml(written)
    }
}

/// Types of orders.
pub(crate) struct OrderTypes;

impl Format for OrderTypes {
    type Written = Vec<OrderType>;
    type Held = Option<BTreeSet<OrderType>>;

    fn read(section: &Section<'_, '_>, key: &'static str) -> Option<Self::Written> {
        let kinds = OrderType::ALL
            .iter()
            .filter(|kind| **kind != OrderType::Other);
        let names = kinds.map(|kind| (kind.as_str(), *kind));
        section.choices(key, &names.collect::<Vec<_>>())
    }

    fn resolve(_lookup: &mut Resolver<'_>, written: &Self::Written) -> Option<BTreeSet<OrderType>> {
        Some(written.iter().copied().collect())
    }

    fn unresolve(stated: &BTreeSet<OrderType>) -> Self::Written {
        stated.iter().copied().collect()
    }

    fn to_toml(written: &Self::Written) -> Value {
        array(written.iter().map(|kind| kind.as_str()))
    }
}

/// A size per instrument: `{ BTCUSDT = 0.5 }`.
pub(crate) struct SizeByInstrument;

impl Format for SizeByInstrument {
    type Written = Vec<(Located<String>, Located<Decimal>)>;
    type Held = BTreeMap<String, Quantity>;

    fn read(section: &Section<'_, '_>, key: &'static str) -> Option<Self::Written> {
        let sizes = section.table(key).decimals();
        (!sizes.is_empty()).then_some(sizes)
    }

    fn resolve(lookup: &mut Resolver<'_>, written: &Self::Written) -> Option<Self::Held> {
        let mut resolve = |symbol, size: &Located<Decimal>| {
            let terms = lookup.instrument(symbol)?;
            lookup.size(terms, "max_size", Some(size))?;
            Some((terms.symbol.clone(), Quantity::parse(&size.value)?))
        };
        let sizes = written.iter();
        Some(
            sizes
                .filter_map(|(symbol, size)| resolve(symbol, size))
                .collect(),
        )
    }

    fn unresolve(stated: &Self::Held) -> Self::Written {
        let sizes = stated.iter();
        sizes
            .map(|(symbol, size)| (unlocated(symbol), unlocated(&Decimal(size.to_string()))))
            .collect()
    }

    fn to_toml(written: &Self::Written) -> Value {
        let sizes = written.iter();
        let sizes: Table = sizes
            .map(|(symbol, size)| (symbol.value.clone(), size.value.0.as_str().into()))
            .collect();
        Value::Table(sizes)
    }
}

/// Whole units of the quote currency.
pub(crate) struct QuoteUnits;

impl Format for QuoteUnits {
    type Written = u64;
    type Held = Option<u64>;

    fn read(section: &Section<'_, '_>, key: &'static str) -> Option<u64> {
        section.integer(key, 1..=MAX_UNITS)
    }

    fn resolve(_lookup: &mut Resolver<'_>, written: &u64) -> Option<u64> {
        Some(*written)
    }

    fn unresolve(stated: &u64) -> u64 {
        *stated
    }

    fn to_toml(written: &u64) -> Value {
        i64::try_from(*written).unwrap_or(i64::MAX).into()
    }
}

/// A rate of orders.
pub(crate) struct Rate;

impl Format for Rate {
    type Written = RateSettings;
    type Held = Option<RateSettings>;

    fn read(section: &Section<'_, '_>, key: &'static str) -> Option<RateSettings> {
        rate::read(section, key)
    }

    fn resolve(_lookup: &mut Resolver<'_>, written: &RateSettings) -> Option<RateSettings> {
        Some(*written)
    }

    fn unresolve(stated: &RateSettings) -> RateSettings {
        *stated
    }

    fn to_toml(written: &RateSettings) -> Value {
        let fields = [
            ("orders", u64::from(written.orders)),
            ("window_ms", written.window_ms),
        ];
        let fields = fields.map(|(key, number)| (key.to_owned(), QuoteUnits::to_toml(&number)));
        Value::Table(fields.into_iter().collect())
    }
}

/// A resource of the sandbox, from 1 to `MAX`.
pub(crate) struct Resource<const MAX: u64>;

/// Memory in MiB.
pub(crate) type MemoryMib = Resource<MAX_MEMORY_MIB>;
/// Time of a call in milliseconds.
pub(crate) type CallMs = Resource<MAX_CALL_MS>;

impl<const MAX: u64> Format for Resource<MAX> {
    type Written = u32;
    type Held = u32;

    fn read(section: &Section<'_, '_>, key: &'static str) -> Option<u32> {
        section.integer(key, 1..=MAX)
    }

    fn resolve(_lookup: &mut Resolver<'_>, written: &u32) -> Option<u32> {
        Some(*written)
    }

    fn unresolve(stated: &u32) -> u32 {
        *stated
    }

    fn to_toml(written: &u32) -> Value {
        i64::from(*written).into()
    }
}

fn value(located: &Located<String>) -> String {
    located.value.clone()
}

fn unlocated<T: Clone>(value: &T) -> Located<T> {
    Located {
        value: value.clone(),
        line: 0,
    }
}

fn array<'t>(texts: impl Iterator<Item = &'t str>) -> Value {
    texts.map(Value::from).collect::<Vec<_>>().into()
}
