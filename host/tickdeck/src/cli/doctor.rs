//! `tickdeck doctor`: checks the machine and the deck, and suggests fixes.

use super::finding::{Finding, Level};
use super::machine;
use crate::output::{print, print_json};
use anyhow::Result;
use clap::Args;
use serde::Serialize;
use std::io::IsTerminal;
use std::path::Path;
use std::process::{Command, ExitCode};
use tickdeck_deck::compiling::Compiling;
use tickdeck_deck::folder::{Deck, scan};
use tickdeck_deck::loading::known_modules;
use tickdeck_model::format;
use tickdeck_model::{Registry, Untrusted};
use tickdeck_settings::config::WasmSettings;
use tickdeck_strategy::watch::{Plugin, Refused};
use tickdeck_strategy::{CacheConfig, ResourceLimits, Runtime};
use tickdeck_toolchain::rust::{WASM_TARGET, wasm_target_present};

/// Check this machine and this deck, and suggest fixes.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tickdeck doctor
  tickdeck doctor --json")]
pub(super) struct Doctor {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The JSON output.
#[derive(Debug, Serialize)]
struct Diagnosis {
    ok: bool,
    checks: Vec<Finding>,
}

impl Doctor {
    pub(super) fn run(self) -> Result<ExitCode> {
        let deck = Deck::at(".");
        let mut checks = vec![
            toolchain(),
            wasm_target(),
            machine::cores(),
            machine::governor(),
            cache(),
            settings(&deck),
            data(&deck),
        ];
        checks.extend(plugins(&deck));
        checks.push(terminal());
        let ok = checks.iter().all(|finding| finding.level != Level::Fail);
        if self.json {
            print_json(&Diagnosis { ok, checks })?;
        } else {
            print(&checks.iter().map(Finding::line).collect::<String>())?;
        }
        Ok(if ok {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

fn toolchain() -> Finding {
    match Command::new("rustc").arg("--version").output() {
        Ok(output) if output.status.success() => Finding::ok(
            "compiler",
            String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        ),
        _ => Finding::warn(
            "compiler",
            "rustc does not start; modules that are already built run without it",
            "install Rust from https://rustup.rs to build strategies",
        ),
    }
}

fn wasm_target() -> Finding {
    if wasm_target_present(Path::new(".")) {
        return Finding::ok("wasm target", WASM_TARGET);
    }
    let fix = format!("`tickdeck build` adds it, or run `rustup target add {WASM_TARGET}`");
    Finding::warn(
        "wasm target",
        format!("the toolchain has no {WASM_TARGET}"),
        fix,
    )
}

fn cache() -> Finding {
    const WHAT: &str = "compile cache";
    let compiling = Compiling::of_host(&WasmSettings::default());
    let Some(CacheConfig { folder, .. }) = compiling.cache.clone() else {
        return Finding::warn(
            WHAT,
            "no home folder: modules are compiled at every start",
            "set HOME or XDG_CACHE_HOME",
        );
    };
    let shown = Untrusted::path(&folder);
    if let Err(error) = Runtime::new(compiling.runtime()) {
        return Finding::fail(
            WHAT,
            error.to_string(),
            format!("make {shown} a folder that only you can write to"),
        );
    }
    let (files, bytes) = usage(&folder);
    Finding::ok(
        WHAT,
        format!("{shown}, {files} files, {}", format::bytes(bytes)),
    )
}

/// Counts files and bytes in a folder and its subfolders.
fn usage(folder: &Path) -> (u64, u64) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return (0, 0);
    };
    entries
        .flatten()
        .fold((0, 0), |(files, bytes), entry| match entry.metadata() {
            Ok(data) if data.is_dir() => {
                let (more_files, more_bytes) = usage(&entry.path());
                (files + more_files, bytes + more_bytes)
            }
            Ok(data) => (files + 1, bytes + data.len()),
            Err(_) => (files, bytes),
        })
}

fn settings(deck: &Deck) -> Finding {
    const WHAT: &str = "settings";
    let file = deck.config_file();
    let shown = Untrusted::path(file.strip_prefix(".").unwrap_or(&file)).to_string();
    match deck.config() {
        Ok(_) if file.exists() => Finding::ok(WHAT, format!("{shown} is valid")),
        Ok(_) => Finding::ok(WHAT, format!("no {shown} here: using the defaults")),
        Err(error) => Finding::fail(WHAT, format!("{error:#}"), format!("correct {shown}")),
    }
}

fn data(deck: &Deck) -> Finding {
    const WHAT: &str = "data folder";
    let folder = deck.data();
    let shown = Untrusted::path(folder.strip_prefix(".").unwrap_or(&folder)).to_string();
    if !folder.exists() {
        let writable = tempfile::tempfile_in(".").is_ok();
        return if writable {
            Finding::ok(WHAT, format!("{shown} will be created by the first run"))
        } else {
            Finding::fail(
                WHAT,
                "this folder is not writable",
                "change its owner or permissions, or run elsewhere",
            )
        };
    }
    let looked = deck.open_data().map(|data| (data.killed(), data.ids()));
    match looked {
        Ok((Ok(true), _)) => Finding::warn(
            WHAT,
            "the kill switch is on: new orders are denied",
            "run `tickdeck run --clear-kill`",
        ),
        Ok((Ok(false), Ok(_))) => Finding::ok(WHAT, format!("{shown} is unlocked and writable")),
        Ok((Err(error), _) | (_, Err(error))) => Finding::fail(
            WHAT,
            format!("{error:#}"),
            format!("restore {shown} from a backup"),
        ),
        Err(error) => Finding::warn(
            WHAT,
            format!("{error:#}"),
            "only one host can run a deck at a time",
        ),
    }
}

fn plugins(deck: &Deck) -> Vec<Finding> {
    const WHAT: &str = "plugins";
    // Settings that can't be read have a finding of their own.
    let config = deck.config().unwrap_or_default();
    let known = known_modules(&config, &Registry::new());
    let found = match scan(&deck.plugins(), &known) {
        Ok(found) if found.plugins.is_empty() && found.refused.is_empty() => {
            return vec![Finding::warn(
                WHAT,
                "no module in plugins/",
                "run `tickdeck build PATH`",
            )];
        }
        Ok(found) => found,
        Err(error) => {
            return vec![Finding::warn(
                WHAT,
                format!("{error:#}"),
                "run `tickdeck build PATH` in the deck's folder",
            )];
        }
    };
    let compiling = Compiling::of_host(&WasmSettings::default());
    let host = match Runtime::new(compiling.runtime()) {
        Ok(host) => host,
        Err(error) => {
            return vec![Finding::fail(
                WHAT,
                error.to_string(),
                "see the compile cache above",
            )];
        }
    };
    let refused = |refused: &Refused| {
        let why = refused.why.clone();
        Finding::fail(WHAT, why, "build it again, or remove it from plugins/")
    };
    let finding = |plugin: &Plugin| match host.inspect(&plugin.path, &ResourceLimits::default()) {
        Ok(module) => {
            let manifest = &module.manifest;
            let size = format::bytes(module.size as u64);
            Finding::ok(
                WHAT,
                format!(
                    "{} {} ({}, {size})",
                    plugin.name, manifest.version, module.world
                ),
            )
        }
        Err(error) => Finding::fail(
            WHAT,
            error.to_string(),
            "build it again, or remove it from plugins/",
        ),
    };
    let plugins = found.plugins.iter().map(finding);
    plugins.chain(found.refused.iter().map(refused)).collect()
}

fn terminal() -> Finding {
    const WHAT: &str = "terminal";
    /// The size at which the live view shows every column.
    const FULL_SIZE: (u16, u16) = (150, 30);
    if !std::io::stdout().is_terminal() {
        return Finding::ok(WHAT, "none: `run` and `demo` print lines");
    }
    match crossterm::terminal::size() {
        Ok((columns, rows)) if columns >= FULL_SIZE.0 && rows >= FULL_SIZE.1 => {
            Finding::ok(WHAT, format!("{columns} x {rows}"))
        }
        Ok((columns, rows)) => Finding::warn(
            WHAT,
            format!("{columns} x {rows}: the live view leaves out columns"),
            format!(
                "make it {} x {} or larger, or use --plain",
                FULL_SIZE.0, FULL_SIZE.1
            ),
        ),
        Err(error) => Finding::warn(WHAT, format!("unknown size: {error}"), "use --plain"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_has_stable_names() {
        let finding = |level, fix| Finding {
            what: "cores",
            level,
            found: "2".to_owned(),
            fix,
        };
        let checks = vec![
            finding(Level::Ok, None),
            finding(Level::Fail, Some("buy more".to_owned())),
        ];
        assert_eq!(
            serde_json::to_string(&Diagnosis { ok: false, checks }).unwrap(),
            concat!(
                r#"{"ok":false,"checks":[{"what":"cores","level":"ok","found":"2"},"#,
                r#"{"what":"cores","level":"fail","found":"2","fix":"buy more"}]}"#
            )
        );
    }
}
