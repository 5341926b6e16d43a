//! The compiler's WebAssembly target: detects it, and adds it with rustup.

use super::environment::clean;
use anyhow::{Result, bail};
use std::path::Path;
use std::process::{Command, Stdio};

/// The target of strategies: it has no system interface at all.
pub const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// Returns whether the toolchain that is active in `folder` has the target.
pub fn wasm_target_present(folder: &Path) -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = clean(&mut Command::new(rustc))
        .args(["--print", "target-libdir", "--target", WASM_TARGET])
        .current_dir(folder)
        .stderr(Stdio::null())
        .output();
    output.is_ok_and(|output| {
        let folder = String::from_utf8_lossy(&output.stdout);
        output.status.success() && Path::new(folder.trim()).is_dir()
    })
}

/// Adds the target to the toolchain that is active in `folder`, if it is missing.
///
/// # Errors
/// There is no rustup, or it fails; the error says what to run.
pub fn ensure_wasm_target(folder: &Path) -> Result<()> {
    if wasm_target_present(folder) {
        return Ok(());
    }
    eprintln!("adding the compiler's target {WASM_TARGET} (rustup target add {WASM_TARGET})");
    let status = clean(&mut Command::new("rustup"))
        .args(["target", "add", WASM_TARGET])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() && wasm_target_present(folder) => Ok(()),
        Ok(_) => bail!(
            "the Rust toolchain has no target {WASM_TARGET} and rustup could not add it; \
             run `rustup target add {WASM_TARGET}` in {} to see why",
            folder.display()
        ),
        Err(error) => bail!(
            "the Rust toolchain has no target {WASM_TARGET} and rustup did not start ({error}); install the target \
             from your system's packages, or Rust from https://rustup.rs and run `rustup target add {WASM_TARGET}`"
        ),
    }
}
