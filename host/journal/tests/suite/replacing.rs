//! Atomically replaced small files: every step fails once, and the machine crashes after every step that succeeds.

use crate::child;
use crate::records::folder;
use crate::support::{ForgetfulDisk, shim};
use std::path::{Path, PathBuf};
use std::process::Command;
use tickdeck_journal::atomic_file::{self, WriteError};

const OLD: &[u8] = b"old";
const NEW: &[u8] = b"new";

/// What the other process does with `data/file` below its folder.
pub(crate) fn replaces(folder: &Path, task: &str) {
    let file = folder.join("data/file");
    let done: Result<(), WriteError> = match task {
        "installs" => atomic_file::install(&file, NEW),
        "installs-private" => atomic_file::install_private(&file, NEW),
        "installs-new" => atomic_file::install_new_private(&file, NEW),
        "removes" => atomic_file::remove(&file),
        "creates-folder" => atomic_file::create_folder(&folder.join("data/a/b")),
        other => panic!("no such task: {other}"),
    };
    match done {
        Ok(()) => child::report("done"),
        Err(error) => child::report(&format!("failed {error}")),
    }
}

/// A process that does a task on an empty folder, or one with an old file, below `shim`.
struct Task {
    shim: PathBuf,
    folder: tempfile::TempDir,
    task: &'static str,
}

impl Task {
    fn new(library: &Path, task: &'static str, old: bool) -> Self {
        let folder = folder();
        if old {
            std::fs::create_dir(folder.path().join("data")).unwrap();
            std::fs::write(folder.path().join("data/file"), OLD).unwrap();
        }
        let shim = library.to_owned();
        Self { shim, folder, task }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("data/file")
    }

    fn command(&self) -> Command {
        let mut command = child::command(self.task, self.folder.path(), 0);
        command
            .env("LD_PRELOAD", &self.shim)
            .env("FAULT_UNDER", self.folder.path());
        command
    }

    fn report(&self, command: &mut Command) -> String {
        let output = command.output().unwrap();
        let report = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{}: {report}", self.task);
        report
    }

    /// Runs it with the `n`th of these calls failing.
    fn failing(&self, call: &str, n: u64) -> String {
        let n = n.to_string();
        let mut command = self.command();
        command.env("FAULT_CALL", call);
        self.report(command.env("FAULT_FROM", &n).env("FAULT_TO", &n))
    }

    /// Names in the folder of the file.
    fn names(&self) -> Vec<String> {
        let Ok(listed) = std::fs::read_dir(self.folder.path().join("data")) else {
            return Vec::new();
        };
        let names = listed.map(|entry| entry.unwrap().file_name());
        names
            .map(|name| name.to_string_lossy().into_owned())
            .collect()
    }
}

#[test]
fn a_replacement_and_a_removal_survive_the_end_of_the_machine() {
    let library = folder();
    let library = shim(library.path());
    for task in [
        "installs",
        "installs-private",
        "installs-new",
        "creates-folder",
    ] {
        let task = Task::new(&library, task, false);
        let log = task.shim.with_file_name("log");
        let _ = std::fs::remove_file(&log);
        assert_eq!(task.report(task.command().env("FAULT_LOG", &log)), "done\n");
        let root = task.folder.path();
        let disk = ForgetfulDisk::after(&log, root);
        if task.task == "creates-folder" {
            assert!(disk.has(&root.join("data/a/b")) && disk.keeps(&root.join("data/a/b")));
            continue;
        }
        // Renaming without replacing is no call of the C library, so the log does not have it.
        if task.task == "installs-new" {
            let log = std::fs::read_to_string(&log).unwrap();
            let last = log.lines().next_back().unwrap();
            assert_eq!(last, format!("fsync\t{}\t", root.join("data").display()));
            continue;
        }
        assert!(disk.has(&task.file()), "{}", task.task);
        assert!(disk.keeps(&task.file()), "{} is lost", task.task);
        let removes = Task {
            task: "removes",
            ..task
        };
        assert_eq!(
            removes.report(removes.command().env("FAULT_LOG", &log)),
            "done\n"
        );
        let disk = ForgetfulDisk::after(&log, removes.folder.path());
        assert!(!disk.has(&removes.file()));
        assert!(disk.keeps(&removes.file()), "a removed file comes back");
    }
}

#[test]
fn after_a_failed_step_the_old_file_stands_or_the_error_says_that_the_new_one_does() {
    let library = folder();
    let library = shim(library.path());
    let steps = [
        ("open", 1, "No space", "while creating a temporary file"),
        ("write", 1, "No space", "while writing to a temporary file"),
        (
            "fsync",
            1,
            "Input/output error",
            "while syncing its new content",
        ),
        (
            "rename",
            1,
            "No space",
            "while renaming the temporary file to it",
        ),
        ("fsync", 2, "Input/output error", "while syncing its folder"),
    ];
    for task in ["installs", "installs-private"] {
        for (call, n, problem, action) in steps {
            let task = Task::new(&library, task, true);
            let report = task.failing(call, n);
            let installed = (call, n) == ("fsync", 2);
            let state = match installed {
                true => "the new file is in place, but a power cut may bring the old one back",
                false => "nothing was replaced",
            };
            assert!(
                report.starts_with(&format!("failed cannot write {}: ", task.file().display())),
                "{report}"
            );
            for part in [problem, action, state] {
                assert!(report.contains(part), "{call} {n}: {part}: {report}");
            }
            let expected = if installed { NEW } else { OLD };
            assert_eq!(
                std::fs::read(task.file()).unwrap(),
                expected,
                "{call} {n}: {report}"
            );
            assert_eq!(task.names(), ["file"], "{call} {n}: {report}");
        }
    }
}

#[test]
fn a_folder_that_could_not_be_created_durably_is_not_there() {
    let library = folder();
    let library = shim(library.path());
    for task in ["installs", "creates-folder"] {
        for (call, action) in [
            ("mkdir", "while creating the folder"),
            ("fsync", "while syncing the folder above"),
        ] {
            let task = Task::new(&library, task, false);
            let report = task.failing(call, 1);
            assert!(
                report.contains(action) && report.contains("nothing was replaced"),
                "{report}"
            );
            assert!(
                !task.folder.path().join("data").exists(),
                "{call}: {report}"
            );
        }
    }
}

#[test]
fn a_failed_removal_says_whether_the_file_still_stands() {
    let library = folder();
    let library = shim(library.path());
    for (call, state) in [
        ("unlink", "it still stands"),
        ("fsync", "it is removed, but a power cut may bring it back"),
    ] {
        let task = Task::new(&library, "removes", true);
        let report = task.failing(call, 1);
        assert!(
            report.starts_with("failed cannot remove ") && report.contains(state),
            "{report}"
        );
        assert_eq!(task.file().exists(), call == "unlink", "{report}");
    }
}
