//! Reads a plugin's files: plain files only, up to a limit, and only if they stay the same while they are read.

use super::change::Refused;
use super::files::{FileStamp, Files, Part, Stamp, unreadable};
use super::kind::{FileKind, Glance, NotAModule};
use super::open::{Opened, open_plain};
use super::plugin::{ModuleContent, Plugin, Sidecar};
use sha2::{Digest as _, Sha256};
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;
use tickdeck_model::{ModuleHash, Untrusted};

/// The result of reading a plugin's files.
#[derive(Debug)]
pub(super) enum Verdict {
    Valid(Plugin),
    Refused {
        refused: Refused,
        retry: Retry,
    },
    /// The files changed while they were read.
    Changed,
}

/// When a refused plugin may become valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    /// Only when its files change.
    AfterChange,
    /// The rest may still be being written.
    Unfinished,
    /// Without any change: the system lacked a resource.
    AnyTime,
}

/// Bytes of a module file in memory at a time: it is hashed and classified while it is read, and none of it is kept.
const PIECE: usize = 64 << 10;

/// Why one file was not read.
enum Failure {
    Changed,
    Broken {
        why: String,
        content: Option<ModuleHash>,
        retry: Retry,
    },
}

impl Failure {
    fn lasting(why: String) -> Self {
        Self::Broken {
            why,
            content: None,
            retry: Retry::AfterChange,
        }
    }

    fn of_module(no: NotAModule, content: ModuleHash) -> Self {
        let retry = if no.unfinished {
            Retry::Unfinished
        } else {
            Retry::AfterChange
        };
        Self::of_content(no.why, content, retry)
    }

    fn of_content(why: String, content: ModuleHash, retry: Retry) -> Self {
        Self::Broken {
            why,
            content: Some(content),
            retry,
        }
    }

    fn of_system(path: &Path, error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound => Self::Changed,
            _ => Self::Broken {
                why: unreadable(&Untrusted::path(path), &error.to_string()),
                content: None,
                retry: Retry::AnyTime,
            },
        }
    }
}

/// Reads the plugin whose files had this metadata; adds to `bytes_read`.
pub(super) fn read_plugin(
    folder: &Path,
    name: &str,
    files: &Files,
    bytes_read: &mut u64,
) -> Verdict {
    let verdict = match read_files(folder, name, files, bytes_read) {
        Ok(plugin) => Verdict::Valid(plugin),
        Err((_, Failure::Changed)) => Verdict::Changed,
        Err((part, broken)) => refused(folder, name, part, broken),
    };
    // The three files belong together only if none of them has changed since.
    match Files::stat(folder, name) {
        Ok(now) if now == *files => verdict,
        _ => Verdict::Changed,
    }
}

fn refused(folder: &Path, name: &str, part: Part, failure: Failure) -> Verdict {
    match failure {
        Failure::Changed => Verdict::Changed,
        Failure::Broken {
            why,
            content,
            retry,
        } => Verdict::Refused {
            refused: Refused {
                name: name.to_owned(),
                path: part.path(folder, name),
                why,
                content,
            },
            retry,
        },
    }
}

fn read_files(
    folder: &Path,
    name: &str,
    files: &Files,
    bytes_read: &mut u64,
) -> Result<Plugin, (Part, Failure)> {
    let path = Part::Module.path(folder, name);
    let (kind, hash) =
        module(&path, &files.module, bytes_read).map_err(|why| (Part::Module, why))?;
    let mut read = |part: Part, stamp: &Stamp| {
        let content = content(&part.path(folder, name), part, stamp).map_err(|why| (part, why))?;
        *bytes_read += content.as_ref().map_or(0, |bytes| bytes.len() as u64);
        Ok(content)
    };
    let settings = read(Part::Settings, &files.settings)?
        .map(|bytes| sidecar(&Part::Settings.path(folder, name), bytes))
        .transpose()
        .map_err(|failure| (Part::Settings, failure))?;
    let signature = read(Part::Signature, &files.signature)?;
    Ok(Plugin {
        name: name.to_owned(),
        hash,
        path,
        kind,
        content: ModuleContent::OnDisk,
        settings,
        signature,
    })
}

/// Classifies and hashes a module file.
fn module(
    path: &Path,
    stamp: &Stamp,
    bytes_read: &mut u64,
) -> Result<(FileKind, ModuleHash), Failure> {
    if let Some(why) = stamp.problem(path, Part::Module) {
        return Err(Failure::lasting(why));
    }
    let Stamp::File(stamp) = stamp else {
        return Err(Failure::Changed);
    };
    let (glance, hash) = read_unchanged(path, stamp, |opened| {
        let (mut glance, mut hasher) = (Glance::default(), Sha256::new());
        let mut piece = vec![0; PIECE];
        // One byte more than expected reveals growth without a further call.
        let mut file = (&opened.file).take(stamp.length + 1);
        let mut length = 0;
        loop {
            let read = match file.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            glance.see(&piece[..read]);
            hasher.update(&piece[..read]);
            length += read as u64;
        }
        *bytes_read += length;
        let hash = ModuleHash(hasher.finalize().into());
        Ok((length == stamp.length).then_some((glance, hash)))
    })?;
    let kind = glance.kind(path);
    kind.map(|kind| (kind, hash))
        .map_err(|no| Failure::of_module(no, hash))
}

fn sidecar(path: &Path, bytes: Vec<u8>) -> Result<Sidecar, Failure> {
    let text = String::from_utf8(bytes).map_err(|error| {
        let why = format!(
            "{}: is not UTF-8 text from byte {} on: save it as UTF-8",
            Untrusted::path(path),
            error.utf8_error().valid_up_to()
        );
        Failure::of_content(why, ModuleHash::of(error.as_bytes()), Retry::AfterChange)
    })?;
    Ok(Sidecar {
        path: path.to_owned(),
        text,
    })
}

/// Returns the file's content, if the file exists.
fn content(path: &Path, part: Part, stamp: &Stamp) -> Result<Option<Vec<u8>>, Failure> {
    if let Some(why) = stamp.problem(path, part) {
        return Err(Failure::lasting(why));
    }
    match stamp {
        Stamp::File(stamp) => {
            let whole = |opened: Opened| opened.read(stamp.length);
            read_unchanged(path, stamp, whole).map(Some)
        }
        _ => Ok(None),
    }
}

/// Reads a file that has this metadata before and after; `read` returns nothing if it finds another length.
fn read_unchanged<T>(
    path: &Path,
    stamp: &FileStamp,
    read: impl FnOnce(Opened) -> io::Result<Option<T>>,
) -> Result<T, Failure> {
    let failed = |error: io::Error| Failure::of_system(path, &error);
    let opened = open_plain(path).map_err(failed)?;
    let opened = opened.ok_or(Failure::Changed)?;
    let file = opened.file.try_clone().map_err(failed)?;
    let unchanged = || Ok(FileStamp::of(&file.metadata().map_err(failed)?) == Some(*stamp));
    if !unchanged()? {
        return Err(Failure::Changed);
    }
    let found = read(opened).map_err(failed)?;
    match found {
        Some(found) if unchanged()? => Ok(found),
        _ => Err(Failure::Changed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::process::Command;

    const MODULE: &[u8] = b"\0asm\x01\0\0\0";

    #[test]
    fn what_is_refused_and_what_is_found_stays_on_disk_and_is_read_when_it_is_loaded() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path();
        let module = folder.join("ema.wasm");
        fs::write(&module, MODULE).unwrap();
        // As long as the limit allows, and no byte of it on disk.
        let sparse = |name: &str, head: &[u8]| {
            let path = folder.join(name);
            fs::write(&path, head).unwrap();
            let file = File::options().write(true).open(&path).unwrap();
            file.set_len(crate::MAX_MODULE as u64).unwrap();
        };
        sparse("zeros.wasm", b"");
        sparse("header.wasm", MODULE);
        let read = |name: &str, bytes_read: &mut u64| {
            let files = Files::stat(folder, name).unwrap();
            read_plugin(folder, name, &files, bytes_read)
        };
        let mut bytes_read = 0;
        assert!(matches!(
            read("zeros", &mut bytes_read),
            Verdict::Refused { .. }
        ));
        assert_eq!(
            bytes_read,
            crate::MAX_MODULE as u64,
            "it counts all the same"
        );
        let Verdict::Valid(header) = read("header", &mut 0) else {
            panic!("empty sections are for the loader to refuse");
        };
        assert!(header.content == ModuleContent::OnDisk);
        let Verdict::Valid(plugin) = read("ema", &mut 0) else {
            panic!("it is a module");
        };
        assert_eq!(plugin.hash, ModuleHash::of(MODULE));
        assert_eq!(&plugin.bytes().unwrap()[..], MODULE);
        fs::write(&module, b"\0asm\x01\0\0\0\0\0").unwrap();
        let error = plugin.bytes().unwrap_err();
        assert!(
            error.ends_with(
                "ema.wasm: changed while it was loaded: it is loaded once it stops changing"
            ),
            "{error}"
        );
        fs::remove_file(&module).unwrap();
        assert!(plugin.bytes().is_err());
    }

    #[test]
    fn a_file_that_changed_since_it_was_examined_settles_again_and_is_not_refused() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path();
        let module = folder.join("ema.wasm");
        let remove = || fs::remove_file(&module).unwrap();
        let changes: [&dyn Fn(); 6] = [
            &|| fs::write(&module, b"\0asm\x01\0\0\0\0\0").unwrap(),
            &|| fs::write(&module, b"").unwrap(),
            &remove,
            &|| {
                remove();
                // Opening it and waiting for a writer would block forever.
                let made = Command::new("mkfifo").arg(&module).status();
                assert!(made.unwrap().success());
            },
            &|| {
                fs::write(folder.join("new"), MODULE).unwrap();
                fs::rename(folder.join("new"), &module).unwrap();
            },
            &|| fs::write(folder.join("ema.toml"), b"").unwrap(),
        ];
        for (number, change) in changes.iter().enumerate() {
            let _ = fs::remove_file(&module);
            fs::write(&module, MODULE).unwrap();
            let files = Files::stat(folder, "ema").unwrap();
            let result = || read_plugin(folder, "ema", &files, &mut 0);
            assert!(matches!(result(), Verdict::Valid(_)), "{number}");
            change();
            assert!(matches!(result(), Verdict::Changed), "{number}");
        }
    }
}
