//! Standard output, whose reader may go away.

use anyhow::{Context, Result};
use serde::Serialize;
use std::io::{ErrorKind, Write};

/// Prints, and returns whether anyone still reads. A reader that went away (`| head`) is not a failure.
///
/// # Errors
/// The output cannot be written, for example because the disk is full.
pub fn print(text: &str) -> Result<bool> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error).context("cannot write to standard output"),
    }
}

/// Prints an object as one line of JSON, and returns whether anyone still reads.
///
/// # Errors
/// As [`print()`].
pub fn print_json(object: &impl Serialize) -> Result<bool> {
    print(&(serde_json::to_string(object)? + "\n"))
}
