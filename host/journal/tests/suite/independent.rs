//! A reader written from the description in `docs/decisions/0011-journal.md` and nothing else. It shares no line with the crate,
//! its CRC included.

use std::path::Path;

/// A segment as the bytes of its file say.
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) schema: u16,
    pub(crate) name: String,
    pub(crate) first: u64,
    pub(crate) reel: u64,
    pub(crate) chain: u64,
    pub(crate) capacity: u64,
    /// All before this was durable.
    pub(crate) mark: u64,
    pub(crate) records: Vec<Record>,
    pub(crate) sealed: bool,
    /// Running checksum after the last record.
    pub(crate) running: u64,
    /// Where the last good frame ends.
    pub(crate) end: u64,
}

pub(crate) struct Record {
    pub(crate) index: u64,
    pub(crate) kind: u16,
    pub(crate) payload: Vec<u8>,
    /// Where the frame begins.
    pub(crate) at: u64,
}

/// Reads all segments of a reel that have been begun, as far as each goes.
pub(crate) fn read(folder: &Path, name: &str) -> Vec<Segment> {
    let mut segments = Vec::new();
    for file in crate::records::files(folder) {
        let stem = file.file_stem().unwrap().to_str().unwrap();
        let (reel, number) = stem.rsplit_once('-').unwrap();
        if reel != name {
            continue;
        }
        let bytes = std::fs::read(&file).unwrap();
        let Some(segment) = segment(&bytes) else {
            continue;
        };
        assert_eq!(segment.number, number.parse::<u64>().unwrap());
        assert_eq!(segment.name, name);
        segments.push(segment);
    }
    for pair in segments.windows(2) {
        assert!(pair[0].sealed, "segment {} has no end", pair[0].number);
        assert_eq!(pair[0].number + 1, pair[1].number);
        assert_eq!(pair[0].reel, pair[1].reel);
        assert_eq!(pair[0].next(), pair[1].first);
        assert_eq!(pair[0].running, pair[1].chain);
    }
    segments
}

impl Segment {
    pub(crate) fn next(&self) -> u64 {
        self.first + self.records.len() as u64
    }
}

/// Reads one segment's bytes; `None` if it is not begun.
pub(crate) fn segment(bytes: &[u8]) -> Option<Segment> {
    if bytes.len() < 4096 || bytes[..8] == [0; 8] {
        return None;
    }
    assert_eq!(&bytes[..8], b"tickreel");
    assert_eq!(half(bytes, 8), 1);
    let identity = word(bytes, 4084);
    assert_eq!(identity, crc(0, &bytes[..4084]));
    let length = word(bytes, 12) as usize;
    let mark = u64::from(word(bytes, 4088)) * 8;
    if mark > 0 {
        assert_eq!(word(bytes, 4092), crc(identity, &bytes[4088..4092]));
    }
    let mut segment = Segment {
        schema: half(bytes, 10),
        name: String::from_utf8(bytes[64..64 + length].to_vec()).unwrap(),
        reel: long(bytes, 16),
        number: long(bytes, 24),
        first: long(bytes, 32),
        chain: long(bytes, 48),
        capacity: long(bytes, 56),
        mark,
        records: Vec::new(),
        sealed: false,
        running: long(bytes, 48),
        end: 4096,
    };
    while !segment.sealed && frame(bytes, identity, &mut segment) {}
    Some(segment)
}

/// Takes the next frame, if a good one stands there.
fn frame(bytes: &[u8], identity: u32, segment: &mut Segment) -> bool {
    let at = segment.end as usize;
    if bytes.len() < at + 16 {
        return false;
    }
    let size = word(bytes, at + 4) as usize;
    let padded = size.div_ceil(8) * 8;
    if size < 16 || bytes.len() < at + padded {
        return false;
    }
    let index = segment.next();
    let mut covered = index.to_le_bytes().to_vec();
    covered.extend_from_slice(&bytes[at..at + padded]);
    covered[8..12].fill(0);
    let sum = word(bytes, at);
    let zeros = bytes[at + size..at + padded].iter().all(|byte| *byte == 0);
    if sum != crc(identity, &covered) || word(bytes, at + 12) != index as u32 || !zeros {
        return false;
    }
    segment.end += padded as u64;
    if half(bytes, at + 10) == 2 {
        assert_eq!(long(bytes, at + 16), segment.records.len() as u64);
        assert_eq!(long(bytes, at + 24), segment.running);
        segment.sealed = true;
        return true;
    }
    assert_eq!(half(bytes, at + 10), 1);
    segment.running =
        (segment.running.rotate_left(23) ^ u64::from(sum)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    segment.records.push(Record {
        index,
        kind: half(bytes, at + 8),
        payload: bytes[at + 16..at + size].to_vec(),
        at: at as u64,
    });
    true
}

/// CRC-32C, a table lookup a byte.
fn crc(before: u32, bytes: &[u8]) -> u32 {
    let mut crc = !before;
    for byte in bytes {
        crc = crc >> 8 ^ TABLE[((crc ^ u32::from(*byte)) & 255) as usize];
    }
    !crc
}

static TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut value = at as u32;
        let mut bit = 0;
        while bit < 8 {
            let carry = value & 1 == 1;
            value >>= 1;
            if carry {
                value ^= 0x82F6_3B78;
            }
            bit += 1;
        }
        table[at] = value;
        at += 1;
    }
    table
};

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap())
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}
