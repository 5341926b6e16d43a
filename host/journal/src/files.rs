//! Names, lists and the removal of segment files.

use crate::JournalError;
use crate::format::{FRAME, MAX_NUMBER, NAME, SEAL};
use crate::scan::{Scan, Step};
use std::fs;
use std::path::{Path, PathBuf};

/// Facts about a segment that are known without reading all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentInfo {
    /// The file.
    pub file: PathBuf,
    /// The number of the segment, counted from 1.
    pub number: u64,
    /// The index of its first record.
    pub first: u64,
    /// The number of its records at this moment.
    pub records: u64,
    /// The length of the file.
    pub bytes: u64,
    /// Whether the segment is complete and will not change.
    pub sealed: bool,
    /// The time of its creation, in nanoseconds since 1970.
    pub created_ns: u64,
    /// The version of the records' meaning.
    pub schema: u16,
}

/// Lists the segments of a reel, oldest first. Reads all of the open one to count its records.
///
/// # Errors
/// The folder or a file cannot be read, or a header is damaged.
pub fn segments(folder: &Path, name: &str) -> Result<Vec<SegmentInfo>, JournalError> {
    let mut infos = Vec::new();
    for (number, path) in list(folder, name)? {
        if let Some(info) = info(name, number, path, true)? {
            infos.push(info);
        }
    }
    Ok(infos)
}

/// Deletes closed segments, oldest first, until the reel uses at most `keep_bytes`; returns the deleted ones. The last segment
/// is always kept: it is the open one, or it says which index comes next.
///
/// # Errors
/// The folder cannot be read or a file cannot be deleted; the files before it have been deleted by then.
pub fn prune(folder: &Path, name: &str, keep_bytes: u64) -> Result<Vec<SegmentInfo>, JournalError> {
    let mut segments = Vec::new();
    for (number, path) in list(folder, name)? {
        segments.extend(info(name, number, path, false)?);
    }
    let mut total: u64 = segments.iter().map(|segment| segment.bytes).sum();
    let mut deleted = Vec::new();
    let closed = segments.len().saturating_sub(1);
    for segment in segments.into_iter().take(closed) {
        if total <= keep_bytes || !segment.sealed {
            break;
        }
        fs::remove_file(&segment.file).map_err(JournalError::io("delete", &segment.file))?;
        total -= segment.bytes;
        deleted.push(segment);
    }
    Ok(deleted)
}

/// Inspects one segment; its records are counted if it is sealed or `count` says so.
fn info(
    name: &str,
    number: u64,
    file: PathBuf,
    count: bool,
) -> Result<Option<SegmentInfo>, JournalError> {
    let Some(mut scan) = Scan::open(&file, name, number)? else {
        return Ok(None);
    };
    let bytes = scan.length()?;
    let header = scan.header().clone();
    let mut info = SegmentInfo {
        file,
        number,
        first: header.first,
        records: 0,
        bytes,
        sealed: false,
        created_ns: header.created_ns,
        schema: header.schema,
    };
    if (bytes < header.capacity || scan.mark() == Ok(bytes))
        && let Some((records, _)) = scan.seal_at(bytes.saturating_sub(SEAL))?
    {
        if records > bytes / FRAME as u64 {
            let what =
                format!("its end says that it has {records} records, for which it has no room");
            return Err(JournalError::damaged(&info.file, bytes - SEAL, what));
        }
        info.records = records;
        info.sealed = true;
        return Ok(Some(info));
    }
    while count && let Step::Record { .. } = scan.step()? {}
    info.records = scan.index() - header.first;
    info.sealed = scan.is_sealed();
    Ok(Some(info))
}

/// Returns the file of a segment.
pub(crate) fn segment_file(folder: &Path, name: &str, number: u64) -> PathBuf {
    folder.join(format!("{name}-{number:06}.reel"))
}

/// Lists the numbers and files of a reel's segments, lowest first.
pub(crate) fn list(folder: &Path, name: &str) -> Result<Vec<(u64, PathBuf)>, JournalError> {
    let mut found = Vec::new();
    let entries = fs::read_dir(folder).map_err(JournalError::io("read the folder", folder))?;
    for entry in entries {
        let entry = entry.map_err(JournalError::io("read the folder", folder))?;
        let file = entry.file_name();
        let number = file
            .to_str()
            .and_then(|file| {
                file.strip_prefix(name)?
                    .strip_prefix('-')?
                    .strip_suffix(".reel")
            })
            .filter(|digits| digits.len() >= 6 && digits.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .filter(|number| *number <= MAX_NUMBER);
        if let Some(number) = number {
            found.push((number, entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

/// Refuses a name that could leave the folder or does not fit the header.
pub(crate) fn check_name(name: &str) -> Result<(), JournalError> {
    let fits = (1..=NAME).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if fits {
        return Ok(());
    }
    Err(JournalError::Setting {
        what: format!(
            "`{name}` is not a valid name of a reel: use 1 to {NAME} letters, digits, `-` and `_`"
        ),
    })
}
