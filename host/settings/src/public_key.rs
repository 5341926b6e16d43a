//! Public keys in minisign's format.

use minisign::PublicKey;
use std::fmt;
use tickdeck_model::untrusted::quoted;

/// The id of a key as minisign shows it: `E7620F1842B4E81F`. It names a key and proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyId(u64);

impl KeyId {
    pub(crate) fn of(number: &[u8]) -> Self {
        Self(
            number
                .iter()
                .rev()
                .fold(0, |id, byte| id << 8 | u64::from(*byte)),
        )
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", self.0)
    }
}

/// Parses a public key: the second line of minisign's key file, `RWQ...`.
///
/// # Errors
/// The text is not a public key.
pub fn public_key(text: &str) -> Result<PublicKey, String> {
    let key = PublicKey::from_base64(text).ok();
    key.filter(|key| key.to_bytes().starts_with(b"Ed"))
        .ok_or_else(|| format!("{} is not a public key", quoted(text)))
}
