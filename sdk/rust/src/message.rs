//! Texts under which a strategy publishes values.

/// A text under which the strategy publishes values, see [`Context::notify`](crate::Context::notify).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message(&'static str);

impl Message {
    /// Creates a message with this text. List it in [`Strategy::MESSAGES`](crate::Strategy::MESSAGES).
    pub const fn new(text: &'static str) -> Self {
        Self(text)
    }

    /// Returns the text.
    pub const fn text(self) -> &'static str {
        self.0
    }
}
