//! Errors of both ends.

use std::io;
use std::path::PathBuf;

/// The reason why a host cannot be reached, or cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No host listens for this deck. Start one.
    #[error("no host runs here: start one with `tickdeck run`")]
    NobodyListens,
    /// The socket belongs to another user. Connect as the user who runs the host.
    #[error("this user may not control the host: {} belongs to another user; run this as the user who runs the host", path.display())]
    Denied {
        /// The socket.
        path: PathBuf,
    },
    /// The host uses another version of the protocol. Use the `tickdeck` that the host was started with.
    #[error(
        "the host uses version {host} of the control protocol and this command version {ours}: \
         use the `tickdeck` that started the host"
    )]
    Protocol {
        /// The host's version.
        host: u32,
        /// This build's version.
        ours: u32,
    },
    /// The answer cannot be read. Something else listens there, or the host ended while it answered.
    #[error("cannot read the host's answer: {problem}")]
    Garbled {
        /// The problem.
        problem: String,
    },
    /// The host ended before it told every fact that follows an answer. Check what became of the request.
    #[error(
        "the host ended before it reported all that came of this command: check at the venue that no order is working, and that \
         the next start of the host finds the kill switch on"
    )]
    Unfinished,
    /// The host took the request and did not answer in time. Check whether it is stopped or stuck.
    #[error("the host did not answer within {seconds} s")]
    NoAnswer {
        /// The time limit.
        seconds: u64,
    },
    /// Another host listens there. Stop it first.
    #[error("another host listens for this deck{}: stop it first", pid.map_or_else(String::new, |pid| format!(", process {pid}")))]
    Taken {
        /// The process id, if the system reports it.
        pid: Option<u32>,
    },
    /// A file that is not a socket is in the socket's place. Remove it.
    #[error("{} is in the way and not a socket: remove it", path.display())]
    InTheWay {
        /// The file.
        path: PathBuf,
    },
    /// The socket's folder is accessible to other users. Remove it, or correct its owner and mode.
    #[error("{} cannot contain the control socket: {problem}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The problem.
        problem: &'static str,
    },
    /// The path is too long for a Unix socket. Set `XDG_RUNTIME_DIR` to a shorter folder.
    #[error("{} is longer than the {limit} bytes allowed for the path of a Unix socket: set XDG_RUNTIME_DIR to a shorter folder", path.display())]
    PathTooLong {
        /// The path.
        path: PathBuf,
        /// Maximum number of bytes.
        limit: usize,
    },
    /// An operation failed.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// The operation.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl ControlError {
    /// Adds the operation and its target to an [`io::Error`].
    pub(crate) fn io(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}
