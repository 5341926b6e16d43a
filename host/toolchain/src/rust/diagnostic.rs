//! Messages of the compiler, in cargo's JSON.

use serde::Deserialize;

/// A message of the compiler.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Diagnostic {
    message: String,
    level: String,
    rendered: Option<String>,
    #[serde(default)]
    spans: Vec<Span>,
}

#[derive(Debug, Clone, Deserialize)]
struct Span {
    file_name: String,
    line_start: u32,
    column_start: u32,
    is_primary: bool,
    label: Option<String>,
}

impl Diagnostic {
    pub(super) fn is_error(&self) -> bool {
        // The last message only counts the ones before.
        self.level.starts_with("error") && !self.message.starts_with("aborting due to")
    }

    pub(super) fn is_warning(&self) -> bool {
        self.level == "warning" && !self.spans.is_empty()
    }

    /// Returns the message as the compiler prints it.
    pub(super) fn rendered(&self) -> &str {
        self.rendered.as_deref().unwrap_or(&self.message)
    }

    /// Formats the message on one line: `src/lib.rs:81:23: mismatched types: expected `u32`, found `f64``.
    pub(super) fn line(&self) -> String {
        let message = self.message.lines().next().unwrap_or_default();
        let Some(span) = self.spans.iter().find(|span| span.is_primary) else {
            return message.to_owned();
        };
        let label = span.label.as_deref().and_then(|label| label.lines().next());
        let label = label
            .filter(|label| !label.is_empty() && !message.contains(label))
            .map_or_else(String::new, |label| format!(": {label}"));
        format!(
            "{}:{}:{}: {message}{label}",
            span.file_name, span.line_start, span.column_start
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnostic(json: &str) -> Diagnostic {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn an_error_fits_on_one_line_with_its_place_and_label() {
        let mismatch = diagnostic(
            r#"{"message":"mismatched types","level":"error","rendered":"error[E0308]: mismatched types\n --> src/lib.rs:81:23\n",
                "code":{"code":"E0308","explanation":""},"children":[],
                "spans":[
                  {"file_name":"src/lib.rs","line_start":80,"column_start":1,"is_primary":false,"label":"arguments"},
                  {"file_name":"src/lib.rs","line_start":81,"column_start":23,"is_primary":true,
                   "label":"expected `u32`, found `f64`\nand more"}]}"#,
        );
        assert!(mismatch.is_error() && !mismatch.is_warning());
        assert_eq!(
            mismatch.line(),
            "src/lib.rs:81:23: mismatched types: expected `u32`, found `f64`"
        );
        assert!(mismatch.rendered().contains("--> src/lib.rs:81:23"));
        let nowhere = diagnostic(r#"{"message":"linking failed\nlong","level":"error"}"#);
        assert_eq!(nowhere.line(), "linking failed");
        let last = diagnostic(r#"{"message":"aborting due to 2 previous errors","level":"error"}"#);
        assert!(!last.is_error());
        let count = diagnostic(r#"{"message":"1 warning emitted","level":"warning"}"#);
        assert!(!count.is_warning());
    }
}
