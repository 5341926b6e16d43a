//! The market data of one or several files as one tape in the order of local time.
//!
//! The kernel receives an event first; the [`FillSimulator`](super::fills::FillSimulator) processes it later, often much
//! later. The events in between are [`Tape::behind`].

use super::config::PlaybackConfig;
use super::feed::Feed;
use super::lines::{Lines, split};
use super::monitor::{Count, LineProblem, PlaybackMonitor};
use crate::binance::{DecodeError, Decoder, SyncStep};
use crate::playback::symbols::CaptureFile;
use tickdeck_engine::port::GatewayError;
use tickdeck_model::{Event, InstrumentId, Timestamp, VenueStatus};

/// Maximum number of consecutive lines without an event: gigabytes of damaged lines compress into megabytes, and the kernel
/// serves nobody while it reads them.
const MAX_SILENT_LINES: u32 = 1_000_000;
/// Events kept for the fill simulator while it is idle.
const MAX_BEHIND: usize = 1_024;

/// The merged market data.
#[derive(Debug)]
pub(super) enum Tape {
    /// Read while it plays.
    Streaming(Merged),
    /// Decoded in advance.
    Preloaded(Preloaded),
}

/// Files that are read in step.
#[derive(Debug)]
pub(super) struct Merged {
    files: Vec<FileTape>,
    /// Events delivered to the kernel; the fill simulator has processed those before `passed`.
    handed_out: Vec<Event>,
    passed: usize,
    /// Sent with the first line.
    connected: Option<VenueStatus>,
}

/// All events, and the failure that ended reading, if any.
#[derive(Debug)]
pub(super) struct Preloaded {
    events: Vec<Event>,
    /// The first event that was not delivered.
    at: usize,
    /// The first event that the fill simulator has not processed.
    passed: usize,
    failure: Option<(Timestamp, GatewayError)>,
}

#[derive(Debug)]
struct FileTape {
    lines: Lines,
    feed: Feed,
    monitor: PlaybackMonitor,
    /// The events of the next line that has any; empty at the end.
    head: Vec<Event>,
    /// Local time of the last line.
    now: Timestamp,
    failure: Option<GatewayError>,
}

/// The next item of a merged tape; at equal times lines before failures, then by file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Next {
    due: Timestamp,
    fails: bool,
    file: usize,
}

impl Tape {
    /// Opens the files; `numbered` has the instruments of each.
    pub(super) fn open(
        config: &PlaybackConfig,
        files: &[CaptureFile],
        numbered: &[Vec<InstrumentId>],
        connected: VenueStatus,
        monitor: &PlaybackMonitor,
    ) -> Result<Self, GatewayError> {
        let open = |(file, ids): (&CaptureFile, &Vec<InstrumentId>)| {
            let symbols = file.symbols.iter().map(|terms| terms.symbol()).collect();
            let decoder = Decoder::new(symbols, config.time_unit);
            let mut tape = FileTape {
                lines: Lines::open(&file.path, monitor)?,
                feed: Feed::new(decoder, ids, connected.venue, config.agreements),
                monitor: monitor.clone(),
                head: Vec::new(),
                now: 0,
                failure: None,
            };
            tape.read_head();
            Ok(tape)
        };
        let files = files
            .iter()
            .zip(numbered)
            .map(open)
            .collect::<Result<_, GatewayError>>()?;
        Ok(Self::Streaming(Merged {
            files,
            handed_out: Vec::new(),
            passed: 0,
            connected: Some(connected),
        }))
    }

    /// Reads everything now.
    pub(super) fn preload(mut self) -> Self {
        let mut events = Vec::new();
        let failure = self.poll(Timestamp::MAX, &mut events).err();
        let end = events.last().map_or(0, |event| event.ts_host);
        Self::Preloaded(Preloaded {
            events,
            at: 0,
            passed: 0,
            failure: failure.map(|failure| (end, failure)),
        })
    }

    /// Returns the time of the next event or failure; `None` at the end.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        match self {
            Self::Streaming(merged) => merged.next().map(|next| next.due),
            Self::Preloaded(loaded) => match loaded.events.get(loaded.at) {
                Some(event) => Some(event.ts_host),
                None => loaded.failure.as_ref().map(|(due, _)| *due),
            },
        }
    }

    /// Appends every event before `until`.
    ///
    /// # Errors
    /// A file broke at a place before `until`; the tape is over.
    pub(super) fn poll(
        &mut self,
        until: Timestamp,
        out: &mut Vec<Event>,
    ) -> Result<(), GatewayError> {
        match self {
            Self::Streaming(merged) => merged.poll(until, out),
            Self::Preloaded(loaded) => loaded.poll(until, out),
        }
    }

    /// The events handed out that the fill simulator has not reached yet.
    pub(super) fn behind(&self) -> &[Event] {
        match self {
            Self::Streaming(merged) => &merged.handed_out[merged.passed..],
            Self::Preloaded(loaded) => &loaded.events[loaded.passed..loaded.at],
        }
    }

    /// Whether the fill simulator may stay where it is: the events behind cost little or no memory.
    pub(super) fn may_stay_behind(&self) -> bool {
        match self {
            Self::Streaming(merged) => merged.handed_out.len() < MAX_BEHIND,
            Self::Preloaded(_) => true,
        }
    }

    /// Marks this many more events as processed by the fill simulator.
    pub(super) fn pass(&mut self, events: usize) {
        match self {
            Self::Streaming(merged) => {
                merged.passed += events;
                // Moves no more events than were passed.
                if merged.passed * 2 >= merged.handed_out.len() {
                    merged.handed_out.drain(..merged.passed);
                    merged.passed = 0;
                }
            }
            Self::Preloaded(loaded) => loaded.passed += events,
        }
    }
}

impl Merged {
    fn next(&self) -> Option<Next> {
        let of_file = |(file, tape): (usize, &FileTape)| match tape.head.first() {
            Some(event) => Some(Next {
                due: event.ts_host,
                fails: false,
                file,
            }),
            None => tape.failure.as_ref().map(|_| Next {
                due: tape.now,
                fails: true,
                file,
            }),
        };
        self.files.iter().enumerate().filter_map(of_file).min()
    }

    fn poll(&mut self, until: Timestamp, out: &mut Vec<Event>) -> Result<(), GatewayError> {
        while let Some(next) = self.next().filter(|next| next.due < until) {
            let file = &mut self.files[next.file];
            if let Some(failure) = file.failure.take_if(|_| next.fails) {
                self.files.clear();
                return Err(failure);
            }
            if let Some(connected) = self.connected.take() {
                file.head
                    .insert(0, Event::new(next.due, next.due, connected));
            }
            self.handed_out.extend_from_slice(&file.head);
            out.append(&mut file.head);
            file.read_head();
        }
        Ok(())
    }
}

impl Preloaded {
    fn poll(&mut self, until: Timestamp, out: &mut Vec<Event>) -> Result<(), GatewayError> {
        let rest = &self.events[self.at..];
        // Linear: only a few are ready, and they are copied anyway; a binary search would touch the whole tape.
        let not_ready = rest.iter().position(|event| event.ts_host >= until);
        let ready = not_ready.unwrap_or(rest.len());
        out.extend_from_slice(&rest[..ready]);
        self.at += ready;
        if self.at < self.events.len() {
            return Ok(());
        }
        match self.failure.take_if(|(due, _)| *due < until) {
            Some((_, failure)) => Err(failure),
            None => Ok(()),
        }
    }
}

impl FileTape {
    /// Reads lines until one has events, or the file ends or breaks.
    fn read_head(&mut self) {
        let mut silent = 0;
        while self.head.is_empty() && self.failure.is_none() {
            silent += 1;
            if silent > MAX_SILENT_LINES {
                self.failure = Some(self.lines.broken(&format!(
                    "{MAX_SILENT_LINES} lines in a row have no market data; cut them out"
                )));
                return;
            }
            let line = match self.lines.next() {
                Ok(Some(line)) => line,
                Ok(None) => return,
                Err(failure) => {
                    self.failure = Some(failure);
                    return;
                }
            };
            self.monitor.count(Count::Line);
            let cut = split(line).map_err(str::to_owned);
            let read = cut.and_then(|(time, json)| {
                if time < self.now {
                    self.monitor.count(Count::TimeWentBack);
                }
                self.now = self.now.max(time);
                match self.feed.frame(self.now, json, &mut self.head) {
                    Ok(seen) => {
                        self.monitor.add_cut_sizes(seen.cut_sizes);
                        count_step(&self.monitor, seen.step);
                        Ok(())
                    }
                    Err(DecodeError::Symbol { .. } | DecodeError::Kind { .. }) => {
                        self.monitor.count(Count::Ignored);
                        Ok(())
                    }
                    Err(damage) => Err(damage.to_string()),
                }
            });
            if let Err(problem) = read {
                let (file, line) = (self.lines.name().to_owned(), self.lines.number());
                self.monitor.damaged(LineProblem {
                    file,
                    line,
                    problem,
                });
            }
        }
    }
}

fn count_step(monitor: &PlaybackMonitor, step: Option<SyncStep>) {
    match step {
        Some(SyncStep::Gap { .. }) => monitor.count(Count::Gap),
        Some(SyncStep::Duplicate) => monitor.count(Count::Duplicate),
        Some(
            SyncStep::Applied
            | SyncStep::Kept
            | SyncStep::BeyondSnapshot
            | SyncStep::Synced(_)
            | SyncStep::SnapshotTooOld,
        )
        | None => {}
    }
}
