//! Memory of the real binary while it plays the demo flat out, as the system counts it.

use crate::effort::Effort;
use crate::guests;
use crate::row::{Claim, Goal, Row};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Between two looks at the process.
const LOOK: Duration = Duration::from_millis(5);

/// Runs of each kind: memory varies little.
const MOST_ROUNDS: usize = 3;

const KIB_PER_MIB: f64 = 1_024.0;

pub(super) fn run(effort: &Effort) -> Result<Vec<Row>> {
    let binary = binary()?;
    let names: Vec<String> = guests::modules()?
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    // Some seconds of the simulated exchange at full speed: tapes, histories and the ring are as full as they get.
    let events = effort.events * 16;
    let (mut four, mut one) = (Samples::default(), Samples::default());
    for _ in 0..effort.rounds.min(MOST_ROUNDS) {
        four.add(&demo(&binary, &[], events)?);
        one.add(&demo(&binary, &names[1..], events)?);
    }
    let claim = |bench| Claim {
        bench,
        unit: "MiB",
        against: "the same with one strategy",
        goal: Some(Goal::Value(150.0)),
        more_is_better: false,
    };
    Ok(vec![
        claim("memory/demo-resident").row(&four.resident, &one.resident),
        claim("memory/demo-peak").row(&four.peak, &one.peak),
    ])
}

/// The resident memory of several runs at their end, and its maximum, in MiB.
#[derive(Default)]
struct Samples {
    resident: Vec<f64>,
    peak: Vec<f64>,
}

impl Samples {
    fn add(&mut self, run: &Memory) {
        self.resident.push(run.resident_kib / KIB_PER_MIB);
        self.peak.push(run.peak_kib / KIB_PER_MIB);
    }
}

/// The binary, built as users build it.
fn binary() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let target = own.ancestors().nth(2).context("target/PROFILE/BINARY")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--release", "--locked", "--quiet"])
        .args(["--package", "tickdeck", "--bin", "tickdeck", "--target-dir"])
        .arg(target)
        .current_dir(guests::root())
        .status();
    ensure!(
        built.context("cannot run cargo")?.success(),
        "the binary does not build"
    );
    Ok(target.join("release/tickdeck"))
}

/// Plays the demo without the strategies named, with nothing compiled beforehand.
fn demo(binary: &Path, without: &[String], events: usize) -> Result<Memory> {
    let folder = tempfile::tempdir()?;
    let settings: String = without
        .iter()
        .map(|name| format!("[strategies.{name}]\nenabled = false\n"))
        .collect();
    let config = folder.path().join("tickdeck.toml");
    std::fs::write(&config, settings)?;
    let mut child = Command::new(binary)
        .args(["demo", "--pace", "max", "--json", "--events"])
        .arg(events.to_string())
        .arg("--config")
        .arg(&config)
        .env("XDG_CACHE_HOME", folder.path())
        .current_dir(guests::root())
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot run {}", binary.display()))?;
    let mut last = None;
    let status = loop {
        last = Memory::of(child.id()).or(last);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(LOOK);
    };
    ensure!(status.success(), "the demo ended with {status}");
    last.context("the demo ended before it could be looked at")
}

/// The system's figures for a process.
struct Memory {
    resident_kib: f64,
    peak_kib: f64,
}

impl Memory {
    /// `None` once it has ended.
    fn of(process: u32) -> Option<Self> {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let kib = |name: &str| -> Option<f64> {
            let line = status.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace().nth(1)?.parse().ok()
        };
        Some(Self {
            resident_kib: kib("VmRSS:")?,
            peak_kib: kib("VmHWM:")?,
        })
    }
}
