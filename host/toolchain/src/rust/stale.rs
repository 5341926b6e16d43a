//! Detects modules that are older than their sources.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Folders without sources.
const SKIPPED: [&str; 2] = ["target", ".git"];

/// Returns whether `module` is missing, or older than a file in any of `sources`. A source that cannot be read counts as
/// newer, so that the build reports it.
pub fn out_of_date(module: &Path, sources: &[PathBuf]) -> bool {
    match std::fs::metadata(module).and_then(|data| data.modified()) {
        Ok(built) => sources.iter().any(|source| changed_after(source, built)),
        Err(_) => true,
    }
}

fn changed_after(path: &Path, built: SystemTime) -> bool {
    let Ok(data) = std::fs::symlink_metadata(path) else {
        return true;
    };
    if data.is_dir() {
        if path
            .file_name()
            .is_some_and(|name| SKIPPED.iter().any(|skipped| name == *skipped))
        {
            return false;
        }
        let Ok(entries) = std::fs::read_dir(path) else {
            return true;
        };
        return entries
            .flatten()
            .any(|entry| changed_after(&entry.path(), built));
    }
    data.is_file() && data.modified().map_or(true, |changed| changed > built)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_module_is_out_of_date_if_it_is_missing_or_a_source_is_newer() {
        let folder = tempfile::tempdir().unwrap();
        let (module, sources) = (folder.path().join("a.wasm"), folder.path().join("a"));
        std::fs::create_dir_all(sources.join("target")).unwrap();
        std::fs::write(sources.join("lib.rs"), "one").unwrap();
        assert!(
            out_of_date(&module, std::slice::from_ref(&sources)),
            "missing"
        );
        let now = SystemTime::now();
        let set = |path: &Path, seconds: u64| {
            let file = std::fs::File::create(path).unwrap();
            file.set_modified(now + Duration::from_secs(seconds))
                .unwrap();
        };
        set(&module, 10);
        assert!(
            !out_of_date(&module, std::slice::from_ref(&sources)),
            "newer than its sources"
        );
        set(&sources.join("target/x"), 20);
        assert!(
            !out_of_date(&module, std::slice::from_ref(&sources)),
            "build output is not a source"
        );
        set(&sources.join("lib.rs"), 20);
        assert!(
            out_of_date(&module, std::slice::from_ref(&sources)),
            "older than a source"
        );
    }
}
