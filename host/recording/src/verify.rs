//! Verifies every byte of a data folder.

use crate::completeness::ReelPair;
use crate::data_folder::{
    ATTEMPTS, CALLS, GRANTS, IDS, KILLED, LOCK, MAX_TEXT, ORDERS, QUARANTINE,
};
use crate::layout::{ACTIONS, EVENTS, MODULES, REELS};
use crate::modules::ModuleStore;
use crate::rows::archive;
use crate::runs::{DataReels, RecordedRun};
use crate::verify_fault::VerifyFault;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::fs::DirEntry;
use std::path::{Path, PathBuf};
use tickdeck_engine::CancelToken;
use tickdeck_files::read_bounded;
use tickdeck_journal::sealed::unseal;
use tickdeck_journal::{JournalError, Verified};
use tickdeck_model::Registry;

/// The result of a verification.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifiedFolder {
    /// The number of files that were read.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The number of records on the reels.
    pub records: u64,
    /// Everything that differs from what was written.
    pub damage: Vec<VerifyFault>,
    /// Files in which a changed byte can't be found, and the reason.
    pub uncovered: Vec<VerifyFault>,
}

/// Verifies every file of a data folder; returns nothing if it was asked to stop. `progress` receives the bytes done and their total.
///
/// # Errors
/// The folder is not a data folder, or can't be read.
pub fn verify_folder(
    reels: &DataReels,
    stop: &CancelToken,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Option<VerifiedFolder>> {
    let data = reels.data();
    ensure!(
        data.join(REELS).is_dir() || data.join(IDS).is_file(),
        "{} is no data folder: it has no {REELS} and no {IDS}",
        data.display()
    );
    let mut check = Check {
        modules: reels.modules(),
        named: BTreeSet::new(),
        checked: VerifiedFolder::default(),
        total: size(data)?,
        stop,
        progress,
    };
    for entry in entries(data)? {
        if stop.asked() {
            return Ok(None);
        }
        check.top(&entry)?;
    }
    check.named_modules();
    Ok((!stop.asked()).then_some(check.checked))
}

struct Check<'a> {
    modules: ModuleStore,
    /// The modules that the reels name, each with the run that names it.
    named: BTreeSet<(String, PathBuf)>,
    checked: VerifiedFolder,
    total: u64,
    stop: &'a CancelToken,
    progress: &'a mut dyn FnMut(u64, u64),
}

impl Check<'_> {
    fn top(&mut self, entry: &DirEntry) -> Result<()> {
        let (path, name) = (entry.path(), entry.file_name());
        match name.to_str().unwrap_or_default() {
            REELS if path.is_dir() => self.each(&path, Self::run),
            MODULES if path.is_dir() => self.each(&path, Self::module),
            archive::FOLDER if path.is_dir() => self.each(&path, Self::tables),
            IDS => self.text(&path, |text| Ok(Registry::from_text(text).map(drop)?)),
            ORDERS | LOCK => self.text(&path, |text| {
                let first = text.lines().next();
                first.map_or(Ok(()), |number| Ok(number.parse::<u64>().map(drop)?))
            }),
            QUARANTINE | ATTEMPTS => self.text(&path, |_| Ok(())),
            // Its content is only valid while the process lives, and every start begins it anew.
            CALLS => Ok(()),
            KILLED | GRANTS => {
                self.uncovered(path, "people edit it, so it has no checksum");
                Ok(())
            }
            other => {
                self.other(path.clone(), other);
                Ok(())
            }
        }
    }

    fn each(
        &mut self,
        folder: &Path,
        look: fn(&mut Self, &Path, &str) -> Result<()>,
    ) -> Result<()> {
        for entry in entries(folder)? {
            if self.stop.asked() {
                return Ok(());
            }
            look(
                self,
                &entry.path(),
                entry.file_name().to_str().unwrap_or_default(),
            )?;
        }
        Ok(())
    }

    fn run(&mut self, folder: &Path, name: &str) -> Result<()> {
        let number = name.parse().ok().filter(|_| name.len() == 6);
        let (Some(number), true) = (number, folder.is_dir()) else {
            self.other(folder.to_owned(), name);
            return Ok(());
        };
        for entry in entries(folder)? {
            self.in_run(
                &entry.path(),
                entry.file_name().to_str().unwrap_or_default(),
            );
        }
        let known = self.checked.damage.len();
        let run = RecordedRun {
            number,
            folder: folder.to_owned(),
        };
        // Checked before and after: if a host starts or stops in between, the reels were not read at one moment.
        let mut written = run.is_written();
        let events = self.reel(folder, EVENTS)?;
        let actions = self.reel(folder, ACTIONS)?;
        written |= run.is_written();
        let reels = ReelPair {
            run: &run,
            events: events.as_ref(),
            actions: actions.as_ref(),
        };
        let looked = reels.missing_parts(written).map(|missing| {
            self.checked.damage.extend(missing.damage);
            self.checked.uncovered.extend(missing.uncovered);
        });
        let named = match reels.has_begun() {
            true => self.modules_of(&run),
            false => Ok(()),
        };
        if let Err(error) = looked.and(named) {
            // Files that can't be read because they are damaged or missing are in the list already.
            if self.checked.damage.len() == known {
                self.damage(folder, None, &format!("{error:#}"));
            }
        }
        Ok(())
    }

    /// Files of a run that are not segments.
    fn in_run(&mut self, path: &Path, name: &str) {
        let of_reel = |end: &str| {
            [EVENTS, ACTIONS]
                .iter()
                .any(|reel| name == format!("{reel}{end}"))
        };
        let is_segment = |end: &str| {
            let stem = name.strip_suffix(end);
            let number = stem.and_then(|stem| {
                stem.strip_prefix(EVENTS)
                    .or_else(|| stem.strip_prefix(ACTIONS))
            });
            number
                .and_then(|number| number.strip_prefix('-'))
                .is_some_and(|number| {
                    number.len() >= 6 && number.bytes().all(|byte| byte.is_ascii_digit())
                })
        };
        if of_reel(".lock") {
            self.checked.files += 1;
            if path.metadata().is_ok_and(|about| about.len() > 0) {
                self.damage(path, Some(0), "it should be empty");
            }
        } else if of_reel(".next") {
            self.uncovered(
                path.to_owned(),
                "it is a segment that is being created; where no host runs, the next one deletes it",
            );
        } else if name.contains(".torn-") {
            self.uncovered(path.to_owned(), "a crash left it, and it was put aside");
        } else if !is_segment(".reel") {
            self.other(path.to_owned(), name);
        }
    }

    fn reel(&mut self, folder: &Path, reel: &str) -> Result<Option<Verified>> {
        let (before, most) = (self.checked.bytes, self.total);
        let progress = &mut self.progress;
        let mut report = |done: u64, _: u64| progress(before + done, most.max(before + done));
        match tickdeck_journal::verify(folder, reel, &mut report) {
            Ok(mut verified) => {
                self.checked.files += verified.segments;
                self.checked.bytes += verified.bytes;
                self.checked.records += verified.records;
                let damage = std::mem::take(&mut verified.damage).into_iter();
                self.checked.damage.extend(damage.map(|damage| VerifyFault {
                    file: damage.file,
                    offset: Some(damage.offset),
                    what: damage.what,
                }));
                if let Some(torn) = verified.torn.take() {
                    let what = "a crash left a half-written record: the next start of the host sets it aside";
                    self.checked.uncovered.push(VerifyFault {
                        file: torn.file,
                        offset: Some(torn.offset),
                        what: what.to_owned(),
                    });
                }
                Ok(Some(verified))
            }
            // Whether that is a fault depends on the other reel.
            Err(JournalError::Missing { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Collects the modules that a run names.
    fn modules_of(&mut self, run: &RecordedRun) -> Result<()> {
        let modules = run.modules()?.into_iter();
        let named = modules.map(|module| (module, run.folder.clone()));
        self.named.extend(named);
        Ok(())
    }

    fn named_modules(&mut self) {
        for (module, run) in std::mem::take(&mut self.named) {
            let file = self.modules.file(&module);
            if !file.exists() {
                let what = format!("it is missing, and {} names it", run.display());
                self.damage(&file, None, &what);
            }
        }
    }

    fn module(&mut self, path: &Path, name: &str) -> Result<()> {
        let Some(hash) = name.strip_suffix(".wasm").filter(|_| path.is_file()) else {
            self.other(path.to_owned(), name);
            return Ok(());
        };
        self.count(path);
        if let Err(error) = self.modules.get(hash) {
            self.damage(path, None, &format!("{error:#}"));
        }
        Ok(())
    }

    /// A run that is archived as tables.
    fn tables(&mut self, folder: &Path, name: &str) -> Result<()> {
        if !folder.is_dir() {
            self.other(folder.to_owned(), name);
            return Ok(());
        }
        let archive::ArchiveSums { known, wrong } = archive::check(folder)?;
        for entry in entries(folder)? {
            let path = entry.path();
            match known.contains(&path) {
                true => self.count(&path),
                false => self.other(path, entry.file_name().to_str().unwrap_or_default()),
            }
        }
        for (file, what) in wrong {
            self.damage(&file, None, &what);
        }
        Ok(())
    }

    fn text(&mut self, path: &Path, read: fn(&str) -> Result<()>) -> Result<()> {
        self.count(path);
        let bytes = read_bounded(path, MAX_TEXT)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let unsealed = unseal(path, &bytes).map_err(anyhow::Error::from);
        match unsealed.and_then(|(text, sealed)| read(text).map(|()| sealed)) {
            Ok(sealed) if sealed || bytes.is_empty() => {}
            Ok(_) => self.uncovered(
                path.to_owned(),
                "it has no checksum yet: the next start of the host adds one",
            ),
            Err(error) => self.damage(path, None, &format!("{error:#}")),
        }
        Ok(())
    }

    fn other(&mut self, path: PathBuf, name: &str) {
        if name.starts_with(".tickdeck-") || (name.starts_with('.') && name.ends_with(".gone")) {
            self.uncovered(path, "an interrupted write or removal left it: delete it");
        } else {
            self.damage(
                &path,
                None,
                "tickdeck has no file of this name here: move it away",
            );
        }
    }

    fn count(&mut self, path: &Path) {
        self.checked.files += 1;
        self.checked.bytes += path.metadata().map_or(0, |about| about.len());
        (self.progress)(self.checked.bytes, self.total.max(self.checked.bytes));
    }

    fn uncovered(&mut self, file: PathBuf, why: &str) {
        let (offset, what) = (None, why.to_owned());
        self.checked
            .uncovered
            .push(VerifyFault { file, offset, what });
    }

    fn damage(&mut self, file: &Path, offset: Option<u64>, what: &str) {
        let (file, what) = (file.to_owned(), what.to_owned());
        self.checked.damage.push(VerifyFault { file, offset, what });
    }
}

/// Lists a folder, ordered by name.
fn entries(folder: &Path) -> Result<Vec<DirEntry>> {
    let listed = std::fs::read_dir(folder).and_then(Iterator::collect);
    let mut listed: Vec<DirEntry> =
        listed.with_context(|| format!("cannot read {}", folder.display()))?;
    listed.sort_by_key(DirEntry::file_name);
    Ok(listed)
}

/// Returns the bytes of all files in a folder.
fn size(folder: &Path) -> Result<u64> {
    let mut total = 0;
    for entry in entries(folder)? {
        // A file that was removed meanwhile has none.
        total += match entry.metadata() {
            Ok(about) if about.is_dir() => size(&entry.path())?,
            about => about.map_or(0, |about| about.len()),
        };
    }
    Ok(total)
}
