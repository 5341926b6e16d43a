//! The market data of one or several files as one tape in the order of local time.
//!
//! The kernel receives an event first; the [`FillSimulator`](super::fills::FillSimulator) processes it later, often much
//! later. The events in between are [`Tape::behind`].

use super::config::PlaybackConfig;
use super::describe::{describe, gap, went_back};
use super::feed::{Feed, Read, Source};
use super::lines::{Lines, split};
use super::monitor::{Count, Fault, LineProblem, PlaybackMonitor};
use crate::binance::{Decoder, Symbol, SyncStep};
use std::path::PathBuf;
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

/// Files that are read in step. Their frames change the same books, so a line is decoded in its turn and not before.
#[derive(Debug)]
pub(super) struct Merged {
    files: Vec<FileTape>,
    feed: Feed,
    monitor: PlaybackMonitor,
    /// The events of the next line that has any; empty at the end.
    head: Vec<Event>,
    /// The failure that ends the tape, and when.
    failure: Option<(Timestamp, GatewayError)>,
    /// Local time of the last line decoded.
    now: Timestamp,
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
    source: Source,
    /// Local time of the last line.
    now: Timestamp,
    state: FileState,
}

/// What comes next in a file. At equal times lines come before failures, then by file.
#[derive(Debug)]
enum FileState {
    /// A line that was read and not decoded, and where its frame begins.
    Line(Result<usize, &'static str>),
    Failed(GatewayError),
    Over,
}

impl Tape {
    /// Opens the files; `books` has, for each file, its symbols and their places among `instruments`.
    pub(super) fn open(
        config: &PlaybackConfig,
        books: &[(Vec<Symbol>, Vec<usize>)],
        instruments: &[InstrumentId],
        connected: VenueStatus,
        monitor: &PlaybackMonitor,
    ) -> Result<Self, GatewayError> {
        let open = |(path, (symbols, books)): (&PathBuf, &(Vec<Symbol>, Vec<usize>))| {
            let mut tape = FileTape {
                lines: Lines::open(path, monitor)?,
                source: Source::new(Decoder::new(symbols.clone()), books.clone()),
                now: 0,
                state: FileState::Over,
            };
            tape.read(monitor);
            Ok(tape)
        };
        let files = config.files.iter().zip(books).map(open);
        let mut merged = Merged {
            files: files.collect::<Result<_, GatewayError>>()?,
            feed: Feed::new(instruments, connected.venue, config.agreements),
            monitor: monitor.clone(),
            head: Vec::new(),
            failure: None,
            now: 0,
            handed_out: Vec::new(),
            passed: 0,
            connected: Some(connected),
        };
        merged.read_head();
        Ok(Self::Streaming(merged))
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
            Self::Streaming(merged) => merged.next_due(),
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
    fn next_due(&self) -> Option<Timestamp> {
        let event = self.head.first().map(|event| event.ts_host);
        event.or_else(|| self.failure.as_ref().map(|(due, _)| *due))
    }

    fn poll(&mut self, until: Timestamp, out: &mut Vec<Event>) -> Result<(), GatewayError> {
        while self.next_due().is_some_and(|due| due < until) {
            if self.head.is_empty() {
                return self.failure.take().map_or(Ok(()), |(_, why)| Err(why));
            }
            if let Some(connected) = self.connected.take() {
                let due = self.head[0].ts_host;
                self.head.insert(0, Event::new(due, due, connected));
            }
            self.handed_out.extend_from_slice(&self.head);
            out.append(&mut self.head);
            self.read_head();
        }
        Ok(())
    }

    /// Decodes lines in the order of their times until one has events, or the files end or one breaks.
    fn read_head(&mut self) {
        let mut silent = 0;
        while self.head.is_empty() && self.failure.is_none() {
            let waiting = self.files.iter().enumerate();
            let next = waiting
                .filter_map(|(at, file)| Some((file.order()?, at)))
                .min();
            let Some((_, at)) = next else {
                return;
            };
            let file = &mut self.files[at];
            self.now = self.now.max(file.now);
            silent += 1;
            let frame = match std::mem::replace(&mut file.state, FileState::Over) {
                FileState::Line(frame) if silent <= MAX_SILENT_LINES => frame,
                FileState::Failed(why) => return self.break_off(why),
                FileState::Line(_) | FileState::Over => {
                    let why = file.lines.broken(&format!(
                        "{MAX_SILENT_LINES} lines in a row have no market data; cut them out"
                    ));
                    return self.break_off(why);
                }
            };
            self.decode(at, frame);
            self.files[at].read(&self.monitor);
        }
    }

    /// Ends the tape.
    fn break_off(&mut self, why: GatewayError) {
        self.failure = Some((self.now, why));
        self.files.clear();
    }

    /// Decodes the line that a file waited with; its frame begins at `frame`.
    fn decode(&mut self, at: usize, frame: Result<usize, &'static str>) {
        let file = &self.files[at];
        let line = file.lines.current();
        let json = frame.map(|frame| &line[frame..]);
        let read = (self.feed).line(&file.source, self.now, line, json, &mut self.head);
        match read {
            Read::Seen(seen) => {
                self.monitor.add_cut_sizes(seen.cut_sizes);
                let symbol = file.source.symbol(&seen.frame);
                match seen.step {
                    Some(SyncStep::Duplicate) => self.monitor.count(Count::Duplicate),
                    Some(SyncStep::Gap { expected, got }) => {
                        self.note(at, Fault::Gap, gap(expected, got));
                    }
                    Some(SyncStep::Contradicted(what)) => {
                        self.note(at, Fault::Contradiction, describe(what, symbol));
                    }
                    _ => {}
                }
            }
            Read::Other => self.monitor.count(Count::Ignored),
            Read::Damaged {
                problem,
                contradiction,
            } => {
                self.note(at, Fault::Damaged, problem);
                if let Some(contradiction) = contradiction {
                    self.note(at, Fault::Contradiction, contradiction);
                }
            }
        }
    }

    fn note(&self, at: usize, fault: Fault, problem: String) {
        self.monitor.fault(fault, self.files[at].problem(problem));
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
    /// Reads the next line.
    fn read(&mut self, monitor: &PlaybackMonitor) {
        self.state = match self.lines.advance() {
            Ok(true) => {
                monitor.count(Count::Line);
                let line = self.lines.current();
                let read = split(line).map(|(time, json)| (time, line.len() - json.len()));
                FileState::Line(read.map(|(time, frame)| {
                    if time < self.now {
                        let problem = self.problem(went_back(time, self.now));
                        monitor.fault(Fault::TimeWentBack, problem);
                    }
                    self.now = self.now.max(time);
                    frame
                }))
            }
            Ok(false) => FileState::Over,
            Err(why) => FileState::Failed(why),
        };
    }

    /// A problem of the line that was read last.
    fn problem(&self, problem: String) -> LineProblem {
        LineProblem {
            file: self.lines.name().to_owned(),
            line: self.lines.number(),
            problem,
        }
    }

    /// Its place in the order of the tape; `None` at its end.
    fn order(&self) -> Option<(Timestamp, bool)> {
        match self.state {
            FileState::Line(_) => Some((self.now, false)),
            FileState::Failed(_) => Some((self.now, true)),
            FileState::Over => None,
        }
    }
}
