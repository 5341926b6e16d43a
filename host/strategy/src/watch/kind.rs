//! What a file in the plugins folder is: the one place that decides it, by name and by first bytes.
//!
//! A further kind (a script for an interpreter component) is an ending in [`named`] and a case in [`FileKind::of`].

use crate::load;
use crate::text::display_path;
use std::ffi::OsStr;
use std::path::Path;

/// The ending of a module file.
pub(super) const MODULE: &str = ".wasm";
/// The ending of a settings file, instead of the module's.
pub(super) const SETTINGS: &str = ".toml";
/// The ending of a signature file, after the module's.
pub(super) const SIGNATURE: &str = ".wasm.minisig";

/// Endings of names that are only there while something is written or as a copy; also before `.wasm`.
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

/// Bytes that tell a WebAssembly file's kind: `\0asm`, version, layer.
const HEADER: usize = 8;

const MAGIC: &[u8] = b"\0asm";

/// What a plugin's file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// A core WebAssembly module, to be wrapped into a component.
    CoreModule,
    /// A WebAssembly component.
    Component,
}

/// What a name in the folder means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Named<'a> {
    /// No plugin.
    Other,
    /// The module file of the plugin of this name.
    Plugin(&'a str),
    /// A module file whose name can't be a plugin's.
    Unfit,
}

/// Judges a name.
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
        Some(name) if crate::text::sanitize(name) == name => Named::Plugin(name),
        _ => Named::Unfit,
    }
}

/// Why a file is no module.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoModule {
    /// Names the file, what it looks like and what to do.
    pub(super) why: String,
    /// Whether it is the beginning of a module, so that the rest may still be being written.
    pub(super) unfinished: bool,
}

impl FileKind {
    /// Judges the content of a module file.
    ///
    /// # Errors
    /// It is no module; the text names the file, what it looks like and what to do.
    pub fn of_file(path: &Path, bytes: &[u8]) -> Result<Self, String> {
        Self::of(path, bytes).map_err(|no| no.why)
    }

    /// Judges a module file by its first bytes, and whether it is all there by the lengths of its sections.
    pub(super) fn of(path: &Path, bytes: &[u8]) -> Result<Self, NoModule> {
        let file = display_path(path);
        load::check_magic(bytes, &file).map_err(|error| NoModule {
            why: error.to_string(),
            unfinished: MAGIC.starts_with(bytes),
        })?;
        if !is_whole(bytes) {
            let length = bytes.len();
            return Err(NoModule {
                why: format!("{file}: breaks off after {length} bytes: build or copy it again"),
                unfinished: true,
            });
        }
        let [version, layer] = [4, 6].map(|at| u16::from_le_bytes([bytes[at], bytes[at + 1]]));
        match (layer, version) {
            (0, 1) => Ok(Self::CoreModule),
            // Components have had several versions; which of them runs is the loader's to say.
            (1, _) => Ok(Self::Component),
            _ => Err(NoModule {
                why: format!(
                    "{file}: is WebAssembly of a kind that this host does not know (layer {layer}, version {version}): \
                     build a module or a component"
                ),
                unfinished: false,
            }),
        }
    }
}

/// Whether the file ends where a section does. What is inside of the sections is the loader's to judge.
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

/// A section's length (LEB128, at most five bytes), and what follows it.
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
    fn only_module_files_that_are_no_temporaries_are_plugins() {
        for name in ["ema", "a.b", "with space", "\u{fc}", "ema-2"] {
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
        assert_eq!(named(OsStr::new("a\nb.wasm")), Named::Unfit);
        assert_eq!(named(OsStr::from_bytes(b"\xff.wasm")), Named::Unfit);
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
            (b"\0asm\x01\0\0\0\x01", "breaks off after 9 bytes"),
            (b"\0asm\x01\0\0\0\x01\x80", "breaks off after 10 bytes"),
            (b"\0asm\x01\0\0\0\x01\x02x", "breaks off after 11 bytes"),
            (b"\0asm\x01\0\0", "breaks off after 7 bytes"),
            (b"\0asm\x0d\0\x02\0", "layer 2"),
            // What a file cut after its magic and then lengthened again looks like.
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
