//! Checks the claims of a Parquet file before the Parquet library trusts them: the library allocates memory by the sizes in page
//! headers, and recurses by the schema.

use crate::thrift::{Field, FieldValue, Walk};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// Maximum size of the footer in bytes, which contains the schema and the places of the columns.
const MAX_FOOTER: u64 = 16 << 20;
/// Columns and groups of columns; ours have fewer than twenty.
const MAX_COLUMNS: u64 = 512;
/// Row groups; ours have 262,144 rows each.
const MAX_GROUPS: u64 = 1 << 16;
/// Bytes of a page, packed or not; writers aim at one MiB.
const MAX_PAGE: i64 = 16 << 20;
/// Values of a page.
const MAX_PAGE_VALUES: i64 = 1 << 22;
/// Bytes of the header of a page, with its statistics.
const MAX_PAGE_HEADER: usize = 64 << 10;

const MAGIC: &[u8] = b"PAR1";
/// The footer's length and the magic bytes.
const TAIL: u64 = 8;

/// Checks the footer of a file.
///
/// # Errors
/// It is not a footer, or is beyond the bounds; the text says what it claims.
pub(crate) fn check_footer(file: &File) -> Result<(), String> {
    let unread = |error: io::Error| format!("cannot be read: {error}");
    let length = file.metadata().map_err(unread)?.len();
    let not_one = || "is no Parquet file, or is cut short: export it again".to_owned();
    let tail_at = length.checked_sub(TAIL).ok_or_else(not_one)?;
    let mut tail = [0; TAIL as usize];
    file.read_exact_at(&mut tail, tail_at).map_err(unread)?;
    let [a, b, c, d, magic @ ..] = tail;
    let footer = u64::from(u32::from_le_bytes([a, b, c, d]));
    let from = tail_at.checked_sub(footer).ok_or_else(not_one)?;
    if magic != *MAGIC || footer > MAX_FOOTER {
        return Err(not_one());
    }
    let mut bytes = vec![0; usize::try_from(footer).map_err(|_| not_one())?];
    file.read_exact_at(&mut bytes, from).map_err(unread)?;
    let mut see = |outer: Option<i16>, field: Field| match (outer, field.id, field.value) {
        (None, 2, FieldValue::List(columns)) if columns > MAX_COLUMNS => {
            Err("it has too many columns")
        }
        (None, 4, FieldValue::List(groups)) if groups > MAX_GROUPS => {
            Err("it has too many row groups")
        }
        _ => Ok(()),
    };
    Walk::new(&bytes)
        .structure(0, None, &mut see)
        .map_err(|what| format!("its footer is damaged: {what}"))
}

/// Checks the headers of a column's pages, which lie in `length` bytes from `from` on.
///
/// # Errors
/// A page is beyond the bounds, or the pages do not fill their place; the text says where.
pub(crate) fn check_pages(file: &File, from: i64, length: i64) -> Result<(), String> {
    let place = u64::try_from(from).ok().zip(u64::try_from(length).ok());
    let place = place.and_then(|(from, length)| Some((from, from.checked_add(length)?)));
    let size = file.metadata().map_err(|error| error.to_string())?.len();
    let (mut at, end) = place
        .filter(|(_, end)| *end <= size)
        .ok_or("a column lies outside of the file")?;
    let mut buffer = vec![0; MAX_PAGE_HEADER];
    while at < end {
        let header = (end - at).min(MAX_PAGE_HEADER as u64) as usize;
        file.read_exact_at(&mut buffer[..header], at)
            .map_err(|error| format!("cannot be read at byte {at}: {error}"))?;
        let (header, packed) = check_page(&buffer[..header])
            .map_err(|what| format!("the page at byte {at} is damaged: {what}"))?;
        at += header as u64 + packed;
    }
    match at == end {
        true => Ok(()),
        false => Err(format!(
            "the last page of a column ends behind it, at byte {at}"
        )),
    }
}

/// Returns the length of a page's header and of its content.
fn check_page(bytes: &[u8]) -> Result<(usize, u64), &'static str> {
    let (mut unpacked, mut packed) = (None, None);
    let mut see = |outer: Option<i16>, field: Field| {
        let FieldValue::Number(number) = field.value else {
            return Ok(());
        };
        match (outer, field.id) {
            (None, 2) => unpacked = Some(number),
            (None, 3) => packed = Some(number),
            // A data page, a dictionary, a data page of the second version.
            (Some(5 | 7 | 8), 1) if !(0..=MAX_PAGE_VALUES).contains(&number) => {
                return Err("it has too many values");
            }
            _ => {}
        }
        Ok(())
    };
    let mut walk = Walk::new(bytes);
    walk.structure(0, None, &mut see)?;
    let (unpacked, packed) = unpacked.zip(packed).ok_or("it has no size")?;
    let fits = |size: i64| (0..=MAX_PAGE).contains(&size);
    match fits(unpacked) && fits(packed) {
        true => Ok((walk.position(), packed.unsigned_abs())),
        false => Err("it is larger than 16 MiB"),
    }
}
