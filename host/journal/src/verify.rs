//! Checking every byte of a reel.

use crate::JournalError;
use crate::files::{check_name, list};
use crate::format::{HEADER, SEAL};
use crate::scan::{Scan, Step};
use std::path::{Path, PathBuf};

/// What [`verify`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Segments with a header.
    pub segments: u64,
    /// Good records.
    pub records: u64,
    /// Bytes looked at.
    pub bytes: u64,
    /// Whether the last segment is closed: nobody writes the reel, and its last writer ended it in order.
    pub sealed: bool,
    /// Everything that is not as it was written; none if all is well.
    pub damage: Vec<Damage>,
}

/// A place that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The segment.
    pub file: PathBuf,
    /// Where in it the damage begins, or the frame that it is in.
    pub offset: u64,
    /// What is wrong there.
    pub what: String,
}

/// Reads every byte of a reel and checks it. `progress` is told the bytes done and their total.
///
/// # Errors
/// The folder or a file cannot be read. Damage is no error here; it is in what is returned.
pub fn verify(
    folder: &Path,
    name: &str,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Verified, JournalError> {
    check_name(name)?;
    let files = list(folder, name)?;
    if files.is_empty() {
        return Err(JournalError::Missing {
            folder: folder.to_owned(),
            name: name.to_owned(),
        });
    }
    let mut verified = Verified::default();
    for (number, path) in &files {
        check(path, name, *number, &mut verified)?;
        progress(verified.bytes, verified.bytes);
    }
    Ok(verified)
}

fn check(
    path: &Path,
    name: &str,
    number: u64,
    verified: &mut Verified,
) -> Result<(), JournalError> {
    let Some(mut scan) = Scan::open(path, name, number)? else {
        return Ok(());
    };
    verified.segments += 1;
    loop {
        match scan.step()? {
            Step::Record { .. } => verified.records += 1,
            Step::Seal { .. } => {
                verified.sealed = true;
                break;
            }
            Step::End => break,
            Step::Broken(what) => {
                verified.damage.push(Damage {
                    file: path.to_owned(),
                    offset: scan.position(),
                    what,
                });
                break;
            }
        }
    }
    let _ = (HEADER, SEAL);
    verified.bytes += scan.length()?;
    Ok(())
}
