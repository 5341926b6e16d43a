//! Reels of a run in a data folder, read by all that reads reels. An input is the two reels' records, which get right checksums, or two
//! files as they are.

use crate::dice::Dice;
use crate::mutate::mutate;
use crate::scratch;
use crate::segment::{Rec, records, segment};
use std::path::Path;
use tickdeck_engine::port::Version;
use tickdeck_engine::{CancelToken, Tape as _};
use tickdeck_recording::rows::{ExportRequest, export};
use tickdeck_recording::{
    ACTIONS, DataReels, EVENTS, EffectReader, EventReader, RecordedRun, ReelTape, RunManifest,
    VersionFactory, VersionSpec, describe, effects, order_history, senders, verify_folder,
};
use tickdeck_tables::Format;

static EVENTS_REEL: &[u8] =
    include_bytes!("../../../fixtures/reel-schema-1/reels/000001/events-000001.reel");
static ACTIONS_REEL: &[u8] =
    include_bytes!("../../../fixtures/reel-schema-1/reels/000001/actions-000001.reel");

const WORDS: &[&str] = &[
    "\"did\":\"seat\"",
    "\"strategy\":4294967295",
    "[[0,5]]",
    "{",
    "}",
    "null",
    "-1",
    "18446744073709551615",
    "\\tcurrency\\tX\\t99\\n",
    "\\n",
    "\"venues\":[]",
    "\u{1b}[2J",
    "../../",
    "\\u0000",
];

/// Records of a reel that inputs begin with.
const MOST_RECORDS: usize = 24;

/// Items that are described.
const MOST_ITEMS: usize = 256;

/// As the input says: whole files, or records of these two schemas.
const WHOLE: u8 = 0;

pub(crate) fn make(dice: &mut Dice) -> Vec<u8> {
    let mut reels = [records(EVENTS_REEL), records(ACTIONS_REEL)];
    if dice.one_in(5) {
        let files = [(EVENTS, &reels[0]), (ACTIONS, &reels[1])].map(|(name, reel)| {
            let mut file = segment(name, 1, &reel[..reel.len().min(MOST_RECORDS)]);
            mutate(&mut file, WORDS, dice);
            file
        });
        return [
            vec![WHOLE],
            packed(&[(0, files[0].clone())]),
            packed(&[(0, files[1].clone())]),
        ]
        .concat();
    }
    for reel in &mut reels {
        reel.truncate(MOST_RECORDS);
        for _ in 0..=dice.below(3) {
            change(reel, dice);
        }
    }
    let schema = 1 + dice.below(2) as u8;
    [vec![schema], packed(&reels[0]), packed(&reels[1])].concat()
}

fn change(reel: &mut Vec<Rec>, dice: &mut Dice) {
    if reel.is_empty() {
        return;
    }
    // The manifest is worth the most.
    let at = if dice.one_in(2) {
        0
    } else {
        dice.below(reel.len())
    };
    match dice.below(8) {
        0 => reel[at].0 = dice.below(10) as u16,
        1 => drop(reel.remove(at)),
        2 => reel.insert(at, reel[at].clone()),
        3 => {
            let other = dice.below(reel.len());
            reel.swap(at, other);
        }
        _ => mutate(&mut reel[at].1, WORDS, dice),
    }
}

/// Records as an input holds them: their number, then kind, length and payload of each.
fn packed(records: &[Rec]) -> Vec<u8> {
    let mut bytes = vec![records.len() as u8];
    for (kind, payload) in records {
        bytes.push(*kind as u8);
        bytes.extend((payload.len() as u32).to_le_bytes());
        bytes.extend(payload);
    }
    bytes
}

/// Takes records off an input.
fn unpacked(input: &mut &[u8]) -> Vec<Rec> {
    let mut take = |count: usize| {
        let (taken, rest) = input.split_at(count.min(input.len()));
        *input = rest;
        taken
    };
    let count = take(1).first().copied().unwrap_or(0);
    let mut records = Vec::new();
    for _ in 0..count {
        let head = take(5);
        let [kind, length @ ..] = head else { break };
        let Ok(length) = length.try_into().map(u32::from_le_bytes) else {
            break;
        };
        records.push((u16::from(*kind), take(length as usize).to_vec()));
    }
    records
}

pub(crate) fn run(input: &[u8]) {
    let Some((form, mut rest)) = input.split_first() else {
        return;
    };
    for name in [EVENTS, ACTIONS] {
        let records = unpacked(&mut rest);
        let file = match (*form, records.first()) {
            (WHOLE, Some((_, file))) => file.clone(),
            (schema, _) => segment(name, u16::from(schema % 3), &records),
        };
        scratch::write(&format!("data/reels/000001/{name}-000001.reel"), &file);
    }
    let reels = DataReels::in_folder(&scratch::folder().join("data"));
    let Ok(run) = reels.run(None) else { return };
    read(&reels, &run);
}

/// Reads the run in every way.
fn read(reels: &DataReels, run: &RecordedRun) {
    let _ = verify_folder(reels, &CancelToken::default(), &mut |_, _| {});
    let _ = (
        run.has_begun(),
        run.has_ended(),
        run.usable_range(),
        run.events(),
    );
    let _ = effects(run);
    let _ = senders(run);
    let _ = order_history(run, "guest", 1);
    if let Ok(registry) = run.names() {
        let names = tickdeck_recording::names::Names::new(registry.into(), None);
        describe_all(run, &names);
    }
    for format in [Format::JsonLines, Format::Parquet] {
        let request = ExportRequest {
            format,
            from: None,
            until: None,
        };
        let out = scratch::folder().join("tables");
        let _ = export(run, request, &out, &CancelToken::default(), &mut |_, _| {});
    }
    tape(&run.folder);
}

fn describe_all(run: &RecordedRun, names: &tickdeck_recording::names::Names) {
    if let Ok(mut events) = EventReader::open(run, 0) {
        for _ in 0..MOST_ITEMS {
            let Ok(Some(event)) = events.next() else {
                break;
            };
            let _ = describe::event(&event, names);
        }
    }
    if let Ok(mut effects) = EffectReader::open(run) {
        for _ in 0..MOST_ITEMS {
            let Ok(Some(timed)) = effects.next() else {
                break;
            };
            let _ = describe::effect(&timed.effect, names);
        }
    }
}

/// Nothing is compiled here.
struct NoVersions;

impl VersionFactory for NoVersions {
    fn version(&self, _: &str, spec: &VersionSpec) -> anyhow::Result<Version> {
        anyhow::bail!("{}", spec.module)
    }
}

fn tape(folder: &Path) {
    let _ = RunManifest::read(folder);
    let Ok(mut tape) = ReelTape::open(folder, Box::new(NoVersions)) else {
        return;
    };
    let mut events = Vec::new();
    while tape.events(64, &mut events).is_ok() && !events.is_empty() {
        events.clear();
    }
    while let Ok(Some(_)) = tape.effect() {}
    let _ = tape.version("guest", "{}");
}
