//! Marks of the strategy calls in progress, which the next process finds if this one dies in a call.
//!
//! Every call of a strategy's code goes through [`CallMarks::watch`] or [`CallMarks::during_load`], which store a few words in a
//! mapped file before the call and one after it: no system call, a few nanoseconds. However the process dies, the file says
//! which calls had not returned.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tickdeck_engine::port::{Code, Fault, State, StopReason, Strategy, StrategyBook};
use tickdeck_journal::SharedWords;
use tickdeck_model::{Action, Event};
use tickdeck_recording::data_folder::CALLS;
use tickdeck_recording::{Death, DeathPhase, GuestCall};

/// Number of strategies whose calls are marked; calls of further ones are not.
const SLOTS: usize = 2_048;
/// Number of words before the slots.
const HEADER: usize = 8;
const PHASE: usize = 0;
const RUN: usize = 1;
const TICKS: usize = 2;
/// Number of words per slot: function, first and last event, tick, and the name.
const SLOT: usize = 16;
const FIRST: usize = 1;
const LAST: usize = 2;
const BEGAN: usize = 3;
const NAME: usize = 4;
/// Bytes for the name: enough for all of it.
const NAME_BYTES: usize = (SLOT - NAME) * size_of::<u64>();

/// The step in which time is counted during a resume.
const TICK: Duration = Duration::from_millis(1);
/// A call this many ticks old is abnormally long.
const LONG_TICKS: u64 = 3;

/// The functions of a strategy.
#[derive(Clone, Copy)]
#[repr(u64)]
enum Function {
    Describe = 1,
    Init,
    Restore,
    OnEvents,
    Save,
    Stop,
}

/// Their names, in the same order.
const FUNCTIONS: [&str; 6] = ["describe", "init", "restore", "on-events", "save", "stop"];

/// Marks the calls of strategies; clones share the marks. The default marks nothing.
#[derive(Clone, Default)]
pub struct CallMarks(Option<Arc<Inner>>);

struct Inner {
    file: PathBuf,
    words: SharedWords,
    free: Mutex<Vec<usize>>,
    ticks: AtomicU64,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // No more calls. If the file stays, it says the same.
        let _ = std::fs::remove_file(&self.file);
    }
}

/// What the marks say about the last process.
pub(crate) struct LastProcess {
    /// The run that it executed; 0 while it was starting a new one.
    pub(crate) run: u32,
    /// How it died.
    pub(crate) death: Death,
}

impl CallMarks {
    /// Opens the marks of a data folder, and returns what the last process left there.
    ///
    /// # Errors
    /// The file can't be read or written.
    pub(crate) fn open(data: &Path) -> Result<(Option<LastProcess>, Self)> {
        let file = data.join(CALLS);
        let opened = SharedWords::open(&file, HEADER + SLOTS * SLOT);
        let (left, words) = opened.with_context(|| format!("cannot write {}", file.display()))?;
        let marks = Self(Some(Arc::new(Inner {
            file,
            words,
            free: Mutex::new((0..SLOTS).rev().collect()),
            ticks: AtomicU64::new(0),
        })));
        Ok((last_process(&left), marks))
    }

    /// Sets the phase that a death of the process from now on belongs to.
    pub(crate) fn set_phase(&self, phase: DeathPhase, run: u32) {
        if let Some(inner) = &self.0 {
            inner.words.store(RUN, u64::from(run));
            inner.words.store(PHASE, number_of(phase));
        }
    }

    /// Counts time until the result is dropped, so that a mark shows how long its call took.
    pub(crate) fn count_time(&self) -> Option<TimeCounter> {
        TimeCounter::start(Arc::clone(self.0.as_ref()?)).ok()
    }

    /// Marks every call of a strategy's code, and of the instances created from it.
    pub(crate) fn watch(&self, name: &str, code: Arc<dyn Code>) -> Arc<dyn Code> {
        match self.slot(name) {
            Some(slot) => Arc::new(WatchedCode {
                code,
                slot: Arc::new(slot),
            }),
            None => code,
        }
    }

    /// Marks the calls of a module while it is loaded.
    pub(crate) fn during_load<T>(&self, name: &str, call: impl FnOnce() -> T) -> T {
        match self.slot(name) {
            Some(slot) => slot.during(Function::Describe, &[], call),
            None => call(),
        }
    }

    fn slot(&self, name: &str) -> Option<Slot> {
        let inner = self.0.as_ref()?;
        let mut free = inner.free.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = Slot {
            inner: Arc::clone(inner),
            word: HEADER + free.pop()? * SLOT,
        };
        let mut bytes = [0; NAME_BYTES];
        for (byte, of_name) in bytes.iter_mut().zip(name.bytes()) {
            *byte = of_name;
        }
        let (words, _) = bytes.as_chunks();
        for (word, place) in words.iter().zip(slot.word + NAME..) {
            inner.words.store(place, u64::from_le_bytes(*word));
        }
        Some(slot)
    }
}

/// The place of one strategy's marks: one call at a time is marked there.
struct Slot {
    inner: Arc<Inner>,
    word: usize,
}

impl Slot {
    /// Marks a call with these events. A call that panics stays marked.
    #[inline]
    fn during<T>(&self, function: Function, events: &[Event], call: impl FnOnce() -> T) -> T {
        let words = &self.inner.words;
        let sequence = |event: Option<&Event>| event.map_or(0, |event| event.sequence);
        words.store(self.word + FIRST, sequence(events.first()));
        words.store(self.word + LAST, sequence(events.last()));
        let now = self.inner.ticks.load(Ordering::Relaxed);
        words.store(self.word + BEGAN, now);
        words.store(self.word, function as u64);
        let answer = call();
        words.store(self.word, 0);
        answer
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.inner.words.store(self.word, 0);
        let mut free = self
            .inner
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        free.push((self.word - HEADER) / SLOT);
    }
}

/// Code whose calls are marked.
struct WatchedCode {
    code: Arc<dyn Code>,
    slot: Arc<Slot>,
}

impl WatchedCode {
    fn watched(&self, strategy: Box<dyn Strategy>) -> Box<dyn Strategy> {
        Box::new(WatchedStrategy {
            strategy,
            slot: Arc::clone(&self.slot),
        })
    }
}

impl Code for WatchedCode {
    fn start(&self, book: &mut Box<StrategyBook>) -> Result<Box<dyn Strategy>, Fault> {
        let started = self
            .slot
            .during(Function::Init, &[], || self.code.start(book));
        started.map(|strategy| self.watched(strategy))
    }

    fn start_in_place(&self, book: &mut Box<StrategyBook>) -> Result<Box<dyn Strategy>, Fault> {
        let start = || self.code.start_in_place(book);
        let started = self.slot.during(Function::Init, &[], start);
        started.map(|strategy| self.watched(strategy))
    }

    fn is_ready(&self) -> bool {
        self.code.is_ready()
    }

    fn restore(
        &self,
        book: &mut Box<StrategyBook>,
        state: &State,
    ) -> Result<Box<dyn Strategy>, Fault> {
        let restore = || self.code.restore(book, state);
        let restored = self.slot.during(Function::Restore, &[], restore);
        restored.map(|strategy| self.watched(strategy))
    }

    fn schema(&self) -> u32 {
        self.code.schema()
    }

    fn restores(&self) -> &[u32] {
        self.code.restores()
    }
}

/// An instance whose calls are marked.
struct WatchedStrategy {
    strategy: Box<dyn Strategy>,
    slot: Arc<Slot>,
}

impl Strategy for WatchedStrategy {
    #[inline]
    fn on_events(
        &mut self,
        batch: &[Event],
        book: &mut Box<StrategyBook>,
        actions: &mut Vec<Action>,
    ) -> Result<usize, Fault> {
        let call = || self.strategy.on_events(batch, book, actions);
        self.slot.during(Function::OnEvents, batch, call)
    }

    fn save(&mut self) -> Result<Result<Vec<u8>, String>, Fault> {
        self.slot
            .during(Function::Save, &[], || self.strategy.save())
    }

    fn save_into(&mut self, state: &mut Vec<u8>) -> Result<Result<(), String>, Fault> {
        let call = || self.strategy.save_into(state);
        self.slot.during(Function::Save, &[], call)
    }

    fn long_call_ns(&self) -> Option<u64> {
        self.strategy.long_call_ns()
    }

    fn thread_time_ns(&self) -> Option<u64> {
        self.strategy.thread_time_ns()
    }

    fn restore_time_limit(&mut self) {
        self.strategy.restore_time_limit();
    }

    fn stop(&mut self, reason: StopReason) -> Result<(), Fault> {
        self.slot
            .during(Function::Stop, &[], || self.strategy.stop(reason))
    }
}

/// Counts time on a thread of its own, until it is dropped.
pub(crate) struct TimeCounter {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl TimeCounter {
    fn start(inner: Arc<Inner>) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let count = move || {
            while !stopped.load(Ordering::Relaxed) {
                std::thread::park_timeout(TICK);
                let ticks = inner.ticks.load(Ordering::Relaxed) + 1;
                inner.ticks.store(ticks, Ordering::Relaxed);
                inner.words.store(TICKS, ticks);
            }
        };
        let thread = std::thread::Builder::new()
            .name("tickdeck-ticks".to_owned())
            .spawn(count)?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for TimeCounter {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It does nothing that panics.
            let _ = thread.join();
        }
    }
}

const fn number_of(phase: DeathPhase) -> u64 {
    match phase {
        DeathPhase::Starting => 1,
        DeathPhase::Resuming => 2,
        DeathPhase::Running => 3,
    }
}

/// Reads the marks of a process that has ended.
fn last_process(words: &[u64]) -> Option<LastProcess> {
    let phases = [
        DeathPhase::Starting,
        DeathPhase::Resuming,
        DeathPhase::Running,
    ];
    let (header, slots) = words.split_at_checked(HEADER)?;
    let phase = phases
        .into_iter()
        .find(|phase| number_of(*phase) == header[PHASE])?;
    let (slots, _) = slots.as_chunks::<SLOT>();
    let mut calls: Vec<(u64, GuestCall)> = slots
        .iter()
        .filter_map(|slot| call_in(slot, header[TICKS]))
        .collect();
    calls.sort_by_key(|(began, _)| *began);
    let calls = calls.into_iter().map(|(_, call)| call).collect();
    Some(LastProcess {
        run: u32::try_from(header[RUN]).ok()?,
        death: Death { phase, calls },
    })
}

/// Returns the call that is marked in a slot, and when it began.
fn call_in(slot: &[u64; SLOT], now: u64) -> Option<(u64, GuestCall)> {
    let number = usize::try_from(slot[0]).ok()?.checked_sub(1)?;
    let name: Vec<u8> = slot[NAME..]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .take_while(|byte| *byte != 0)
        .collect();
    let call = GuestCall {
        strategy: String::from_utf8(name).ok()?,
        function: (*FUNCTIONS.get(number)?).to_owned(),
        events: (slot[FIRST], slot[LAST]),
        is_long: now.saturating_sub(slot[BEGAN]) >= LONG_TICKS,
    };
    Some((slot[BEGAN], call))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_does_not_return_is_known_to_the_next_process_and_one_that_did_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (left, marks) = CallMarks::open(folder.path()).unwrap();
        assert!(left.is_none());
        marks.set_phase(DeathPhase::Resuming, 7);
        let (done, open) = (marks.slot("done").unwrap(), marks.slot("open").unwrap());
        done.during(Function::OnEvents, &[], || ());
        let calls = || {
            let (left, _) = CallMarks::open(folder.path()).unwrap();
            left.unwrap()
        };
        let left = open.during(Function::Restore, &[], calls);
        assert_eq!((left.run, left.death.phase), (7, DeathPhase::Resuming));
        let call = GuestCall {
            strategy: "open".to_owned(),
            function: "restore".to_owned(),
            events: (0, 0),
            is_long: false,
        };
        assert_eq!(left.death.calls, [call]);
    }

    /// Code and instance whose answers differ from every default.
    #[derive(Clone, Copy)]
    struct Peculiar;

    impl Code for Peculiar {
        fn start(&self, _: &mut Box<StrategyBook>) -> Result<Box<dyn Strategy>, Fault> {
            Err(Fault("not in place".to_owned()))
        }

        fn start_in_place(&self, _: &mut Box<StrategyBook>) -> Result<Box<dyn Strategy>, Fault> {
            Ok(Box::new(*self))
        }

        fn is_ready(&self) -> bool {
            false
        }

        fn restore(
            &self,
            _: &mut Box<StrategyBook>,
            _: &State,
        ) -> Result<Box<dyn Strategy>, Fault> {
            Ok(Box::new(*self))
        }

        fn schema(&self) -> u32 {
            7
        }

        fn restores(&self) -> &[u32] {
            &[7]
        }
    }

    impl Strategy for Peculiar {
        fn on_events(
            &mut self,
            batch: &[Event],
            _: &mut Box<StrategyBook>,
            _: &mut Vec<Action>,
        ) -> Result<usize, Fault> {
            Ok(batch.len())
        }

        fn save(&mut self) -> Result<Result<Vec<u8>, String>, Fault> {
            Ok(Ok(Vec::new()))
        }

        fn long_call_ns(&self) -> Option<u64> {
            Some(8)
        }

        fn thread_time_ns(&self) -> Option<u64> {
            Some(9)
        }

        fn stop(&mut self, _: StopReason) -> Result<(), Fault> {
            Ok(())
        }
    }

    #[test]
    fn what_is_marked_answers_as_if_it_were_not() {
        let folder = tempfile::tempdir().unwrap();
        let (_, marks) = CallMarks::open(folder.path()).unwrap();
        let code = marks.watch("one", Arc::new(Peculiar));
        assert!(!code.is_ready());
        let started = code.start_in_place(&mut Box::default()).unwrap();
        assert_eq!(
            (started.long_call_ns(), started.thread_time_ns()),
            (Some(8), Some(9))
        );
    }

    #[test]
    fn places_of_strategies_that_are_gone_are_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let (_, marks) = CallMarks::open(folder.path()).unwrap();
        for _ in 0..2 {
            let slots: Vec<_> = (0..SLOTS).map_while(|_| marks.slot("one")).collect();
            assert_eq!(slots.len(), SLOTS);
            assert!(marks.slot("one more").is_none());
        }
    }
}
