//! Finds a checkout of tickdeck on this machine, from which the examples and the SDK are built.

use std::path::{Path, PathBuf};

/// A checkout of tickdeck.
#[derive(Debug, Clone)]
pub(super) struct Repository {
    root: PathBuf,
}

impl Repository {
    /// Returns the checkout that contains the current folder, or else the one in which this binary was built.
    pub(super) fn find() -> Option<Self> {
        let here = std::env::current_dir().ok();
        let around = here
            .iter()
            .flat_map(|here| here.ancestors())
            .find(|folder| is_checkout(folder))
            .map(Path::to_owned);
        around.or_else(built_in).map(|root| Self { root })
    }

    /// Returns the root folder.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the folder of the examples and their modules.
    pub(super) fn plugins(&self) -> PathBuf {
        self.root.join("plugins")
    }

    /// Returns the folder of the Rust SDK.
    pub(super) fn sdk(&self) -> PathBuf {
        self.root.join("sdk/rust")
    }

    /// Returns the sources that every example is built from, apart from its own folder.
    pub(super) fn plugin_sources(&self) -> Vec<PathBuf> {
        vec![
            self.sdk(),
            self.root.join("wit"),
            self.root.join("Cargo.lock"),
        ]
    }
}

fn built_in() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2)?;
    is_checkout(root).then(|| root.to_owned())
}

fn is_checkout(folder: &Path) -> bool {
    ["wit/worlds.wit", "sdk/rust/Cargo.toml", "plugins"]
        .iter()
        .all(|part| folder.join(part).exists())
        && folder.join("Cargo.toml").is_file()
}
