//! Standard output, whose reader may go away.

use anyhow::{Context, Result};
use std::io::{ErrorKind, Write};

/// Prints; answers whether anyone still reads. A reader that went away (`| head`) is no failure.
///
/// # Errors
/// The output can't be written, a full disk say.
pub fn print(text: &str) -> Result<bool> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error).context("cannot write to standard output"),
    }
}
