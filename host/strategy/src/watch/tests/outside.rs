//! Files that are not modules, and changes of the folder itself.

use super::*;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::process::Command;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Asserts that exactly one refusal with this text is reported, however long the folder is left alone.
fn refuses(bench: &mut Bench, words: &str) {
    let said = bench.rest_and_take();
    assert_eq!(said.len(), 1, "{said:?}");
    let line = &said[0];
    assert!(line.starts_with("refused ema: "), "{line}");
    assert!(line.contains(words), "`{words}` in {line}");
    bench.folder.recheck();
    assert_eq!(bench.rest_and_take(), [""; 0], "once");
}

/// Puts the old module back, which is not reported.
fn goes_back(bench: &mut Bench) {
    let path = bench.path("ema.wasm");
    if path.is_dir() {
        fs::remove_dir(&path).unwrap();
    }
    bench.swap("ema.wasm", &module("old"));
    assert_eq!(
        bench.rest_and_take(),
        [""; 0],
        "the running strategy continues"
    );
}

#[test]
fn contents_that_are_not_a_module_are_refused_once_and_the_strategy_continues() {
    let mut bench = Bench::with(&[("ema", "old")]);
    let random: Vec<u8> = (0..4_096u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    for (bytes, words) in [
        (&b""[..], "the file is empty"),
        (b"\0as", "first bytes are not"),
        (b"\0asm\x01\0", "is truncated after 6 bytes"),
        (&random, "first bytes are not"),
        (b"(module)", "wasm-tools parse"),
        (b"\0asm\x01\0\x07\0", "layer 7"),
    ] {
        bench.put("ema.wasm", bytes);
        refuses(&mut bench, words);
        goes_back(&mut bench);
    }
    bench.put("ema.wasm", b"junk");
    refuses(&mut bench, "first bytes");
    bench.put("ema.wasm", b"other junk");
    refuses(&mut bench, "first bytes");
    bench.delete("ema.wasm");
    assert_eq!(bench.rest_and_take(), ["removed ema"]);
}

#[test]
fn a_huge_file_is_refused_without_being_read() {
    let mut bench = Bench::with(&[("ema", "old")]);
    let huge = fs::File::create(bench.path("ema.wasm")).unwrap();
    huge.set_len(1 << 40).unwrap();
    refuses(&mut bench, "larger than 64 MiB");
    goes_back(&mut bench);
}

#[test]
fn special_files_are_never_opened() {
    let mut bench = Bench::with(&[("ema", "old")]);
    let path = bench.path("ema.wasm");
    bench.delete("ema.wasm");
    fs::create_dir(&path).unwrap();
    refuses(&mut bench, "is a folder");
    goes_back(&mut bench);
    bench.delete("ema.wasm");
    // Opening it for reading would wait for a writer that never comes.
    let made = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    refuses(&mut bench, "is a FIFO");
    goes_back(&mut bench);
    bench.delete("ema.wasm");
    let _socket = UnixListener::bind(&path).unwrap();
    refuses(&mut bench, "is a socket");
    goes_back(&mut bench);
    bench.delete("ema.wasm");
    symlink("/dev/zero", &path).unwrap();
    refuses(&mut bench, "is a device");
    goes_back(&mut bench);
}

#[test]
fn links_that_lead_nowhere_are_refused() {
    let mut bench = Bench::with(&[("ema", "old")]);
    let path = bench.path("ema.wasm");
    bench.delete("ema.wasm");
    symlink("../build/ema.wasm", &path).unwrap();
    refuses(
        &mut bench,
        "is a link to ../build/ema.wasm, which does not exist",
    );
    goes_back(&mut bench);
    bench.delete("ema.wasm");
    symlink("ema.wasm", &path).unwrap();
    refuses(&mut bench, "cannot be read");
    goes_back(&mut bench);
}

#[test]
fn settings_that_cannot_be_read_leave_the_old_plugin() {
    let mut bench = Bench::with(&[("ema", "old")]);
    bench.put("ema.toml", b"name = \"\xff\"");
    refuses(&mut bench, "ema.toml: is not UTF-8 text from byte 8 on");
    bench.put("ema.toml", &vec![b'#'; MAX_SETTINGS as usize + 1]);
    refuses(&mut bench, "ema.toml: is larger than 16 KiB");
    bench.delete("ema.toml");
    fs::create_dir(bench.path("ema.toml")).unwrap();
    refuses(&mut bench, "ema.toml: is a folder");
    fs::remove_dir(bench.path("ema.toml")).unwrap();
    bench.put("ema.wasm.minisig", &vec![0; MAX_SIGNATURE as usize + 1]);
    refuses(&mut bench, "ema.wasm.minisig: is larger than 64 KiB");
    bench.delete("ema.wasm.minisig");
    assert_eq!(bench.rest_and_take(), [""; 0]);
    bench.put("ema.toml", &vec![b'#'; MAX_SETTINGS as usize]);
    assert_eq!(bench.rest_and_take().len(), 1, "the limit itself is taken");
}

#[test]
fn invalid_names_are_refused_once() {
    let mut bench = Bench::new();
    bench.put("a\x1b[2J.wasm", &module(""));
    let said = bench.rest_and_take();
    assert_eq!(said.len(), 1);
    assert!(
        said[0].contains("is not valid for a strategy: rename it"),
        "{said:?}"
    );
    assert!(!said[0].contains('\x1b'));
}

#[test]
fn a_file_that_may_not_be_read_is_refused_until_it_may() {
    if is_root() {
        return;
    }
    let mut bench = Bench::with(&[("ema", "old")]);
    bench.swap("ema.wasm", &module("new"));
    chmod(&bench.path("ema.wasm"), 0);
    refuses(&mut bench, "cannot be read");
    chmod(&bench.path("ema.wasm"), 0o400);
    assert_eq!(bench.rest_and_take(), ["ready ema new"]);
}

#[test]
fn a_folder_removed_and_created_again_stops_no_plugin_that_is_in_it_again() {
    let mut bench = Bench::with(&[("a", "a"), ("b", "b"), ("c", "c")]);
    let plugins = bench.path("");
    fs::rename(&plugins, bench.root.path().join("away")).unwrap();
    bench.pass(ms(60_000), true);
    let said = bench.take();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("folder unavailable: the plugins folder "));
    assert!(said[0].contains("create it"), "{said:?}");
    fs::create_dir(&plugins).unwrap();
    bench.put("a.wasm", &module("a"));
    bench.put("b.wasm", &module("new"));
    bench.pass(ms(100), true);
    assert_eq!(bench.take(), ["folder available"]);
    assert_eq!(bench.rest_and_take(), ["ready b new", "removed c"]);
}

#[test]
fn plugins_that_were_settling_when_the_folder_vanished_settle_again_when_it_returns() {
    let mut bench = Bench::with(&[("a", "a")]);
    let plugins = bench.path("");
    bench.delete("a.wasm");
    bench.pass(ms(100), true);
    fs::remove_dir(&plugins).unwrap();
    bench.pass(ms(5_000), true);
    assert_eq!(bench.take().len(), 1);
    fs::create_dir(&plugins).unwrap();
    bench.pass(ms(150), true);
    assert_eq!(bench.take(), ["folder available"]);
    bench.put("a.wasm", &module("a"));
    assert_eq!(bench.rest_and_take(), [""; 0]);
}

#[test]
fn a_file_in_place_of_the_folder_makes_it_unavailable() {
    let mut bench = Bench::with(&[("a", "a")]);
    let plugins = bench.root.path().join("plugins");
    fs::remove_dir_all(&plugins).unwrap();
    fs::write(&plugins, "no folder").unwrap();
    let said = bench.rest_and_take();
    assert_eq!(said.len(), 1);
    assert!(said[0].contains("Not a directory"), "{said:?}");
    assert!(scan(&plugins, &[]).is_err());
}

#[test]
fn a_read_only_folder_is_watched() {
    let mut bench = Bench::new();
    bench.put("ema.wasm", &module("a"));
    chmod(&bench.path(""), 0o500);
    assert_eq!(bench.rest_and_take(), ["ready ema a"]);
    chmod(&bench.path(""), 0o700);
}

#[test]
fn a_folder_that_may_not_be_read_or_entered_is_unavailable_but_its_plugins_are_not_removed() {
    if is_root() {
        return;
    }
    let mut bench = Bench::with(&[("ema", "a")]);
    for mode in [0, 0o200, 0o400] {
        chmod(&bench.path(""), mode);
        let said = bench.rest_and_take();
        assert_eq!(said.len(), 1, "mode {mode:o}: {said:?}");
        assert!(said[0].starts_with("folder unavailable: "), "{said:?}");
        chmod(&bench.path(""), 0o700);
        assert_eq!(bench.rest_and_take(), ["folder available"]);
    }
}

#[test]
fn a_folder_with_too_many_entries_is_noted_and_hides_and_removes_no_plugin_that_is_known() {
    let mut bench = Bench::new();
    for n in 0..=MAX_ENTRIES {
        fs::File::create(bench.path(&n.to_string())).unwrap();
    }
    bench.put("ema.wasm", &module("a"));
    let found = scan(&bench.path(""), &["ema".to_owned()]).unwrap();
    assert!(
        found
            .note
            .as_ref()
            .unwrap()
            .contains("more than 20000 entries")
    );
    assert_eq!(found.plugins.len(), 1);
    bench.folder.seed_scan(&found);
    assert_eq!(bench.rest_and_take(), [""; 0], "it was noted already");
    bench.swap("ema.wasm", &module("b"));
    assert_eq!(bench.rest_and_take(), ["ready ema b"]);
    bench.delete("ema.wasm");
    assert_eq!(bench.rest_and_take(), ["removed ema"]);
}
