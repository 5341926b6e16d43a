//! `tickdeck build`: compiles a strategy's crate to a module in the plugins folder.

use super::module::{self, Module};
use crate::output::{print, print_json};
use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use tickdeck_deck::compiling::Compiling;
use tickdeck_deck::folder::PLUGINS;
use tickdeck_settings::config::WasmSettings;
use tickdeck_settings::signature::signer_of;
use tickdeck_strategy::{ResourceLimits, Runtime};
use tickdeck_toolchain::rust;

/// Build strategies and install their modules in the plugins folder.
///
/// Adds the WebAssembly target with rustup if it is missing. Each module is installed atomically, and then checked as by
/// `tickdeck check`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tickdeck build plugins/ema-cross
  tickdeck build my-strategy --out ~/decks/btc/plugins
  tickdeck build plugins/*/")]
pub(super) struct Build {
    /// Folders of strategy crates
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The plugins folder
    #[arg(long, value_name = "DIR", default_value = PLUGINS)]
    out: PathBuf,
    /// Build for the world `strategy-bytes`, which passes events as bytes
    #[arg(long)]
    bytes: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The JSON output.
#[derive(Debug, Serialize)]
struct Modules {
    modules: Vec<Module>,
}

impl Build {
    pub(super) fn run(self) -> Result<ExitCode> {
        let built = rust::build(&rust::Build {
            crates: self.paths,
            out: self.out,
            bytes: self.bytes,
        })?;
        let host = Runtime::new(Compiling::of_host(&WasmSettings::default()).runtime())?;
        let mut modules = Vec::new();
        for module in built {
            let inspection = host
                .inspect(&module.file, &ResourceLimits::default())
                .with_context(|| {
                    format!("{} was built, but the host does not accept it", module.name)
                })?;
            if !self.json {
                print(&format!("{}\n", module::line(&module.file, &inspection)))?;
            }
            let signer = signer_of(&module.file);
            modules.push(module::module(&module.file, &inspection, &signer));
        }
        if self.json {
            print_json(&Modules { modules })?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
