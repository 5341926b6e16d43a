//! Reads a plugin's files: plain files only, never more than a limit, and only what stays the same while it is read.

use super::change::Refused;
use super::files::{FileStamp, Files, Part, Stamp, too_large, unreadable};
use super::kind::FileKind;
use super::kind::NoModule;
use super::plugin::{Plugin, Sidecar};
use crate::text::display_path;
use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use tickdeck_model::ModuleHash;

/// What a plugin's files turned out to be.
#[derive(Debug)]
pub(super) enum Verdict {
    Valid(Plugin),
    Refused {
        refused: Refused,
        hope: Hope,
    },
    /// The files changed while they were read.
    Changed,
}

/// Whether a plugin that is refused may turn out good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hope {
    /// Only if its files change.
    None,
    /// The rest may still be being written.
    Unfinished,
    /// Without any change: the system was short of something.
    Passing,
}

/// Why one file was not read.
enum Failure {
    Changed,
    Broken {
        why: String,
        content: Option<ModuleHash>,
        hope: Hope,
    },
}

impl Failure {
    fn lasting(why: String) -> Self {
        Self::Broken {
            why,
            content: None,
            hope: Hope::None,
        }
    }

    fn of_module(no: NoModule, bytes: &[u8]) -> Self {
        let hope = if no.unfinished {
            Hope::Unfinished
        } else {
            Hope::None
        };
        Self::of_content(no.why, bytes, hope)
    }

    fn of_content(why: String, bytes: &[u8], hope: Hope) -> Self {
        Self::Broken {
            why,
            content: Some(ModuleHash::of(bytes)),
            hope,
        }
    }
}

/// Reads the plugin whose files looked like this; adds to `bytes_read`.
pub(super) fn judge(folder: &Path, name: &str, files: &Files, bytes_read: &mut u64) -> Verdict {
    let verdict = match plugin(folder, name, files, bytes_read) {
        Ok(plugin) => Verdict::Valid(plugin),
        Err((_, Failure::Changed)) => Verdict::Changed,
        Err((part, broken)) => refused(folder, name, part, broken),
    };
    // All three are of one moment only if all three are still what they were.
    match Files::stat(folder, name) {
        Ok(now) if now == *files => verdict,
        _ => Verdict::Changed,
    }
}

fn refused(folder: &Path, name: &str, part: Part, failure: Failure) -> Verdict {
    match failure {
        Failure::Changed => Verdict::Changed,
        Failure::Broken { why, content, hope } => Verdict::Refused {
            refused: Refused {
                name: name.to_owned(),
                path: part.path(folder, name),
                why,
                content,
            },
            hope,
        },
    }
}

fn plugin(
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
        .map(|bytes| beside(&Part::Settings.path(folder, name), bytes))
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

fn beside(path: &Path, bytes: Vec<u8>) -> Result<Sidecar, Failure> {
    let text = String::from_utf8(bytes).map_err(|error| {
        let why = format!(
            "{}: is not UTF-8 text from byte {} on: save it as UTF-8",
            display_path(path),
            error.utf8_error().valid_up_to()
        );
        Failure::of_content(why, error.as_bytes(), Hope::None)
    })?;
    Ok(Sidecar {
        path: path.to_owned(),
        text,
    })
}

/// The file's content, if there is a file.
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
            why: unreadable(&display_path(path), &error.to_string()),
            content: None,
            hope: Hope::Passing,
        },
    };
    let file = open(path).map_err(failed)?;
    let unchanged = || Ok(FileStamp::of(&file.metadata().map_err(failed)?) == Some(*stamp));
    if !unchanged()? {
        return Err(Failure::Changed);
    }
    let length = usize::try_from(stamp.length)
        .map_err(|_| Failure::lasting(too_large(&display_path(path), part)))?;
    // One more than there should be shows growth without a further call.
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

/// Opens without waiting, should a FIFO have come in the file's place since it was looked at.
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
    fn what_changed_since_it_was_looked_at_settles_anew_instead_of_being_refused() {
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
                // To open it and wait for a writer would be to wait for ever.
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
            let judged = || judge(folder, "ema", &files, &mut 0);
            assert!(matches!(judged(), Verdict::Valid(_)), "{number}");
            change();
            assert!(matches!(judged(), Verdict::Changed), "{number}");
        }
    }
}
