//! `tickdeck journal verify`: verifies the checksums of a data folder.

use crate::cli::progress::Progress;
use crate::display::console::on_interrupt;
use crate::exit::INTERRUPTED;
use crate::output::{print, print_json};
use anyhow::Result;
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use tickdeck_engine::CancelToken;
use tickdeck_model::Untrusted;
use tickdeck_model::format::{bytes, grouped};
use tickdeck_recording::{DataReels, VerifiedFolder, VerifyFault, verify_folder};

/// Read every byte of a data folder and report any damage, with file and offset.
///
/// Every record of a reel has a checksum, modules are named by theirs, and small files end with one, so any changed bit is
/// found. Files that people edit, `grants.toml` and `killed`, have none, nor do files that a crash left half-written: these
/// are listed as not covered. A running host is not disturbed. Exit code 0: intact. 1: damaged.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tickdeck journal verify
  tickdeck journal verify tape --json")]
pub(crate) struct Verify {
    /// The data folder
    #[arg(value_name = "FOLDER", default_value = "data")]
    folder: PathBuf,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

/// The JSON output.
#[derive(Debug, Serialize)]
struct Outcome {
    whole: bool,
    files: u64,
    bytes: u64,
    records: u64,
    damage: Vec<Place>,
    not_covered: Vec<Place>,
}

#[derive(Debug, Serialize)]
struct Place {
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    what: String,
}

impl Verify {
    pub(super) fn run(self) -> Result<ExitCode> {
        let reels = DataReels::in_folder(&self.folder);
        let stop = CancelToken::default();
        on_interrupt(stop.clone(), None)?;
        let mut progress = Progress::new("verifying");
        let checked = verify_folder(&reels, &stop, &mut |done, total| progress.of(done, total))?;
        drop(progress);
        let Some(checked) = checked else {
            return Ok(ExitCode::from(INTERRUPTED));
        };
        if self.json {
            print_json(&Outcome::of(&checked))?;
        } else {
            print(&text(&checked))?;
        }
        Ok(match checked.damage.is_empty() {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        })
    }
}

impl Outcome {
    fn of(checked: &VerifiedFolder) -> Self {
        let places = |found: &[VerifyFault]| {
            let places = found.iter().map(|found| Place {
                file: Untrusted::path(&found.file).to_string(),
                offset: found.offset,
                what: found.what.clone(),
            });
            places.collect()
        };
        Self {
            whole: checked.damage.is_empty(),
            files: checked.files,
            bytes: checked.bytes,
            records: checked.records,
            damage: places(&checked.damage),
            not_covered: places(&checked.uncovered),
        }
    }
}

fn text(checked: &VerifiedFolder) -> String {
    let line = |mark: &str, found: &VerifyFault| {
        let place = found
            .offset
            .map_or_else(String::new, |offset| format!(", byte {offset}"));
        format!(
            "{mark}{}{place}: {}\n",
            Untrusted::path(&found.file),
            found.what
        )
    };
    let mut text = String::new();
    checked
        .damage
        .iter()
        .for_each(|found| text += &line("DAMAGED ", found));
    checked
        .uncovered
        .iter()
        .for_each(|found| text += &line("not covered: ", found));
    let what = format!(
        "{} files, {}, {} records",
        grouped(checked.files),
        bytes(checked.bytes),
        grouped(checked.records)
    );
    text + &match checked.damage.len() {
        0 => format!("intact: {what}\n"),
        1 => format!("damaged in 1 place: {what}\n"),
        count => format!("damaged in {count} places: {what}\n"),
    }
}
