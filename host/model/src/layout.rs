//! Pieces of the canonical layout: padding that is always zero, fields in reserve, and macros for the sets of names.

use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

/// Explicit padding, always zero, so that no uninitialised byte of the host ever reaches a guest, a hash or a file.
#[derive(Clone, Copy, PartialEq, Eq, Hash, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(transparent)]
pub struct Pad<const N: usize>([Zero; N]);

impl<const N: usize> Pad<N> {
    /// The only value there is.
    pub const ZERO: Self = Self([Zero::Zero; N]);
}

impl<const N: usize> Default for Pad<N> {
    fn default() -> Self {
        Self::ZERO
    }
}

impl<const N: usize> std::fmt::Debug for Pad<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("_")
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(u8)]
enum Zero {
    Zero = 0,
}

/// A `bool` of the canonical layout.
pub type Bool = bool;

/// A field in reserve: zero when written, ignored when a guest wrote it.
pub type Reserved = Pad<8>;

/// Gives the cases of a set their names.
macro_rules! named_cases {
    ($name:ident { $($case:ident = $text:literal,)+ }) => {
        impl $name {
            /// Every case, in the order of the contract.
            pub const ALL: &'static [Self] = &[$(Self::$case,)+];

            /// The name as the contract spells it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$case => $text,)+ }
            }

            /// The case of this name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|case| case.as_str() == name)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}
pub(crate) use named_cases;

/// Declares an enum of the contract: one byte, cases numbered in the order of the WIT, with a name for people.
macro_rules! closed_set {
    ($(#[$doc:meta])* $name:ident { $($(#[$case_doc:meta])* $case:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord,
            zerocopy::TryFromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout,
        )]
        #[repr(u8)]
        #[allow(missing_docs, reason = "the cases are documented in wit/, whose order they keep")]
        pub enum $name { $($(#[$case_doc])* $case,)+ }

        $crate::layout::named_cases! { $name { $($case = $text,)+ } }
    };
}
pub(crate) use closed_set;

/// Declares a set of codes of the contract: two bytes, numbered in the order of the WIT's table, with a name for people.
macro_rules! coded_set {
    ($(#[$doc:meta])* $name:ident { $($(#[$case_doc:meta])* $case:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord,
            zerocopy::TryFromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout,
        )]
        #[repr(u16)]
        #[allow(missing_docs, reason = "the cases are documented in wit/, whose order they keep")]
        pub enum $name { $($(#[$case_doc])* $case,)+ }

        $crate::layout::named_cases! { $name { $($case = $text,)+ } }

        impl $name {
            /// The number in the contract.
            pub const fn number(self) -> u16 {
                self as u16
            }

            /// The case of this number; `None` for one that this version does not know.
            pub fn from_number(number: u16) -> Option<Self> {
                Self::ALL.get(usize::from(number)).copied()
            }
        }
    };
}
pub(crate) use coded_set;
