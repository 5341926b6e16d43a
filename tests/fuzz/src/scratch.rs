//! A folder of this thread for inputs that are read from files; in memory where the system has such a place.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

thread_local! {
    static FOLDER: OnceCell<TempDir> = const { OnceCell::new() };
}

/// The folder, made at the first call.
pub(crate) fn folder() -> PathBuf {
    FOLDER.with(|folder| {
        let made = folder.get_or_init(|| {
            let shared = Path::new("/dev/shm");
            let made = match shared.is_dir() {
                true => tempfile::tempdir_in(shared),
                false => tempfile::tempdir(),
            };
            made.expect("a temporary folder can be made")
        });
        made.path().to_owned()
    })
}

/// Writes a file of the folder, with the folders that it lies in.
pub(crate) fn write(name: &str, bytes: &[u8]) -> PathBuf {
    let file = folder().join(name);
    let parent = file.parent().expect("it lies in the folder");
    std::fs::create_dir_all(parent).expect("the folder can be made");
    std::fs::write(&file, bytes).expect("a file can be written");
    file
}
