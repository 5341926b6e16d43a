//! Reads and writes lines on a socket, bounded in length and in total time, so that a peer cannot stall by sending slowly.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Bytes per read.
const CHUNK: usize = 8 * 1024;

/// The reason why there is no line.
#[derive(Debug)]
pub(crate) enum NoLine {
    /// The line did not end in time.
    Late,
    /// The line is longer than allowed.
    TooLong,
    /// The peer closed the connection after this many bytes.
    HungUp(usize),
    /// The socket failed.
    Io(io::Error),
}

/// Reads the next line, without the newline. Anything after it is dropped.
pub(crate) fn read_line(
    stream: &UnixStream,
    limit: usize,
    within: Duration,
) -> Result<Vec<u8>, NoLine> {
    Lines::of(stream).next(limit, within)
}

/// Reads line after line.
pub(crate) struct Lines<'a> {
    stream: &'a UnixStream,
    /// Bytes of the next lines that were already read.
    ahead: Vec<u8>,
}

impl<'a> Lines<'a> {
    pub(crate) const fn of(stream: &'a UnixStream) -> Self {
        let ahead = Vec::new();
        Self { stream, ahead }
    }

    /// Reads the next line, without the newline.
    pub(crate) fn next(&mut self, limit: usize, within: Duration) -> Result<Vec<u8>, NoLine> {
        let (start, mut chunk) = (Instant::now(), [0; CHUNK]);
        let mut line = std::mem::take(&mut self.ahead);
        let mut seen = 0;
        loop {
            let end = line[seen..].iter().position(|byte| *byte == b'\n');
            let length = end.map_or(line.len(), |end| seen + end);
            if length > limit {
                return Err(NoLine::TooLong);
            }
            if end.is_some() {
                self.ahead = line.split_off(length + 1);
                line.pop();
                return Ok(line);
            }
            seen = line.len();
            let left = left(start, within).ok_or(NoLine::Late)?;
            let stream = self.stream;
            stream.set_read_timeout(Some(left)).map_err(NoLine::Io)?;
            let mut reader = stream;
            match reader.read(&mut chunk) {
                Ok(0) => return Err(NoLine::HungUp(line.len())),
                Ok(count) => line.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => return Err(NoLine::Late),
                Err(error) => return Err(NoLine::Io(error)),
            }
        }
    }
}

/// Writes all of `bytes`.
pub(crate) fn write_line(stream: &UnixStream, bytes: &[u8], within: Duration) -> io::Result<()> {
    let (start, mut rest) = (Instant::now(), bytes);
    while !rest.is_empty() {
        let left = left(start, within).ok_or(ErrorKind::TimedOut)?;
        stream.set_write_timeout(Some(left))?;
        let mut writer = stream;
        match writer.write(rest) {
            Ok(count) => rest = &rest[count..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Returns the rest of `within`, if any; a timeout of zero would mean no timeout.
fn left(start: Instant, within: Duration) -> Option<Duration> {
    within
        .checked_sub(start.elapsed())
        .filter(|left| !left.is_zero())
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
