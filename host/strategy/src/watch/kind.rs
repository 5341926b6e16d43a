//! The kind of a file in the plugins folder, decided here alone, by its name and its first bytes.
//!
//! A further kind (a script for an interpreter component) is an ending in [`named`] and a case in [`FileKind::of`].

use crate::load;
use std::ffi::OsStr;
use std::path::Path;
use tickdeck_model::Untrusted;
use tickdeck_model::name::check_strategy_name;

/// The ending of a module file.
pub(super) const MODULE: &str = ".wasm";
/// The ending of a settings file, instead of the module's.
pub(super) const SETTINGS: &str = ".toml";
/// The ending of a signature file, after the module's.
pub(super) const SIGNATURE: &str = ".wasm.minisig";

/// Name endings of temporary files and copies; also before `.wasm`.
const TEMPORARY: [&str; 12] = [
    "~",
    "#",
    ".tmp",
    ".temp",
    ".swp",
    ".swo",
    ".part",
    ".partial",
    ".crdownload",
    ".download",
    ".bak",
    ".orig",
];

/// Bytes that identify the kind of a WebAssembly file: `\0asm`, version, layer.
const HEADER: usize = 8;

const MAGIC: &[u8] = b"\0asm";

/// The kind of a module file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// A core WebAssembly module, to be wrapped into a component.
    CoreModule,
    /// A WebAssembly component.
    Component,
}

/// The meaning of a name in the folder.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Named<'a> {
    /// Not a plugin.
    Other,
    /// The module file of the plugin of this name.
    Plugin(&'a str),
    /// A module file whose name is not valid for a plugin.
    Invalid,
}

/// Classifies a name.
pub(super) fn named(file: &OsStr) -> Named<'_> {
    let lossy = file.to_string_lossy();
    let Some(stem) = lossy.strip_suffix(MODULE) else {
        return Named::Other;
    };
    let temporary = TEMPORARY.iter().any(|ending| stem.ends_with(ending));
    if temporary || stem.is_empty() || lossy.starts_with(['.', '#', '~']) {
        return Named::Other;
    }
    let name = file.to_str().and_then(|file| file.strip_suffix(MODULE));
    match name {
        Some(name) if check_strategy_name(name).is_ok() => Named::Plugin(name),
        _ => Named::Invalid,
    }
}

/// Why a file is not a module.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotAModule {
    /// Names the file, its apparent kind and the remedy.
    pub(super) why: String,
    /// Whether it is the beginning of a module, so that the rest may still be being written.
    pub(super) unfinished: bool,
}

impl FileKind {
    /// Classifies the content of a module file.
    ///
    /// # Errors
    /// It is not a module; the text names the file, its apparent kind and the remedy.
    pub fn of_file(path: &Path, bytes: &[u8]) -> Result<Self, String> {
        Self::of(path, bytes).map_err(|no| no.why)
    }

    /// Classifies a module file by its first bytes, and checks by the lengths of its sections that it is complete.
    pub(super) fn of(path: &Path, bytes: &[u8]) -> Result<Self, NotAModule> {
        let file = Untrusted::path(path).to_string();
        load::check_magic(bytes, &file).map_err(|error| NotAModule {
            why: error.to_string(),
            unfinished: MAGIC.starts_with(bytes),
        })?;
        if !is_whole(bytes) {
            let length = bytes.len();
            return Err(NotAModule {
                why: format!("{file}: is truncated after {length} bytes: build or copy it again"),
                unfinished: true,
            });
        }
        let [version, layer] = [4, 6].map(|at| u16::from_le_bytes([bytes[at], bytes[at + 1]]));
        match (layer, version) {
            (0, 1) => Ok(Self::CoreModule),
            // Components have had several versions; the loader decides which of them it runs.
            (1, _) => Ok(Self::Component),
            _ => Err(NotAModule {
                why: format!(
                    "{file}: is WebAssembly of a kind that this host does not support (layer {layer}, version {version}): \
                     build a module or a component"
                ),
                unfinished: false,
            }),
        }
    }
}

/// Whether the file ends where a section does. The loader checks the contents of the sections.
fn is_whole(bytes: &[u8]) -> bool {
    let Some(mut rest) = bytes.get(HEADER..) else {
        return false;
    };
    while let Some((_id, after)) = rest.split_first() {
        let Some((length, after)) = length(after) else {
            return false;
        };
        match usize::try_from(length).ok().and_then(|at| after.get(at..)) {
            Some(next) => rest = next,
            None => return false,
        }
    }
    true
}

/// Reads a section's length (LEB128, at most five bytes); returns it and the remaining bytes.
fn length(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut length = 0;
    for (at, byte) in bytes.iter().enumerate().take(5) {
        length |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((length, &bytes[at + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt as _;

    #[test]
    fn only_module_files_that_are_not_temporary_are_plugins() {
        for name in ["ema", "a.b", "Ema_3", "ema-2"] {
            let file = format!("{name}.wasm");
            assert_eq!(named(OsStr::new(&file)), Named::Plugin(name), "{file}");
        }
        for file in [
            ".wasm",
            ".x.wasm",
            "#x.wasm",
            "#x.wasm#",
            ".#x.wasm",
            "~x.wasm",
            "x~.wasm",
            "x.wasm~",
            "x.wasm.tmp",
            "x.tmp.wasm",
            "x.part.wasm",
            "x.wasm.swp",
            "x.wasm.crdownload",
            "x.toml",
            "x.wasm.minisig",
            "x.cwasm",
            "x",
            "README.md",
        ] {
            assert_eq!(named(OsStr::new(file)), Named::Other, "{file}");
        }
        for name in [
            "a\nb",
            "with space",
            "\u{fc}",
            "-rf",
            "*",
            "ema\u{200b}-cross",
            "2nd",
            "host",
            "Host",
        ] {
            let file = format!("{name}.wasm");
            assert_eq!(named(OsStr::new(&file)), Named::Invalid, "{file:?}");
        }
        assert_eq!(named(OsStr::from_bytes(b"\xff.wasm")), Named::Invalid);
    }

    #[test]
    fn the_header_tells_modules_from_components() {
        let of = |bytes: &[u8]| FileKind::of(Path::new("x.wasm"), bytes);
        assert_eq!(of(b"\0asm\x01\0\0\0"), Ok(FileKind::CoreModule));
        assert_eq!(
            of(b"\0asm\x0d\0\x01\0\x00\x04more\x01\x80\x00"),
            Ok(FileKind::Component)
        );
        for (bytes, part) in [
            (
                &b""[..],
                "x.wasm: is not a WebAssembly module: the file is empty",
            ),
            (b"\0as", "not `\\0asm`"),
            (b"\0asm\x01\0\0\0\x01", "is truncated after 9 bytes"),
            (b"\0asm\x01\0\0\0\x01\x80", "is truncated after 10 bytes"),
            (b"\0asm\x01\0\0\0\x01\x02x", "is truncated after 11 bytes"),
            (b"\0asm\x01\0\0", "is truncated after 7 bytes"),
            (b"\0asm\x0d\0\x02\0", "layer 2"),
            // A file cut after its magic bytes and then extended with zeros.
            (b"\0asm\0\0\0\0\0\0", "layer 0, version 0"),
            (b"#!/bin/sh", "a text"),
        ] {
            let why = of(bytes).unwrap_err().why;
            assert!(why.contains(part), "{why}");
        }
    }

    #[test]
    fn only_the_beginning_of_a_module_is_unfinished() {
        let whole = wat::parse_str("(module (func (export \"f\")) (memory 1) (func))").unwrap();
        let unfinished = |bytes: &[u8]| {
            let judged = FileKind::of(Path::new("x.wasm"), bytes);
            judged.map_or_else(|no| no.unfinished, |_| false)
        };
        let found = (0..whole.len()).filter(|&cut| unfinished(&whole[..cut]));
        // All but the header alone and the ends of the type, function, memory and export sections.
        assert_eq!(found.count(), whole.len() - 5);
        for bytes in [&whole[..], b"junk", b"\0asd", b"\0asm\x0d\0\x02\0"] {
            assert!(!unfinished(bytes));
        }
    }
}
