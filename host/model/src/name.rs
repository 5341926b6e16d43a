//! The rule for names: of plugins, strategies, parameters and venues.

use crate::untrusted::quoted;

/// The rule, for messages.
pub const NAME_RULE: &str =
    "a name has 1 to 64 letters (a to z, A to Z), digits, `-`, `_` or `.` and starts with a letter";

/// The name of the host itself, under which its own signals are published.
pub const HOST_NAME: &str = "host";

/// Bytes of a name.
const MAX_NAME: usize = 64;

/// Returns whether a text is a name. Only ASCII letters are allowed, so that different names never look alike.
pub fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    name.len() <= MAX_NAME
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(allowed)
}

/// Returns whether a name is the host's own, in whatever case.
pub fn is_reserved(name: &str) -> bool {
    name.eq_ignore_ascii_case(HOST_NAME)
}

/// Checks the name of a plugin or strategy.
///
/// # Errors
/// It is not a name, or is reserved; the text says so and what to do.
pub fn check_strategy_name(name: &str) -> Result<(), String> {
    if is_reserved(name) {
        return Err(format!(
            "{} is the host's own name: choose another name",
            quoted(name)
        ));
    }
    if is_name(name) {
        Ok(())
    } else {
        Err(format!(
            "{} is not a name for a strategy: {NAME_RULE}",
            quoted(name)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_letters_digits_and_a_few_marks() {
        for name in ["a", "ema-cross", "Ema_2.1", &"x".repeat(64)] {
            assert_eq!(check_strategy_name(name), Ok(()), "{name}");
        }
        let odd = [
            "",
            "-rf",
            "*",
            " ",
            "a b",
            "2nd",
            ".a",
            "a/b",
            "ema\u{200b}-cross",
            "\u{435}ma",
            "ema\n",
            "a`",
            "\u{fc}",
            &"x".repeat(65),
        ];
        for name in odd {
            let why = check_strategy_name(name).unwrap_err();
            assert!(why.contains("starts with a letter"), "{why}");
        }
    }

    #[test]
    fn the_name_of_the_host_is_reserved_in_any_case() {
        for name in ["host", "Host", "HOST"] {
            let why = check_strategy_name(name).unwrap_err();
            assert_eq!(
                why,
                format!("`{name}` is the host's own name: choose another name")
            );
        }
        assert_eq!(check_strategy_name("hosts"), Ok(()));
    }
}
