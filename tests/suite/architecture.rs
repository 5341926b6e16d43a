//! Holds the workspace to the picture in `docs/ARCHITECTURE.md`: the edges between crates, and no circles within one. Tables in the
//! docs are held to what they show.

mod modules;

use modules::{Modules, public_types};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Every crate of ours and the crates of ours it may depend on.
const ALLOWED: &[(&str, &[&str])] = &[
    ("tickdeck-files", &[]),
    ("tickdeck-model", &[]),
    ("tickdeck-ring", &[]),
    ("tickdeck-journal", &["tickdeck-files"]),
    ("tickdeck-tables", &["tickdeck-files"]),
    ("tickdeck-control", &[]),
    ("tickdeck-portfolio", &["tickdeck-model"]),
    (
        "tickdeck-engine",
        &["tickdeck-model", "tickdeck-portfolio", "tickdeck-ring"],
    ),
    (
        "tickdeck-gateway",
        &["tickdeck-engine", "tickdeck-files", "tickdeck-model"],
    ),
    (
        "tickdeck-strategy",
        &[
            "tickdeck-engine",
            "tickdeck-files",
            "tickdeck-model",
            "tickdeck-portfolio",
        ],
    ),
    (
        "tickdeck-settings",
        &[
            "tickdeck-engine",
            "tickdeck-files",
            "tickdeck-journal",
            "tickdeck-model",
        ],
    ),
    (
        "tickdeck-recording",
        &[
            "tickdeck-engine",
            "tickdeck-files",
            "tickdeck-journal",
            "tickdeck-model",
            "tickdeck-tables",
        ],
    ),
    (
        "tickdeck-deck",
        &[
            "tickdeck-control",
            "tickdeck-engine",
            "tickdeck-files",
            "tickdeck-gateway",
            "tickdeck-journal",
            "tickdeck-model",
            "tickdeck-recording",
            "tickdeck-settings",
            "tickdeck-strategy",
        ],
    ),
    ("tickdeck-toolchain", &["tickdeck-journal"]),
    (
        "tickdeck",
        &[
            "tickdeck-control",
            "tickdeck-deck",
            "tickdeck-engine",
            "tickdeck-files",
            "tickdeck-gateway",
            "tickdeck-journal",
            "tickdeck-model",
            "tickdeck-portfolio",
            "tickdeck-recording",
            "tickdeck-ring",
            "tickdeck-settings",
            "tickdeck-strategy",
            "tickdeck-tables",
            "tickdeck-toolchain",
        ],
    ),
    ("tickdeck-sdk-derive", &[]),
    ("tickdeck-sdk", &["tickdeck-sdk-derive"]),
    ("breakout", &["tickdeck-sdk"]),
    ("ema-cross", &["tickdeck-sdk"]),
    ("market-maker", &["tickdeck-sdk"]),
    ("pairs", &["tickdeck-sdk"]),
    ("signal-follower", &["tickdeck-sdk"]),
    ("trend-follower", &["tickdeck-sdk"]),
];

/// What a crate of ours must never see, whatever is between.
const NEVER: &[(&str, &[&str])] = &[
    (
        "tickdeck-recording",
        &["wasmtime", "toml", "tickdeck-gateway"],
    ),
    ("tickdeck-settings", &["wasmtime", "tickdeck-gateway"]),
    ("tickdeck-engine", &["wasmtime", "toml", "serde_json"]),
    ("tickdeck-gateway", &["wasmtime", "toml"]),
    // Demangling takes time without bound on names that a guest chooses.
    (
        "tickdeck-strategy",
        &["cpp_demangle", "rustc-demangle", "toml", "tickdeck-gateway"],
    ),
    ("tickdeck-control", &["wasmtime", "toml"]),
    ("tickdeck-toolchain", &["wasmtime"]),
    ("tickdeck-deck", &["clap", "crossterm", "ratatui", "ctrlc"]),
];

/// Crates whose results depend on nothing but their input: no clock, no file, no network is named in their sources.
const PURE: &[&str] = &["tickdeck-engine", "tickdeck-portfolio", "tickdeck-model"];
const IMPURE: &[&str] = &[
    "Instant::now",
    "SystemTime",
    "std::fs",
    "std::net",
    "std::io",
    "std::process",
];

/// What opens or reads a file, whatever it is; `tickdeck-files` does it with care.
const OPENS: &[&str] = &[
    "File::open(",
    "fs::read(",
    "fs::read_to_string(",
    "File::options()",
    "OpenOptions::new()",
];

/// Where a file is opened without that care: folders that are synced, files of this process's own and of the kernel, and options that
/// `open_plain_with` gets.
const OPENERS: &[&str] = &[
    "tickdeck-deck machine_memory",
    "tickdeck-journal io",
    "tickdeck-journal recover",
    "tickdeck-journal reel",
    "tickdeck-journal segment",
    "tickdeck-journal syncing",
    "tickdeck-journal words",
    "tickdeck-recording data_folder",
    "tickdeck-recording modules",
    "tickdeck-recording usable",
    "tickdeck-strategy cache",
    "tickdeck-strategy compile::idle",
    "tickdeck-strategy private_file",
    "tickdeck-strategy shape::census",
    "tickdeck-strategy watch::open",
    "tickdeck-tables partial",
    "tickdeck cli::machine",
    "tickdeck-toolchain rust",
];

/// A crate whose modules form a circle, the modules, and why it stays.
const CIRCLES: &[(&str, &[&str], &str)] = &[(
    "tickdeck-sdk",
    &["context", "strategy"],
    "a strategy is handed a context of its own type, so the trait and the context name each other",
)];

/// They look at everything from outside.
const FREE: &[&str] = &[
    "tickdeck-tests",
    "tickdeck-bench",
    "tickdeck-fuzz",
    "bench-counter",
];

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

/// Everything that a crate is built with on this platform, without what only tests and builds need.
fn dependencies(name: &str) -> BTreeSet<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--offline", "--edges=normal", "--prefix=none"])
        .args(["--format={p}", "--package", name])
        .current_dir(root())
        .output()
        .expect("cargo runs the tests, so it can be run");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let tree = String::from_utf8(output.stdout).expect("names of packages are UTF-8");
    let packages = tree.lines().filter_map(|line| line.split(' ').next());
    packages.map(str::to_owned).collect()
}

#[test]
fn a_crate_does_not_see_what_its_head_says_it_must_never_see() {
    for (name, never) in NEVER {
        let seen = dependencies(name);
        assert!(seen.contains(*name), "{seen:?}");
        for other in *never {
            assert!(!seen.contains(*other), "{name} must never see {other}");
        }
    }
}

#[test]
fn the_core_names_no_clock_no_file_and_no_network() {
    for (name, source) in sources() {
        if PURE.contains(&name.as_str()) {
            let code = modules::code(&source);
            for impure in IMPURE {
                assert!(!code.contains(impure), "{name} names {impure}");
            }
        }
    }
}

#[test]
fn files_that_somebody_else_may_have_put_there_are_opened_with_care() {
    let mut used = BTreeSet::new();
    for (name, source) in sources() {
        let is_host = source.starts_with(root().join("host"));
        if !is_host || name == "tickdeck-files" {
            continue;
        }
        for (module, code) in modules::code_by_module(&source) {
            let place = format!("{name} {module}");
            if OPENS.iter().any(|opens| code.contains(opens)) {
                let is_listed = OPENERS.contains(&place.as_str());
                assert!(is_listed, "{place} opens a file: use `tickdeck-files`");
                used.insert(place);
            }
        }
    }
    let listed: BTreeSet<String> = OPENERS.iter().map(|place| (*place).to_owned()).collect();
    assert_eq!(used, listed, "a place that opens nothing is not listed");
}

/// The `src` of every crate of ours.
fn sources() -> Vec<(String, std::path::PathBuf)> {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap().iter();
    let source = packages.map(|package| {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap());
        let folder = manifest.parent().expect("a manifest is in a folder");
        let name = package["name"].as_str().unwrap().to_owned();
        (name, folder.join("src"))
    });
    source.filter(|(_, source)| source.exists()).collect()
}

#[test]
fn a_circle_is_found_through_a_re_export_and_not_in_tests() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("lib.rs", "mod a;\nmod b;\nmod c;\npub use a::A;\n");
    write("a.rs", "use crate::b::B;\npub struct A(B);\n");
    write(
        "b.rs",
        "pub struct B;\n#[cfg(test)]\nmod tests { use crate::A; fn f(_: A) {} }\n",
    );
    write("c.rs", "use crate::{A, b::B};\nfn f(_: A, _: B) {}\n");
    let circle = |exempt: &[&str]| {
        let circle = Modules::read(folder.path(), "x").circle(exempt);
        let names = circle.into_iter().flatten().map(|(module, _)| module);
        names.collect::<BTreeSet<String>>()
    };
    let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(circle(&[]), named(&[]));
    write("b.rs", "use crate::A;\npub struct B(Option<Box<A>>);\n");
    assert_eq!(circle(&[]), named(&["a", "b"]));
    // An exempt circle hides no other one, which may share a module with it.
    assert_eq!(circle(&["a", "b"]), named(&[]));
    write("a.rs", "use crate::{b::B, c::C};\npub struct A(B, C);\n");
    write("c.rs", "use crate::b::B;\npub struct C(Option<Box<B>>);\n");
    assert_eq!(circle(&["a", "b"]), named(&["a", "b", "c"]));
}

#[test]
fn the_modules_of_a_crate_form_no_circle() {
    let mut circles = Vec::new();
    for (name, source) in sources() {
        let modules = Modules::read(&source, &name.replace('-', "_"));
        let exempt = CIRCLES.iter().find(|(known, ..)| *known == name);
        let exempt = exempt.map_or(&[][..], |(_, exempt, _)| *exempt);
        assert!(
            exempt.is_empty() || modules.circle(&[]).is_some(),
            "{name} forms no circle any more: remove it from CIRCLES"
        );
        if let Some(circle) = modules.circle(exempt) {
            let steps = circle
                .iter()
                .map(|(module, takes)| format!("{module} takes `{takes}` from "));
            circles.push(format!(
                "{name}: {}{}",
                steps.collect::<String>(),
                circle[0].0
            ));
        }
    }
    assert!(
        circles.is_empty(),
        "modules go round in a circle; move what ties them into a file of its own:\n{}",
        circles.join("\n")
    );
}

#[test]
fn no_two_public_types_of_the_host_share_a_name() {
    let mut defined = BTreeMap::<String, Vec<String>>::new();
    for (name, source) in sources() {
        if source.starts_with(root().join("host")) {
            for public in public_types(&source) {
                defined.entry(public).or_default().push(name.clone());
            }
        }
    }
    defined.retain(|_, crates| crates.len() > 1);
    assert!(defined.is_empty(), "one name, several types: {defined:?}");
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
