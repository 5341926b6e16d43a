//! The one way out: everything that this command prints goes through here, to standard output, whose reader may go away,
//! or to standard error.
//!
//! Untrusted texts are escaped where they become part of a message. Here, in case that was forgotten anywhere, every
//! character that could act on a terminal is escaped as well, except line breaks.

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::ser::Formatter;
use std::fmt::Display;
use std::io::{ErrorKind, Write};
use tickdeck_model::untrusted::printable;

/// Prints, and returns whether anyone still reads. A reader that went away (`| head`) is not a failure.
///
/// # Errors
/// The output cannot be written, for example because the disk is full.
pub fn print(text: &str) -> Result<bool> {
    write(&printable(text))
}

/// Prints an object as one line of JSON, and returns whether anyone still reads.
///
/// # Errors
/// As [`print()`].
pub fn print_json(object: &impl Serialize) -> Result<bool> {
    write(&(json(object)? + "\n"))
}

/// Writes an object as one line of JSON. Characters that could steer a terminal are escaped as JSON escapes them, so a
/// program that parses it reads what was there.
///
/// # Errors
/// The object cannot be represented in JSON.
pub fn json(object: &impl Serialize) -> Result<String> {
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, Escaping);
    object.serialize(&mut serializer)?;
    Ok(String::from_utf8(bytes)?)
}

/// Prints a line on standard error. If nobody reads that, there is nobody to tell.
pub fn note(line: impl Display) {
    let text = printable(&line.to_string()).into_owned() + "\n";
    _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Overwrites the current line of standard error.
pub fn overwrite(line: impl Display) {
    let text = format!("\r{}", printable(&line.to_string()));
    _ = std::io::stderr().lock().write_all(text.as_bytes());
}

fn write(text: &str) -> Result<bool> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error).context("cannot write to standard output"),
    }
}

/// Writes compact JSON with hidden characters escaped.
struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> std::io::Result<()> {
        escape(writer, fragment)
    }

    /// Text that is JSON already: apart from white space, hidden characters in it are part of a string.
    fn write_raw_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> std::io::Result<()> {
        let mut parts = fragment.split_inclusive(['\t', '\n', '\r']);
        parts.try_for_each(|part| {
            let (text, space) = part.split_at(part.trim_end_matches(['\t', '\n', '\r']).len());
            escape(writer, text)?;
            writer.write_all(space.as_bytes())
        })
    }
}

fn escape<W: ?Sized + Write>(writer: &mut W, text: &str) -> std::io::Result<()> {
    for char in text.chars() {
        let mut buffer = [0; 4];
        let one: &str = char.encode_utf8(&mut buffer);
        if printable(one) == one {
            writer.write_all(one.as_bytes())?;
            continue;
        }
        for unit in one.encode_utf16() {
            write!(writer, "\\u{unit:04x}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn json_steers_no_terminal_and_reads_back_as_it_was() {
        let rare = ('\u{10000}'..=char::MAX).step_by(101);
        let text: String = ('\0'..='\u{ffff}').chain(rare).collect();
        let line = json(&[&text]).unwrap();
        assert!(printable(&line) == line);
        let read: Vec<String> = serde_json::from_str(&line).unwrap();
        assert!(read == [text]);
    }

    #[test]
    fn json_is_compact_and_escapes_as_json_does() {
        let line = json(&serde_json::json!({"a": [1, "\u{1b}[2J\u{202e}\u{e0001}é\n"]})).unwrap();
        assert_eq!(line, r#"{"a":[1,"\u001b[2J\u202e\udb40\udc01é\n"]}"#);
        let raw =
            serde_json::value::RawValue::from_string("{\n\"a\": \"\u{202e}\u{7f}\"}".to_owned());
        assert_eq!(
            json(&raw.unwrap()).unwrap(),
            "{\n\"a\": \"\\u202e\\u007f\"}"
        );
    }
}
