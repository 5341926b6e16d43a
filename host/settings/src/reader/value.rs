//! Values as a file states them.

/// A day in milliseconds: the longest that a window or an age may be.
pub(crate) const DAY_MS: u64 = 86_400_000;

/// A value and its line in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// The line, from 1.
    pub line: usize,
}

/// An exact decimal as it was written; it is parsed later, at the scale of its currency or instrument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal(pub String);

/// A limit that may be left at its default, taken off, or set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Setting<T> {
    /// The file does not mention it.
    #[default]
    Default,
    /// `false`: there is no limit.
    Off,
    /// A value.
    To(T),
}

impl<T> Setting<T> {
    /// Returns the limit in force; `otherwise` is the default.
    pub fn over(self, otherwise: Option<T>) -> Option<T> {
        match self {
            Self::Default => otherwise,
            Self::Off => None,
            Self::To(value) => Some(value),
        }
    }

    /// Returns this setting, or `otherwise` if the file does not mention it.
    pub fn or(self, otherwise: Self) -> Self {
        match self {
            Self::Default => otherwise,
            set => set,
        }
    }

    /// Returns the same setting with its value converted.
    pub fn map<U>(self, convert: impl FnOnce(T) -> U) -> Setting<U> {
        match self {
            Self::Default => Setting::Default,
            Self::Off => Setting::Off,
            Self::To(value) => Setting::To(convert(value)),
        }
    }
}
