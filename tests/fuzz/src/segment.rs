//! Writes a segment of a reel with right checksums around any records, as `docs/decisions/0011-journal.md` describes the format.

const PAGE: usize = 4096;
const FRAME: usize = 16;

/// A record: its kind and its payload.
pub(crate) type Rec = (u16, Vec<u8>);

/// The bytes of the one segment of a reel with these records.
pub(crate) fn segment(name: &str, schema: u16, records: &[Rec]) -> Vec<u8> {
    let size: usize = records
        .iter()
        .map(|(_, payload)| padded(payload.len()))
        .sum();
    let capacity = (PAGE + size + 2 * FRAME + 8 * PAGE) as u64;
    let mut bytes = header(name, schema, capacity);
    let identity = word(&bytes, PAGE - 12);
    for (index, (kind, payload)) in (0u64..).zip(records) {
        frame(&mut bytes, identity, index, *kind, payload);
    }
    bytes.resize(capacity as usize, 0);
    bytes
}

/// The records of such a segment, as far as they can be told apart.
pub(crate) fn records(bytes: &[u8]) -> Vec<Rec> {
    let mut records = Vec::new();
    let mut at = PAGE;
    while bytes.len() >= at + FRAME {
        let size = word(bytes, at + 4) as usize;
        let second = half(bytes, at + 10);
        if size < FRAME || second != 1 || bytes.len() < at + size {
            break;
        }
        records.push((half(bytes, at + 8), bytes[at + FRAME..at + size].to_vec()));
        at += size.next_multiple_of(8);
    }
    records
}

fn header(name: &str, schema: u16, capacity: u64) -> Vec<u8> {
    let mut page = vec![0; PAGE];
    page[..8].copy_from_slice(b"tickreel");
    page[8..10].copy_from_slice(&1u16.to_le_bytes());
    page[10..12].copy_from_slice(&schema.to_le_bytes());
    page[12..16].copy_from_slice(&(name.len() as u32).to_le_bytes());
    let words = [7u64, 1, 0, 1, 0, capacity];
    for (place, word) in page[16..64].chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    page[64..64 + name.len()].copy_from_slice(name.as_bytes());
    let sum = crc32c::crc32c(&page[..PAGE - 12]);
    page[PAGE - 12..PAGE - 8].copy_from_slice(&sum.to_le_bytes());
    page
}

fn frame(bytes: &mut Vec<u8>, identity: u32, index: u64, kind: u16, payload: &[u8]) {
    let at = bytes.len();
    bytes.extend(0u32.to_le_bytes());
    bytes.extend(((FRAME + payload.len()) as u32).to_le_bytes());
    bytes.extend(kind.to_le_bytes());
    bytes.extend(1u16.to_le_bytes());
    bytes.extend((index as u32).to_le_bytes());
    bytes.extend(payload);
    bytes.resize(at + padded(payload.len()), 0);
    let sum = crc32c::crc32c_append(identity, &index.to_le_bytes());
    let sum = crc32c::crc32c_append(sum, &bytes[at..]);
    bytes[at..at + 4].copy_from_slice(&sum.to_le_bytes());
}

fn padded(payload: usize) -> usize {
    (FRAME + payload).next_multiple_of(8)
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
