//! Walking through the frames of one segment file, whether or not it is being written.

use crate::JournalError;
use crate::files::read_at;
use crate::format::{
    ALIGN, Content, FRAME, FrameHeader, HEADER, Header, MARK, SEAL, frame_bytes, read_mark,
    read_seal, run_on, u64_at,
};
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Bytes read at once.
const CHUNK: usize = 256 << 10;

/// A place in a segment file, between two frames.
pub(crate) struct Scan {
    path: PathBuf,
    file: File,
    header: Header,
    identity: u32,
    mark: Result<u64, String>,
    buffer: Vec<u8>,
    /// Where in the file the buffer begins.
    buffered: u64,
    position: u64,
    /// Index of the next record.
    index: u64,
    running: u64,
    sealed: bool,
}

/// What stands at a place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A record; its payload lies in the scan's buffer.
    Record {
        index: u64,
        kind: u16,
        payload: Range<usize>,
    },
    /// The end of the segment, with the index after its last record.
    Seal { next: u64 },
    /// Nothing, or nothing yet.
    End,
    /// Something that is no frame of this place.
    Broken(String),
}

/// What a look at one frame gives: its header, its content and where its payload with padding lies in the buffer.
type Look = Result<Option<(FrameHeader, Content, Range<usize>)>, String>;

impl Scan {
    /// Opens a segment; `None` if it is not begun, as one that is only prepared.
    pub(crate) fn open(path: &Path, name: &str, number: u64) -> Result<Option<Self>, JournalError> {
        let file = File::open(path).map_err(JournalError::io("open", path))?;
        let mut page = vec![0; HEADER as usize];
        let mut problem = String::new();
        // Its first bytes are written last, so whoever sees them and reads again sees all.
        for _ in 0..2 {
            let count =
                read_at(&file, &mut page, 0).map_err(JournalError::io("read from", path))?;
            if count == page.len() && page[..8] == [0; 8] {
                return Ok(None);
            }
            match Header::decode(&page[..count]) {
                Ok(header) if header.name != name || header.number != number => {
                    let what = format!(
                        "its header says that it is segment {} of reel `{}`",
                        header.number, header.name
                    );
                    return Err(JournalError::damaged(path, 16, what));
                }
                Ok(header) => return Ok(Some(Self::at_start(path, file, header, &page))),
                Err(what) => problem = what,
            }
        }
        Err(JournalError::damaged(path, 0, problem))
    }

    fn at_start(path: &Path, file: File, header: Header, page: &[u8]) -> Self {
        let identity = header.identity();
        Self {
            path: path.to_owned(),
            file,
            identity,
            mark: read_mark(identity, u64_at(page, MARK as usize)),
            buffer: Vec::new(),
            buffered: 0,
            position: HEADER,
            index: header.first,
            running: header.chain,
            sealed: false,
            header,
        }
    }

    /// Reads the next frame. Nothing moves on at [`Step::End`] and [`Step::Broken`]: asking again is allowed, and sees what
    /// has been written since.
    pub(crate) fn step(&mut self) -> Result<Step, JournalError> {
        if self.sealed {
            return Ok(Step::Seal { next: self.index });
        }
        let mut look = self.look()?;
        if !matches!(look, Ok(Some(_))) {
            // The buffer may be older than the file, or have been read while the frame was being written.
            if !self.has_more()? {
                return Ok(Step::End);
            }
            self.buffer.clear();
            look = self.look()?;
        }
        match look {
            Err(what) => Ok(Step::Broken(what)),
            Ok(None) => Ok(Step::End),
            Ok(Some((frame, Content::Record(kind), padded))) => {
                let payload = padded.start..padded.start + frame.payload().unwrap_or_default();
                let index = self.index;
                self.index += 1;
                self.pass(frame, padded.len());
                Ok(Step::Record {
                    index,
                    kind,
                    payload,
                })
            }
            Ok(Some((frame, Content::Seal, padded))) => {
                let states = read_seal(&self.buffer[padded.clone()]);
                let is = (self.index - self.header.first, self.running);
                if states != Some(is) {
                    return Ok(Step::Broken(format!(
                        "the segment ends here with {} records and a running checksum that do not agree with its end frame",
                        is.0
                    )));
                }
                // The chain goes on over records only.
                let running = self.running;
                self.pass(frame, padded.len());
                self.running = running;
                self.sealed = true;
                Ok(Step::Seal { next: self.index })
            }
        }
    }

    fn pass(&mut self, frame: FrameHeader, padded: usize) {
        self.running = run_on(self.running, frame.sum());
        self.position += (FRAME + padded) as u64;
    }

    /// Whether the file has anything at the position: a first word of zero is no frame.
    pub(crate) fn has_more(&self) -> Result<bool, JournalError> {
        let mut word = [0; 8];
        read_at(&self.file, &mut word, self.position)
            .map_err(JournalError::io("read from", &self.path))?;
        Ok(word != [0; 8])
    }

    fn look(&mut self) -> Result<Look, JournalError> {
        let Some(head) = self.bytes(FRAME)? else {
            let begun = self.has_more()?;
            return Ok(if begun {
                Err("the file ends in the middle of a frame".to_owned())
            } else {
                Ok(None)
            });
        };
        let frame = FrameHeader::read(&self.buffer[head]);
        if frame.first == 0 {
            return Ok(Ok(None));
        }
        let (Some(length), Some(content)) = (frame.payload(), frame.content()) else {
            return Ok(Err(
                "what stands here is not the beginning of a frame".to_owned()
            ));
        };
        let padded = frame_bytes(length) as usize - FRAME;
        let end = self.position + (FRAME + padded) as u64;
        let rest = if content == Content::Seal { 0 } else { SEAL };
        if end + rest > self.header.capacity {
            return Ok(Err(format!(
                "a frame of {length} bytes does not fit into the segment"
            )));
        }
        let Some(whole) = self.bytes(FRAME + padded)? else {
            return Ok(Err("the file ends in the middle of a frame".to_owned()));
        };
        let padded = whole.start + FRAME..whole.end;
        if !frame.holds(self.identity, self.index, &self.buffer[padded.clone()]) {
            return Ok(Err(format!(
                "the checksum of record {} is wrong",
                self.index
            )));
        }
        Ok(Ok(Some((frame, content, padded))))
    }

    /// Where in the buffer the next `count` bytes of the file are, if it has them.
    fn bytes(&mut self, count: usize) -> Result<Option<Range<usize>>, JournalError> {
        let from = (self.position - self.buffered) as usize;
        if from + count <= self.buffer.len() {
            return Ok(Some(from..from + count));
        }
        self.buffered = self.position;
        self.buffer.resize(count.max(CHUNK), 0);
        let got = read_at(&self.file, &mut self.buffer, self.position)
            .map_err(JournalError::io("read from", &self.path))?;
        self.buffer.truncate(got);
        Ok((count <= got).then_some(0..count))
    }

    /// Goes on at a place behind damage, as [`Scan::next_good`] found it.
    pub(crate) fn resume_at(&mut self, position: u64, index: u64) {
        self.position = position;
        self.index = index;
    }

    /// The next place behind the position where a frame of this segment stands, with its index.
    pub(crate) fn next_good(&self) -> Result<Option<(u64, u64)>, JournalError> {
        let tail = self.tail()?;
        let most = (self.header.capacity / FRAME as u64).min(1 << 31);
        for at in (ALIGN as usize..tail.len()).step_by(ALIGN as usize) {
            let Some(head) = tail.get(at..at + FRAME) else {
                break;
            };
            let frame = FrameHeader::read(head);
            let (Some(length), Some(_)) = (frame.payload(), frame.content()) else {
                continue;
            };
            // Only the low half of the index is there; the high half is that of the nearest one not before ours.
            let ahead = frame.index_low().wrapping_sub(self.index as u32);
            let end = at as u64 + frame_bytes(length);
            if u64::from(ahead) > most || end > tail.len() as u64 {
                continue;
            }
            let index = self.index + u64::from(ahead);
            if frame.holds(self.identity, index, &tail[at + FRAME..end as usize]) {
                return Ok(Some((self.position + at as u64, index)));
            }
        }
        Ok(None)
    }

    /// All bytes from the position to the last one that is not zero.
    pub(crate) fn tail(&self) -> Result<Vec<u8>, JournalError> {
        let mut tail = Vec::new();
        let mut chunk = vec![0; CHUNK];
        let mut used = 0;
        let mut offset = self.position;
        loop {
            let got = read_at(&self.file, &mut chunk, offset)
                .map_err(JournalError::io("read from", &self.path))?;
            if got == 0 {
                break;
            }
            tail.extend_from_slice(&chunk[..got]);
            if let Some(last) = chunk[..got].iter().rposition(|byte| *byte != 0) {
                used = tail.len() - got + last + 1;
            }
            offset += got as u64;
        }
        tail.truncate(used);
        Ok(tail)
    }

    /// The records and the running checksum that a seal at this place states, if there is one.
    pub(crate) fn seal_at(&self, offset: u64) -> Result<Option<(u64, u64)>, JournalError> {
        let mut bytes = [0; SEAL as usize];
        let got = read_at(&self.file, &mut bytes, offset)
            .map_err(JournalError::io("read from", &self.path))?;
        let frame = FrameHeader::read(&bytes);
        let padded = &bytes[FRAME..];
        if got < bytes.len() || frame.content() != Some(Content::Seal) {
            return Ok(None);
        }
        Ok(read_seal(padded)
            .filter(|(records, _)| frame.holds(self.identity, self.header.first + records, padded)))
    }

    pub(crate) fn payload(&self, range: Range<usize>) -> &[u8] {
        &self.buffer[range]
    }

    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) const fn position(&self) -> u64 {
        self.position
    }

    pub(crate) const fn index(&self) -> u64 {
        self.index
    }

    pub(crate) const fn running(&self) -> u64 {
        self.running
    }

    pub(crate) const fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// How far the segment was durable for certain, or what is wrong with the word that tells.
    pub(crate) fn mark(&self) -> Result<u64, String> {
        self.mark.clone()
    }

    pub(crate) fn length(&self) -> Result<u64, JournalError> {
        let metadata = self.file.metadata();
        let metadata = metadata.map_err(JournalError::io("look at", &self.path))?;
        Ok(metadata.len())
    }
}
