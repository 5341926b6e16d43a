//! The unclean deaths of a host, and the strategy that is to blame for them: `attempts` in the data folder.
//!
//! A process's call marks tell which calls were in progress when it died. One such death says little, because any kill hits some
//! call. A second one in the same call, while the run was being resumed, shows that the call kills the host. The record is
//! durable before a strategy is called, and removed once the run is resumed.

use crate::data_folder::{ATTEMPTS, read_text};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tickdeck_journal::atomic_file::{install, remove};
use tickdeck_journal::sealed::seal;

/// This many deaths in a row in calls of the same strategy are its fault, wherever in the run they were.
const ENDS_ANYWHERE: usize = 3;
/// Maximum number of deaths kept.
const MOST_ENDS: usize = 16;

/// What a host was doing when it died.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeathPhase {
    /// Its deck was starting.
    Starting,
    /// It was resuming an interrupted run.
    Resuming,
    /// It was trading.
    Running,
}

/// A call of a strategy that did not return.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestCall {
    /// The strategy.
    pub strategy: String,
    /// The function: `on-events`.
    pub function: String,
    /// The first and the last event that it was offered; the same for every call without events.
    pub events: (u64, u64),
    /// It had run longer than an ordinary call.
    pub is_long: bool,
}

impl GuestCall {
    /// Whether it creates or loads an instance, instead of offering it events.
    fn is_of_lifecycle(&self) -> bool {
        self.function != "on-events"
    }

    /// Whether another call of the same strategy is the same one, whatever batch its event was in.
    fn is_same(&self, other: &Self) -> bool {
        let ((first, last), (from, to)) = (self.events, other.events);
        self.strategy == other.strategy
            && self.function == other.function
            && first <= to
            && from <= last
    }
}

/// An unclean death of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Death {
    /// What it was doing.
    pub phase: DeathPhase,
    /// The calls that had not returned, the longest first.
    pub calls: Vec<GuestCall>,
}

/// The attempts to resume a run, or to start a deck, that did not complete.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumeAttempts {
    /// The run; 0 for the start of a new one.
    pub run: u32,
    /// The number of attempts.
    pub attempts: u32,
    /// The deaths of hosts, oldest first.
    pub deaths: Vec<Death>,
    /// The strategies that are left out of the next attempt, with the reasons.
    pub left_out: BTreeMap<String, String>,
    #[serde(skip)]
    file: PathBuf,
}

impl ResumeAttempts {
    /// Reads the attempts at this run. Attempts at another run are over.
    ///
    /// # Errors
    /// The file can't be read, or is damaged.
    pub fn load(data: &Path, run: u32) -> Result<Self> {
        let file = data.join(ATTEMPTS);
        let kept: Option<Self> = match read_text(&file)? {
            Some(text) => Some(serde_json::from_str(&text).with_context(|| {
                format!(
                    "cannot use {}: remove it to restart from the first attempt",
                    file.display()
                )
            })?),
            None => None,
        };
        let kept = kept.filter(|kept| kept.run == run).unwrap_or_default();
        Ok(Self { run, file, ..kept })
    }

    /// Records how the last host died. Returns the call that is to blame, if any.
    pub fn died(&mut self, death: Death) -> Option<GuestCall> {
        self.deaths.push(death);
        let surplus = self.deaths.len().saturating_sub(MOST_ENDS);
        self.deaths.drain(..surplus);
        let guilty = self.guilty().cloned()?;
        // The next death is another strategy's fault.
        self.deaths.clear();
        Some(guilty)
    }

    /// Leaves a strategy out of the next attempt.
    pub fn leave_out(&mut self, strategy: &str, why: &str) {
        self.left_out.insert(strategy.to_owned(), why.to_owned());
    }

    /// Writes the beginning of an attempt. Once this returns, it survives a machine crash.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn begin(&mut self) -> Result<()> {
        self.attempts += 1;
        self.write()
    }

    fn write(&self) -> Result<()> {
        let text = format!("{}\n", serde_json::to_string(self)?);
        Ok(install(&self.file, seal(&text).as_bytes())?)
    }

    /// Removes the record: the run is resumed, or the deck has started. A death during trading in a call that loads a module is
    /// remembered until the next death, because the module may still be in the folder.
    ///
    /// # Errors
    /// The file can't be written or removed.
    pub fn succeeded(mut self) -> Result<()> {
        let last = self.deaths.pop().filter(|death| {
            let mut calls = death.calls.iter();
            death.phase == DeathPhase::Running && calls.any(GuestCall::is_of_lifecycle)
        });
        let Some(last) = last else {
            return Ok(remove(&self.file)?);
        };
        (self.attempts, self.deaths) = (0, vec![last]);
        self.left_out.clear();
        self.write()
    }

    fn guilty(&self) -> Option<&GuestCall> {
        let (last, before) = self.deaths.split_last()?;
        let may_be_to_blame =
            |call: &&GuestCall| last.phase != DeathPhase::Running || call.is_of_lifecycle();
        let suspects = last.calls.iter().filter(may_be_to_blame).filter(|call| {
            let in_a_row = before.iter().rev().map_while(|death| {
                let mut calls = death.calls.iter();
                calls.find(|earlier| earlier.strategy == call.strategy)
            });
            let earlier: Vec<&GuestCall> = in_a_row.collect();
            match earlier.first() {
                None => false,
                Some(previous) => {
                    let hangs = call.is_long && !call.is_of_lifecycle();
                    hangs || call.is_same(previous) || earlier.len() + 1 >= ENDS_ANYWHERE
                }
            }
        });
        let suspects: Vec<&GuestCall> = suspects.collect();
        // Two workers were each in a call: the next death tells more.
        match suspects.as_slice() {
            [one] => Some(one),
            several if self.deaths.len() >= ENDS_ANYWHERE => several.first().copied(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(strategy: &str, events: (u64, u64)) -> GuestCall {
        GuestCall {
            strategy: strategy.to_owned(),
            function: "on-events".to_owned(),
            events,
            is_long: false,
        }
    }

    fn death(phase: DeathPhase, calls: &[GuestCall]) -> Death {
        let calls = calls.to_vec();
        Death { phase, calls }
    }

    fn blamed(deaths: &[Death]) -> Option<String> {
        let mut attempts = ResumeAttempts::default();
        let mut blamed = deaths.iter().map(|death| attempts.died(death.clone()));
        blamed.by_ref().last().flatten().map(|call| call.strategy)
    }

    #[test]
    fn of_two_that_were_called_at_once_none_is_blamed_before_the_third_end() {
        let both = [call("good", (1, 900)), call("bad", (500, 500))];
        let end = || death(DeathPhase::Resuming, &both);
        assert_eq!(blamed(&[end(), end()]), None);
        assert!(blamed(&[end(), end(), end()]).is_some());
        let alone = death(DeathPhase::Resuming, &both[1..]);
        assert_eq!(blamed(&[end(), alone]).as_deref(), Some("bad"));
    }

    #[test]
    fn the_same_call_twice_the_second_time_in_a_resume_is_to_blame() {
        use DeathPhase::{Resuming, Running};
        let live = death(Running, &[call("bad", (10, 12)), call("good", (9, 9))]);
        assert_eq!(blamed(std::slice::from_ref(&live)), None);
        let again = death(Resuming, &[call("good", (4, 4)), call("bad", (12, 90))]);
        assert_eq!(blamed(&[live.clone(), again]), Some("bad".to_owned()));
        let elsewhere = death(Resuming, &[call("bad", (13, 90))]);
        assert_eq!(blamed(&[live.clone(), elsewhere.clone()]), None);
        let third = death(Resuming, &[call("bad", (200, 300))]);
        let ends = [live.clone(), elsewhere, third];
        assert_eq!(blamed(&ends), Some("bad".to_owned()));
        assert_eq!(blamed(&[live.clone(), live]), None, "no resume failed");
    }

    #[test]
    fn a_call_that_hangs_is_to_blame_the_second_time_wherever_it_hangs() {
        use DeathPhase::{Resuming, Running};
        let mut long = call("slow", (70, 71));
        long.is_long = true;
        let ends = [
            death(Running, &[call("slow", (500, 501))]),
            death(Resuming, &[long.clone()]),
        ];
        assert_eq!(blamed(&ends), Some("slow".to_owned()));
        assert_eq!(blamed(&[death(Resuming, &[long])]), None);
    }

    #[test]
    fn a_module_that_ends_a_trading_host_twice_while_it_is_loaded_is_to_blame() {
        let folder = tempfile::tempdir().unwrap();
        let mut describe = call("new", (0, 0));
        describe.function = "describe".to_owned();
        let loading = death(DeathPhase::Running, &[call("good", (5, 9)), describe]);
        let mut attempts = ResumeAttempts::load(folder.path(), 2).unwrap();
        assert_eq!(attempts.died(loading.clone()), None);
        attempts.begin().unwrap();
        attempts.succeeded().unwrap();
        let mut again = ResumeAttempts::load(folder.path(), 2).unwrap();
        assert_eq!(again.attempts, 0);
        assert_eq!(again.died(loading).unwrap().strategy, "new");
    }

    #[test]
    fn kills_between_calls_blame_nobody() {
        use DeathPhase::Resuming;
        let one = death(Resuming, &[call("good", (5, 6))]);
        let none = death(Resuming, &[]);
        assert_eq!(blamed(&[one.clone(), none, one]), None);
    }

    #[test]
    fn attempts_survive_a_restart_and_end_with_their_run() {
        let folder = tempfile::tempdir().unwrap();
        let mut attempts = ResumeAttempts::load(folder.path(), 3).unwrap();
        attempts.died(death(DeathPhase::Running, &[call("bad", (1, 1))]));
        attempts.begin().unwrap();
        let mut again = ResumeAttempts::load(folder.path(), 3).unwrap();
        assert_eq!((again.attempts, again.deaths.len()), (1, 1));
        let blamed = again.died(death(DeathPhase::Resuming, &[call("bad", (1, 1))]));
        assert_eq!(blamed.unwrap().strategy, "bad");
        again.leave_out("bad", "it ended the host");
        again.begin().unwrap();
        let third = ResumeAttempts::load(folder.path(), 3).unwrap();
        assert_eq!((third.attempts, third.left_out.len()), (2, 1));
        let other = ResumeAttempts::load(folder.path(), 4).unwrap();
        assert_eq!((other.attempts, other.left_out.len()), (0, 0));
        again.succeeded().unwrap();
        let none = ResumeAttempts::load(folder.path(), 3).unwrap();
        assert_eq!(none.attempts, 0);
    }
}
