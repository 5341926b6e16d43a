//! Compiles the modules of a start. It waits for those that the settings name, and for the others only a short time: whatever
//! lies in the plugins folder must not keep a deck from trading.

use crate::compile_queue::{CompileQueue, CompileRequest, Outcome};
use crate::loading::{StrategyLoader, named_modules, strategies_of};
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use tickdeck_engine::CancelToken;
use tickdeck_model::ModuleHash;
use tickdeck_model::untrusted::first_few;
use tickdeck_strategy::watch::{Plugin, Scan};

/// How long a start waits for modules that the settings do not name.
const OTHERS_WITHIN: Duration = Duration::from_secs(10);

/// Interval of progress messages.
const PROGRESS: Duration = Duration::from_secs(3);

/// Interval at which it checks for a stop.
const STOP_CHECK: Duration = Duration::from_millis(50);

/// What a start compiled.
pub(crate) struct Compiled {
    /// The outcomes; keep them until the modules are loaded.
    pub(crate) outcomes: HashMap<ModuleHash, Outcome>,
    /// The modules that are left to the running deck, with their names.
    pub(crate) late: BTreeMap<ModuleHash, String>,
}

/// Modules that compile, and what has become of them so far.
struct Batch {
    wanted: BTreeMap<ModuleHash, String>,
    outcomes: Receiver<(ModuleHash, Outcome)>,
}

/// Compiles every module that may run, several at a time. Waits for all of them, unless those that the settings do not name
/// `may_be_late`.
///
/// # Errors
/// The host is to stop, or a thread can't be started.
pub(crate) fn compile_all(
    loader: &StrategyLoader,
    scan: &Scan,
    may_be_late: bool,
    stop: &CancelToken,
) -> Result<Compiled> {
    let queue = CompileQueue::start(loader.runtime.clone())?;
    let plugins = scan.plugins.iter();
    let runs = plugins.filter(|plugin| !strategies_of(&loader.config, &plugin.name).is_empty());
    let named: BTreeSet<&str> = named_modules(&loader.config).collect();
    let (named, others): (Vec<_>, Vec<_>) =
        runs.partition(|plugin| named.contains(plugin.name.as_str()));
    let limit = may_be_late.then_some(OTHERS_WITHIN);
    // The named ones alone at first: nothing else in the queue may delay them.
    let (mut outcomes, mut late) = (HashMap::new(), BTreeMap::new());
    for (plugins, limit) in [(named, None), (others, limit)] {
        let mut batch = Batch::push(&queue, loader, &plugins);
        let waited = batch.wait(&mut outcomes, limit, stop);
        if waited.is_none() {
            loader.runtime.cancel_compilations();
        }
        waited.context("stopped before every module was compiled")?;
        late.extend(batch.wanted);
    }
    if !late.is_empty() {
        // What compiles beside trading gives way to it more than these did, so it begins again.
        drop(queue);
        loader.runtime.interrupt_compilations();
        let names = first_few(late.values(), ", ");
        eprintln!("still compiling {names}: what is compiled later starts while the deck trades");
    }
    Ok(Compiled { outcomes, late })
}

impl Batch {
    fn push(queue: &CompileQueue, loader: &StrategyLoader, plugins: &[&Plugin]) -> Self {
        let (sender, outcomes) = channel();
        let mut wanted = BTreeMap::new();
        for plugin in plugins {
            if wanted.insert(plugin.hash, plugin.name.clone()).is_none() {
                let (sender, hash) = (sender.clone(), plugin.hash);
                // An error means that nobody is waiting any more.
                let done = move |outcome| drop(sender.send((hash, outcome)));
                queue.push(CompileRequest::of(plugin, loader, done));
            }
        }
        Self { wanted, outcomes }
    }

    /// Takes outcomes until there are no more, or the time is up: what is still `wanted` has none. `None`: the host is to stop.
    fn wait(
        &mut self,
        compiled: &mut HashMap<ModuleHash, Outcome>,
        limit: Option<Duration>,
        stop: &CancelToken,
    ) -> Option<()> {
        let (began, mut told) = (Instant::now(), Instant::now());
        while limit.is_none_or(|limit| began.elapsed() < limit) {
            match self.outcomes.recv_timeout(STOP_CHECK) {
                Ok((hash, outcome)) => {
                    self.wanted.remove(&hash);
                    compiled.insert(hash, outcome);
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) if stop.asked() => return None,
                Err(RecvTimeoutError::Timeout) if told.elapsed() >= PROGRESS => {
                    eprintln!("compiling {}", first_few(self.wanted.values(), ", "));
                    told = Instant::now();
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile_queue::NotCompiled;

    #[test]
    fn a_batch_is_waited_for_until_its_limit_and_says_what_is_left() {
        let [quick, slow] = [b"quick", b"slow."].map(|bytes| ModuleHash::of(bytes));
        let (sender, outcomes) = channel();
        let mut batch = Batch {
            wanted: [(quick, "quick"), (slow, "slow")]
                .map(|(hash, name)| (hash, name.to_owned()))
                .into(),
            outcomes,
        };
        let refused = || Err(NotCompiled::Refused("no".to_owned()));
        sender.send((quick, refused())).unwrap();
        let (mut compiled, stop) = (HashMap::new(), CancelToken::default());
        let waited = batch.wait(&mut compiled, Some(STOP_CHECK), &stop);
        assert_eq!(waited, Some(()));
        assert!(compiled.contains_key(&quick));
        assert_eq!(batch.wanted, BTreeMap::from([(slow, "slow".to_owned())]));

        sender.send((slow, refused())).unwrap();
        drop(sender);
        assert_eq!(batch.wait(&mut compiled, None, &stop), Some(()));
        assert!(batch.wanted.is_empty() && compiled.contains_key(&slow));
    }
}
