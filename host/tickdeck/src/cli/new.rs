//! `tickdeck new`: creates the crate of a new strategy.

use super::repository::Repository;
use crate::output::print;
use anyhow::{Context, Result};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tickdeck_model::Untrusted;
use tickdeck_toolchain::scaffold::{Sdk, check_name, scaffold};

/// Create the crate of a new strategy, with a passing test.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tickdeck new my-strategy
  tickdeck new my-strategy --path ~/strategies/my-strategy")]
pub(super) struct New {
    /// The strategy's name: lower-case letters, digits and dashes
    name: String,
    /// The folder to create [default: plugins/NAME in a checkout of tickdeck, otherwise NAME]
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
}

impl New {
    pub(super) fn run(self) -> Result<ExitCode> {
        check_name(&self.name)?;
        let here = std::env::current_dir().context("cannot determine the current folder")?;
        let repository = Repository::find();
        let inside = repository
            .as_ref()
            .filter(|repository| here.starts_with(repository.root()));
        let folder = match (self.path, inside) {
            (Some(path), _) => here.join(path),
            (None, Some(repository)) => repository.plugins().join(&self.name),
            (None, None) => here.join(&self.name),
        };
        let sdk = sdk(&folder, repository.as_ref());
        let files = scaffold(&self.name, &folder, &sdk)?;
        let list: String = files
            .iter()
            .map(|file| relative(file, &here) + "\n")
            .collect();
        let crate_folder = relative(&folder, &here);
        print(&format!(
            "{list}\nnext:\n  (cd {crate_folder} && cargo test)\n  tickdeck dev {crate_folder}\n  tickdeck build {crate_folder}\n"
        ))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Chooses how the new crate refers to the SDK: by the checkout's workspace, by path, or by where it is published.
fn sdk(folder: &Path, repository: Option<&Repository>) -> Sdk {
    match repository {
        Some(repository) if folder.parent() == Some(repository.plugins().as_path()) => {
            Sdk::Workspace
        }
        Some(repository) => Sdk::Path(repository.sdk()),
        None => Sdk::Git,
    }
}

fn relative(path: &Path, here: &Path) -> String {
    Untrusted::path(path.strip_prefix(here).unwrap_or(path)).to_string()
}
