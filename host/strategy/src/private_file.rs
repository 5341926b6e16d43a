//! Reading files that only this user can have written.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::path::Path;

/// What others may do with a file that this user owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Others may read it, not write it.
    ThisUser,
    /// Others may do nothing: it is a secret.
    Alone,
}

/// Reads a regular file of this user, at most `limit` bytes of it, without following a link. The checks apply to the opened
/// file, whatever happens to its name in the meantime.
pub(crate) fn read(path: &Path, limit: u64, owner: Owner) -> io::Result<Vec<u8>> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        rustix::fs::OFlags::NOFOLLOW.bits().cast_signed()
            | rustix::fs::OFlags::NONBLOCK.bits().cast_signed(),
    );
    let file = options.open(path)?;
    check(&file, owner)?;
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!("is larger than {limit} bytes")));
    }
    Ok(bytes)
}

#[cfg(unix)]
fn check(file: &File, owner: Owner) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let about = file.metadata()?;
    let (others, what) = match owner {
        Owner::ThisUser => (0o022, "is writable"),
        Owner::Alone => (0o077, "is accessible"),
    };
    let problem = if !about.is_file() {
        "is not a file".to_owned()
    } else if about.uid() != rustix::process::geteuid().as_raw() {
        "belongs to another user".to_owned()
    } else if about.nlink() != 1 {
        "has a second name".to_owned()
    } else if about.mode() & others != 0 {
        format!("{what} by other users (mode {:o})", about.mode() & 0o777)
    } else {
        return Ok(());
    };
    Err(io::Error::other(problem))
}

#[cfg(not(unix))]
fn check(_: &File, _: Owner) -> io::Result<()> {
    Err(io::Error::other(
        "the owner of a file can only be checked on Unix",
    ))
}
