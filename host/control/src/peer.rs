//! Who is at the other end.

use std::os::unix::net::UnixStream;

/// The other end of a connection, as the system vouches for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    /// Its effective user when it connected, or began to listen.
    pub(crate) uid: u32,
    /// Its process.
    pub(crate) pid: u32,
}

impl Peer {
    /// The other end of `stream`; `None` where the system does not tell.
    #[cfg(target_os = "linux")]
    pub(crate) fn of(stream: &UnixStream) -> Option<Self> {
        let credentials = rustix::net::sockopt::socket_peercred(stream).ok()?;
        Some(Self {
            uid: credentials.uid.as_raw(),
            pid: credentials.pid.as_raw_nonzero().get().cast_unsigned(),
        })
    }

    /// The other end of `stream`; only Linux tells.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn of(_: &UnixStream) -> Option<Self> {
        None
    }
}

/// Whether a connection with `peer` is within one user. Where the system does not tell who it is, the modes of the
/// socket and its folder are all there is; Linux always tells, so that there an unknown peer is refused.
pub(crate) fn is_same_user(peer: Option<Peer>, uid: u32) -> bool {
    peer.map_or(cfg!(not(target_os = "linux")), |peer| peer.uid == uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_user_may_speak_not_even_root() {
        let peer = |uid| Some(Peer { uid, pid: 7 });
        assert!(is_same_user(peer(1_000), 1_000));
        assert!(is_same_user(peer(0), 0));
        assert!(!is_same_user(peer(1_001), 1_000));
        assert!(!is_same_user(peer(0), 1_000));
        assert!(!is_same_user(peer(1_000), 0));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_unknown_peer_is_refused_and_the_system_tells_this_process_of_itself() {
        assert!(!is_same_user(None, 1_000));
        let (here, _there) = UnixStream::pair().unwrap();
        let own = Peer {
            uid: rustix::process::geteuid().as_raw(),
            pid: std::process::id(),
        };
        assert_eq!(Peer::of(&here), Some(own));
    }
}
