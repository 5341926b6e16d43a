//! Turns the bytes of a file into a component that follows the contract, checked by its names before anything is
//! compiled.

use crate::contract::{PACKAGE, World, is_supported, of_contract};
use crate::error::LoadError;
use crate::footprint::Footprint;
use crate::shape::validate;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::io::ErrorKind;
use std::path::Path;
use tickdeck_files::read_bounded;
use tickdeck_model::Untrusted;
use tickdeck_model::untrusted::one_line;
use wasmparser::{Encoding, Parser, Payload};

/// Maximum size of a module file in bytes. The largest interpreter (Python) has 18 MiB.
pub const MAX_MODULE: usize = 64 << 20;

/// The interfaces that a strategy may import: three to call, and the three of types that those use.
const IMPORTS: [&str; 6] = ["log", "store", "instruments", "types", "events", "actions"];

const LIFECYCLE: &str = "lifecycle";
const HOT: &str = "hot";
const HOT_BYTES: &str = "hot-bytes";

/// What is known about a module from its imports, its exports and its sections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shape {
    pub(crate) world: World,
    /// The contract version it was built for.
    pub(crate) contract: String,
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
    /// What an instance of it costs the host.
    pub(crate) footprint: Footprint,
}

/// A component and its shape.
pub(crate) struct Checked<'a> {
    pub(crate) component: Cow<'a, [u8]>,
    pub(crate) shape: Shape,
}

/// Reads a module's file, at most [`MAX_MODULE`] bytes of it.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    let file = Untrusted::path(path).to_string();
    let failed = |error: std::io::Error| LoadError::Read {
        file: file.clone(),
        problem: error.to_string(),
    };
    read_bounded(path, MAX_MODULE as u64).map_err(|error| match error.kind() {
        ErrorKind::FileTooLarge => too_large(&file),
        _ => failed(error),
    })
}

/// Refuses a file that is larger than any module may be.
pub(crate) fn check_size(bytes: &[u8], file: &str) -> Result<(), LoadError> {
    match bytes.len() <= MAX_MODULE {
        true => Ok(()),
        false => Err(too_large(file)),
    }
}

pub(crate) fn too_large(file: &str) -> LoadError {
    LoadError::TooLarge {
        file: file.to_owned(),
        limit_mib: MAX_MODULE >> 20,
    }
}

/// Checks everything that can be checked without compiling, the cheapest first, and wraps a core module into a component.
pub(crate) fn check<'a>(bytes: &'a [u8], file: &str) -> Result<Checked<'a>, LoadError> {
    check_size(bytes, file)?;
    check_magic(bytes, file)?;
    let names = names(bytes, file)?;
    refuse_foreign(&names.imports, file)?;
    let (component, names) = match names.encoding {
        Encoding::Component => (Cow::Borrowed(bytes), names),
        Encoding::Module => {
            validate(bytes, file)?;
            let component = encode(bytes, &names, file)?;
            let names = self::names(&component, file)?;
            refuse_foreign(&names.imports, file)?;
            (Cow::Owned(component), names)
        }
    };
    let (world, contract) = declared(&names, file)?;
    let footprint = validate(&component, file)?;
    let shape = Shape {
        world,
        contract,
        imports: names.imports,
        exports: names.exports,
        footprint,
    };
    Ok(Checked { component, shape })
}

pub(crate) fn check_magic(bytes: &[u8], file: &str) -> Result<(), LoadError> {
    let text_start = bytes.trim_ascii_start();
    let found = if bytes.starts_with(b"\0asm") {
        return Ok(());
    } else if bytes.is_empty() {
        "the file is empty: build or copy it again"
    } else if text_start.starts_with(b"(component") || text_start.starts_with(b"(module") {
        "it is in the text format: convert it with `wasm-tools parse`"
    } else if bytes.starts_with(b"\x7fELF") {
        "it is machine code, which is never loaded: give the .wasm file that it was compiled from"
    } else if bytes.starts_with(b"#!") || text_start.starts_with(b"<") {
        "it is a text file: give the .wasm file that the build wrote"
    } else {
        "its first bytes are not `\\0asm`: give the .wasm file that the build wrote"
    };
    Err(LoadError::NotWasm {
        file: file.to_owned(),
        found: found.to_owned(),
    })
}

/// Imports and exports of the outermost module or component.
struct Names {
    encoding: Encoding,
    imports: Vec<String>,
    exports: Vec<String>,
    has_component_type: bool,
}

/// Reads the whole binary, so that a truncated file is detected here.
fn names(bytes: &[u8], file: &str) -> Result<Names, LoadError> {
    read_names(bytes).map_err(|error| LoadError::Damaged {
        file: file.to_owned(),
        offset: error.offset(),
        problem: one_line(error.message()),
    })
}

fn read_names(bytes: &[u8]) -> Result<Names, wasmparser::BinaryReaderError> {
    let mut names = Names {
        encoding: Encoding::Module,
        imports: Vec::new(),
        exports: Vec::new(),
        has_component_type: false,
    };
    let mut depth = 0u32;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::Version { encoding, .. } => {
                depth += 1;
                if depth == 1 {
                    names.encoding = encoding;
                }
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            _ if depth > 1 => {}
            Payload::ComponentImportSection(section) => {
                for import in section {
                    names.imports.push(import?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    names.exports.push(export?.name.name.to_owned());
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    names.imports.push(import?.module.to_owned());
                }
            }
            // `tickdeck:strategy/hot@0.1.0#on-events`
            Payload::ExportSection(section) => {
                for export in section {
                    if let Some((interface, _function)) = export?.name.split_once('#') {
                        names.exports.push(interface.to_owned());
                    }
                }
            }
            Payload::CustomSection(section) => {
                names.has_component_type |= crate::encode::is_type_section(section.name());
            }
            _ => {}
        }
    }
    names.imports.sort();
    names.imports.dedup();
    names.exports.dedup();
    Ok(names)
}

fn encode(bytes: &[u8], names: &Names, file: &str) -> Result<Vec<u8>, LoadError> {
    if !names.has_component_type {
        return Err(LoadError::NoComponentType {
            file: file.to_owned(),
        });
    }
    let (world, contract) = declared(names, file)?;
    let encoded = crate::encode::encode(bytes, &contract, world);
    encoded.map_err(|problem| LoadError::Encode {
        file: file.to_owned(),
        problem,
    })
}

fn refuse_foreign(imports: &[String], file: &str) -> Result<(), LoadError> {
    let mut offenders = Vec::new();
    for import in imports {
        match of_contract(import) {
            Some((_, version)) if !is_supported(version) => {
                return Err(LoadError::OtherContract {
                    file: file.to_owned(),
                    found: Untrusted::new(version).to_string(),
                });
            }
            Some((interface, _)) if IMPORTS.contains(&interface) => {}
            _ => offenders.push(Untrusted::new(import).to_string()),
        }
    }
    if offenders.is_empty() {
        return Ok(());
    }
    let advice = advice(&offenders);
    Err(LoadError::ForeignImports {
        file: file.to_owned(),
        offenders,
        advice: advice.to_owned(),
    })
}

fn advice(offenders: &[String]) -> &'static str {
    if offenders.iter().any(|import| import.starts_with("wasi")) {
        "strategies have no WASI: build Rust for wasm32-unknown-unknown (not wasm32-wasip1 or wasm32-wasip2), Python \
         and JavaScript with --stub-wasi, Go with the SDK's stub adapter"
    } else if offenders.iter().any(|import| import.starts_with(PACKAGE)) {
        "this host provides log, store and instruments: rebuild it with the SDK of this host's version"
    } else {
        "a strategy may import only log, store and instruments of tickdeck:strategy: no clock, no files, no network"
    }
}

/// The world that it exports, and the contract version that it was built for.
fn declared(names: &Names, file: &str) -> Result<(World, String), LoadError> {
    let mut ours = Vec::new();
    for (interface, version) in names.exports.iter().filter_map(|name| of_contract(name)) {
        if !is_supported(version) {
            return Err(LoadError::OtherContract {
                file: file.to_owned(),
                found: Untrusted::new(version).to_string(),
            });
        }
        ours.push((interface, version));
    }
    let version_of = |wanted: &str| {
        let found = ours.iter().find(|(interface, _)| *interface == wanted);
        found.map(|(_, version)| (*version).to_owned())
    };
    let missing = |missing: &str| LoadError::NoWorld {
        file: file.to_owned(),
        missing: missing.to_owned(),
    };
    let contract = version_of(LIFECYCLE).ok_or_else(|| missing("`lifecycle`"))?;
    let world = match (version_of(HOT), version_of(HOT_BYTES)) {
        (Some(_), _) => World::Strategy,
        (None, Some(_)) => World::StrategyBytes,
        (None, None) => return Err(missing("`hot` or `hot-bytes`")),
    };
    Ok((world, contract))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(bytes: &[u8]) -> String {
        check(bytes, "x.wasm").err().unwrap().to_string()
    }

    #[test]
    fn each_kind_of_non_module_is_named() {
        for (bytes, part) in [
            (&b""[..], "empty"),
            (b"(component)", "wasm-tools parse"),
            (b"\x7fELF\x02\x01", "machine code"),
            (b"<!DOCTYPE html>", "text file"),
            (b"\xff\xfe\0\0noise", "`\\0asm`"),
        ] {
            let text = refused(bytes);
            assert!(
                text.starts_with("x.wasm: is not a WebAssembly module: ") && text.contains(part),
                "{text}"
            );
        }
    }

    #[test]
    fn a_core_module_must_carry_its_contract() {
        let bare = wat::parse_str("(module)").unwrap();
        assert!(refused(&bare).contains("no `component-type` section"));
        let wasi = r#"(module (import "wasi_snapshot_preview1" "fd_write" (func)) (import "env" "x" (func)))"#;
        let text = refused(&wat::parse_str(wasi).unwrap());
        assert!(
            text.contains("env, wasi_snapshot_preview1; strategies have no WASI"),
            "{text}"
        );
    }

    #[test]
    fn a_component_is_checked_by_its_names() {
        let refused_component = |text: &str| refused(&wat::parse_str(text).unwrap());
        let text = refused_component(r#"(component (import "wasi:cli/stdout@0.2.6" (instance)))"#);
        assert!(
            text.contains(
                "imports interfaces that strategies are not given: wasi:cli/stdout@0.2.6; "
            ),
            "{text}"
        );
        let text =
            refused_component(r#"(component (import "tickdeck:strategy/log@0.2.0" (instance)))"#);
        assert!(
            text.contains("was built for contract 0.2.0, but this host supports 0.1.0"),
            "{text}"
        );
        let text = refused_component(
            r#"(component (import "tickdeck:strategy/sockets@0.1.0" (instance)))"#,
        );
        assert!(
            text.contains("this host provides log, store and instruments"),
            "{text}"
        );
        let text =
            refused_component(r#"(component (import "tickdeck:strategy/log@0.1.7" (instance)))"#);
        assert!(text.contains("it does not export `lifecycle`"), "{text}");
        let text = refused_component(
            r#"(component (component $c) (instance $i (instantiate $c)) (export "tickdeck:strategy/lifecycle@0.1.0" (instance $i)))"#,
        );
        assert!(
            text.contains("it does not export `hot` or `hot-bytes`"),
            "{text}"
        );
    }

    #[test]
    fn a_truncated_file_is_damaged_at_a_byte() {
        let whole =
            wat::parse_str(r#"(component (import "wasi:cli/stdout@0.2.6" (instance)))"#).unwrap();
        for length in 5..whole.len() {
            let error = check(&whole[..length], "x.wasm").err().unwrap();
            let cut_at_section = matches!(error, LoadError::NoWorld { .. });
            assert!(
                cut_at_section || matches!(error, LoadError::Damaged { .. }),
                "{length}: {error}"
            );
        }
    }
}
