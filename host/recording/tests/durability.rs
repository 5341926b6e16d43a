//! What a deck must never forget survives a machine crash: order numbers, interned names, the kill latch, modules.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

#[path = "../../journal/tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::process::{Command, Output};
use support::{ForgetfulDisk, shim};
use tickdeck_model::ModuleHash;
use tickdeck_recording::DataReels;
use tickdeck_recording::data_folder::{Data, IDS, KILLED, ORDERS, latch_kill};

const TASK: &str = "TICKDECK_RECORDING_TASK";
const FOLDER: &str = "TICKDECK_RECORDING_FOLDER";
const MODULE: &[u8] = b"a module";

/// The other process, which the shim watches: this test binary itself, with its task in the environment.
#[test]
fn is_the_other_process() {
    let Ok(task) = std::env::var(TASK) else {
        return;
    };
    let folder = std::env::var(FOLDER).unwrap();
    let folder = Path::new(&folder).join("data");
    let data = Data::open(folder.clone()).unwrap();
    let mut registry = data.ids().unwrap();
    match task.as_str() {
        "writes" => {
            registry.add_strategy("ema");
            data.keep_ids(&registry).unwrap();
            data.reserve_orders().unwrap();
            latch_kill(&data.latch()).unwrap();
            let modules = DataReels::in_folder(&folder).modules();
            modules.keep(ModuleHash::of(MODULE), MODULE).unwrap();
        }
        "clears" => data.clear_kill().unwrap(),
        "repeats" => {
            registry.add_strategy("ema");
            let failure = data.keep_ids(&registry).unwrap_err().to_string();
            assert!(failure.contains("the new file is in place"), "{failure}");
            data.keep_ids(&registry).unwrap();
        }
        other => panic!("no such task: {other}"),
    }
}

fn command(library: &Path, folder: &Path, task: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["is_the_other_process", "--exact", "--nocapture"])
        .env(TASK, task)
        .env(FOLDER, folder)
        .env("LD_PRELOAD", library)
        .env("FAULT_UNDER", folder)
        .env("FAULT_LOG", library.with_file_name("log"));
    command
}

fn succeeded(output: &Output) {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn names_numbers_latch_and_modules_survive_the_end_of_the_machine() {
    let (library, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (shim, folder) = (shim(library.path()), folder.path());
    let log = shim.with_file_name("log");
    succeeded(&command(&shim, folder, "writes").output().unwrap());
    let disk = ForgetfulDisk::after(&log, folder);
    let module = format!("modules/{}.wasm", ModuleHash::of(MODULE));
    for file in [IDS, ORDERS, KILLED, &module] {
        let file = folder.join("data").join(file);
        assert!(disk.has(&file), "{} was not written", file.display());
        assert!(disk.keeps(&file), "{} is lost", file.display());
    }
    succeeded(&command(&shim, folder, "clears").output().unwrap());
    let disk = ForgetfulDisk::after(&log, folder);
    let latch = folder.join("data").join(KILLED);
    assert!(!disk.has(&latch));
    assert!(disk.keeps(&latch), "a latch that was removed comes back");
}

#[test]
fn names_whose_folder_could_not_be_synced_are_synced_by_the_next_attempt() {
    let (library, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (shim, folder) = (shim(library.path()), folder.path());
    std::fs::create_dir(folder.join("data")).unwrap();
    // The first sync is that of the file.
    let output = command(&shim, folder, "repeats")
        .env("FAULT_CALL", "fsync")
        .env("FAULT_FROM", "2")
        .env("FAULT_TO", "2")
        .output()
        .unwrap();
    succeeded(&output);
    let disk = ForgetfulDisk::after(&shim.with_file_name("log"), &folder.join("data"));
    assert!(disk.keeps(&folder.join("data").join(IDS)));
}
