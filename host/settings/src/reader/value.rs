//! Values as a file states them.

/// A value and the line it was given in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Its line, from 1.
    pub line: usize,
}

/// An exact decimal as it was written; it is read at its currency's or instrument's scale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal(pub String);

/// A limit that may be left at its default, taken off by name, or set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Setting<T> {
    /// Not mentioned.
    #[default]
    Default,
    /// `false`.
    Off,
    /// A value.
    To(T),
}

impl<T> Setting<T> {
    /// The limit in force, given what holds without a mention.
    pub fn over(self, otherwise: Option<T>) -> Option<T> {
        match self {
            Self::Default => otherwise,
            Self::Off => None,
            Self::To(value) => Some(value),
        }
    }

    /// This setting, or `otherwise` if it is not mentioned.
    pub fn or(self, otherwise: Self) -> Self {
        match self {
            Self::Default => otherwise,
            set => set,
        }
    }

    /// The same setting in other units.
    pub fn map<U>(self, convert: impl FnOnce(T) -> U) -> Setting<U> {
        match self {
            Self::Default => Setting::Default,
            Self::Off => Setting::Off,
            Self::To(value) => Setting::To(convert(value)),
        }
    }
}
