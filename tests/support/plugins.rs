//! The repository's own files that tests use: the example plugins, built once, and a sample of a capture.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tickdeck_toolchain::rust::{Build, build, examples};

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ is in the repository")
}

/// The beginning of a real capture, kept in the repository.
pub(crate) fn sample() -> PathBuf {
    root().join("host/gateway/tests/data/btcusdt_sample.gz")
}

/// The example plugins as modules of the world `strategy`, built once.
pub(crate) fn plugins() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| built("target/test-plugins", false))
}

/// The same plugins as modules of the world `strategy-bytes`.
pub(crate) fn bytes_plugins() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        plugins(); // One build at a time.
        built("target/test-plugins-bytes", true)
    })
}

fn built(out: &str, bytes: bool) -> PathBuf {
    let out = root().join(out);
    std::fs::create_dir_all(&out).unwrap();
    let crates = examples(&root().join("plugins")).unwrap();
    let built = build(&Build {
        crates,
        out: out.clone(),
        bytes,
    });
    built.unwrap_or_else(|error| panic!("the example plugins do not build: {error:#}"));
    out
}

pub(crate) const EXAMPLES: [&str; 6] = [
    "breakout",
    "ema-cross",
    "market-maker",
    "pairs",
    "signal-follower",
    "trend-follower",
];

/// Modules of a folder by name.
pub(crate) fn modules(folder: &Path, names: &[&str]) -> Vec<PathBuf> {
    names
        .iter()
        .map(|name| folder.join(format!("{name}.wasm")))
        .collect()
}

/// The bytes of an example plugin in the world `strategy`.
pub(crate) fn module(name: &str) -> Vec<u8> {
    std::fs::read(plugins().join(format!("{name}.wasm"))).unwrap()
}
