//! The process at the other end of a connection.

use std::os::unix::net::UnixStream;

/// The other end of a connection, as reported by the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    /// The effective user when it connected, or began to listen.
    pub(crate) uid: u32,
    /// The process id.
    pub(crate) pid: u32,
}

impl Peer {
    /// Returns the other end of `stream`; `None` if the system does not report it.
    #[cfg(target_os = "linux")]
    pub(crate) fn of(stream: &UnixStream) -> Option<Self> {
        let credentials = rustix::net::sockopt::socket_peercred(stream).ok()?;
        Some(Self {
            uid: credentials.uid.as_raw(),
            pid: credentials.pid.as_raw_nonzero().get().cast_unsigned(),
        })
    }

    /// Returns nothing: only Linux reports the other end.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn of(_: &UnixStream) -> Option<Self> {
        None
    }
}

/// Returns whether `peer` is a process of the user `uid`. On systems that do not report the peer, only the modes of the
/// socket and its folder protect it; Linux always reports it, so that an unknown peer is refused there.
pub(crate) fn is_same_user(peer: Option<Peer>, uid: u32) -> bool {
    peer.map_or(cfg!(not(target_os = "linux")), |peer| peer.uid == uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_user_may_connect_not_even_root() {
        let peer = |uid| Some(Peer { uid, pid: 7 });
        assert!(is_same_user(peer(1_000), 1_000));
        assert!(is_same_user(peer(0), 0));
        assert!(!is_same_user(peer(1_001), 1_000));
        assert!(!is_same_user(peer(0), 1_000));
        assert!(!is_same_user(peer(1_000), 0));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_unknown_peer_is_refused_and_this_process_is_its_own_peer() {
        assert!(!is_same_user(None, 1_000));
        let (here, _there) = UnixStream::pair().unwrap();
        let own = Peer {
            uid: rustix::process::geteuid().as_raw(),
            pid: std::process::id(),
        };
        assert_eq!(Peer::of(&here), Some(own));
    }
}
