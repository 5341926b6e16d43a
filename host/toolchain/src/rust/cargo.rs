//! Runs cargo: reads the metadata of a crate, and compiles it.

use super::diagnostic::Diagnostic;
use super::environment::clean;
use super::target::WASM_TARGET;
use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;
use std::ffi::OsString;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where a deck and a repository keep strategies.
const PLUGINS: &str = "plugins";

/// How strategies are compiled, whatever the workspace's own profile says.
const PROFILE: [(&str, &str); 5] = [
    ("CARGO_PROFILE_RELEASE_LTO", "true"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3"),
    ("CARGO_PROFILE_RELEASE_STRIP", "debuginfo"),
    ("CARGO_PROFILE_RELEASE_PANIC", "abort"),
];

/// The feature that makes the SDK export the world `strategy-bytes`.
const BYTES_FEATURE: &str = "tickdeck-sdk/bytes";

/// A crate that can be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) name: String,
    /// The Cargo.toml, which identifies it in cargo's messages even if the version changes.
    manifest: PathBuf,
    /// Names of its dependencies.
    pub(super) depends_on: Vec<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct MetadataPackage {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<MetadataTarget>,
    dependencies: Vec<MetadataDependency>,
}

#[derive(Deserialize)]
struct MetadataDependency {
    name: String,
}

#[derive(Deserialize)]
struct MetadataTarget {
    crate_types: Vec<String>,
}

/// A line of `cargo build --message-format json`.
#[derive(Deserialize)]
pub(super) struct Message {
    pub(super) reason: String,
    #[serde(default)]
    manifest_path: PathBuf,
    #[serde(default)]
    filenames: Vec<PathBuf>,
    /// The compiler's message.
    pub(super) message: Option<Diagnostic>,
}

fn cargo() -> Command {
    let mut command =
        Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    clean(&mut command);
    command
}

/// Returns the crate in the folder `path` and the root of its workspace.
pub(super) fn package(path: &Path) -> Result<(PathBuf, Package)> {
    let manifest = if path.ends_with("Cargo.toml") {
        path.to_owned()
    } else {
        path.join("Cargo.toml")
    };
    if !manifest.is_file() {
        let inside = Path::new(PLUGINS).join(path);
        let suggestion = match inside.join("Cargo.toml").is_file() {
            true => format!("; did you mean {}?", inside.display()),
            false => String::new(),
        };
        bail!(
            "{} is not a Rust crate: there is no {}{suggestion}",
            path.display(),
            manifest.display()
        );
    }
    let manifest = manifest
        .canonicalize()
        .with_context(|| format!("cannot find {}", manifest.display()))?;
    let folder = manifest.parent().unwrap_or(Path::new("/"));
    let metadata = metadata(&manifest, folder)?;
    let found = metadata
        .packages
        .into_iter()
        .find(|package| package.manifest_path == manifest);
    let package = found.ok_or_else(|| {
        anyhow!(
            "{} is a workspace, not a crate: name the folder of a strategy in it",
            manifest.display()
        )
    })?;
    if !package
        .targets
        .iter()
        .any(|target| target.crate_types.iter().any(|kind| kind == "cdylib"))
    {
        bail!(
            "{} builds no module: add `crate-type = [\"cdylib\", \"rlib\"]` to its [lib]",
            manifest.display()
        );
    }
    Ok((
        metadata.workspace_root,
        Package {
            name: package.name,
            manifest,
            depends_on: package
                .dependencies
                .into_iter()
                .map(|one| one.name)
                .collect(),
        },
    ))
}

/// Returns cargo's metadata of a manifest, read in `folder`.
fn metadata(manifest: &Path, folder: &Path) -> Result<Metadata> {
    let output = cargo()
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--manifest-path",
        ])
        .arg(manifest)
        .current_dir(folder)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo; install Rust from https://rustup.rs")?;
    if !output.status.success() {
        bail!(
            "cargo cannot read {}: see its messages above",
            manifest.display()
        );
    }
    serde_json::from_slice(&output.stdout).context("cannot read the output of `cargo metadata`")
}

/// Builds the command that compiles packages of one workspace and writes messages of `format` to its piped output.
pub(super) fn command(root: &Path, packages: &[Package], bytes: bool, format: &str) -> Command {
    let mut command = cargo();
    command.args(["build", "--release", "--lib", "--target", WASM_TARGET]);
    command.args(["--message-format", format]);
    command.arg("--target-dir").arg(root.join("target/plugins"));
    for package in packages {
        command.args(["-p", &package.name]);
    }
    if bytes {
        command.args(["--features", BYTES_FEATURE]);
    }
    command
        .envs(PROFILE)
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

/// Compiles packages of one workspace, and returns each package's name and module.
pub(super) fn compile(
    root: &Path,
    packages: &[Package],
    bytes: bool,
) -> Result<Vec<(String, PathBuf)>> {
    let mut child = command(root, packages, bytes, "json-render-diagnostics")
        .stderr(Stdio::inherit())
        .spawn()
        .context("cannot start cargo; install Rust from https://rustup.rs")?;
    let stdout = child.stdout.take().expect("the output was piped above");
    let messages: Vec<Message> = serde_json::Deserializer::from_reader(BufReader::new(stdout))
        .into_iter::<Message>()
        .collect::<Result<_, _>>()
        .context("cannot read the output of `cargo build`")?;
    let names: Vec<&str> = packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    if !child.wait().context("cannot wait for cargo")?.success() {
        bail!(
            "cargo could not build {}: see its messages above",
            names.join(", ")
        );
    }
    packages
        .iter()
        .map(|package| Ok((package.name.clone(), module(package, &messages)?)))
        .collect()
}

/// Finds the module of a package in cargo's messages.
pub(super) fn module(package: &Package, messages: &[Message]) -> Result<PathBuf> {
    let is_artifact = |message: &&Message| {
        message.reason == "compiler-artifact" && message.manifest_path == package.manifest
    };
    messages
        .iter()
        .filter(is_artifact)
        .flat_map(|message| &message.filenames)
        .find(|file| {
            file.extension()
                .is_some_and(|extension| extension == "wasm")
        })
        .cloned()
        .ok_or_else(|| anyhow!("cargo built {} but reported no .wasm file", package.name))
}
