//! `start`: from starting the built binary to the first decision of a strategy, its plugins built already.
//!
//! The binary tells in its closing object when the first decision was, counted from where its command starts. What the
//! system needs to get there is less than a whole run of `tickdeck --version`, which is measured and added.

use crate::effort::Effort;
use crate::guests;
use crate::row::{Claim, Goal, Row, interleave};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Rounds at most: each takes a second.
const ROUNDS: usize = 10;

/// The time that the demo plays after its start.
const PLAYED: &str = "250ms";

pub(crate) fn run(effort: &Effort) -> Result<Vec<Row>> {
    let binary = binary()?;
    let folder = tempfile::tempdir()?;
    let cache = folder.path().join("cache");
    // The first run builds the plugins.
    first_decision_ms(&binary, &cache)?;
    let [cold, warm, nothing] = interleave(
        effort.rounds.min(ROUNDS),
        [
            &mut || {
                std::fs::remove_dir_all(&cache).context("cannot empty the cache")?;
                first_decision_ms(&binary, &cache)
            },
            &mut || first_decision_ms(&binary, &cache),
            &mut || nothing_ms(&binary),
        ],
    )?;
    let from_start = |decided: &[f64]| -> Vec<f64> {
        let both = decided.iter().zip(&nothing);
        both.map(|(decided, nothing)| decided + nothing).collect()
    };
    let claim = |bench, against| Claim {
        bench,
        unit: "ms",
        against,
        goal: Some(Goal::Value(1_000.0)),
        more_is_better: false,
    };
    let (cold, warm) = (from_start(&cold), from_start(&warm));
    Ok(vec![
        claim("start/first-decision-cold", "the same with a warm cache").row(&cold, &warm),
        claim("start/first-decision-warm", "a run of `tickdeck --version`").row(&warm, &nothing),
    ])
}

/// The binary beside this one, built the same way.
fn binary() -> Result<PathBuf> {
    let here = std::env::current_exe()?;
    let folder = here.parent().context("a binary lies in a folder")?;
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--quiet", "-p", "tickdeck", "--profile", profile])
        .current_dir(guests::root())
        .status()
        .context("cannot start cargo")?;
    ensure!(built.success(), "the binary does not build");
    Ok(folder.join("tickdeck"))
}

/// Plays the demo at the market's own pace, and gives what it says of its first decision.
fn first_decision_ms(binary: &Path, cache: &Path) -> Result<f64> {
    let output = Command::new(binary)
        .args(["demo", "--json", "--for", PLAYED])
        .current_dir(guests::root())
        .env("XDG_CACHE_HOME", cache)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start the binary")?;
    ensure!(output.status.success(), "the demo failed");
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let first = summary["first_decision_ms"].as_f64();
    first.with_context(|| format!("no strategy decided anything within {PLAYED}"))
}

/// Milliseconds of a run that does nothing.
fn nothing_ms(binary: &Path) -> Result<f64> {
    let started = Instant::now();
    let output = Command::new(binary).arg("--version").output()?;
    ensure!(output.status.success(), "`tickdeck --version` failed");
    Ok(started.elapsed().as_secs_f64() * 1e3)
}
