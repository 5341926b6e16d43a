//! Holds the workspace to the picture in `docs/ARCHITECTURE.md`.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Every crate of ours and the crates of ours it may depend on.
const ALLOWED: &[(&str, &[&str])] = &[
    ("tickdeck-model", &[]),
    ("tickdeck-ring", &[]),
    ("tickdeck-journal", &["tickdeck-model"]),
    ("tickdeck-export", &[]),
    ("tickdeck-portfolio", &["tickdeck-model"]),
    (
        "tickdeck-engine",
        &[
            "tickdeck-journal",
            "tickdeck-model",
            "tickdeck-portfolio",
            "tickdeck-ring",
        ],
    ),
    ("tickdeck-gateway", &["tickdeck-engine", "tickdeck-model"]),
    (
        "tickdeck-strategy",
        &["tickdeck-engine", "tickdeck-model", "tickdeck-portfolio"],
    ),
    ("tickdeck-control", &[]),
    (
        "tickdeck",
        &[
            "tickdeck-control",
            "tickdeck-engine",
            "tickdeck-export",
            "tickdeck-gateway",
            "tickdeck-journal",
            "tickdeck-model",
            "tickdeck-portfolio",
            "tickdeck-ring",
            "tickdeck-strategy",
        ],
    ),
    ("tickdeck-sdk-derive", &[]),
    ("tickdeck-sdk", &["tickdeck-sdk-derive"]),
    ("ema-cross", &["tickdeck-sdk"]),
    ("market-maker", &["tickdeck-sdk"]),
    ("pairs", &["tickdeck-sdk"]),
    ("signal-follower", &["tickdeck-sdk"]),
];

/// They look at everything from outside.
const FREE: &[&str] = &["tickdeck-tests", "tickdeck-bench", "bench-counter"];

const FOLDERS: &[&str] = &["host", "wit", "sdk", "plugins", "tests", "docs"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ is in the workspace")
}

fn metadata() -> serde_json::Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs the tests, so it can be run");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON")
}

#[test]
fn crates_depend_on_each_other_only_as_the_picture_shows() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    let ours: BTreeSet<&str> = packages
        .iter()
        .map(|package| package["name"].as_str().unwrap())
        .collect();
    let known: BTreeSet<&str> = ALLOWED
        .iter()
        .map(|(name, _)| *name)
        .chain(FREE.iter().copied())
        .collect();
    assert_eq!(
        ours, known,
        "a crate came or went: draw it in docs/ARCHITECTURE.md and list it here"
    );

    for package in packages {
        let name = package["name"].as_str().unwrap();
        let Some((_, allowed)) = ALLOWED.iter().find(|(crate_name, _)| *crate_name == name) else {
            continue;
        };
        for dependency in package["dependencies"].as_array().unwrap() {
            let on = dependency["name"].as_str().unwrap();
            let normal = dependency["kind"].is_null();
            if normal && ours.contains(on) {
                assert!(
                    allowed.contains(&on),
                    "{name} -> {on} is not in the picture"
                );
            }
        }
    }
}

#[test]
fn the_top_level_holds_what_the_card_of_the_project_lists_and_nothing_else() {
    let output = Command::new("git")
        .args(["ls-files"])
        .current_dir(root())
        .output();
    // Without git (an unpacked archive) there is nothing to hold the folder against.
    let Some(output) = output.ok().filter(|output| output.status.success()) else {
        return;
    };
    let files = String::from_utf8(output.stdout).unwrap();
    let top: BTreeSet<&str> = files
        .lines()
        .filter_map(|file| file.split('/').next())
        .collect();
    for name in top {
        let file = [
            "Cargo.toml",
            "Cargo.lock",
            "README.md",
            "LICENSE",
            "CHANGELOG.md",
            "CONTRIBUTING.md",
        ];
        let settings = [
            "deny.toml",
            "clippy.toml",
            "rust-toolchain.toml",
            "tickdeck.toml",
        ];
        let known = name.starts_with('.')
            || FOLDERS.contains(&name)
            || file.contains(&name)
            || settings.contains(&name);
        assert!(known, "`{name}` is new at the top level");
    }
}

#[test]
fn the_table_of_order_states_in_the_docs_is_the_snapshot_of_the_code() {
    let matrix = std::fs::read_to_string(root().join("host/model/src/order.matrix.txt")).unwrap();
    let docs = std::fs::read_to_string(root().join("docs/ORDERS.md")).unwrap();
    let rows: Vec<String> = docs
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.replace('`', ""))
        .collect();
    let expected: Vec<String> = matrix.lines().map(|line| format!("| {line} |")).collect();
    assert_eq!(rows, expected, "copy the new matrix into docs/ORDERS.md");
}
