//! A thousand random operations on a folder: in the end, the reported changes match its contents.

use super::*;
use std::collections::BTreeSet;
use std::io::Write as _;

const OPERATIONS: usize = 1_000;
const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % bound
    }

    fn name(&mut self) -> &'static str {
        NAMES[self.below(NAMES.len() as u64) as usize]
    }
}

fn seed() -> u64 {
    let given = std::env::var("TICKDECK_SEED").ok();
    let given = given.map(|text| text.parse().expect("TICKDECK_SEED is a number"));
    given.unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since.unwrap().as_nanos() as u64
    })
}

/// Does one thing to the folder. What can't be done to what is there is left.
fn operate(bench: &Bench, dice: &mut Dice) -> String {
    let name = dice.name();
    let file = format!("{name}.wasm");
    let path = bench.path(&file);
    let toml = bench.path(&format!("{name}.toml"));
    // Few contents, so that old ones return; of one length, so that only the content differs.
    let bytes = module(&format!("{:02}", dice.below(20)));
    let what = dice.below(15);
    if what < 10 {
        // Only what is a folder itself, and those are empty.
        let _ = fs::remove_dir(&path);
    }
    let done = match what {
        0 | 1 => fs::write(&path, &bytes),
        2 | 3 => fs::write(bench.path("next.tmp"), &bytes)
            .and_then(|()| fs::rename(bench.path("next.tmp"), &path)),
        4 => fs::File::options()
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(b"more")),
        5 => fs::File::options()
            .write(true)
            .open(&path)
            .and_then(|file| file.set_len(dice.below(15))),
        6 | 7 => fs::remove_file(&path),
        8 => fs::remove_file(&path)
            .or(Ok(()))
            .and_then(|()| symlink(bench.path(&format!("{}.wasm", dice.name())), &path)),
        9 => fs::write(&path, &b"junk and more junk"[..dice.below(18) as usize]),
        10 => fs::write(&toml, format!("n = {}", dice.below(3))),
        11 => fs::remove_file(&toml),
        12 => fs::write(&toml, b"\xff"),
        13 => fs::rename(&path, bench.path(&format!("{}.wasm", dice.name()))),
        _ => fs::create_dir(&path),
    };
    format!("{what} {name} {:?}", done.err().map(|error| error.kind()))
}

/// The contents of the folder, read without the code under test: the content of a valid plugin, `None` for an invalid one.
fn truth(bench: &Bench) -> BTreeMap<String, Option<String>> {
    let mut truth = BTreeMap::new();
    for name in NAMES {
        let path = bench.path(&format!("{name}.wasm"));
        if fs::symlink_metadata(&path).is_err() {
            continue;
        }
        let bytes = fs::read(&path).unwrap_or_default();
        let sections = bytes.strip_prefix(b"\0asm\x01\0\0\0");
        let is_module = sections.is_some_and(are_sections);
        let toml = bench.path(&format!("{name}.toml"));
        let text = toml.exists().then(|| fs::read(&toml).unwrap());
        let content = match text.map(String::from_utf8) {
            _ if !is_module => None,
            None => Some(format!("{bytes:?}")),
            Some(Ok(text)) => Some(format!("{bytes:?} {text}")),
            Some(Err(_)) => None,
        };
        truth.insert(name.to_owned(), content);
    }
    truth
}

/// Of the short sections that are written here.
fn are_sections(bytes: &[u8]) -> bool {
    match bytes {
        [] => true,
        [_] => false,
        [_, length, rest @ ..] => rest.get(usize::from(*length)..).is_some_and(are_sections),
    }
}

/// The state of a loader that trusts every report.
#[derive(Default)]
struct Believer {
    running: BTreeMap<String, String>,
    refused: BTreeSet<String>,
}

impl Believer {
    fn hear(&mut self, change: PluginChange) {
        match change {
            PluginChange::Ready(plugin) => {
                let mut content = format!("{:?}", &plugin.bytes().unwrap()[..]);
                content.extend(plugin.settings.map(|sidecar| format!(" {}", sidecar.text)));
                self.refused.remove(&plugin.name);
                let before = self.running.insert(plugin.name.clone(), content.clone());
                assert_ne!(before, Some(content), "{} again", plugin.name);
            }
            PluginChange::Removed { name } => {
                self.refused.remove(&name);
                assert!(self.running.remove(&name).is_some(), "{name} never ran");
            }
            PluginChange::Refused(refused) => {
                self.refused.insert(refused.name);
            }
            other => panic!("{other:?}"),
        }
    }

    fn compare(&self, truth: &BTreeMap<String, Option<String>>) {
        for name in NAMES {
            match truth.get(name) {
                None => assert!(!self.running.contains_key(name), "{name} is deleted"),
                Some(None) => assert!(self.refused.contains(name), "{name} is bad"),
                Some(Some(content)) => {
                    assert_eq!(self.running.get(name), Some(content), "{name}");
                }
            }
        }
    }
}

fn settle_and_compare(bench: &mut Bench, believer: &mut Believer) {
    bench.rest();
    for change in bench.said.drain(..) {
        believer.hear(change);
    }
    believer.compare(&truth(bench));
}

#[test]
fn the_changes_of_a_thousand_random_operations_match_the_folder() {
    let seed = seed();
    println!("TICKDECK_SEED={seed}");
    let mut dice = Dice(seed);
    let mut bench = Bench::new();
    let mut believer = Believer::default();
    for round in 0..OPERATIONS {
        println!("{round}: {}", operate(&bench, &mut dice));
        let step = match dice.below(4) {
            0 => 0,
            1 => dice.below(50),
            2 => dice.below(300),
            _ => dice.below(3_000),
        };
        let hint = dice.below(3) > 0;
        bench.pass(ms(step), hint);
        if round % 50 == 49 {
            settle_and_compare(&mut bench, &mut believer);
        }
    }
    settle_and_compare(&mut bench, &mut believer);
}
