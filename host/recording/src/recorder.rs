//! Writes both reels while a deck runs.
//!
//! The recorder runs in the kernel's own loop: a record is in the files when the call returns, without a syscall. Records that
//! can't be written wait here, and no new order is sent until they are.

use crate::codec::{RecordKind, encode, encode_offered, mark};
use crate::layout::{ACTIONS, EVENTS};
use crate::manifest::RunManifest;
use crate::runs::RecordedRun;
use crate::usable::machine;
use anyhow::Result;
use std::collections::VecDeque;
use std::time::Duration;
use tickdeck_engine::{Effect, OfferedBatches, RecordError, Recorder};
use tickdeck_journal::{JournalError, Opened, Reel, ReelConfig, Sync};
use tickdeck_model::{Event, StrategyId, Timestamp};
use zerocopy::IntoBytes;

/// Maximum number of bytes that wait to be written: about ten seconds of a busy market.
const MOST_WAITING: usize = 256 << 20;

/// How long a record waits for space on disk before it is queued: an operator's command is never delayed for longer.
const PATIENCE: Duration = Duration::from_millis(5);
/// Polling interval for operators' commands while an order waits for the disk.
const SYNC_STEP: Duration = Duration::from_millis(1);

/// Writes both reels.
pub struct JournalRecorder {
    reels: Option<OpenReels>,
    sync: Sync,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    problem: Option<JournalError>,
    buffer: Vec<u8>,
    /// Whether to wait for a slow disk, because event time does not advance on its own.
    waits: bool,
    marks: Marks,
}

/// Events without an effect after which a mark is written.
const MARK_EVENTS: u64 = 256;
/// Event time after which a mark is written, if there was any event, in nanoseconds.
const MARK_NS: i64 = 10_000_000;

/// Decides when the actions reel gets a mark: if no other record says up to which event the reel is complete.
#[derive(Default)]
struct Marks {
    /// Events that were recorded.
    events: u64,
    /// Events before the last batch.
    before: u64,
    /// Host time of the last event.
    now: Timestamp,
    /// The last position on the actions reel, and its time.
    last_position: u64,
    last_time: Timestamp,
}

impl Marks {
    /// Returns the position of a mark, if one is due.
    fn due(&mut self) -> Option<u64> {
        let events = self
            .before
            .checked_sub(self.last_position)
            .filter(|events| *events > 0)?;
        if events < MARK_EVENTS && self.now.saturating_sub(self.last_time) < MARK_NS {
            return None;
        }
        (self.last_position, self.last_time) = (self.before, self.now);
        Some(self.before)
    }
}

struct OpenReels {
    events: Reel,
    actions: Reel,
}

/// Records that could not be written yet.
struct Waiting {
    kind: RecordKind,
    bytes: Vec<u8>,
}

impl JournalRecorder {
    /// Opens the reels of a run, and starts them with the manifest if the run is new. Also returns what a crash left unfinished.
    /// Records of one reel that a machine crash left beyond the end of the other are put aside
    /// ([`RecordedRun::usable_range`]).
    ///
    /// # Errors
    /// A reel can't be opened or written.
    pub fn open(
        run: &RecordedRun,
        config: &ReelConfig,
        manifest: Option<&RunManifest>,
    ) -> Result<(Self, [Opened; 2])> {
        // There is no other writer: one host holds the data folder.
        let (mut events_until, mut actions_until) = (u64::MAX, u64::MAX);
        if manifest.is_none() && run.has_begun() {
            let usable = run.usable_range()?;
            actions_until = usable.beyond.unwrap_or(u64::MAX);
            if usable.more_events {
                // The first record is the manifest.
                events_until = usable.events + 1;
            }
        }
        let (mut events, first) = Reel::open_until(&run.folder, EVENTS, config, events_until)?;
        let (mut actions, second) = Reel::open_until(&run.folder, ACTIONS, config, actions_until)?;
        if let Some(manifest) = manifest {
            manifest.begin(&mut events, &mut actions)?;
        }
        actions.append(RecordKind::Mark as u16, &mark(0, machine()))?;
        let recorded = events.next_index().saturating_sub(1);
        let marks = Marks {
            events: recorded,
            before: recorded,
            ..Marks::default()
        };
        let recorder = Self {
            reels: Some(OpenReels { events, actions }),
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

    /// Waits for a slow disk instead of denying orders: for runs that go as fast as possible.
    pub fn waiting(mut self, waits: bool) -> Self {
        self.waits = waits;
        self.set_patience(match waits {
            true => Duration::MAX,
            false => PATIENCE,
        });
        self
    }

    /// Limits how long a write waits for the disk; records that it does not accept are written later.
    fn set_patience(&mut self, patience: Duration) {
        if let Some(OpenReels { events, actions }) = &mut self.reels {
            events.wait_for_space_within(patience);
            actions.wait_for_space_within(patience);
        }
    }

    /// Writes records, or queues them after those that already wait.
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

    fn durable(&mut self, orders: bool, meanwhile: &mut dyn FnMut()) -> Result<(), JournalError> {
        let Some(OpenReels { events, actions }) = &mut self.reels else {
            return Ok(());
        };
        for reel in [&mut *events, &mut *actions] {
            match reel.health() {
                Err(JournalError::Stalled { .. }) if self.waits => reel.sync()?,
                health => health?,
            }
        }
        if orders && self.sync == Sync::Order {
            for reel in [events, actions] {
                while !reel.sync_within(SYNC_STEP)? {
                    meanwhile();
                }
            }
        }
        Ok(())
    }
}

impl OpenReels {
    /// Writes records of one kind; a failure says how many of their bytes were written.
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
        (self.marks.last_position, self.marks.last_time) = (position, self.marks.now);
        self.keep(kind, &buffer);
        self.buffer = buffer;
    }

    fn offered(&mut self, position: u64, strategy: StrategyId, batches: &OfferedBatches) {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        encode_offered(position, strategy, batches, &mut buffer);
        self.keep(RecordKind::Offered, &buffer);
        self.buffer = buffer;
    }

    fn commit(&mut self, orders: bool) -> Result<(), RecordError> {
        self.commit_while(orders, &mut || {})
    }

    fn commit_while(
        &mut self,
        orders: bool,
        meanwhile: &mut dyn FnMut(),
    ) -> Result<(), RecordError> {
        if !self.waiting.is_empty() {
            self.catch_up();
        }
        if let Some(position) = self.marks.due() {
            self.keep(RecordKind::Mark, &mark(position, machine()));
        }
        let problem = match &self.problem {
            Some(problem) => problem.clone(),
            None => match self.durable(orders, meanwhile) {
                Ok(()) => return Ok(()),
                Err(problem) => problem,
            },
        };
        Err(RecordError {
            problem: format!("the run can't be recorded: {problem}"),
            overflows: self.waiting_bytes > MOST_WAITING,
        })
    }

    fn end(&mut self) -> Result<(), RecordError> {
        self.set_patience(Duration::MAX);
        self.catch_up();
        if self.waiting.is_empty() {
            // The end is recorded only once all events are on the disk.
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
            // Unsealed reels say that the run was interrupted; waiting records are lost with this process.
            let waiting = self.waiting.len();
            return Err(not_recorded(&format!(
                "{problem}; the run ends with {waiting} records that could not be written, and counts as interrupted: free \
                 space and start again"
            )));
        }
        if let Some(OpenReels { events, actions }) = self.reels.take() {
            // The events first: no action is on disk without its cause.
            let closed = events.close().and_then(|()| actions.close());
            closed.map_err(|problem| not_recorded(&problem.to_string()))?;
        }
        Ok(())
    }
}

fn not_recorded(problem: &str) -> RecordError {
    RecordError {
        problem: format!("the run can't be recorded: {problem}"),
        overflows: false,
    }
}
