//! What can go wrong on either end.

use std::io;
use std::path::PathBuf;

/// Why a host can't be spoken to, or can't listen.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No host listens for this deck. Start one.
    #[error("no host runs here: start one with `tickdeck run`")]
    NobodyListens,
    /// The socket belongs to another user. Ask as the user who runs the host.
    #[error("this user may not command the host: {} belongs to another user; ask as the user who runs it", path.display())]
    Denied {
        /// The socket.
        path: PathBuf,
    },
    /// The host speaks another version of the protocol. Use the `tickdeck` that the host was started with.
    #[error(
        "the host speaks version {host} of the control protocol and this command version {ours}: \
         use the `tickdeck` that started the host"
    )]
    Protocol {
        /// The host's version.
        host: u32,
        /// This build's version.
        ours: u32,
    },
    /// What came is not an answer. Something else listens there, or the host ended while it answered.
    #[error("the host's answer makes no sense: {problem}")]
    Garbled {
        /// What is wrong with it.
        problem: String,
    },
    /// The host took the request and did not answer in time. Look whether it is stopped or stuck.
    #[error("the host did not answer within {seconds} s")]
    NoAnswer {
        /// How long it was given.
        seconds: u64,
    },
    /// Another host listens there. Stop it first.
    #[error("another host listens for this deck{}: stop it first", pid.map_or_else(String::new, |pid| format!(", process {pid}")))]
    Taken {
        /// Its process, where the system tells.
        pid: Option<u32>,
    },
    /// Something that is no socket lies where the socket belongs. Remove it.
    #[error("{} is in the way and no socket: remove it", path.display())]
    InTheWay {
        /// Where.
        path: PathBuf,
    },
    /// The socket's folder is not this user's alone. Remove it or set its owner and mode right.
    #[error("{} cannot hold the control socket: {problem}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The path does not fit a Unix socket. Set `XDG_RUNTIME_DIR` to a shorter folder.
    #[error("{} is longer than the {limit} bytes of a Unix socket's path: set XDG_RUNTIME_DIR to a shorter folder", path.display())]
    PathTooLong {
        /// The path.
        path: PathBuf,
        /// Most bytes that fit.
        limit: usize,
    },
    /// The system refuses something.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl ControlError {
    /// An [`io::Error`] with what was tried on what.
    pub(crate) fn io(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}
