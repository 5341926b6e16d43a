//! Untrusted text: from a guest, a plugin's files, a file's name, a reel, a venue.
//!
//! [`Untrusted`] is the only place where it is handled: it is cut where it is stored and escaped where it is shown, so that it
//! can't move a cursor, break a line, reverse the reading direction, hide, or fill the memory. It has no `Deref` to `str`:
//! code that needs the raw text calls [`Untrusted::raw`]. Multi-line texts that this host composes go through [`printable`] and
//! [`kept`], which apply the same rules but leave line breaks in.

use std::borrow::Cow;
use std::fmt::{self, Display, Write as _};
use std::path::Path;

/// Bytes kept of a text; the rest is counted.
pub const MAX_LINE: usize = 1_024;

/// Bytes kept of a path, the most that systems allow.
const MAX_PATH: usize = 4_096;

/// Bytes kept of a message of this host that quotes untrusted text.
const MAX_MESSAGE: usize = 4_096;

/// Bytes shown of an error of a library.
const MAX_ERROR: usize = 512;

/// Bytes quoted of a name or value.
const MAX_QUOTED: usize = 64;

/// Problems that a message lists; the rest are counted.
const MAX_LISTED: usize = 5;

/// Invisible characters that are neither control nor format characters: fillers, blanks and selectors. Two names that differ
/// only in them look the same.
const INVISIBLE: [std::ops::RangeInclusive<char>; 10] = [
    '\u{34f}'..='\u{34f}',
    '\u{115f}'..='\u{1160}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180f}',
    '\u{2800}'..='\u{2800}',
    '\u{3164}'..='\u{3164}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{ffa0}'..='\u{ffa0}',
    '\u{1d159}'..='\u{1d159}',
    '\u{e0100}'..='\u{e01ef}',
];

/// A text from outside, of bounded length. It displays as one line that can't steer a terminal.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Untrusted {
    kept: String,
    left_out: usize,
}

impl Untrusted {
    /// Keeps a line: at most [`MAX_LINE`] bytes.
    pub fn new(text: &str) -> Self {
        Self::up_to(MAX_LINE, text)
    }

    /// Keeps at most `most` bytes.
    pub fn up_to(most: usize, text: &str) -> Self {
        let kept = &text[..text.floor_char_boundary(most)];
        Self {
            kept: kept.to_owned(),
            left_out: text.len() - kept.len(),
        }
    }

    /// Keeps a path. What is not UTF-8 in it is replaced.
    pub fn path(path: &Path) -> Self {
        Self::up_to(MAX_PATH, &path.to_string_lossy())
    }

    /// Returns the text as it came, for code that compares it or passes it on; never for a person.
    pub fn raw(&self) -> &str {
        &self.kept
    }

    /// Returns the bytes that were not kept.
    pub const fn left_out(&self) -> usize {
        self.left_out
    }
}

impl From<&str> for Untrusted {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = escaped(&self.kept, |_| false).into_owned();
        if self.left_out > 0 {
            text += &omission(self.left_out);
        }
        f.pad(&text)
    }
}

impl fmt::Debug for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Returns the start of a text from outside in backquotes, for a message of the host.
pub fn quoted(text: &str) -> String {
    let shown = Untrusted::up_to(MAX_QUOTED, text).to_string();
    format!("`{}`", shown.replace('`', "\\`"))
}

/// Joins a text of a library, which may quote its input, into one short line.
pub fn one_line(text: &str) -> String {
    let start = Untrusted::up_to(MAX_MESSAGE, text);
    let parts: Vec<&str> = start.raw().split_whitespace().collect();
    let left_out = start.left_out();
    let line = Untrusted::up_to(MAX_ERROR, &parts.join(" "));
    Untrusted {
        left_out: line.left_out + left_out,
        ..line
    }
    .to_string()
}

/// Returns whether the text is one line of at most `most` bytes without control characters.
pub fn is_line(text: &str, most: usize) -> bool {
    text.len() <= most && !text.chars().any(char::is_control)
}

/// Escapes a text of several lines; only its line breaks are left as they are.
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, |char| char == '\n')
}

/// Cuts a message to the length at which messages are kept, and escapes it as [`printable`] does.
pub fn kept(text: &str) -> String {
    let start = Untrusted::up_to(MAX_MESSAGE, text);
    let mut message = printable(start.raw()).into_owned();
    if start.left_out > 0 {
        message += &omission(start.left_out);
    }
    message
}

/// Like [`kept`], with every line but the first indented: a line break in a message can't forge a log line.
pub fn log_entry(text: &str) -> String {
    let mut entry = String::new();
    for (at, line) in kept(text).lines().enumerate() {
        match at {
            0 => entry += line,
            _ if line.starts_with("  ") => _ = write!(entry, "\n{line}"),
            _ => _ = write!(entry, "\n  {}", line.trim_start()),
        }
    }
    entry
}

/// Lists the first few items, and says how many more there are.
pub fn first_few<T: Display>(items: impl IntoIterator<Item = T>, separator: &str) -> String {
    first(MAX_LISTED, items, separator)
}

/// Lists the first `most` items, and says how many more there are.
pub fn first<T: Display>(
    most: usize,
    items: impl IntoIterator<Item = T>,
    separator: &str,
) -> String {
    let (mut text, mut more) = (String::new(), 0_u64);
    for (at, item) in items.into_iter().enumerate() {
        if at >= most {
            more += 1;
            continue;
        }
        let before = if at == 0 { "" } else { separator };
        _ = write!(text, "{before}{item}");
    }
    if more > 0 {
        _ = write!(text, "{separator}and {more} more");
    }
    text
}

fn omission(bytes: usize) -> String {
    let unit = if bytes == 1 { "byte" } else { "bytes" };
    format!("… ({bytes} more {unit})")
}

fn escaped(text: &str, leave: impl Fn(char) -> bool) -> Cow<'_, str> {
    let is_plain = |char: char| !is_hidden(char) || leave(char);
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        if is_plain(char) {
            line.push(char);
        } else {
            line.extend(char.escape_default());
        }
    }
    Cow::Owned(line)
}

/// Whether a character affects the text around it, or is invisible, instead of standing for itself: control and format
/// characters, line separators, direction marks, blanks other than the space, unassigned and private-use ones.
fn is_hidden(char: char) -> bool {
    if char.is_ascii() {
        return char.is_control();
    }
    // The standard library knows what is printable, and says so only of a character within a text.
    let mut buffer = [b'x'; 5];
    let length = char.encode_utf8(&mut buffer[1..]).len();
    let probe = std::str::from_utf8(&buffer[..=length]).unwrap_or_default();
    let is_escaped = probe.escape_debug().nth(1) == Some('\\');
    is_escaped || INVISIBLE.iter().any(|range| range.contains(&char))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Each kind of character that steers, breaks, turns or hides text.
    const HIDDEN: [char; 22] = [
        '\0',
        '\n',
        '\r',
        '\t',
        '\u{1b}',
        '\u{7f}',
        '\u{85}',
        '\u{9b}',
        '\u{a0}',
        '\u{ad}',
        '\u{34f}',
        '\u{61c}',
        '\u{200b}',
        '\u{200d}',
        '\u{2028}',
        '\u{202e}',
        '\u{2066}',
        '\u{3164}',
        '\u{fe0f}',
        '\u{feff}',
        '\u{e0001}',
        '\u{10ffff}',
    ];

    #[test]
    fn a_text_shows_as_one_line_that_cannot_steer_a_terminal() {
        let text = Untrusted::new("a\nb\u{1b}[2J\u{202e}é");
        assert_eq!(text.to_string(), "a\\nb\\u{1b}[2J\\u{202e}é");
        assert_eq!(format!("{text:?}"), "\"a\\nb\\u{1b}[2J\\u{202e}é\"");
        assert_eq!(text.raw(), "a\nb\u{1b}[2J\u{202e}é");
        for char in HIDDEN {
            assert!(is_hidden(char), "{char:?}");
        }
        for char in "a\\`\"'žЖ한字🙂e\u{301}".chars() {
            assert!(!is_hidden(char), "{char:?}");
        }
    }

    #[test]
    fn a_long_text_is_cut_at_a_character_and_says_how_much_is_missing() {
        let long = "é".repeat(MAX_LINE);
        assert_eq!(Untrusted::new(&long).raw().len(), MAX_LINE);
        let text = Untrusted::new(&format!("x{long}"));
        assert_eq!(
            (text.raw().len(), text.left_out()),
            (MAX_LINE - 1, MAX_LINE + 2)
        );
        assert!(text.to_string().ends_with("é… (1026 more bytes)"), "{text}");
        assert_eq!(
            format!("{:<4}|{:>3}", Untrusted::new("ab"), Untrusted::new("c")),
            "ab  |  c"
        );
    }

    #[test]
    fn a_quoted_text_cannot_end_its_quotes() {
        assert_eq!(quoted("a` is trusted; `b"), "`a\\` is trusted; \\`b`");
    }

    #[test]
    fn a_list_has_its_first_items_and_a_count() {
        assert_eq!(first_few(0..3, "; "), "0; 1; 2");
        assert_eq!(first_few(0..100_000, "; "), "0; 1; 2; 3; 4; and 99995 more");
        assert_eq!(first_few(Vec::<u8>::new(), "; "), "");
    }

    #[test]
    fn a_line_break_in_a_message_forges_no_entry_of_a_log() {
        let forged = "why\n12:00:00 warning: all is well\n  at frame\r\nx";
        assert_eq!(
            log_entry(forged),
            "why\n  12:00:00 warning: all is well\n  at frame\\r\n  x"
        );
    }

    proptest! {
        #[test]
        fn whatever_comes_in_what_is_shown_is_one_bounded_visible_line(text in any::<String>(), most in 0_usize..64) {
            let shown = Untrusted::up_to(most, &text).to_string();
            prop_assert!(!shown.chars().any(is_hidden), "{shown:?}");
            // Ten characters for the longest escape of one byte or more, and the count.
            prop_assert!(shown.len() <= 10 * most + 40, "{}", shown.len());
            prop_assert_eq!(Untrusted::new(&shown).to_string(), shown, "escaping is done once");
        }

        #[test]
        fn whatever_a_message_quotes_it_is_bounded_and_steers_nothing(text in any::<String>(), times in 1_usize..300) {
            let long = text.repeat(times);
            for shown in [kept(&long), log_entry(&long), one_line(&long), quoted(&long)] {
                prop_assert!(!shown.chars().any(|char| char != '\n' && is_hidden(char)), "{shown:?}");
                prop_assert!(shown.len() <= 12 * MAX_MESSAGE, "{}", shown.len());
            }
            prop_assert!(!one_line(&long).contains('\n') && !quoted(&long).contains('\n'));
            prop_assert!(log_entry(&long).lines().skip(1).all(|line| line.starts_with("  ")));
        }
    }
}
