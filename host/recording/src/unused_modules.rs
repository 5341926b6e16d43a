//! Removes the modules that no run names any more, after runs have been removed.

use crate::actions_reel::ActionsReel;
use crate::codec::{ActionsRecord, RecordKind};
use crate::manifest::{RunManifest, VersionSpec};
use crate::runs::{DataReels, RecordedRun};
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};
use tickdeck_engine::{Effect, RecordedChange};
use tickdeck_journal::JournalError;

/// How long a module is kept after it was last loaded: a host stores it before it records the run that names it.
const GRACE: Duration = Duration::from_secs(60 * 60);

impl RecordedRun {
    /// Returns the hashes of the modules that the run names.
    ///
    /// # Errors
    /// A reel can't be read.
    pub fn modules(&self) -> Result<BTreeSet<String>> {
        let mut named = BTreeSet::new();
        for start in RunManifest::read(&self.folder)?.strategies {
            named.insert(VersionSpec::read(&start.spec)?.module);
        }
        // Only rare effects name modules.
        let mut effects = match ActionsReel::open(&self.folder, RecordKind::Effect) {
            // The run was interrupted while it started.
            Err(JournalError::Missing { .. }) => return Ok(named),
            effects => effects?,
        };
        while let Some((_, record)) = effects.next()? {
            if let ActionsRecord::Effect(_, Effect::Changed { what, .. }) = record
                && let RecordedChange::Start { spec, .. } | RecordedChange::Swap { spec, .. } = what
            {
                named.insert(VersionSpec::read(&spec)?.module);
            }
        }
        Ok(named)
    }
}

impl DataReels {
    /// Removes the modules that no run names any more. If a run cannot be read, every module is kept. Returns the number of
    /// bytes freed.
    ///
    /// # Errors
    /// A run or a module can't be read, or a module can't be removed.
    pub fn remove_unused_modules(&self) -> Result<u64> {
        let modules = self.modules();
        let mut candidates: BTreeSet<String> = modules.list()?.into_iter().collect();
        for run in self.runs()? {
            if candidates.is_empty() {
                return Ok(0);
            }
            if !run.has_begun() {
                continue;
            }
            let named = run.modules();
            let named = named.with_context(|| {
                format!(
                    "modules are kept, because it is not known which ones {} names",
                    run.folder.display()
                )
            })?;
            candidates.retain(|hash| !named.contains(hash));
        }
        let mut freed = 0;
        for hash in candidates {
            let file = modules.file(&hash);
            let about = file
                .metadata()
                .with_context(|| format!("cannot read {}", file.display()))?;
            let age = about
                .modified()
                .map(|at| SystemTime::now().duration_since(at));
            // A time in the future counts as new.
            if !matches!(age, Ok(Ok(age)) if age >= GRACE) {
                continue;
            }
            std::fs::remove_file(&file)
                .with_context(|| format!("cannot remove {}", file.display()))?;
            freed += about.len();
        }
        Ok(freed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{RecordedStart, RunOverrides};
    use tickdeck_journal::ReelConfig;
    use tickdeck_model::ModuleHash;

    fn record(reels: &DataReels, module: &[u8]) -> RecordedRun {
        let hash = ModuleHash::of(module);
        reels.modules().keep(hash, module).unwrap();
        let spec = VersionSpec {
            plugin: "ema".to_owned(),
            module: hash.to_string(),
            sidecar: None,
            grants: String::new(),
            names: None,
            more_names: None,
            signature: None,
        };
        let manifest = RunManifest {
            tickdeck: String::new(),
            began_ns: 0,
            command: "run".to_owned(),
            settings: (String::new(), String::new()),
            overrides: RunOverrides::default(),
            title: String::new(),
            names: String::new(),
            venues: Vec::new(),
            first_order: 1,
            killed: false,
            strategies: vec![RecordedStart {
                name: "ema".to_owned(),
                spec: spec.text(),
            }],
        };
        let run = reels.next_run().unwrap();
        let opened =
            crate::JournalRecorder::open(&run, &ReelConfig::default(), Some(&manifest)).unwrap();
        drop(opened);
        run
    }

    #[test]
    fn a_module_goes_with_the_last_run_that_names_it_and_not_while_it_is_new() {
        let folder = tempfile::tempdir().unwrap();
        let reels = DataReels::in_folder(folder.path());
        let old = record(&reels, b"old");
        record(&reels, b"new");
        let hashes = |modules: &[&[u8]]| {
            let mut hashes: Vec<_> = modules
                .iter()
                .map(|module| ModuleHash::of(module).to_string())
                .collect();
            hashes.sort();
            hashes
        };
        let age = |module: &[u8]| {
            let file = reels.modules().file(&ModuleHash::of(module).to_string());
            let file = std::fs::File::options().append(true).open(file).unwrap();
            file.set_modified(SystemTime::now() - 2 * GRACE).unwrap();
        };
        age(b"old");
        age(b"new");
        assert_eq!(reels.remove_unused_modules().unwrap(), 0, "both are named");
        reels.remove(&old).unwrap();
        // Loaded again by a host that has not recorded it yet.
        reels
            .modules()
            .keep(ModuleHash::of(b"old"), b"old")
            .unwrap();
        assert_eq!(reels.remove_unused_modules().unwrap(), 0, "one is new");
        age(b"old");
        assert_eq!(reels.remove_unused_modules().unwrap(), 3);
        assert_eq!(reels.modules().list().unwrap(), hashes(&[b"new"]));
    }
}
