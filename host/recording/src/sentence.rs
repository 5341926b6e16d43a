//! Errors as text.

use tickdeck_model::untrusted::kept;

/// Returns an error with its causes as one sentence, escaped for display. A cause that the preceding text contains is left
/// out.
pub fn sentence(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text += &format!(": {cause}");
        }
    }
    kept(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_stated_once() {
        let error = anyhow::anyhow!("no such file")
            .context("a.wasm: cannot be read: no such file")
            .context("cannot check");
        assert_eq!(
            sentence(&error),
            "cannot check: a.wasm: cannot be read: no such file"
        );
    }
}
