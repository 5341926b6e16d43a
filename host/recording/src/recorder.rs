//! Writes both reels while a deck runs.
//!
//! It stands in the kernel's own loop: what is handed over is in the files when the call returns, without a syscall. What
//! can't be written waits here, and while it does no new order leaves.

use super::codec::{RecordKind, encode, mark};
use super::{ACTIONS, EVENTS, RecordedRun, RunManifest};
use crate::usable::machine;
use anyhow::Result;
use std::collections::VecDeque;
use tickdeck_engine::{Effect, RecordError, Recorder};
use tickdeck_journal::{JournalError, Opened, Reel, ReelConfig, Sync};
use tickdeck_model::{Event, Timestamp};
use zerocopy::IntoBytes;

/// Most bytes that wait to be written: some ten seconds of a busy market.
const MOST_WAITING: usize = 256 << 20;

/// Writes both reels.
pub struct JournalRecorder {
    reels: Option<Both>,
    sync: Sync,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    problem: Option<JournalError>,
    buffer: Vec<u8>,
    /// Nobody's time goes by: a slow disk is waited for.
    waits: bool,
    marks: Marks,
}

/// Events without a deed after which a mark is made.
const MARK_EVENTS: u64 = 256;
/// Event time after which one is made, if there was any event.
const MARK_NS: i64 = 10_000_000;

/// Says on the actions reel, where nothing else does, up to which event it is whole.
#[derive(Default)]
struct Marks {
    /// Events handed over.
    events: u64,
    /// Of these, before the last time.
    before: u64,
    /// Host time of the last one.
    now: Timestamp,
    /// The last position on the actions reel, and the time then.
    told: u64,
    told_at: Timestamp,
}

impl Marks {
    /// The position of a mark, if one is due.
    fn due(&mut self) -> Option<u64> {
        let events = self
            .before
            .checked_sub(self.told)
            .filter(|events| *events > 0)?;
        if events < MARK_EVENTS && self.now.saturating_sub(self.told_at) < MARK_NS {
            return None;
        }
        (self.told, self.told_at) = (self.before, self.now);
        Some(self.before)
    }
}

struct Both {
    events: Reel,
    actions: Reel,
}

/// What could not be written yet.
struct Waiting {
    kind: RecordKind,
    bytes: Vec<u8>,
}

impl JournalRecorder {
    /// Opens the reels of a run, and begins them if it is new. Gives what a crash had left half written, too; what the end of
    /// the machine left of one reel beyond the other is put aside ([`RecordedRun::reach`]).
    ///
    /// # Errors
    /// They can't be opened or written.
    pub fn open(
        run: &RecordedRun,
        config: &ReelConfig,
        manifest: Option<&RunManifest>,
    ) -> Result<(Self, [Opened; 2])> {
        // Nobody writes meanwhile: there is one host on a data folder.
        let (mut events_until, mut actions_until) = (u64::MAX, u64::MAX);
        if manifest.is_none() && run.has_begun() {
            let reach = run.reach()?;
            actions_until = reach.beyond.unwrap_or(u64::MAX);
            if reach.more_events {
                // The first record is what the run was made of.
                events_until = reach.events + 1;
            }
        }
        let (mut events, first) = Reel::open_until(&run.folder, EVENTS, config, events_until)?;
        let (mut actions, second) = Reel::open_until(&run.folder, ACTIONS, config, actions_until)?;
        if let Some(manifest) = manifest {
            manifest.begin(&mut events, &mut actions)?;
        }
        actions.append(RecordKind::Mark as u16, &mark(0, machine()))?;
        let kept = events.next_index().saturating_sub(1);
        let marks = Marks {
            events: kept,
            before: kept,
            ..Marks::default()
        };
        let recorder = Self {
            reels: Some(Both { events, actions }),
            sync: config.sync,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            problem: None,
            buffer: Vec::with_capacity(1 << 10),
            waits: false,
            marks,
        };
        Ok((recorder, [first, second]))
    }

    /// Waits for a slow disk instead of letting orders be denied: for runs that go as fast as they may.
    pub const fn waiting(mut self, waits: bool) -> Self {
        self.waits = waits;
        self
    }

    /// Writes, or lets it wait behind what waits already.
    fn keep(&mut self, kind: RecordKind, bytes: &[u8]) {
        let mut written = 0;
        if self.waiting.is_empty()
            && let Some(reels) = &mut self.reels
        {
            match reels.write(kind, bytes) {
                Ok(()) => return,
                Err((done, problem)) => {
                    written = done;
                    self.problem = Some(problem);
                }
            }
        }
        let bytes = bytes[written..].to_vec();
        self.waiting_bytes += bytes.len();
        self.waiting.push_back(Waiting { kind, bytes });
    }

    fn catch_up(&mut self) {
        let Some(reels) = &mut self.reels else {
            return;
        };
        while let Some(next) = self.waiting.front_mut() {
            match reels.write(next.kind, &next.bytes) {
                Ok(()) => {
                    self.waiting_bytes -= next.bytes.len();
                    self.waiting.pop_front();
                }
                Err((done, problem)) => {
                    self.waiting_bytes -= done;
                    next.bytes.drain(..done);
                    self.problem = Some(problem);
                    return;
                }
            }
        }
        self.problem = None;
    }

    fn durable(&mut self, orders: bool) -> Result<(), JournalError> {
        let Some(Both { events, actions }) = &mut self.reels else {
            return Ok(());
        };
        for reel in [&mut *events, &mut *actions] {
            match reel.health() {
                Err(JournalError::Stalled { .. }) if self.waits => reel.sync()?,
                health => health?,
            }
        }
        if orders && self.sync == Sync::Order {
            events.sync()?;
            actions.sync()?;
        }
        Ok(())
    }
}

impl Both {
    /// Writes records of one kind; if it fails, says how many bytes of them were written.
    fn write(&mut self, kind: RecordKind, bytes: &[u8]) -> Result<(), (usize, JournalError)> {
        if kind != RecordKind::Event {
            let written = self.actions.append(kind as u16, bytes);
            return written.map(drop).map_err(|problem| (0, problem));
        }
        let before = self.events.next_index();
        match self.events.append_all(kind as u16, bytes, Event::SIZE) {
            Ok(_) => Ok(()),
            Err(problem) => {
                let done = (self.events.next_index() - before) as usize * Event::SIZE;
                Err((done, problem))
            }
        }
    }
}

impl Recorder for JournalRecorder {
    fn events(&mut self, events: &[Event]) {
        self.marks.before = self.marks.events;
        self.marks.events += events.len() as u64;
        self.marks.now = events.last().map_or(self.marks.now, |event| event.ts_host);
        self.keep(RecordKind::Event, events.as_bytes());
    }

    fn effect(&mut self, position: u64, effect: &Effect) {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let kind = encode(position, effect, &mut buffer);
        (self.marks.told, self.marks.told_at) = (position, self.marks.now);
        self.keep(kind, &buffer);
        self.buffer = buffer;
    }

    fn commit(&mut self, orders: bool) -> Result<(), RecordError> {
        if !self.waiting.is_empty() {
            self.catch_up();
        }
        if let Some(position) = self.marks.due() {
            self.keep(RecordKind::Mark, &mark(position, machine()));
        }
        let problem = match &self.problem {
            Some(problem) => problem.clone(),
            None => match self.durable(orders) {
                Ok(()) => return Ok(()),
                Err(problem) => problem,
            },
        };
        Err(RecordError {
            problem: format!("what happens can't be kept: {problem}"),
            overflows: self.waiting_bytes > MOST_WAITING,
        })
    }

    fn end(&mut self) -> Result<(), RecordError> {
        self.catch_up();
        if self.waiting.is_empty() {
            // The end is told only once all events are on the disk.
            let synced = self
                .reels
                .as_mut()
                .map_or(Ok(()), |reels| reels.events.sync());
            match synced {
                Ok(()) => self.keep(RecordKind::End, &[]),
                Err(problem) => self.problem = Some(problem),
            }
        }
        if let Some(problem) = self.problem.take() {
            // Left unsealed, the reels say that the run was cut off; what waits is lost with this process.
            let waiting = self.waiting.len();
            return Err(not_kept(&format!(
                "{problem}; the run ends with {waiting} records that could not be written, and counts as cut off: make \
                 room and start again"
            )));
        }
        if let Some(Both { events, actions }) = self.reels.take() {
            // The events first: an action never stands on disk without its cause.
            let closed = events.close().and_then(|()| actions.close());
            closed.map_err(|problem| not_kept(&problem.to_string()))?;
        }
        Ok(())
    }
}

fn not_kept(problem: &str) -> RecordError {
    RecordError {
        problem: format!("what happens can't be kept: {problem}"),
        overflows: false,
    }
}
