//! Any sequence of appends, reopenings, cuts and the like reads back as a plain list would.

use crate::independent;
use crate::records::{NAME, files, folder};
use proptest::prelude::*;
use std::fs::OpenOptions;
use std::path::Path;
use tickdeck_journal::{JournalError, Reader, Reel, ReelConfig, Sync, prune, verify};

#[derive(Debug, Clone)]
enum Step {
    Append {
        kind: u16,
        payload: Vec<u8>,
    },
    AppendAll {
        kind: u16,
        each: usize,
        count: usize,
    },
    Sync,
    /// Closes the reel and opens it again.
    Reopen,
    /// Lets go of the reel without closing it, as the end of a process does, and opens it again.
    Leave,
    /// As `Leave`, and the last segment loses so many bytes of its records before it is opened.
    Cut {
        bytes: u64,
    },
    Prune {
        keep: u64,
    },
    /// Reads on with a reader that stays open.
    Follow,
    Seek {
        part: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let payload = prop::collection::vec(any::<u8>(), 0..2_000);
    prop_oneof![
        12 => (any::<u16>(), payload).prop_map(|(kind, payload)| Step::Append { kind, payload }),
        4 => (any::<u16>(), 1..200usize, 0..200usize)
            .prop_map(|(kind, each, count)| Step::AppendAll { kind, each, count }),
        1 => Just(Step::Sync),
        1 => Just(Step::Reopen),
        2 => Just(Step::Leave),
        2 => (1..3_000u64).prop_map(|bytes| Step::Cut { bytes }),
        1 => (0..100_000u64).prop_map(|keep| Step::Prune { keep }),
        3 => Just(Step::Follow),
        2 => (0..1_000u64).prop_map(|part| Step::Seek { part }),
    ]
}

/// The reel and what should be in it.
struct Pair<'a> {
    folder: &'a Path,
    config: ReelConfig,
    reel: Option<Reel>,
    records: Vec<(u16, Vec<u8>)>,
    reader: Option<Reader>,
}

impl Pair<'_> {
    fn reel(&mut self) -> &mut Reel {
        self.reel.as_mut().unwrap()
    }

    fn open(&mut self) {
        let (reel, opened) = Reel::open(self.folder, NAME, &self.config).unwrap();
        assert_eq!(opened.records, self.records.len() as u64);
        self.reel = Some(reel);
    }

    fn perform(&mut self, step: Step) {
        match step {
            Step::Append { kind, payload } => {
                let index = self.reel().append(kind, &payload).unwrap();
                assert_eq!(index, self.records.len() as u64);
                self.records.push((kind, payload));
            }
            Step::AppendAll { kind, each, count } => {
                let bytes: Vec<u8> = (0..each * count).map(|at| at as u8).collect();
                let first = self.reel().append_all(kind, &bytes, each).unwrap();
                assert_eq!(first, self.records.len() as u64);
                let records = bytes.chunks(each).map(|payload| (kind, payload.to_vec()));
                self.records.extend(records);
            }
            Step::Sync => self.reel().sync().unwrap(),
            Step::Reopen => {
                self.reel.take().unwrap().close().unwrap();
                self.open();
            }
            Step::Leave => {
                self.reel = None;
                self.open();
            }
            Step::Cut { bytes } => self.cut(bytes),
            Step::Prune { keep } => drop(prune(self.folder, NAME, keep).unwrap()),
            Step::Follow => self.follow(),
            Step::Seek { part } => self.seek(part),
        }
    }

    fn cut(&mut self, bytes: u64) {
        self.reel = None;
        self.reader = None;
        let begun = files(self.folder).into_iter().rev().find_map(|path| {
            let segment = independent::segment(&std::fs::read(&path).unwrap())?;
            Some((path, segment))
        });
        let (path, segment) = begun.unwrap();
        let length = segment.end.saturating_sub(bytes).max(4096);
        let file = OpenOptions::new().write(true).open(path).unwrap();
        file.set_len(length).unwrap();
        let lost = segment.records.iter().filter(|record| {
            record.at + 16 + (record.payload.len() as u64).next_multiple_of(8) > length
        });
        let left = self.records.len() - lost.count();
        self.records.truncate(left);
        self.open();
    }

    fn follow(&mut self) {
        let mut reader = match self.reader.take() {
            Some(reader) => reader,
            None => Reader::open(self.folder, NAME).unwrap(),
        };
        let read = self.read_on(&mut reader);
        if let Err(JournalError::Pruned { index, first, .. }) = read {
            let left = Reader::open(self.folder, NAME).unwrap();
            assert!(index < first && left.position() <= first);
            return;
        }
        read.unwrap();
        self.reader = Some(reader);
    }

    fn seek(&mut self, part: u64) {
        let mut reader = Reader::open(self.folder, NAME).unwrap();
        let first = reader.position();
        let index = first + (self.records.len() as u64 - first) * part / 1_000;
        reader.seek(index).unwrap();
        assert_eq!(reader.position(), index);
        self.read_on(&mut reader).unwrap();
    }

    fn read_on(&self, reader: &mut Reader) -> Result<(), JournalError> {
        for index in reader.position()..self.records.len() as u64 {
            let (kind, payload) = &self.records[index as usize];
            let record = reader.next()?.unwrap();
            assert_eq!((record.index, record.kind), (index, *kind));
            assert_eq!(record.payload, payload);
        }
        assert!(reader.next()?.is_none());
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_reads_back(steps in prop::collection::vec(step(), 1..80), mode in 0..3) {
        let folder = folder();
        let sync = [Sync::default(), Sync::Order, Sync::Never][mode as usize];
        let config = ReelConfig { sync, segment_bytes: 20 << 10, schema: 9 };
        let mut pair = Pair { folder: folder.path(), config, reel: None, records: Vec::new(), reader: None };
        pair.open();
        for step in steps {
            pair.perform(step);
        }
        let mut reader = Reader::open(folder.path(), NAME).unwrap();
        pair.read_on(&mut reader).unwrap();
        pair.reel.take().unwrap().close().unwrap();
        let verified = verify(folder.path(), NAME, &mut |_, _| {}).unwrap();
        prop_assert_eq!((verified.damage, verified.sealed), (vec![], true));
        let segments = independent::read(folder.path(), NAME);
        prop_assert_eq!(segments.last().unwrap().next(), pair.records.len() as u64);
    }
}
