//! The value of one permission: how a statement changes it, and how two values are combined and compared.

use super::bound::Bound;
use super::quantity::Quantity;
use crate::reader::Setting;
use std::collections::{BTreeMap, BTreeSet};

/// The type of a field of [`Permissions`](super::Permissions).
pub(crate) trait Field: Clone {
    /// The type of a statement about it in a file.
    type Stated: Clone;

    /// Returns the value under a statement; without one, `base`.
    fn over(stated: &Setting<Self::Stated>, base: &Self) -> Self;

    /// Returns the statement that covers both.
    fn union(one: &Self::Stated, other: &Self::Stated) -> Setting<Self::Stated>;

    /// Returns the part of it that `granted` covers.
    fn within(&self, granted: &Self) -> Self;

    /// Returns the wider of the two.
    fn join(&self, granted: &Self) -> Self;

    /// Compares a request with a grant: one entry, or one per instrument.
    fn compare(&self, granted: &Self) -> Vec<Comparison>;
}

/// A request compared with a grant.
pub(crate) struct Comparison {
    /// The instrument, if the permission differs by instrument.
    pub(super) instrument: Option<String>,
    /// Whether the grant covers the request.
    pub(super) fits: bool,
    /// The text of the request.
    pub(super) asked: String,
    /// The text of the part that the grant does not cover.
    pub(super) beyond: String,
    /// The text of the grant.
    pub(super) granted: String,
}

impl Comparison {
    fn of<B: Bound>(instrument: Option<&str>, asked: &B, granted: &B) -> Self {
        Self {
            instrument: instrument.map(str::to_owned),
            fits: asked.fits(granted),
            asked: asked.describe(),
            beyond: asked.describe_beyond(granted),
            granted: granted.describe(),
        }
    }
}

impl<V: Clone> Field for Option<V>
where
    Self: Bound,
{
    type Stated = V;

    fn over(stated: &Setting<V>, base: &Self) -> Self {
        stated.clone().over(base.clone())
    }

    fn union(one: &V, other: &V) -> Setting<V> {
        let both = Bound::join(&Some(one.clone()), &Some(other.clone()));
        both.map_or(Setting::Off, Setting::To)
    }

    fn within(&self, granted: &Self) -> Self {
        Bound::within(self, granted)
    }

    fn join(&self, granted: &Self) -> Self {
        Bound::join(self, granted)
    }

    fn compare(&self, granted: &Self) -> Vec<Comparison> {
        vec![Comparison::of(None, self, granted)]
    }
}

/// A resource, which always has a limit.
impl Field for u32 {
    type Stated = Self;

    fn over(stated: &Setting<Self>, base: &Self) -> Self {
        stated.clone().over(None).unwrap_or(*base)
    }

    fn union(one: &Self, other: &Self) -> Setting<Self> {
        Setting::To(*one.max(other))
    }

    fn within(&self, granted: &Self) -> Self {
        Bound::within(self, granted)
    }

    fn join(&self, granted: &Self) -> Self {
        Bound::join(self, granted)
    }

    fn compare(&self, granted: &Self) -> Vec<Comparison> {
        vec![Comparison::of(None, self, granted)]
    }
}

/// Sizes by instrument; an instrument that is not listed has no limit.
type Sizes = BTreeMap<String, Quantity>;

impl Field for Sizes {
    type Stated = Self;

    fn over(stated: &Setting<Self>, base: &Self) -> Self {
        let mut sizes = base.clone();
        sizes.extend(stated.clone().over(None).unwrap_or_default());
        sizes
    }

    fn union(one: &Self, other: &Self) -> Setting<Self> {
        let mut sizes = one.clone();
        for (symbol, size) in other {
            let largest = sizes.entry(symbol.clone()).or_insert(*size);
            *largest = (*largest).max(*size);
        }
        Setting::To(sizes)
    }

    fn within(&self, granted: &Self) -> Self {
        combine(self, granted, Bound::within)
    }

    fn join(&self, granted: &Self) -> Self {
        combine(self, granted, Bound::join)
    }

    fn compare(&self, granted: &Self) -> Vec<Comparison> {
        let symbols = symbols(self, granted).into_iter();
        symbols
            .map(|symbol| {
                let of = |sizes: &Self| sizes.get(symbol).copied();
                Comparison::of(Some(symbol), &of(self), &of(granted))
            })
            .collect()
    }
}

fn combine(
    one: &Sizes,
    other: &Sizes,
    both: impl Fn(&Option<Quantity>, &Option<Quantity>) -> Option<Quantity>,
) -> Sizes {
    let of = |sizes: &Sizes, symbol| sizes.get(symbol).copied();
    let symbols = symbols(one, other).into_iter();
    symbols
        .filter_map(|symbol| {
            let size = both(&of(one, symbol), &of(other, symbol))?;
            Some((symbol.clone(), size))
        })
        .collect()
}

fn symbols<'s>(one: &'s Sizes, other: &'s Sizes) -> BTreeSet<&'s String> {
    one.keys().chain(other.keys()).collect()
}
