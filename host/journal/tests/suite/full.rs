//! A disk that is full: a real small file system, mounted in a namespace of its own.

use crate::child::{self, report};
use crate::records::{NAME, append, folder, kind, payload, small};
use std::fs;
use std::path::Path;
use std::process::Command;
use tickdeck_journal::{JournalError, Reader, Reel, prune, verify};

/// Size of the file system.
const SIZE: u64 = 2 << 20;

#[test]
fn a_full_disk_refuses_appends_until_it_has_space_again() {
    let folder = folder();
    let child = child::command("fills-the-disk", folder.path(), 0);
    let mount = format!("mount -t tmpfs -o size={SIZE} tickdeck-journal \"$0\" && exec \"$@\"");
    // As root of a namespace of users where that is allowed, else as root.
    let ways: [&[&str]; 2] = [&["-r", "-m"], &["-m"]];
    let Some(way) = ways.into_iter().find(|way| {
        let tried = Command::new("unshare")
            .args(*way)
            .args(["sh", "-c", &mount])
            .arg(folder.path())
            .arg("true")
            .output();
        tried.is_ok_and(|output| output.status.success())
    }) else {
        println!("left out: this machine lets us mount no file system (unshare, mount -t tmpfs)");
        return;
    };
    let mut command = Command::new("unshare");
    command
        .args(way)
        .args(["sh", "-c", &mount])
        .arg(folder.path());
    command.arg(child.get_program()).args(child.get_args());
    command.envs(
        child
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let output = command.output().unwrap();
    let report = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{report}");
    assert!(report.contains("all read back"), "{report}");
}

/// The other process: the folder is the small file system.
pub(crate) fn fills_the_disk(folder: &Path) {
    fs::write(folder.join("ballast"), vec![1; 256 << 10]).unwrap();
    let (mut reel, _) = Reel::open(folder, NAME, &small()).unwrap();
    let refused = loop {
        let index = reel.next_index();
        match reel.append(kind(index), &payload(index)) {
            Ok(_) => assert!(index < 100_000, "the disk is not full"),
            Err(error) => break error,
        }
    };
    let index = reel.next_index();
    let full = |error: &JournalError| matches!(error, JournalError::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull);
    assert!(full(&refused), "{refused}");
    assert!(reel.health().is_err_and(|error| full(&error)));
    // It stays so, and what is there stays there.
    assert!(
        reel.append(kind(index), &payload(index))
            .is_err_and(|error| full(&error))
    );
    assert_eq!(reel.next_index(), index);
    reel.sync().unwrap();
    assert_eq!(reel.durable(), index);
    report(&format!("full at {index}: {refused}"));
    // Room by other means, then by pruning.
    fs::remove_file(folder.join("ballast")).unwrap();
    append(&mut reel, 500);
    reel.health().unwrap();
    while reel.append(0, &[0; 300]).is_ok() {}
    let gone = prune(folder, NAME, SIZE / 2).unwrap();
    let first = gone.last().unwrap().first + gone.last().unwrap().records;
    append(&mut reel, 500);
    let next = reel.next_index();
    reel.close().unwrap();
    let verified = verify(folder, NAME, &mut |_, _| {}).unwrap();
    assert_eq!((verified.damage, verified.sealed), (vec![], true));
    let mut reader = Reader::open(folder, NAME).unwrap();
    assert_eq!(reader.position(), first);
    while reader.next().unwrap().is_some() {}
    assert_eq!(reader.position(), next);
    report("all read back");
}
