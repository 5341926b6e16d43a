//! The lines of a capture file, gzip or plain, one at a time in constant memory.

use super::monitor::PlaybackMonitor;
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use tickdeck_engine::port::GatewayError;
use tickdeck_model::{Timestamp, Untrusted, is_event_time};

/// A snapshot of 5000 levels a side is 320 kB; a line beyond this is not a capture's.
const MAX_LINE_BYTES: u64 = 16 << 20;
const BUFFER_BYTES: usize = 256 << 10;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Reads lines.
pub(super) struct Lines {
    name: String,
    reader: Box<dyn BufRead + Send>,
    buffer: Vec<u8>,
    number: u64,
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lines({}:{})", self.name, self.number)
    }
}

struct Counted {
    file: File,
    monitor: PlaybackMonitor,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.monitor.add_bytes(read as u64);
        Ok(read)
    }
}

impl Lines {
    /// Opens a file; its bytes are counted on the monitor.
    pub(super) fn open(path: &Path, monitor: &PlaybackMonitor) -> Result<Self, GatewayError> {
        let name = Untrusted::path(path).to_string();
        let unreadable = |error: std::io::Error| GatewayError::Source {
            source_name: name.clone(),
            problem: format!("cannot be read: {error}"),
        };
        let file = File::open(path).map_err(unreadable)?;
        let mut raw = BufReader::with_capacity(
            BUFFER_BYTES,
            Counted {
                file,
                monitor: monitor.clone(),
            },
        );
        let is_gzip = raw.fill_buf().map_err(unreadable)?.starts_with(&GZIP_MAGIC);
        let reader: Box<dyn BufRead + Send> = if is_gzip {
            Box::new(BufReader::with_capacity(
                BUFFER_BYTES,
                MultiGzDecoder::new(raw),
            ))
        } else {
            Box::new(raw)
        };
        Ok(Self {
            name,
            reader,
            buffer: Vec::new(),
            number: 0,
        })
    }

    /// The file's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The number of the line last read, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Reads the next line, without its end; `None` at the end of the file. A partial line at
    /// the end of a broken file is not returned.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, GatewayError> {
        self.buffer.clear();
        let read = (&mut self.reader)
            .take(MAX_LINE_BYTES + 1)
            .read_until(b'\n', &mut self.buffer);
        match read {
            Ok(0) => return Ok(None),
            Ok(bytes) if bytes as u64 > MAX_LINE_BYTES => {
                return Err(self.broken(&format!(
                    "line {} is above {MAX_LINE_BYTES} bytes",
                    self.number + 1
                )));
            }
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(self.broken(
                    "the compressed data ends early; fetch the file again, or play it up to this line",
                ));
            }
            Err(error) => return Err(self.broken(&error.to_string())),
        }
        self.number += 1;
        let end = self.buffer.strip_suffix(b"\n").unwrap_or(&self.buffer);
        Ok(Some(end.strip_suffix(b"\r").unwrap_or(end)))
    }

    /// A failure of the file after the last line read.
    pub(super) fn broken(&self, problem: &str) -> GatewayError {
        GatewayError::Source {
            source_name: self.name.clone(),
            problem: format!("after line {}: {problem}", self.number),
        }
    }
}

/// Splits a line into its local time and its frame.
pub(super) fn split(line: &[u8]) -> Result<(Timestamp, &[u8]), &'static str> {
    const BEHIND: &str = "its time is after the end of event time, 2250-01-01";
    const FORM: &str = "not a line of `<local nanoseconds> <json>`";
    let space = line.iter().position(|byte| *byte == b' ').ok_or(FORM)?;
    let (time, frame) = (&line[..space], &line[space + 1..]);
    if !time.iter().all(u8::is_ascii_digit) {
        return Err(FORM);
    }
    let time = std::str::from_utf8(time).map_err(|_| FORM)?;
    let time = time.parse().map_err(|_| FORM)?;
    match is_event_time(time) {
        true => Ok((time, frame)),
        false => Err(BEHIND),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_lines_of_a_time_and_a_frame_are_cut() {
        assert_eq!(split(b"17 {}"), Ok((17, &b"{}"[..])));
        for bad in [
            &b""[..],
            b"17",
            b" {}",
            b"-1 {}",
            b"17x {}",
            b"99999999999999999999 {}",
            b"{} 17",
        ] {
            assert!(split(bad).is_err(), "{bad:?}");
        }
        for behind in [&b"8835955200000000000 {}"[..], b"9223372036854775807 {}"] {
            let why = split(behind).unwrap_err();
            assert_eq!(why, "its time is after the end of event time, 2250-01-01");
        }
        assert!(split(b"8835955199999999999 {}").is_ok());
    }
}
