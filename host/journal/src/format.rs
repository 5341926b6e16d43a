//! The bytes of a segment: one page of header, frames, zeros. See `docs/decisions/0011-journal.md` for a description from which
//! an independent reader can be written.

/// Version of the framing.
pub const FORMAT: u16 = 1;

/// Bytes of the header, one page.
pub(crate) const HEADER: u64 = 4096;

/// Bytes before a frame's payload.
pub(crate) const FRAME: usize = 16;

/// The longest payload: whoever can write a file can also give it valid checksums, and a reader buffers a whole record.
pub(crate) const MAX_PAYLOAD: usize = 64 << 20;

/// The longest segment.
pub(crate) const MAX_SEGMENT: u64 = 16 << 30;

/// The highest number of a segment, and of a record: sums of them cannot overflow 64 bits.
pub(crate) const MAX_NUMBER: u64 = 1 << 48;

/// Bytes of the frame that seals a segment.
pub(crate) const SEAL: u64 = FRAME as u64 + SEAL_PAYLOAD as u64;

/// Frames begin at multiples of this.
pub(crate) const ALIGN: u64 = 8;

/// Longest name of a reel, in bytes.
pub(crate) const NAME: usize = 64;

/// The offset of the mark, the word that says how far the segment is durable.
pub(crate) const MARK: u64 = HEADER - 8;

const MAGIC: [u8; 8] = *b"tickreel";
const SEAL_PAYLOAD: usize = 16;
/// The offset of the header's checksum; it covers all before it and is followed by the mark.
const HEADER_SUM: usize = MARK as usize - 4;

/// The type of a frame that carries a record.
const RECORD: u16 = 1;
/// The type of the frame that ends a segment.
const SEALED: u16 = 2;

/// The first page of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    /// The version of the records' meaning, from the writer's settings.
    pub(crate) schema: u16,
    pub(crate) name: String,
    /// Drawn when the reel was created; it reveals a segment of another reel.
    pub(crate) reel: u64,
    pub(crate) number: u64,
    /// The index of the segment's first record.
    pub(crate) first: u64,
    /// Nanoseconds since 1970.
    pub(crate) created_ns: u64,
    /// The running checksum at the end of the segment before.
    pub(crate) chain: u64,
    /// The length of the file until it is sealed.
    pub(crate) capacity: u64,
}

impl Header {
    /// Encodes the page, without a mark.
    pub(crate) fn encode(&self) -> [u8; HEADER as usize] {
        let mut page = [0u8; HEADER as usize];
        page[..8].copy_from_slice(&MAGIC);
        page[8..10].copy_from_slice(&FORMAT.to_le_bytes());
        page[10..12].copy_from_slice(&self.schema.to_le_bytes());
        page[12..16].copy_from_slice(&(self.name.len() as u32).to_le_bytes());
        let words = [
            self.reel,
            self.number,
            self.first,
            self.created_ns,
            self.chain,
            self.capacity,
        ];
        for (place, word) in page[16..64].chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        page[64..64 + self.name.len()].copy_from_slice(self.name.as_bytes());
        let sum = crc32c::crc32c(&page[..HEADER_SUM]);
        page[HEADER_SUM..HEADER_SUM + 4].copy_from_slice(&sum.to_le_bytes());
        page
    }

    /// Decodes the page; the error states the fault.
    pub(crate) fn decode(page: &[u8]) -> Result<Self, String> {
        if page.len() < HEADER as usize {
            return Err(format!(
                "the header is {HEADER} bytes and the file has {}",
                page.len()
            ));
        }
        if page[..8] != MAGIC {
            return Err("it does not begin like a segment".to_owned());
        }
        let sum = u32_at(page, HEADER_SUM);
        let is = crc32c::crc32c(&page[..HEADER_SUM]);
        if sum != is {
            return Err(format!(
                "the header's checksum is {is:08x} and should be {sum:08x}"
            ));
        }
        let format = u16_at(page, 8);
        if format != FORMAT {
            return Err(format!(
                "its format is {format} and this program reads {FORMAT}"
            ));
        }
        let length = u32_at(page, 12) as usize;
        let name = page
            .get(64..64 + length)
            .filter(|_| length <= NAME)
            .and_then(|name| std::str::from_utf8(name).ok())
            .ok_or("the name in the header is not one")?;
        let (first, capacity) = (u64_at(page, 32), u64_at(page, 56));
        if first > MAX_NUMBER || capacity > MAX_SEGMENT {
            return Err(format!(
                "the header says that it begins with record {first} and has room for {capacity} bytes, which cannot be"
            ));
        }
        Ok(Self {
            schema: u16_at(page, 10),
            name: name.to_owned(),
            reel: u64_at(page, 16),
            number: u64_at(page, 24),
            first,
            created_ns: u64_at(page, 40),
            chain: u64_at(page, 48),
            capacity,
        })
    }

    /// Returns the start value of every checksum in the segment, so that no frame is valid in another segment.
    pub(crate) fn identity(&self) -> u32 {
        u32_at(&self.encode(), HEADER_SUM)
    }
}

/// Returns the mark that says that the segment is durable up to `end`: one aligned store, so it is never half written.
pub(crate) fn mark(identity: u32, end: u64) -> u64 {
    let units = (end / ALIGN) as u32;
    let sum = crc32c::crc32c_append(identity, &units.to_le_bytes());
    u64::from(sum) << 32 | u64::from(units)
}

/// Reads a mark; a missing mark is 0.
pub(crate) fn read_mark(identity: u32, word: u64) -> Result<u64, String> {
    let end = u64::from(word as u32) * ALIGN;
    if word == 0 || word == mark(identity, end) {
        Ok(end)
    } else {
        Err("the mark of the durable part has a wrong checksum".to_owned())
    }
}

/// The content of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// A record of this kind.
    Record(u16),
    /// The end of the segment.
    Seal,
}

/// The two words before a payload. The first makes the frame visible and is written last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) first: u64,
    pub(crate) second: u64,
}

/// Returns the bytes of a frame with this payload.
#[inline]
pub(crate) const fn frame_bytes(payload: usize) -> u64 {
    (FRAME as u64 + payload as u64).next_multiple_of(ALIGN)
}

impl FrameHeader {
    #[inline]
    pub(crate) fn new(identity: u32, index: u64, content: Content, payload: &[u8]) -> Self {
        let (kind, variety) = match content {
            Content::Record(kind) => (kind, RECORD),
            Content::Seal => (0, SEALED),
        };
        let size = (FRAME + payload.len()) as u64;
        let second = u64::from(kind) | u64::from(variety) << 16 | (index & 0xffff_ffff) << 32;
        let sum = checksum(identity, index, size << 32, second, payload);
        Self {
            first: size << 32 | u64::from(sum),
            second,
        }
    }

    /// Returns the checksum alone, which enters the running one.
    #[inline]
    pub(crate) const fn sum(self) -> u32 {
        self.first as u32
    }

    pub(crate) fn read(bytes: &[u8]) -> Self {
        Self {
            first: u64_at(bytes, 0),
            second: u64_at(bytes, 8),
        }
    }

    /// Returns the bytes of the payload, if this can be a frame at all.
    pub(crate) const fn payload(self) -> Option<usize> {
        ((self.first >> 32) as usize).checked_sub(FRAME)
    }

    pub(crate) const fn content(self) -> Option<Content> {
        match (self.second >> 16) as u16 {
            RECORD => Some(Content::Record(self.second as u16)),
            SEALED => Some(Content::Seal),
            _ => None,
        }
    }

    /// Returns the low half of the index.
    pub(crate) const fn index_low(self) -> u32 {
        (self.second >> 32) as u32
    }

    /// Returns whether the checksum is right, for the payload and its padding of zeros.
    pub(crate) fn holds(self, identity: u32, index: u64, padded: &[u8]) -> bool {
        let Some(length) = self.payload().filter(|length| *length <= padded.len()) else {
            return false;
        };
        let (payload, padding) = padded.split_at(length);
        let without = self.first & !0xffff_ffff;
        padding.iter().all(|byte| *byte == 0)
            && self.index_low() == index as u32
            && self.sum() == checksum(identity, index, without, self.second, payload)
    }
}

/// CRC-32C over index, frame header with its checksum zero, payload and padding, started from the segment's identity.
#[inline]
fn checksum(identity: u32, index: u64, first: u64, second: u64, payload: &[u8]) -> u32 {
    let mut head = [0u8; 24];
    head[..8].copy_from_slice(&index.to_le_bytes());
    head[8..16].copy_from_slice(&first.to_le_bytes());
    head[16..].copy_from_slice(&second.to_le_bytes());
    let sum = crc32c::crc32c_append(identity, &head);
    let sum = crc32c::crc32c_append(sum, payload);
    let padding = frame_bytes(payload.len()) as usize - FRAME - payload.len();
    if padding == 0 {
        return sum;
    }
    crc32c::crc32c_append(sum, &[0u8; ALIGN as usize][..padding])
}

/// Adds a frame to the running checksum, which a missing or exchanged frame changes.
#[inline]
pub(crate) const fn run_on(running: u64, sum: u32) -> u64 {
    (running.rotate_left(23) ^ sum as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Returns the payload of the frame that seals a segment: its records and the running checksum over them.
pub(crate) fn seal_payload(records: u64, running: u64) -> [u8; SEAL_PAYLOAD] {
    let mut payload = [0u8; SEAL_PAYLOAD];
    payload[..8].copy_from_slice(&records.to_le_bytes());
    payload[8..].copy_from_slice(&running.to_le_bytes());
    payload
}

/// Reads the records and the running checksum of a seal.
pub(crate) fn read_seal(payload: &[u8]) -> Option<(u64, u64)> {
    (payload.len() == SEAL_PAYLOAD).then(|| (u64_at(payload, 0), u64_at(payload, 8)))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().expect("two bytes"))
}
