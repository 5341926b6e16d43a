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

/// Bytes from which the apparent kind of another file is guessed.
const HEAD: usize = 4 << 10;

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
        let mut glance = Glance::default();
        glance.see(bytes);
        glance.kind(path)
    }
}

/// A module file seen piece by piece, so that none of it need be kept to know its kind.
#[derive(Default)]
pub(super) struct Glance {
    /// The first bytes.
    head: Vec<u8>,
    length: u64,
    place: Place,
}

/// A place between or within the sections of a module.
#[derive(Default)]
enum Place {
    /// Before a section, or at the end of a whole file.
    #[default]
    Between,
    /// Within a section's length: what is known of it, and the bytes that it took (LEB128, at most five).
    Length(u64, u32),
    /// Within a section's content, with bytes left.
    Content(u64),
    /// Within an invalid length.
    Lost,
}

impl Glance {
    /// Processes the next piece of the file.
    pub(super) fn see(&mut self, piece: &[u8]) {
        let first = HEAD.saturating_sub(self.head.len()).min(piece.len());
        self.head.extend_from_slice(&piece[..first]);
        let header = (HEADER as u64).saturating_sub(self.length);
        let header = usize::try_from(header).map_or(piece.len(), |left| left.min(piece.len()));
        self.length += piece.len() as u64;
        let mut rest = &piece[header..];
        while let Some((byte, after)) = rest.split_first() {
            let skipped = self.place.step(*byte, after.len());
            rest = &after[skipped..];
        }
    }

    /// Returns the kind of the file that has been seen from end to end.
    pub(super) fn kind(&self, path: &Path) -> Result<FileKind, NotAModule> {
        let file = Untrusted::path(path).to_string();
        load::check_magic(&self.head, &file).map_err(|error| NotAModule {
            why: error.to_string(),
            unfinished: MAGIC.starts_with(&self.head),
        })?;
        let is_whole = self.length >= HEADER as u64 && matches!(self.place, Place::Between);
        if !is_whole {
            let length = self.length;
            return Err(NotAModule {
                why: format!("{file}: is truncated after {length} bytes: build or copy it again"),
                unfinished: true,
            });
        }
        let [version, layer] =
            [4, 6].map(|at| u16::from_le_bytes([self.head[at], self.head[at + 1]]));
        match (layer, version) {
            (0, 1) => Ok(FileKind::CoreModule),
            // Components have had several versions; the loader decides which of them it runs.
            (1, _) => Ok(FileKind::Component),
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

impl Place {
    /// Advances by one byte, with `at_hand` bytes available after it; returns how many of those can be skipped. The loader
    /// checks the contents of the sections.
    fn step(&mut self, byte: u8, at_hand: usize) -> usize {
        match *self {
            // The byte is the section's id.
            Self::Between => *self = Self::Length(0, 0),
            Self::Length(known, taken) => {
                let length = known | u64::from(byte & 0x7f) << (7 * taken);
                *self = match (byte & 0x80, taken, length) {
                    (0, _, 0) => Self::Between,
                    (0, ..) => return self.enter(length, at_hand),
                    (_, 4.., _) => Self::Lost,
                    _ => Self::Length(length, taken + 1),
                };
            }
            // One byte of it has just been seen.
            Self::Content(left) => return self.enter(left - 1, at_hand),
            Self::Lost => return at_hand,
        }
        0
    }

    /// Skips the available part of a section's content.
    fn enter(&mut self, left: u64, at_hand: usize) -> usize {
        let skipped = usize::try_from(left).map_or(at_hand, |left| left.min(at_hand));
        *self = match left - skipped as u64 {
            0 => Self::Between,
            left => Self::Content(left),
        };
        skipped
    }
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
    fn a_file_has_one_kind_whatever_pieces_it_is_seen_in() {
        let whole = wat::parse_str("(module (func (export \"f\")) (memory 1) (func))").unwrap();
        let cut = &whole[..whole.len() - 1];
        let long = [b"\0asm\x01\0\0\0\x00\x80\x80\x01".as_slice(), &[0; 1 << 14]].concat();
        let lost = b"\0asm\x01\0\0\0\x00\x80\x80\x80\x80\x80\x01";
        for bytes in [&whole[..], cut, &long, lost, b"", b"\0as", b"#!/bin/sh"] {
            let at_once = FileKind::of(Path::new("x.wasm"), bytes);
            for size in [1, 2, 3, 7, 4_096] {
                let mut glance = Glance::default();
                bytes.chunks(size).for_each(|piece| glance.see(piece));
                assert_eq!(glance.kind(Path::new("x.wasm")), at_once, "{size}");
            }
        }
        assert!(FileKind::of(Path::new("x.wasm"), &long).is_ok());
        assert!(FileKind::of(Path::new("x.wasm"), lost).is_err());
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
