//! Settings files: their name and their maximum size.

use std::path::Path;
use tickdeck_files::read_text_bounded;
use tickdeck_model::Untrusted;

/// The file name of a deck's settings.
pub const FILE_NAME: &str = "tickdeck.toml";

/// The largest file that is read: a mistaken path must not fill the memory.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Returns the text of a settings file, which has at most [`MAX_FILE_BYTES`].
pub(super) fn text_of(path: &Path) -> anyhow::Result<String> {
    let shown = Untrusted::path(path);
    let about = std::fs::metadata(path);
    let size = about
        .map_err(|error| anyhow::anyhow!("cannot read {shown}: {error}"))?
        .len();
    anyhow::ensure!(
        size <= MAX_FILE_BYTES,
        "{shown} has {size} bytes, but settings have at most {MAX_FILE_BYTES}: is it the right file?"
    );
    read_text_bounded(path, MAX_FILE_BYTES)
        .map_err(|error| anyhow::anyhow!("cannot read {shown}: {error}"))
}
