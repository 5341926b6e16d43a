//! Reads a file on a thread of its own, on which a panic counts as an error of the file.
//!
//! The Parquet library panics on some damaged files, and its authors treat that as a minor bug. A panic there must not end the
//! host. `parquet_check` has already bounded how much it can allocate and how deeply it can recurse.

use crate::error::TableError;
use crate::port::Source;
use crate::table::Row;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// The name of the thread.
const THREAD: &str = "tickdeck-contained";

/// Number of batches read ahead.
const AHEAD: usize = 1;

/// A reader that returns its rows in batches, last row first; an empty one at the end.
pub(crate) trait Batches {
    /// Reads the next batch.
    fn batch(&mut self) -> Result<Vec<Row>, TableError>;
}

/// The rows of a file that is read elsewhere.
pub(crate) struct Contained {
    file: PathBuf,
    batches: Receiver<Result<Vec<Row>, TableError>>,
    batch: Vec<Row>,
    is_over: bool,
}

impl Contained {
    /// Opens a file by `open`, and reads it ahead.
    pub(crate) fn open<B: Batches>(
        file: &Path,
        open: impl FnOnce() -> Result<B, TableError> + Send + 'static,
    ) -> Result<Self, TableError> {
        silence();
        let (sender, batches) = sync_channel(AHEAD);
        let named = file.to_owned();
        thread::Builder::new()
            .name(THREAD.to_owned())
            .spawn(move || {
                // Nothing of what panicked is used again.
                let read = catch_unwind(AssertUnwindSafe(|| read(open, &sender)));
                if read.is_err() {
                    let what = "is damaged: the Parquet library fails on it; export it again";
                    // An error means that nobody reads any more, which does not matter.
                    let _ = sender.send(Err(TableError::content(&named, what)));
                }
            })
            .map_err(TableError::io("start a thread for", file))?;
        let mut source = Self {
            file: file.to_owned(),
            batches,
            batch: Vec::new(),
            is_over: false,
        };
        source.fill()?;
        Ok(source)
    }

    /// Takes the next batch if this one is empty.
    fn fill(&mut self) -> Result<(), TableError> {
        if !self.batch.is_empty() || self.is_over {
            return Ok(());
        }
        let gone = |_| TableError::content(&self.file, "its reader ended early");
        self.batch = self.batches.recv().map_err(gone).flatten()?;
        self.is_over = self.batch.is_empty();
        Ok(())
    }
}

impl Source for Contained {
    fn next(&mut self) -> Result<Option<Row>, TableError> {
        self.fill()?;
        Ok(self.batch.pop())
    }
}

fn read<B: Batches>(
    open: impl FnOnce() -> Result<B, TableError>,
    sender: &SyncSender<Result<Vec<Row>, TableError>>,
) {
    let mut source = match open() {
        Ok(source) => source,
        Err(error) => return drop(sender.send(Err(error))),
    };
    loop {
        let batch = source.batch();
        let is_last = batch.as_ref().map_or(true, Vec::is_empty);
        // An error means that nobody reads any more.
        if sender.send(batch).is_err() || is_last {
            return;
        }
    }
}

/// Keeps panics on these threads off the terminal: the reader reports the error.
fn silence() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if thread::current().name() != Some(THREAD) {
                before(panic);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Value;

    struct Panics(u64);

    impl Batches for Panics {
        fn batch(&mut self) -> Result<Vec<Row>, TableError> {
            self.0 += 1;
            assert!(self.0 < 3, "as the library does");
            Ok(vec![vec![Value::Number(self.0)]])
        }
    }

    #[test]
    fn a_reader_that_panics_gives_its_rows_until_then_and_an_error() {
        let file = Path::new("quotes.parquet");
        let mut source = Contained::open(file, || Ok(Panics(0))).unwrap();
        assert_eq!(source.next().unwrap(), Some(vec![Value::Number(1)]));
        assert_eq!(source.next().unwrap(), Some(vec![Value::Number(2)]));
        let error = source.next().unwrap_err().to_string();
        assert_eq!(
            error,
            "quotes.parquet: is damaged: the Parquet library fails on it; export it again"
        );
        let opened = Contained::open(file, || -> Result<Panics, TableError> { panic!("at once") });
        assert!(opened.is_err());
    }

    #[test]
    fn a_reader_that_nobody_reads_ends() {
        struct Endless {
            _alive: SyncSender<()>,
        }
        impl Batches for Endless {
            fn batch(&mut self) -> Result<Vec<Row>, TableError> {
                Ok(vec![Vec::new()])
            }
        }
        let (alive, ended) = sync_channel(0);
        let open = move || Ok(Endless { _alive: alive });
        let source = Contained::open(Path::new("x"), open).unwrap();
        drop(source);
        assert!(ended.recv().is_err(), "the thread has dropped its end");
    }
}
