//! Reads a plugin's files: plain files only, up to a limit, and only if they stay the same while they are read.

use super::change::Refused;
use super::files::{FileStamp, Files, Part, Stamp, too_large, unreadable};
use super::kind::FileKind;
use super::kind::NotAModule;
use super::plugin::{Plugin, Sidecar};
use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
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

    fn of_module(no: NotAModule, bytes: &[u8]) -> Self {
        let retry = if no.unfinished {
            Retry::Unfinished
        } else {
            Retry::AfterChange
        };
        Self::of_content(no.why, bytes, retry)
    }

    fn of_content(why: String, bytes: &[u8], retry: Retry) -> Self {
        Self::Broken {
            why,
            content: Some(ModuleHash::of(bytes)),
            retry,
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
    let mut read = |part: Part, stamp: &Stamp| {
        let content = content(&part.path(folder, name), part, stamp).map_err(|why| (part, why))?;
        *bytes_read += content.as_ref().map_or(0, |bytes| bytes.len() as u64);
        Ok(content)
    };
    let module = read(Part::Module, &files.module)?;
    let bytes = module.ok_or((Part::Module, Failure::Changed))?;
    let path = Part::Module.path(folder, name);
    let kind =
        FileKind::of(&path, &bytes).map_err(|no| (Part::Module, Failure::of_module(no, &bytes)))?;
    let settings = read(Part::Settings, &files.settings)?
        .map(|bytes| sidecar(&Part::Settings.path(folder, name), bytes))
        .transpose()
        .map_err(|failure| (Part::Settings, failure))?;
    let signature = read(Part::Signature, &files.signature)?;
    Ok(Plugin {
        name: name.to_owned(),
        hash: ModuleHash::of(&bytes),
        path,
        kind,
        bytes: bytes.into(),
        settings,
        signature,
    })
}

fn sidecar(path: &Path, bytes: Vec<u8>) -> Result<Sidecar, Failure> {
    let text = String::from_utf8(bytes).map_err(|error| {
        let why = format!(
            "{}: is not UTF-8 text from byte {} on: save it as UTF-8",
            Untrusted::path(path),
            error.utf8_error().valid_up_to()
        );
        Failure::of_content(why, error.as_bytes(), Retry::AfterChange)
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
        Stamp::File(stamp) => Some(file_content(path, part, stamp)).transpose(),
        _ => Ok(None),
    }
}

fn file_content(path: &Path, part: Part, stamp: &FileStamp) -> Result<Vec<u8>, Failure> {
    let failed = |error: io::Error| match error.kind() {
        ErrorKind::NotFound => Failure::Changed,
        _ => Failure::Broken {
            why: unreadable(&Untrusted::path(path), &error.to_string()),
            content: None,
            retry: Retry::AnyTime,
        },
    };
    let file = open(path).map_err(failed)?;
    let unchanged = || Ok(FileStamp::of(&file.metadata().map_err(failed)?) == Some(*stamp));
    if !unchanged()? {
        return Err(Failure::Changed);
    }
    let length = usize::try_from(stamp.length)
        .map_err(|_| Failure::lasting(too_large(&Untrusted::path(path), part)))?;
    // One byte more than expected reveals growth without a further call.
    let mut bytes = Vec::with_capacity(length + 1);
    (&file)
        .take(stamp.length + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() != length || !unchanged()? {
        return Err(Failure::Changed);
    }
    Ok(bytes)
}

/// Opens without blocking, in case a FIFO has replaced the file since it was examined.
fn open(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::process::Command;

    const MODULE: &[u8] = b"\0asm\x01\0\0\0";

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
                // Opening it and waiting for a writer would wait for ever.
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
