//! Builds strategy crates to WebAssembly and installs the modules in a plugins folder.

mod cargo;
mod diagnostic;
mod environment;
mod job;
mod stale;
mod target;

pub use job::{Failure, Job, Outcome, Project};
pub use stale::out_of_date;
pub use target::{WASM_TARGET, ensure_wasm_target, wasm_target_present};
use tickdeck_journal::atomic_file::install;

use anyhow::{Context, Result, bail};
use cargo::Package;
use std::path::{Path, PathBuf};

/// A request to build.
#[derive(Debug, Clone)]
pub struct Build {
    /// Folders of strategy crates.
    pub crates: Vec<PathBuf>,
    /// The folder for the modules.
    pub out: PathBuf,
    /// Whether to build for the world `strategy-bytes`.
    pub bytes: bool,
}

/// A built module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The package's name.
    pub name: String,
    /// The module's file.
    pub file: PathBuf,
}

/// Builds every crate, those of one workspace together.
///
/// # Errors
/// A folder is not a crate, the wasm target is missing and cannot be added, or the build fails; the compiler's messages go
/// to standard error.
pub fn build(build: &Build) -> Result<Vec<Built>> {
    let mut groups: Vec<(PathBuf, Vec<Package>)> = Vec::new();
    for path in &build.crates {
        let (root, package) = cargo::package(path)?;
        match groups.iter_mut().find(|(known, _)| *known == root) {
            Some((_, packages)) => packages.push(package),
            None => groups.push((root, vec![package])),
        }
    }
    let mut built = Vec::new();
    for (root, packages) in &groups {
        ensure_wasm_target(root)?;
        for (package, wasm) in cargo::compile(root, packages, build.bytes)? {
            built.push(install_module(&package, &wasm, &build.out)?);
        }
    }
    Ok(built)
}

fn install_module(package: &str, wasm: &Path, out: &Path) -> Result<Built> {
    let file = out.join(format!("{package}.wasm"));
    let bytes = std::fs::read(wasm).with_context(|| {
        format!(
            "cannot read the module that cargo built, {}",
            wasm.display()
        )
    })?;
    install(&file, &bytes)?;
    Ok(Built {
        name: package.to_owned(),
        file,
    })
}

/// Returns the example plugins of a repository: every crate directly below `plugins/`.
///
/// # Errors
/// The folder cannot be read, or contains no crate.
pub fn examples(plugins: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(plugins)
        .with_context(|| format!("cannot read the folder {}", plugins.display()))?;
    let mut crates: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.join("Cargo.toml").is_file())
        .collect();
    crates.sort();
    if crates.is_empty() {
        bail!("there is no strategy crate in {}", plugins.display());
    }
    Ok(crates)
}
