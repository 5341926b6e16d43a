//! Reads the frames of one segment file, whether or not it is being written.

use crate::JournalError;
use crate::format::{
    ALIGN, Content, FRAME, FrameHeader, HEADER, Header, MARK, MAX_NUMBER, MAX_PAYLOAD, SEAL,
    frame_bytes, mark, read_mark, read_seal, run_on, u64_at,
};
use crate::io::{is_zero, read_at, used, write_at};
use std::cell::Cell;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use tickdeck_files::open_plain;

/// The bytes per read.
const CHUNK: usize = 64 << 10;

/// The bytes that the system writes back as a unit.
const PAGE: u64 = 4096;

/// How many times the segment may be read in search of frames after damage, and the bytes that may always be.
const SEARCHES: u64 = 8;
const LEAST_SEARCH: u64 = 64 << 20;

/// A position in a segment file, between two frames.
pub(crate) struct Scan {
    path: PathBuf,
    file: File,
    header: Header,
    identity: u32,
    mark: Result<u64, String>,
    buffer: Vec<u8>,
    /// The buffer's offset in the file.
    buffered: u64,
    position: u64,
    /// The index of the next record.
    index: u64,
    running: u64,
    sealed: bool,
    /// Set once damage was skipped: the running checksum is unknown from there on.
    skipped: bool,
    /// Bytes that were read in search of frames after damage.
    searched: Cell<u64>,
}

/// The content at a position.
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
    /// Bytes that are not a frame of this position.
    Broken(String),
}

/// A frame that was found: its header, its content and the place of its payload with padding in the buffer.
type Look = Result<Option<(FrameHeader, Content, Range<usize>)>, String>;

impl Scan {
    /// Opens a segment; `None` if it is only prepared and not started.
    pub(crate) fn open(path: &Path, name: &str, number: u64) -> Result<Option<Self>, JournalError> {
        let file = open_plain(path).map_err(JournalError::io("open", path))?;
        let mut page = vec![0; HEADER as usize];
        let mut problem = String::new();
        // Its first bytes are written last, so a reader that sees them and reads again sees all.
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
            skipped: false,
            searched: Cell::default(),
            header,
        }
    }

    /// Reads the next frame. The position stays at [`Step::End`] and [`Step::Broken`]: another call is allowed, and sees what has been
    /// written since.
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
                let agrees = states.is_some_and(|(records, running)| {
                    records == is.0 && (running == is.1 || self.skipped)
                });
                if !agrees {
                    return Ok(Step::Broken(format!(
                        "the segment ends here with {} records and a running checksum that do not agree with its end frame",
                        is.0
                    )));
                }
                // The chain covers records only.
                self.pass(frame, padded.len());
                self.running = states.map_or(0, |(_, running)| running);
                self.sealed = true;
                Ok(Step::Seal { next: self.index })
            }
        }
    }

    fn pass(&mut self, frame: FrameHeader, padded: usize) {
        self.running = run_on(self.running, frame.sum());
        self.position += (FRAME + padded) as u64;
    }

    /// Returns whether the file has a frame at the position: a first word of zero is none.
    pub(crate) fn has_more(&self) -> Result<bool, JournalError> {
        let mut word = [0; 8];
        self.read(&mut word, self.position)?;
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
                "these bytes are not the beginning of a frame".to_owned()
            ));
        };
        if length > MAX_PAYLOAD {
            return Ok(Err(format!(
                "a record of {length} bytes is longer than any"
            )));
        }
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

    /// Returns the place of the next `count` bytes in the buffer, if the file has them.
    fn bytes(&mut self, count: usize) -> Result<Option<Range<usize>>, JournalError> {
        let from = (self.position - self.buffered) as usize;
        if from + count <= self.buffer.len() {
            return Ok(Some(from..from + count));
        }
        self.buffered = self.position;
        let left = (self.header.capacity.saturating_sub(self.position)) as usize;
        self.buffer.resize(count.max(CHUNK.min(left)), 0);
        let got = read_at(&self.file, &mut self.buffer, self.position)
            .map_err(JournalError::io("read from", &self.path))?;
        self.buffer.truncate(got);
        Ok((count <= got).then_some(0..count))
    }

    /// Continues at a position after damage, as [`Scan::next_good`] found it.
    pub(crate) fn resume_at(&mut self, position: u64, index: u64) {
        self.position = position;
        self.index = index;
        self.skipped = true;
        self.buffer.clear();
    }

    /// Finds the next position with a frame of this segment, and its index. Gives up if the search takes much longer than the
    /// segment: in a hostile file, a long frame can seem to begin at every word.
    pub(crate) fn next_good(&self) -> Result<Option<(u64, u64)>, JournalError> {
        let most = self.length()?.saturating_mul(SEARCHES) + LEAST_SEARCH;
        let mut window = vec![0; CHUNK];
        let mut payload = Vec::new();
        let mut from = self.position + ALIGN;
        loop {
            let got = self.read(&mut window, from)?;
            self.searched.set(self.searched.get() + got as u64);
            for at in (0..got).step_by(ALIGN as usize) {
                let Some(head) = window[..got].get(at..at + FRAME) else {
                    break;
                };
                let place = from + at as u64;
                if let Some(index) = self.good_at(place, head, &mut payload)? {
                    return Ok(Some((place, index)));
                }
                if self.searched.get() > most {
                    return Ok(None);
                }
            }
            if got < CHUNK {
                return Ok(None);
            }
            // A header may begin in the last word.
            from += CHUNK as u64 - ALIGN;
        }
    }

    /// Returns the index of the frame that has this header at this place, if it is one of this segment.
    fn good_at(
        &self,
        place: u64,
        head: &[u8],
        padded: &mut Vec<u8>,
    ) -> Result<Option<u64>, JournalError> {
        let frame = FrameHeader::read(head);
        let (Some(length), Some(_)) = (frame.payload(), frame.content()) else {
            return Ok(None);
        };
        // The frame has only the low half of the index; the high half is that of the nearest index not before this one.
        let ahead = u64::from(frame.index_low().wrapping_sub(self.index as u32));
        let most = (self.header.capacity / FRAME as u64).min(1 << 31);
        let end = place + frame_bytes(length);
        if length > MAX_PAYLOAD || ahead > most || end > self.header.capacity {
            return Ok(None);
        }
        padded.clear();
        // Bytes beyond the end of the file are zero.
        padded.resize(frame_bytes(length) as usize - FRAME, 0);
        self.read(padded, place + FRAME as u64)?;
        self.searched.set(self.searched.get() + padded.len() as u64);
        let index = self.index + ahead;
        Ok(frame.holds(self.identity, index, padded).then_some(index))
    }

    /// Returns whether a page is missing that should hold a part of the next frame: it is zero up to its end, although there is
    /// a frame `behind` it. A machine crash leaves this where pages were never written back; a changed bit does not.
    pub(crate) fn lacks_a_page(&self, behind: u64) -> Result<bool, JournalError> {
        let mut head = [0; FRAME];
        self.read(&mut head, self.position)?;
        let frame = FrameHeader::read(&head);
        let end = match frame.content() {
            Some(Content::Seal) => self.position + SEAL,
            _ => self.position + frame_bytes(frame.payload().unwrap_or(0)),
        };
        let end = end.min(behind);
        let mut from = self.position;
        let mut page = [0; PAGE as usize];
        while from < end {
            let to = (from / PAGE + 1) * PAGE;
            let part = &mut page[..(to - from) as usize];
            part.fill(0);
            self.read(part, from)?;
            if is_zero(part) {
                return Ok(true);
            }
            from = to;
        }
        Ok(false)
    }

    /// Returns the number of bytes from the position to the last one that is not zero.
    pub(crate) fn tail(&self) -> Result<u64, JournalError> {
        let span = self.span()?;
        Ok(span.map_or(0, |span| span.end - self.position))
    }

    /// Hands over bytes from the position on, piece by piece, each with its distance from there.
    pub(crate) fn pieces(
        &self,
        length: u64,
        see: &mut dyn FnMut(u64, &[u8]) -> std::io::Result<()>,
    ) -> Result<(), JournalError> {
        let mut piece = vec![0; CHUNK];
        let mut done = 0;
        while done < length {
            let wanted = (length - done).min(CHUNK as u64) as usize;
            let got = self.read(&mut piece[..wanted], self.position + done)?;
            if got == 0 {
                break;
            }
            see(done, &piece[..got]).map_err(JournalError::io("copy a part of", &self.path))?;
            done += got as u64;
        }
        Ok(())
    }

    /// Returns the span from the first to the last nonzero byte after the position.
    pub(crate) fn span(&self) -> Result<Option<Range<u64>>, JournalError> {
        used(&self.file, self.position).map_err(JournalError::io("read from", &self.path))
    }

    fn read(&self, bytes: &mut [u8], offset: u64) -> Result<usize, JournalError> {
        read_at(&self.file, bytes, offset).map_err(JournalError::io("read from", &self.path))
    }

    /// Returns the records and the running checksum of a seal at this offset, if there is one.
    pub(crate) fn seal_at(&self, offset: u64) -> Result<Option<(u64, u64)>, JournalError> {
        let mut bytes = [0; SEAL as usize];
        let got = self.read(&mut bytes, offset)?;
        let frame = FrameHeader::read(&bytes);
        let padded = &bytes[FRAME..];
        if got < bytes.len() || frame.content() != Some(Content::Seal) {
            return Ok(None);
        }
        Ok(read_seal(padded)
            .filter(|(records, _)| *records <= MAX_NUMBER)
            .filter(|(records, _)| frame.holds(self.identity, self.header.first + records, padded)))
    }

    /// Marks in the header that the segment is durable up to the position and no further.
    pub(crate) fn place_mark(&self, file: &File) -> std::io::Result<()> {
        let mark = mark(self.identity, self.position);
        write_at(file, &mark.to_le_bytes(), MARK)
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

    /// Returns the end of the certainly durable part, or the fault of the mark.
    pub(crate) fn mark(&self) -> Result<u64, String> {
        self.mark.clone()
    }

    pub(crate) fn length(&self) -> Result<u64, JournalError> {
        let metadata = self.file.metadata();
        let metadata = metadata.map_err(JournalError::io("look at", &self.path))?;
        Ok(metadata.len())
    }
}
