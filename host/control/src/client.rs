//! The operator's end of the socket.

use crate::error::ControlError;
use crate::line::{Lines, NoLine, write_line};
use crate::peer::{Peer, is_same_user};
use crate::protocol::{
    ANSWER_WITHIN, Answer, MAX_LINE, Misread, PROTOCOL, REQUEST_WITHIN, Request, read_answer,
    request_line,
};
use std::io::{self, ErrorKind};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// A connection to a host, for one request.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    path: PathBuf,
}

impl Client {
    /// Connects to the host that listens at `path`.
    ///
    /// # Errors
    /// [`ControlError::NobodyListens`] if there is no host, [`ControlError::Denied`] if it belongs to another user.
    pub fn connect(path: &Path) -> Result<Self, ControlError> {
        let stream = UnixStream::connect(path).map_err(|error| unreachable(error, path))?;
        // The temporary folder is shared by all users, so the process that listens there could be another user's.
        let own = rustix::process::geteuid().as_raw();
        if !is_same_user(Peer::of(&stream), own) {
            let path = path.to_owned();
            return Err(ControlError::Denied { path });
        }
        let path = path.to_owned();
        Ok(Self { stream, path })
    }

    /// Sends a request and waits for the answer.
    ///
    /// # Errors
    /// The host uses another version of the protocol, does not answer within [`ANSWER_WITHIN`], or goes away. The request may
    /// have been carried out all the same.
    pub fn ask(self, request: &Request) -> Result<Answer, ControlError> {
        self.ask_first(&mut Lines::of(&self.stream), request)
    }

    /// Sends a request and passes on the answer, and then each fact that comes true after it or does not, until the host has
    /// told them all.
    ///
    /// # Errors
    /// As [`Client::ask`]; or [`ControlError::Unfinished`], if the host goes away before. What was passed on stands.
    pub fn follow(
        self,
        request: &Request,
        mut each: impl FnMut(Answer),
    ) -> Result<(), ControlError> {
        let mut lines = Lines::of(&self.stream);
        each(self.ask_first(&mut lines, request)?);
        while request.is_followed() {
            match lines.next(MAX_LINE, ANSWER_WITHIN) {
                Ok(line) => match read_answer(&line).map_err(misread)? {
                    Answer::Complete => break,
                    fact => each(fact),
                },
                Err(NoLine::HungUp(_)) => return Err(ControlError::Unfinished),
                Err(problem) => return Err(self.unanswered(problem)),
            }
        }
        Ok(())
    }

    fn ask_first(&self, lines: &mut Lines<'_>, request: &Request) -> Result<Answer, ControlError> {
        let line = request_line(request).map_err(|error| garbled(error.to_string()))?;
        // A host that refuses us answers without reading; its answer is more useful than the broken pipe.
        let sent = write_line(&self.stream, &line, REQUEST_WITHIN);
        match (lines.next(MAX_LINE, ANSWER_WITHIN), sent) {
            (Ok(line), _) => read_answer(&line).map_err(misread),
            (Err(_), Err(error)) => Err(ControlError::io("ask at", &self.path)(error)),
            (Err(problem), Ok(())) => Err(self.unanswered(problem)),
        }
    }

    fn unanswered(&self, problem: NoLine) -> ControlError {
        match problem {
            NoLine::Late => ControlError::NoAnswer {
                seconds: ANSWER_WITHIN.as_secs(),
            },
            NoLine::TooLong => garbled(format!("it is longer than {MAX_LINE} bytes")),
            NoLine::HungUp(0) => garbled("the host closed the connection without one".to_owned()),
            NoLine::HungUp(_) => {
                garbled("the host closed the connection in the middle of it".to_owned())
            }
            NoLine::Io(error) => ControlError::io("read the answer at", &self.path)(error),
        }
    }
}

/// Returns the meaning of a failed connection.
pub(crate) fn unreachable(error: io::Error, path: &Path) -> ControlError {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => ControlError::NobodyListens,
        ErrorKind::PermissionDenied => ControlError::Denied {
            path: path.to_owned(),
        },
        _ => ControlError::io("connect to", path)(error),
    }
}

fn garbled(problem: String) -> ControlError {
    ControlError::Garbled { problem }
}

fn misread(misread: Misread) -> ControlError {
    match misread {
        Misread::Version(host) => ControlError::Protocol {
            host,
            ours: PROTOCOL,
        },
        Misread::Malformed(problem) => garbled(problem),
    }
}
