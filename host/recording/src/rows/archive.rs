//! Archived runs: Parquet files in place of the reels, in `data/parquet/000001/`, with the files' checksums in `sums`.

use super::{ExportRequest, Exported, export};
use crate::runs::{DataReels, RecordedRun};
use anyhow::{Context, Result};
use std::ffi::OsStr;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use tickdeck_engine::CancelToken;
use tickdeck_files::{open_plain, read_bounded};
use tickdeck_journal::atomic_file::install;
use tickdeck_journal::sealed::{seal, unseal};
use tickdeck_tables::Format;
use xxhash_rust::xxh3::Xxh3;

/// The folder of the archives in a data folder.
pub const FOLDER: &str = "parquet";
/// The file of checksums.
const SUMS: &str = "sums";
/// Its maximum size in bytes: a line for each of a dozen tables.
const MAX_SUMS: u64 = 64 << 10;
/// Bytes that are hashed at a time.
const PIECE: usize = 64 << 10;

/// Archives a run as Parquet; returns nothing if it was asked to stop.
///
/// # Errors
/// The reels can't be read, or the tables not be written.
pub fn write(
    reels: &DataReels,
    run: &RecordedRun,
    stop: &CancelToken,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Option<Exported>> {
    let folder = reels.data().join(FOLDER).join(format!("{:06}", run.number));
    let request = ExportRequest {
        format: Format::Parquet,
        from: None,
        until: None,
    };
    let Some(exported) = export(run, request, &folder, stop, progress)? else {
        return Ok(None);
    };
    let mut sums = String::new();
    for (file, ..) in &exported.files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        sums += &format!("{:032x}  {name}\n", sum(file)?);
    }
    install(&folder.join(SUMS), seal(&sums).as_bytes())?;
    Ok(Some(exported))
}

/// The files of an archived run.
#[derive(Debug, Default)]
pub struct ArchiveSums {
    /// The files that belong to the archive.
    pub known: Vec<PathBuf>,
    /// Files with a fault, and the fault.
    pub wrong: Vec<(PathBuf, String)>,
}

/// Verifies an archived run.
///
/// # Errors
/// A file can't be read.
pub fn check(folder: &Path) -> Result<ArchiveSums> {
    let sums = folder.join(SUMS);
    let bytes = match read_bounded(&sums, MAX_SUMS) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let what = "it is missing: remove the folder, or archive the run again".to_owned();
            return Ok(ArchiveSums::damaged(sums, what));
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", sums.display())),
    };
    let text = match unseal(&sums, &bytes) {
        Ok((text, true)) => text,
        Ok((_, false)) => return Ok(ArchiveSums::damaged(sums, "it has no checksum".to_owned())),
        Err(error) => return Ok(ArchiveSums::damaged(sums, format!("{error:#}"))),
    };
    let (mut known, mut wrong) = (vec![sums.clone()], Vec::new());
    for (should, name) in text.lines().filter_map(|line| line.split_once("  ")) {
        let file = folder.join(name);
        if file.file_name() != Some(OsStr::new(name)) {
            let what = format!("it lists `{name:.80}`, which is no file of this folder");
            wrong.push((sums.clone(), what));
            continue;
        }
        if !file.is_file() {
            wrong.push((file, "it is missing".to_owned()));
            continue;
        }
        let is = format!("{:032x}", sum(&file)?);
        if is != should {
            let what =
                format!("its content has the checksum {is}, not {should}: restore it from a copy");
            wrong.push((file.clone(), what));
        }
        known.push(file);
    }
    Ok(ArchiveSums { known, wrong })
}

impl ArchiveSums {
    /// The file of checksums itself is damaged or missing.
    fn damaged(sums: PathBuf, what: String) -> Self {
        Self {
            known: Vec::new(),
            wrong: vec![(sums, what)],
        }
    }
}

fn sum(file: &Path) -> Result<u128> {
    let mut hasher = Xxh3::new();
    let mut piece = vec![0; PIECE];
    let cannot = || format!("cannot read {}", file.display());
    let mut opened = open_plain(file).with_context(cannot)?;
    loop {
        match opened.read(&mut piece).with_context(cannot)? {
            0 => return Ok(hasher.digest128()),
            read => hasher.update(&piece[..read]),
        }
    }
}
