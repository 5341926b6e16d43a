//! Text that comes from a strategy, a file or a library, made fit for a terminal and for a message of this host.

/// Bytes of a log line; the rest is cut off.
pub const MAX_LINE: usize = 1_024;

/// Bytes shown of an error.
const MAX_TEXT: usize = 512;

/// Characters quoted of a name or value.
const MAX_QUOTED: usize = 64;

/// Cuts at [`MAX_LINE`] bytes and escapes characters that could move the cursor, break a line or turn the reading
/// direction.
pub(crate) fn sanitize(text: &str) -> String {
    let cut = &text[..text.floor_char_boundary(MAX_LINE)];
    let mut line = String::with_capacity(cut.len());
    for char in cut.chars() {
        if char.is_control() || is_bidi_or_separator(char) {
            line.extend(char.escape_default());
        } else {
            line.push(char);
        }
    }
    line
}

/// Line and paragraph separators, and the marks that reorder text.
const fn is_bidi_or_separator(char: char) -> bool {
    matches!(char, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

/// Joins a text of this host or of a library into one line.
pub(crate) fn one_line(text: &str) -> String {
    // A guest may have a part in it, of any length.
    let start = &text[..text.floor_char_boundary(2 * MAX_LINE)];
    let parts: Vec<&str> = start.split_whitespace().collect();
    let line = sanitize(&parts.join(" "));
    line[..line.floor_char_boundary(MAX_TEXT)].to_owned()
}

/// Whether the text is one line of at most `limit` bytes without control characters.
pub(crate) fn is_line(text: &str, limit: usize) -> bool {
    text.len() <= limit && !text.chars().any(char::is_control)
}

/// Quotes a guest's text for a message of the host.
pub(crate) fn quoted(text: &str) -> String {
    let mut cut: String = text.chars().take(MAX_QUOTED).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    format!("`{}`", sanitize(&cut))
}

/// A path, fit for a message.
pub(crate) fn display_path(path: &std::path::Path) -> String {
    sanitize(&path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_at_a_character_and_cannot_steer_a_terminal() {
        assert_eq!(
            sanitize("a\nb\u{1b}[2J\u{202e}é"),
            "a\\nb\\u{1b}[2J\\u{202e}é"
        );
        let long = "é".repeat(MAX_LINE);
        assert_eq!(sanitize(&long).len(), MAX_LINE);
        assert_eq!(sanitize(&format!("x{long}")).len(), MAX_LINE - 1);
    }
}
