//! What the toolchain of every language really emits, held against the allow-list of proposals and the limits on shape.
//!
//! The modules are those of `tests/toolchains`; what they need is in `census.txt` there, which stands for a module that is too
//! large to be committed. The suite loads and runs them.

use super::*;
use crate::limits::{ResourceLimits, TABLE_ELEMENT};
use crate::load::{MAX_MODULE, check};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::PathBuf;
use tickdeck_model::ModuleHash;
use wasmtime::WasmFeatures;

/// The languages whose toolchains a strategy may be built with; Rust's modules are built by the suite itself.
const TOOLCHAINS: [&str; 6] = ["assemblyscript", "c", "go", "javascript", "python", "zig"];

const BLESS: &str = "TICKDECK_BLESS";

/// Bytes of a page of memory.
const PAGE: u64 = 64 << 10;

/// Values by dimension, as text.
type Needs = BTreeMap<String, String>;

fn folder() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/toolchains"
    ))
}

fn gunzipped(bytes: &[u8]) -> Vec<u8> {
    let mut module = Vec::new();
    flate2::read::GzDecoder::new(bytes)
        .read_to_end(&mut module)
        .unwrap();
    module
}

/// The module of a toolchain, if it is committed; or, if asked for, built by `tests/toolchains/build` and kept out of the
/// repository.
fn module(toolchain: &str, or_built: bool) -> Option<Vec<u8>> {
    let read = |file: String| std::fs::read(folder().join(file)).ok();
    let built = || read(format!("out/{toolchain}.wasm")).filter(|_| or_built);
    read(format!("modules/{toolchain}.wasm"))
        .or_else(|| Some(gunzipped(&read(format!("modules/{toolchain}.wasm.gz"))?)))
        .or_else(built)
}

/// Everything that loading a module depends on.
fn measure(bytes: &[u8]) -> Needs {
    let checked = check(bytes, "x.wasm").unwrap();
    let mut walk = Walk::default();
    assert!(walk.read(&checked.component).is_ok());
    let Largest {
        functions,
        locals,
        operands,
        blocks,
        components: nesting,
    } = walk.largest;
    let Footprint {
        instances,
        components,
        memories,
        tables,
        globals,
        items: _,
    } = walk.whole;
    let numbers = [
        ("bytes", bytes.len() as u64),
        ("functions", functions),
        ("locals", locals),
        ("operands", operands),
        ("blocks", blocks),
        ("nesting", nesting),
        ("instances", instances),
        ("components", components),
        ("memories", memories),
        ("tables", tables),
        ("globals", globals),
        (
            "memory",
            walk.whole.bytes() as u64 + linear(&checked.component),
        ),
    ];
    let numbers = numbers.map(|(dimension, number)| (dimension, number.to_string()));
    let texts = [
        ("hash", ModuleHash::of(bytes).to_string()),
        ("proposals", proposals(&checked.component).join(" ")),
    ];
    let needs = numbers.into_iter().chain(texts);
    needs
        .map(|(dimension, value)| (dimension.to_owned(), value))
        .collect()
}

/// Bytes that memories and tables have from the beginning.
fn linear(component: &[u8]) -> u64 {
    let mut sum = 0;
    for payload in Parser::new(0).parse_all(component) {
        match payload.unwrap() {
            Payload::MemorySection(memories) => {
                sum += memories
                    .into_iter()
                    .map(|one| one.unwrap().initial * PAGE)
                    .sum::<u64>();
            }
            Payload::TableSection(tables) => {
                let elements = tables.into_iter().map(|one| one.unwrap().ty.initial);
                sum += elements.sum::<u64>() * TABLE_ELEMENT as u64;
            }
            _ => {}
        }
    }
    sum
}

/// The proposals without which a module is not valid.
fn proposals(component: &[u8]) -> Vec<String> {
    let without = |features| Validator::new_with_features(features).validate_all(component);
    let needed = ALLOWED
        .iter_names()
        .filter(|(_, one)| without(ALLOWED.difference(*one)).is_err());
    needed.map(|(name, _)| name.to_owned()).collect()
}

/// Lines of a toolchain, a dimension and a value.
fn read(census: &str) -> BTreeMap<String, Needs> {
    let mut by_toolchain = BTreeMap::<String, Needs>::new();
    for line in census.lines() {
        let mut words = line.splitn(3, ' ');
        let mut word = || words.next().unwrap().to_owned();
        let (toolchain, dimension, value) = (word(), word(), word());
        let needs = by_toolchain.entry(toolchain).or_default();
        needs.insert(dimension, value);
    }
    by_toolchain
}

fn census() -> BTreeMap<String, Needs> {
    read(&std::fs::read_to_string(folder().join("census.txt")).unwrap_or_default())
}

#[test]
fn the_census_is_that_of_the_modules() {
    let is_blessed = std::env::var_os(BLESS).is_some();
    let mut found = census();
    for toolchain in TOOLCHAINS {
        if let Some(bytes) = module(toolchain, is_blessed) {
            found.insert(toolchain.to_owned(), measure(&bytes));
        }
    }
    if is_blessed {
        let lines = found.iter().flat_map(|(toolchain, needs)| {
            needs
                .iter()
                .map(move |(dimension, value)| format!("{toolchain} {dimension} {value}\n"))
        });
        std::fs::write(folder().join("census.txt"), lines.collect::<String>()).unwrap();
    }
    assert_eq!(
        found,
        census(),
        "run with {BLESS}=1 to accept the new census"
    );
    assert!(
        found.keys().eq(TOOLCHAINS),
        "a toolchain is missing or unknown: {:?}",
        found.keys()
    );
}

#[test]
fn what_the_toolchains_emit_is_within_the_default_limits() {
    let limit = |dimension: &str| match dimension {
        "bytes" => MAX_MODULE as u64,
        "functions" => FUNCTIONS,
        "locals" => LOCALS,
        "operands" => OPERANDS,
        "blocks" => BLOCKS,
        "nesting" => COMPONENTS,
        "instances" => MAX_INSTANCES,
        "components" => MAX_COMPONENTS,
        "memories" => MAX_MEMORIES,
        "tables" => MAX_TABLES,
        "globals" => GLOBALS,
        "memory" => ResourceLimits::default().memory_bytes() as u64,
        _ => panic!("`{dimension}` has no limit"),
    };
    for (toolchain, mut needs) in census() {
        needs.retain(|dimension, _| dimension != "hash" && dimension != "proposals");
        assert_eq!(needs.len(), 12, "{toolchain}");
        for (dimension, number) in needs {
            let (number, limit) = (number.parse::<u64>().unwrap(), limit(&dimension));
            assert!(
                number <= limit,
                "{toolchain}: {dimension}: {number} of {limit}"
            );
        }
    }
}

#[test]
fn the_proposals_that_the_toolchains_emit_are_allowed() {
    let mut emitted = BTreeSet::new();
    for (toolchain, needs) in census() {
        for name in needs["proposals"].split(' ') {
            let flag = WasmFeatures::from_name(name).unwrap();
            assert!(ALLOWED.contains(flag), "{toolchain} emits {name}");
            emitted.insert(name.to_owned());
        }
    }
    let allowed = ALLOWED.iter_names().map(|(name, _)| name.to_owned());
    assert_eq!(emitted, allowed.collect(), "allowed, but emitted by none");
}
