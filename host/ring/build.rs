//! Tells rustc that `cfg(loom)` is intentional: the lint tables of the workspace cannot be extended here.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(loom)");
    println!("cargo::rerun-if-changed=build.rs");
}
