//! The lines of a capture file, one at a time in constant memory: plain, gzip or zstd.

use super::monitor::PlaybackMonitor;
use crate::binance::timestamp;
use flate2::bufread::GzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use tickdeck_engine::port::GatewayError;
use tickdeck_files::open_plain;
use tickdeck_model::{Timestamp, Untrusted};

/// A snapshot of 5000 levels a side is 320 kB; a line beyond this is not a capture's.
const MAX_LINE_BYTES: u64 = 16 << 20;
const BUFFER_BYTES: usize = 256 << 10;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The largest window of a zstd frame, as a power of two: what the `zstd` command writes without `--long`.
const MAX_ZSTD_WINDOW: u32 = 27;

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
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.monitor.add_bytes(read as u64);
        Ok(read)
    }
}

/// The members of a gzip file, one after the other, and zero bytes behind the last, which archives on tape and block devices
/// leave there: as `gzip -d` reads it.
struct GzipMembers<R> {
    /// `None` once everything was read.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Read for GzipMembers<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let read = member.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let rest = self.member.take().map(GzDecoder::into_inner);
            self.member = rest.map(next_member).transpose()?.flatten();
        }
        Ok(0)
    }
}

/// Skips zero bytes; `None` if nothing else follows.
fn next_member<R: BufRead>(mut rest: R) -> io::Result<Option<GzDecoder<R>>> {
    loop {
        let bytes = rest.fill_buf()?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        match (bytes.len(), bytes.len() - zeros) {
            (0, _) => return Ok(None),
            (_, 0) => rest.consume(zeros),
            _ => {
                rest.consume(zeros);
                return Ok(Some(GzDecoder::new(rest)));
            }
        }
    }
}

impl Lines {
    /// Opens a file; its bytes are counted on the monitor.
    pub(super) fn open(path: &Path, monitor: &PlaybackMonitor) -> Result<Self, GatewayError> {
        let name = Untrusted::path(path).to_string();
        let unreadable = |error: io::Error| GatewayError::Source {
            source_name: name.clone(),
            problem: format!("cannot be read: {error}"),
        };
        let file = open_plain(path).map_err(unreadable)?;
        let mut raw = BufReader::with_capacity(
            BUFFER_BYTES,
            Counted {
                file,
                monitor: monitor.clone(),
            },
        );
        let begin = raw.fill_buf().map_err(unreadable)?;
        let (is_gzip, is_zstd) = (
            begin.starts_with(&GZIP_MAGIC),
            begin.starts_with(&ZSTD_MAGIC),
        );
        let reader: Box<dyn BufRead + Send> = if is_gzip {
            let member = Some(GzDecoder::new(raw));
            Box::new(BufReader::with_capacity(
                BUFFER_BYTES,
                GzipMembers { member },
            ))
        } else if is_zstd {
            let mut frames = zstd::Decoder::with_buffer(raw).map_err(unreadable)?;
            frames.window_log_max(MAX_ZSTD_WINDOW).map_err(unreadable)?;
            Box::new(BufReader::with_capacity(BUFFER_BYTES, frames))
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
        match self.advance()? {
            true => Ok(Some(self.current())),
            false => Ok(None),
        }
    }

    /// Reads the next line; `false` at the end of the file.
    pub(super) fn advance(&mut self) -> Result<bool, GatewayError> {
        self.buffer.clear();
        let read = (&mut self.reader)
            .take(MAX_LINE_BYTES + 1)
            .read_until(b'\n', &mut self.buffer);
        match read {
            Ok(0) => return Ok(false),
            Ok(bytes) if bytes as u64 > MAX_LINE_BYTES => {
                return Err(self.broken(&format!(
                    "line {} is above {MAX_LINE_BYTES} bytes",
                    self.number + 1
                )));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(self.broken(
                    "the compressed data ends early; fetch the file again, or play it up to this line",
                ));
            }
            Err(error) => return Err(self.broken(&error.to_string())),
        }
        self.number += 1;
        Ok(true)
    }

    /// The line last read, without its end.
    pub(super) fn current(&self) -> &[u8] {
        let end = self.buffer.strip_suffix(b"\n").unwrap_or(&self.buffer);
        end.strip_suffix(b"\r").unwrap_or(end)
    }

    /// A failure of the file after the last line read.
    pub(super) fn broken(&self, problem: &str) -> GatewayError {
        GatewayError::Source {
            source_name: self.name.clone(),
            problem: format!("after line {}: {problem}", self.number),
        }
    }
}

/// Splits a line into its local time and its frame. The time may be in nanoseconds, microseconds, milliseconds or seconds, and
/// seconds may have decimals.
pub(super) fn split(line: &[u8]) -> Result<(Timestamp, &[u8]), &'static str> {
    const FORM: &str = "not a line of `<local time> <json>`";
    const NO_TIME: &str = "its local time is not between 2000 and 2250 in s, ms, us or ns";
    let space = line.iter().position(|byte| *byte == b' ').ok_or(FORM)?;
    let (time, frame) = (&line[..space], &line[space + 1..]);
    let time = std::str::from_utf8(time).map_err(|_| FORM)?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, decimals) = time.split_once('.').unwrap_or((time, "0"));
    if !is_number(whole) || !is_number(decimals) {
        return Err(FORM);
    }
    let value: i64 = whole.parse().map_err(|_| NO_TIME)?;
    let time = timestamp(value).ok_or(NO_TIME)?;
    match time == value.saturating_mul(NS_PER_SECOND) {
        true => Ok((time + nanoseconds(decimals), frame)),
        false if whole.len() == space => Ok((time, frame)),
        // Only seconds have decimals.
        false => Err(FORM),
    }
}

const NS_PER_SECOND: i64 = 1_000_000_000;

/// The decimals of a second, cut down to nanoseconds.
fn nanoseconds(decimals: &str) -> i64 {
    let digits = decimals.bytes().chain(std::iter::repeat(b'0')).take(9);
    digits.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn only_whole_lines_of_a_time_and_a_frame_are_split() {
        for (time, at) in [
            ("1723161255342001002", 1_723_161_255_342_001_002),
            ("1723161255342001", 1_723_161_255_342_001_000),
            ("1723161255342", 1_723_161_255_342_000_000),
            ("1723161255", 1_723_161_255_000_000_000),
            ("1723161255.342001", 1_723_161_255_342_001_000),
            ("1723161255.3420010029", 1_723_161_255_342_001_002),
            ("8835955199999999999", 8_835_955_199_999_999_999),
        ] {
            let line = format!("{time} {{}}");
            assert_eq!(split(line.as_bytes()), Ok((at, &b"{}"[..])), "{time}");
        }
        for bad in [
            &b""[..],
            b"17",
            b" {}",
            b"-1723161255342 {}",
            b"1723161255342x {}",
            b"1723161255342.5 {}",
            b"1723161255. {}",
            b".5 {}",
            b"{} 17",
        ] {
            assert_eq!(
                split(bad),
                Err("not a line of `<local time> <json>`"),
                "{bad:?}"
            );
        }
        for no_time in [
            &b"17 {}"[..],
            b"8835955200000000000 {}",
            b"9223372036854775807 {}",
            b"99999999999999999999 {}",
        ] {
            let why = split(no_time).unwrap_err();
            assert_eq!(
                why,
                "its local time is not between 2000 and 2250 in s, ms, us or ns"
            );
        }
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(text.as_bytes()).unwrap();
        out.finish().unwrap()
    }

    /// The lines of a file, and how it ends.
    fn lines_of(bytes: &[u8]) -> (Vec<String>, Option<String>) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let mut lines = Lines::open(file.path(), &PlaybackMonitor::default()).unwrap();
        let mut all = Vec::new();
        loop {
            match lines.next() {
                Ok(Some(line)) => all.push(String::from_utf8(line.to_vec()).unwrap()),
                Ok(None) => return (all, None),
                Err(broken) => return (all, Some(broken.to_string())),
            }
        }
    }

    #[test]
    fn plain_gzip_and_zstd_files_are_read_and_zeros_behind_gzip_are_no_damage() {
        let zeros = [0u8; 300_000];
        for file in [
            b"one\r\ntwo\nthree".to_vec(),
            gzip("one\ntwo\nthree\n"),
            [gzip("one\ntw"), gzip("o\nthree\n")].concat(),
            [&gzip("one\ntwo\nthree\n"), &zeros[..]].concat(),
            [&gzip("one\ntwo\n"), &zeros[..7], &gzip("three\n")].concat(),
            zstd::encode_all(&b"one\ntwo\nthree\n"[..], 3).unwrap(),
        ] {
            let (lines, broken) = lines_of(&file);
            assert_eq!((lines.join(" ").as_str(), broken), ("one two three", None));
        }
        for (file, why) in [
            (
                [&gzip("one\n"), &b"junk and more of it"[..]].concat(),
                "invalid gzip header",
            ),
            (
                gzip("one\n")[..20].to_vec(),
                "the compressed data ends early",
            ),
        ] {
            let (_, broken) = lines_of(&file);
            assert!(
                broken.as_ref().is_some_and(|broken| broken.contains(why)),
                "{broken:?}"
            );
        }
    }
}
