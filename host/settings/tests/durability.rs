//! Grants survive a machine crash, and one that could not be written durably has no effect.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

#[path = "../../journal/tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::process::Command;
use support::{ForgetfulDisk, shim};
use tickdeck_model::Registry;
use tickdeck_settings::config::PluginSettings;
use tickdeck_settings::grants::{FILE_NAME, Grants};

const FOLDER: &str = "TICKDECK_SETTINGS_FOLDER";

/// The other process, which the shim watches: this test binary itself. It approves a strategy and reports the result.
#[test]
fn is_the_other_process() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let registry = Registry::new();
    let settings = PluginSettings::parse("a", "[limits]\ntime_ms = 30").unwrap();
    let request = settings.request(&registry).unwrap();
    let mut grants = Grants::load(&Path::new(&folder).join("data")).unwrap();
    let approved = grants.approve("a", &request, "abc", 0);
    let holds = grants.granted("a", &registry).unwrap().is_some();
    assert_eq!(holds, approved.is_ok());
    match approved {
        Ok(()) => eprintln!("approved"),
        Err(error) => eprintln!("refused {error}"),
    }
}

fn command(library: &Path, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["is_the_other_process", "--exact", "--nocapture"])
        .env(FOLDER, folder)
        .env("LD_PRELOAD", library)
        .env("FAULT_UNDER", folder);
    command
}

fn reported(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let reported = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{reported}");
    reported
}

#[test]
fn an_approved_grant_survives_the_end_of_the_machine() {
    let (library, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (shim, folder) = (shim(library.path()), folder.path());
    let log = shim.with_file_name("log");
    let reported = reported(command(&shim, folder).env("FAULT_LOG", &log));
    assert!(reported.contains("approved"), "{reported}");
    let file = folder.join("data").join(FILE_NAME);
    let disk = ForgetfulDisk::after(&log, folder);
    assert!(disk.has(&file) && disk.keeps(&file));
}

#[test]
fn a_grant_does_not_hold_if_any_step_of_writing_it_fails() {
    let library = tempfile::tempdir().unwrap();
    let shim = shim(library.path());
    // In this order: the folder is created and synced, the file is created, written, synced and renamed, its folder is synced.
    let steps = [
        ("mkdir", 1),
        ("fsync", 1),
        ("open", 1),
        ("write", 1),
        ("fsync", 2),
        ("rename", 1),
        ("fsync", 3),
    ];
    for (call, n) in steps {
        let folder = tempfile::tempdir().unwrap();
        let n = n.to_string();
        let mut command = command(&shim, folder.path());
        command
            .env("FAULT_CALL", call)
            .env("FAULT_FROM", &n)
            .env("FAULT_TO", &n);
        let reported = reported(&mut command);
        assert!(
            reported.contains("refused cannot write "),
            "{call} {n}: {reported}"
        );
        let file = folder.path().join("data").join(FILE_NAME);
        let is_last = (call, n.as_str()) == ("fsync", "3");
        assert_eq!(file.exists(), is_last, "{call} {n}: {reported}");
        let state = match is_last {
            true => "the new file is in place, but a power cut may bring the old one back",
            false => "nothing was replaced",
        };
        assert!(reported.contains(state), "{call} {n}: {reported}");
    }
}
