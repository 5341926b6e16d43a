//! The path of a deck's socket.

use crate::error::ControlError;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Maximum length of a Unix socket's path in bytes: 108 in `sockaddr_un`, including the terminating zero.
const MAX_PATH: usize = 107;

/// Returns the socket of the deck in `deck_root`: `$XDG_RUNTIME_DIR/tickdeck-<uid>/<hash of the deck's path>.sock`.
///
/// It is not in the data folder, whose path may be too long for a socket. If `XDG_RUNTIME_DIR` is not set, or does not name
/// a folder, the system's folder for temporary files is used instead. Host and operator must agree on it.
///
/// # Errors
/// The deck's folder does not exist, or the path is too long for a socket.
pub fn socket_path(deck_root: &Path) -> Result<PathBuf, ControlError> {
    let deck = deck_root
        .canonicalize()
        .map_err(ControlError::io("find the deck", deck_root))?;
    let runtime = std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute() && folder.is_dir())
        .unwrap_or_else(std::env::temp_dir);
    path_in(&runtime, rustix::process::geteuid().as_raw(), &deck)
}

fn path_in(runtime: &Path, uid: u32, deck: &Path) -> Result<PathBuf, ControlError> {
    let name = format!("{:016x}.sock", fnv1a(deck.as_os_str().as_bytes()));
    let path = runtime.join(format!("tickdeck-{uid}")).join(name);
    if path.as_os_str().len() > MAX_PATH {
        return Err(ControlError::PathTooLong {
            path,
            limit: MAX_PATH,
        });
    }
    Ok(path)
}

/// 64-bit FNV-1a: the same in every build, which `std`'s hasher does not guarantee. A collision does no harm: the
/// folder is the user's own, and the second of two decks that collide is told that a host already listens.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a_as_published() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn a_deck_has_one_socket_however_it_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let deck = folder.path().join("deck");
        std::fs::create_dir(&deck).unwrap();
        let path = socket_path(&deck).unwrap();
        assert_eq!(path, socket_path(&deck.join("../deck/.")).unwrap());
        assert_ne!(path, socket_path(folder.path()).unwrap());
        let uid = rustix::process::geteuid().as_raw();
        assert!(path.parent().unwrap().ends_with(format!("tickdeck-{uid}")));
        assert_eq!(path.file_name().unwrap().len(), 16 + ".sock".len());
    }

    #[test]
    fn a_missing_deck_and_a_path_that_is_too_long_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = socket_path(&folder.path().join("none")).unwrap_err();
        assert!(error.to_string().contains("none"), "{error}");
        let long = PathBuf::from("/".to_owned() + &"x".repeat(100));
        let error = path_in(&long, 1_000, Path::new("/deck")).unwrap_err();
        assert!(error.to_string().contains("107 bytes"), "{error}");
    }
}
