//! The system's change notifications, which say when to poll.

use super::signal::Signal;
use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The source of hints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hints {
    /// The system.
    System,
    /// None: for file systems without notifications.
    None,
    /// A system that refuses them, for tests.
    Failing,
}

/// The system's watches on the folder and on its parent.
pub(super) struct Source {
    watcher: RecommendedWatcher,
    folder: PathBuf,
    signal: Arc<Signal>,
    /// Device and inode of the folder that is watched.
    watched: Option<(u64, u64)>,
}

impl Source {
    /// Starts watching.
    ///
    /// # Errors
    /// The system provides no notifications; the text says what to do.
    pub(super) fn start(
        hints: Hints,
        folder: &Path,
        signal: &Arc<Signal>,
    ) -> Result<Option<Self>, String> {
        let watcher = match hints {
            Hints::None => return Ok(None),
            Hints::Failing => Err(notify::Error::new(ErrorKind::MaxFilesWatch)),
            Hints::System => notify::recommended_watcher(listener(folder, signal)),
        };
        let mut source = Self {
            watcher: watcher.map_err(|error| advice(&error))?,
            folder: folder.to_owned(),
            signal: Arc::clone(signal),
            watched: None,
        };
        source.watch_parent()?;
        source.follow()?;
        Ok(Some(source))
    }

    /// Watches the parent, which reports when the folder is created again.
    fn watch_parent(&mut self) -> Result<(), String> {
        let Some(parent) = self.folder.parent() else {
            return Ok(());
        };
        match self.watcher.watch(parent, RecursiveMode::NonRecursive) {
            Err(error) if is_exhausted(&error) => Err(advice(&error)),
            // If the parent cannot be watched, a new folder is merely found later.
            _ => Ok(()),
        }
    }

    /// Watches the current folder if it is not the one watched before.
    ///
    /// # Errors
    /// The system no longer provides notifications; the text says what to do.
    pub(super) fn follow(&mut self) -> Result<(), String> {
        let there = std::fs::metadata(&self.folder)
            .ok()
            .map(|about| (about.dev(), about.ino()));
        // A folder that is created again may have the inode of the old one.
        let replaced = self.signal.take_replaced();
        if there == self.watched && !replaced {
            return Ok(());
        }
        // There may be no watch to remove.
        let _ = self.watcher.unwatch(&self.folder);
        self.watched = None;
        if there.is_none() {
            return Ok(());
        }
        match self
            .watcher
            .watch(&self.folder, RecursiveMode::NonRecursive)
        {
            Ok(()) => self.watched = there,
            // A poll reports a folder that cannot be read or is already missing.
            Err(error) if is_about_folder(&error) => {}
            Err(error) => return Err(advice(&error)),
        }
        Ok(())
    }
}

/// Turns the system's notifications into hints.
fn listener(
    folder: &Path,
    signal: &Arc<Signal>,
) -> impl Fn(notify::Result<Event>) + Send + 'static {
    let name = folder.file_name().map(OsStr::to_owned);
    let signal = Arc::clone(signal);
    move |event| match event {
        Ok(event) => match concern(&event, name.as_deref()) {
            Concern::None => {}
            Concern::Content => signal.hint(),
            Concern::Folder => signal.replaced(),
        },
        Err(error) => signal.fail(advice(&error)),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Concern {
    None,
    /// Something in the folder changed.
    Content,
    /// The folder may have been replaced.
    Folder,
}

/// Classifies a notification. Only names are compared, because systems may spell paths differently.
fn concern(event: &Event, folder: Option<&OsStr>) -> Concern {
    let moves = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
        // A poll opens the folder itself; treating that as a change would mean polling forever.
        EventKind::Access(_) => return Concern::None,
        EventKind::Create(_) | EventKind::Remove(_) => true,
        EventKind::Modify(kind) => matches!(kind, ModifyKind::Name(_)),
        EventKind::Any | EventKind::Other => return Concern::Content,
    };
    let is_folder = |path: &Path| path.file_name() == folder;
    let paths = &event.paths;
    if moves && paths.iter().any(|path| is_folder(path)) {
        Concern::Folder
    } else if paths.is_empty()
        || paths
            .iter()
            .any(|path| is_folder(path) || path.parent().is_some_and(is_folder))
    {
        Concern::Content
    } else {
        Concern::None
    }
}

fn is_exhausted(error: &notify::Error) -> bool {
    match &error.kind {
        ErrorKind::MaxFilesWatch => true,
        ErrorKind::Io(error) => error.kind() == std::io::ErrorKind::StorageFull,
        _ => false,
    }
}

fn is_about_folder(error: &notify::Error) -> bool {
    match &error.kind {
        ErrorKind::PathNotFound => true,
        ErrorKind::Io(error) => matches!(
            error.kind(),
            std::io::ErrorKind::NotFound
                | std::io::ErrorKind::PermissionDenied
                | std::io::ErrorKind::NotADirectory
        ),
        _ => false,
    }
}

fn advice(error: &notify::Error) -> String {
    format!(
        "the system does not report file changes ({}), so the plugins folder is only checked periodically: raise \
         fs.inotify.max_user_watches and fs.inotify.max_user_instances",
        tickdeck_model::untrusted::one_line(&error.to_string())
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{CreateKind, RemoveKind};

    #[test]
    fn the_watchers_own_poll_is_not_a_hint() {
        let of = |kind, path: &str| {
            let event = Event::new(kind).add_path(PathBuf::from(path));
            concern(&event, Some(OsStr::new("plugins")))
        };
        let open = EventKind::Access(AccessKind::Open(AccessMode::Any));
        let written = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let made = EventKind::Create(CreateKind::Any);
        assert_eq!(of(open, "/d/plugins"), Concern::None);
        assert_eq!(of(open, "/d/plugins/x.wasm"), Concern::None);
        assert_eq!(of(written, "/d/plugins/x.wasm"), Concern::Content);
        assert_eq!(of(made, "/d/plugins/x.wasm"), Concern::Content);
        assert_eq!(of(made, "/d/plugins"), Concern::Folder);
        let removed = EventKind::Remove(RemoveKind::Folder);
        assert_eq!(of(removed, "/d/plugins"), Concern::Folder);
        assert_eq!(of(made, "/d/data/x"), Concern::None);
        assert_eq!(of(EventKind::Other, "/d/data"), Concern::Content);
    }
}
