//! The environment of the commands that build.

use std::process::Command;

/// Variables of a surrounding build (`cargo run`, `cargo clippy`, a coverage tool) that would change the nested one. The
/// toolchain, cargo's home and its network settings stay.
const FOREIGN: [&str; 19] = [
    "RUSTFLAGS",
    "RUSTDOCFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_TARGET_DIR",
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
    "CARGO_PRIMARY_PACKAGE",
    "CARGO_CRATE_NAME",
    "CARGO_BIN_NAME",
    "CARGO_MAKEFLAGS",
    "MAKEFLAGS",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_LINKER",
    "LLVM_PROFILE_FILE",
    "OUT_DIR",
    "TARGET",
];

/// Removes the variables of a surrounding build from a command's environment.
pub(super) fn clean(command: &mut Command) -> &mut Command {
    for name in FOREIGN {
        command.env_remove(name);
    }
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PKG_")
            || name.to_string_lossy().starts_with("CARGO_PROFILE_")
        {
            command.env_remove(name);
        }
    }
    command
}
