//! Failing and forgetful disks for tests: a library that is loaded below the standard library (`shim.c`), and a model of what a
//! power cut leaves. Tests of other crates include this file by its path.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles the shim. Whoever has Rust on Linux has a C compiler: it links.
pub(crate) fn shim(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../journal/tests/support/shim.c");
    let library = folder.join("shim.so");
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let compiled = Command::new(compiler)
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&library, &source])
        .output()
        .unwrap();
    assert!(
        compiled.status.success(),
        "{}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    library
}

/// A disk that keeps what was synced and nothing else: contents that a sync of the file covers, and entries that a sync of their
/// folder covers. Built from the shim's log of the calls below one folder.
#[derive(Default)]
pub(crate) struct ForgetfulDisk {
    /// The entries as processes see them, each with the number of its file or folder.
    entries: HashMap<PathBuf, usize>,
    /// The entries as they are on the disk.
    durable: HashMap<PathBuf, usize>,
    /// Files whose contents are on the disk, and folders.
    synced: BTreeSet<usize>,
    folders: BTreeSet<PathBuf>,
    files: usize,
}

impl ForgetfulDisk {
    /// The disk after the calls in `log`, which began with an empty `root`.
    pub(crate) fn after(log: &Path, root: &Path) -> Self {
        let mut disk = Self::default();
        disk.folders.insert(root.to_owned());
        let log = std::fs::read_to_string(log).unwrap_or_default();
        for line in log.lines() {
            let mut parts = line.split('\t');
            let call = parts.next().unwrap();
            let path = PathBuf::from(parts.next().unwrap());
            disk.call(call, path, Path::new(parts.next().unwrap()));
        }
        disk
    }

    fn call(&mut self, call: &str, path: PathBuf, to: &Path) {
        match call {
            "open" | "mkdir" => {
                self.files += 1;
                let number = *self.entries.entry(path.clone()).or_insert(self.files);
                if call == "mkdir" {
                    self.folders.insert(path);
                    self.synced.insert(number);
                }
            }
            "write" => drop(self.synced.remove(&self.entries[&path])),
            "rename" => {
                let number = self.entries.remove(&path).unwrap();
                self.entries.insert(to.to_owned(), number);
            }
            "unlink" | "rmdir" => drop(self.entries.remove(&path)),
            "fsync" if self.folders.contains(&path) => {
                let inside = |entry: &PathBuf| entry.parent() == Some(&path);
                self.durable.retain(|entry, _| !inside(entry));
                let entries = self.entries.iter().filter(|(entry, _)| inside(entry));
                self.durable
                    .extend(entries.map(|(entry, file)| (entry.clone(), *file)));
            }
            "fsync" => drop(self.synced.insert(self.entries[&path])),
            other => panic!("an unknown call: {other}"),
        }
    }

    /// Whether a power cut now leaves the path as processes see it: there with its content, or not there.
    pub(crate) fn keeps(&self, path: &Path) -> bool {
        let reachable = path.ancestors().skip(1).all(|folder| {
            let inside = self.entries.contains_key(folder);
            !inside || self.entries.get(folder) == self.durable.get(folder)
        });
        match self.entries.get(path) {
            None => !self.durable.contains_key(path),
            Some(file) => {
                reachable && self.durable.get(path) == Some(file) && self.synced.contains(file)
            }
        }
    }

    /// Whether processes see the path.
    pub(crate) fn has(&self, path: &Path) -> bool {
        self.entries.contains_key(path)
    }
}
