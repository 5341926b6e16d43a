//! Handover from one version of a strategy to another, between two windows: everything offered has been handled, and
//! nothing new has arrived yet. Orders, timers and order numbers belong to the host and are not affected.

use crate::intent::Decision;
use crate::port::{Fault, SaveFailed, State, Strategy, Version};
use crate::worker::budget::Budget;
use crate::worker::catching_up::CaughtUp;
use crate::worker::dispatch::SlotIndex;
use crate::worker::late_events::LateEvents;
use crate::worker::runner::StrategyRunner;
use crate::worker::slot::{Previous, Probation, Shadow, Slot, SnapshotPoint, StartFrom};
use crate::worker::start::begin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tickdeck_model::Event;

/// The state that a version started from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateSource {
    /// The state that the previous version saved for the handover.
    Saved {
        /// Its size.
        bytes: usize,
    },
    /// The last snapshot, and the events since.
    Snapshot {
        /// Its size.
        bytes: usize,
        /// Number of events since; decisions on them came too late to be sent.
        events: usize,
    },
    /// Nothing: it started afresh.
    Nothing,
}

/// The result of a handover.
pub(crate) struct Handover {
    pub(crate) inherited: StateSource,
    /// Why the previous version could not save, if it was asked to.
    pub(crate) lost: Option<String>,
    /// Time from `save` until the new instance was ready.
    pub(crate) took_ns: u64,
    /// The version that is now live.
    pub(crate) version: Version,
    /// The instance that was replaced, to be stopped and dropped off this thread.
    pub(crate) retired: Option<Box<dyn Strategy>>,
}

/// An instance that is ready to take over.
struct NewInstance {
    strategy: Box<dyn Strategy>,
    inherited: StateSource,
    origin: StartFrom,
    caught_up: Option<LateEvents>,
}

/// What a version leaves behind: for the next one, and for itself if it takes over again.
#[derive(Default)]
struct OldState {
    /// Its current state.
    saved: Option<Arc<State>>,
    /// Why there is none, if it was requested.
    lost: Option<String>,
    /// The instance faulted while saving.
    faulted: bool,
    /// If there is no current state: its last snapshot, and the events since.
    snapshot: Option<Arc<State>>,
    since: Vec<Event>,
}

impl OldState {
    /// Returns what the next version starts from: a state, its source, and the events that it does not cover.
    fn for_next(&self, policy: SaveFailed) -> (Option<Arc<State>>, StateSource, &[Event]) {
        if let Some(state) = &self.saved {
            let bytes = state.bytes.len();
            return (Some(Arc::clone(state)), StateSource::Saved { bytes }, &[]);
        }
        match (policy, &self.snapshot) {
            (SaveFailed::Snapshot, Some(state)) => {
                let (bytes, events) = (state.bytes.len(), self.since.len());
                let inherited = StateSource::Snapshot { bytes, events };
                (Some(Arc::clone(state)), inherited, &self.since)
            }
            _ => (None, StateSource::Nothing, &[]),
        }
    }

    /// Returns what the outgoing version would restart from.
    fn for_itself(self, version: Version) -> Previous {
        let (state, since) = match self.saved {
            Some(state) => (Some(state), Vec::new()),
            None => (self.snapshot, self.since),
        };
        Previous {
            version,
            state: Some(state.map_or(StartFrom::Start, StartFrom::State)),
            since,
        }
    }
}

impl StrategyRunner {
    /// Makes `to` take over, or run as a shadow if its policy says so.
    pub(crate) fn swap(&mut self, place: SlotIndex, to: Version) -> Result<Handover, String> {
        let started = (self.now_ns)();
        self.refuse_unready(place, &to)?;
        let left = self.take_old_state(place);
        if to.swap.shadow {
            let shadow = self.new_shadow(place, &to, &left);
            self.recover_from_save(place);
            return shadow.map(|new| self.install_shadow(place, to, new, started));
        }
        let (state, inherited, since) = left.for_next(to.swap.save_failed);
        match self.take_over(place, &to, state, inherited, since) {
            Ok(new) => Ok(self.install(place, to, new, left, started)),
            Err(why) => {
                self.recover_from_save(place);
                Err(why)
            }
        }
    }

    /// Starts a shadow. To be comparable with the instance that trades, it must start from the same state.
    fn new_shadow(
        &mut self,
        place: SlotIndex,
        to: &Version,
        left: &OldState,
    ) -> Result<NewInstance, String> {
        let Some(state) = &left.saved else {
            let why = left.lost.as_deref().unwrap_or("it does not run");
            return Err(format!(
                "a shadow version must start from where the running one is, and that cannot save: {why}; set shadow = \
                 false to replace it"
            ));
        };
        let inherited = StateSource::Saved {
            bytes: state.bytes.len(),
        };
        self.take_over(place, to, Some(Arc::clone(state)), inherited, &[])
    }

    /// Makes the shadow version take over, with the state that it has reached.
    pub(crate) fn promote(&mut self, place: SlotIndex) -> Result<Handover, String> {
        let started = (self.now_ns)();
        if let Some(shadow) = &self.slots[place].shadow {
            self.refuse_unready(place, &shadow.version)?;
        }
        let slot = &mut self.slots[place];
        let Some(shadow) = &mut slot.shadow else {
            return Err("it has no shadow version".to_owned());
        };
        let label = &shadow.version.label;
        let bytes = match shadow.strategy.save() {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(why)) => return Err(format!("version {label} cannot save: {why}")),
            Err(fault) => {
                let why = format!("version {label} ended while it saved: {fault}");
                self.lose_shadow(place, fault);
                return Err(why);
            }
        };
        let version = shadow.version.clone();
        let inherited = StateSource::Saved { bytes: bytes.len() };
        let schema = version.code.schema();
        let state = Some(Arc::new(State { schema, bytes }));
        let left = self.take_old_state(place);
        // A fresh instance, because the order numbers that the shadow used have been taken by now.
        match self.take_over(place, &version, state, inherited, &[]) {
            Ok(new) => Ok(self.install(place, version, new, left, started)),
            Err(why) => {
                self.recover_from_save(place);
                Err(why)
            }
        }
    }

    /// Refuses a handover that would block the others, or that comes before a suspended strategy is back.
    fn refuse_unready(&self, place: SlotIndex, to: &Version) -> Result<(), String> {
        if self.slots[place].is_suspended() {
            return Err(
                "it faulted and waits for another instance: try again in a moment".to_owned(),
            );
        }
        if !to.code.is_ready() {
            return Err(format!(
                "an instance of version {} is still being made: try again in a moment",
                to.label
            ));
        }
        Ok(())
    }

    /// Ends the shadow version, if there is one.
    pub(crate) fn end_shadow(&mut self, place: SlotIndex) -> Option<Version> {
        let shadow = self.slots[place].shadow.take();
        shadow.map(|shadow| shadow.version)
    }

    /// Makes the previous version take over again at an operator's request.
    pub(crate) fn roll_back_on_request(&mut self, place: SlotIndex) -> Result<Handover, String> {
        if let Some(previous) = &self.slots[place].previous {
            self.refuse_unready(place, &previous.version)?;
        }
        self.roll_back(place)
    }

    /// Makes the previous version take over again. During the probation it gets the state that it left behind and the events
    /// since; later, the state of the version that it replaces.
    fn roll_back(&mut self, place: SlotIndex) -> Result<Handover, String> {
        let slot = &mut self.slots[place];
        let Some(previous) = slot.previous.take() else {
            return Err("there is no earlier version".to_owned());
        };
        let Previous {
            mut version,
            state,
            since,
        } = previous;
        version.swap.shadow = false;
        let Some(origin) = state else {
            let back = self.swap(place, version.clone());
            if back.is_err() {
                let previous = Previous {
                    version,
                    state,
                    since,
                };
                self.slots[place].previous = Some(previous);
            }
            return back;
        };
        let started = (self.now_ns)();
        match self.resume(place, &version, &origin, &since) {
            Ok(new) => Ok(self.reinstate(place, version, new, started)),
            Err(fault) => {
                self.slots[place].previous = Some(Previous {
                    version,
                    state: Some(origin),
                    since,
                });
                Err(fault.0)
            }
        }
    }

    /// Lets the version before take over from one that failed its probation, now that it has caught up.
    pub(crate) fn reinstate_previous(
        &mut self,
        place: SlotIndex,
        caught_up: CaughtUp,
    ) -> Result<Handover, String> {
        let previous = self.slots[place].previous.take();
        let Some(Previous {
            mut version,
            state: Some(origin),
            ..
        }) = previous
        else {
            return Err("there is no earlier version".to_owned());
        };
        version.swap.shadow = false;
        let new = NewInstance {
            strategy: caught_up.strategy,
            inherited: origin.with_events(caught_up.events),
            origin,
            caught_up: Some(caught_up.late),
        };
        Ok(self.reinstate(place, version, new, caught_up.began_ns))
    }

    /// Takes a strategy's instance out for good.
    pub(crate) fn remove(&mut self, place: SlotIndex) -> Option<Box<dyn Strategy>> {
        let slot = &mut self.slots[place];
        slot.active = false;
        slot.counters.await_instance(None);
        (slot.shadow, slot.previous, slot.probation) = (None, None, None);
        slot.catching_up = None;
        slot.backlog.rebase(None);
        slot.backlog.clear();
        slot.strategy.take()
    }

    /// Takes the state of the running version.
    fn take_old_state(&mut self, place: SlotIndex) -> OldState {
        let slot = &mut self.slots[place];
        let mut left = OldState::default();
        let saved = slot.strategy.as_mut().map(|strategy| strategy.save());
        match saved.map(|saved| self.recorded_faults.saved(saved)) {
            Some(Ok(Ok(bytes))) => {
                let schema = slot.version.code.schema();
                left.saved = Some(Arc::new(State { schema, bytes }));
                return left;
            }
            Some(Ok(Err(why))) => left.lost = Some(why),
            Some(Err(fault)) => {
                slot.counters.note(&fault);
                slot.strategy = None;
                (left.lost, left.faulted) = (Some(fault.0), true);
            }
            None => {}
        }
        if let Some(StartFrom::State(state)) = slot.backlog.base.as_ref().map(|base| &base.origin) {
            left.snapshot = Some(Arc::clone(state));
            left.since = slot.backlog.handled().to_vec();
        }
        left
    }

    /// Starts an instance of `to` from `state`. Changes and publishes nothing yet.
    fn take_over(
        &mut self,
        place: SlotIndex,
        to: &Version,
        state: Option<Arc<State>>,
        inherited: StateSource,
        since: &[Event],
    ) -> Result<NewInstance, String> {
        self.recorded_faults.refusal()?;
        let id = self.slots[place].id;
        let book = self.portfolio.book_mut(id).ok_or("it has no book")?;
        let (mut strategy, origin) = begin(to, state, book)?;
        let (mut caught_up, mut taken) = (None, StateSource::Nothing);
        if matches!(origin, StartFrom::State(_)) {
            taken = inherited;
            if !since.is_empty() {
                let done = self.catch_up(place, &mut *strategy, since);
                caught_up = Some(done.map_err(|fault| fault.0)?);
            }
        }
        Ok(NewInstance {
            strategy,
            inherited: taken,
            origin,
            caught_up,
        })
    }

    /// Starts an instance of an earlier version and brings it up to date.
    fn resume(
        &mut self,
        place: SlotIndex,
        version: &Version,
        origin: &StartFrom,
        since: &[Event],
    ) -> Result<NewInstance, Fault> {
        self.recorded_faults.refusal().map_err(Fault)?;
        let slot = &self.slots[place];
        let events = [since, slot.backlog.all()].concat();
        let Some(book) = self.portfolio.book_mut(slot.id) else {
            return Err(Fault("it has no book".to_owned()));
        };
        let mut strategy = origin.begin(&*version.code, book)?;
        let caught_up = self.catch_up(place, &mut *strategy, &events)?;
        Ok(NewInstance {
            strategy,
            inherited: origin.with_events(events.len()),
            origin: origin.clone(),
            caught_up: Some(caught_up),
        })
    }

    /// Installs a new version, on probation; the previous one leaves `left`.
    fn install(
        &mut self,
        place: SlotIndex,
        to: Version,
        mut new: NewInstance,
        left: OldState,
        started: u64,
    ) -> Handover {
        let lost = left.lost.clone();
        if left.faulted {
            // Nothing else becomes of the instance: the new version takes its place.
            let slot = &mut self.slots[place];
            let _ = self.recorded_faults.take_outcome(slot.id, false);
            let faulted = slot.settled_intent(Decision::Faulted { offered: None });
            self.output.publish(&[faulted]);
        }
        let base = match new.caught_up.take() {
            // No saved state contains the events that it caught up with.
            Some(caught_up) => {
                self.pass_on_late(place, caught_up);
                saved_base(&mut *new.strategy, &to)
            }
            None => Some(new.origin),
        };
        let book = self.portfolio.book_mut(self.slots[place].id).cloned();
        let took_ns = (self.now_ns)().saturating_sub(started);
        let slot = &mut self.slots[place];
        slot.backlog.rebase(base.map(|origin| SnapshotPoint {
            origin,
            book: book.unwrap_or_default(),
        }));
        slot.backlog.hold();
        slot.probation = Some(Probation::new(&to.swap));
        let retired = slot.strategy.replace(new.strategy);
        let version = std::mem::replace(&mut slot.version, to.clone());
        slot.previous = Some(left.for_itself(version));
        slot.begin(started);
        Handover {
            inherited: new.inherited,
            lost,
            took_ns,
            version: to,
            retired,
        }
    }

    /// Reinstalls an earlier version.
    fn reinstate(
        &mut self,
        place: SlotIndex,
        version: Version,
        mut new: NewInstance,
        started: u64,
    ) -> Handover {
        if let Some(caught_up) = new.caught_up.take() {
            self.pass_on_late(place, caught_up);
        }
        // The events that brought it here are dropped now; without a state of its own it could only start afresh.
        let base = saved_base(&mut *new.strategy, &version);
        let book = self.portfolio.book_mut(self.slots[place].id).cloned();
        let took_ns = (self.now_ns)().saturating_sub(started);
        let slot = &mut self.slots[place];
        let retired = slot.strategy.replace(new.strategy);
        slot.version = version.clone();
        slot.probation = None;
        slot.backlog.rebase(base.map(|origin| SnapshotPoint {
            origin,
            book: book.unwrap_or_default(),
        }));
        slot.backlog.clear();
        slot.begin(started);
        Handover {
            inherited: new.inherited,
            lost: None,
            took_ns,
            version,
            retired,
        }
    }

    /// Installs a shadow version.
    fn install_shadow(
        &mut self,
        place: SlotIndex,
        version: Version,
        new: NewInstance,
        started: u64,
    ) -> Handover {
        let took_ns = (self.now_ns)().saturating_sub(started);
        let slot = &mut self.slots[place];
        slot.counters.begin_shadow();
        let retired = slot.shadow.replace(Shadow {
            version: version.clone(),
            strategy: new.strategy,
            budget: Budget::default(),
        });
        Handover {
            inherited: new.inherited,
            lost: None,
            took_ns,
            version,
            retired: retired.map(|shadow| shadow.strategy),
        }
    }

    /// Recovers a version that faulted while saving.
    fn recover_from_save(&mut self, place: SlotIndex) {
        let slot = &mut self.slots[place];
        if slot.is_suspended() {
            let (at, fault) = (slot.last_at, slot.counters.last());
            self.fault(place, at, None, Fault(fault));
        }
    }
}

/// Saves the state from which an instance can be recovered. An instance that traps here faults at its next call.
pub(crate) fn saved_base(strategy: &mut dyn Strategy, version: &Version) -> Option<StartFrom> {
    let bytes = strategy.save().ok()?.ok()?;
    let schema = version.code.schema();
    Some(StartFrom::State(Arc::new(State { schema, bytes })))
}

impl StartFrom {
    /// What a version inherits that starts from it and then catches up with so many events.
    fn with_events(&self, events: usize) -> StateSource {
        let bytes = match self {
            Self::Start => 0,
            Self::State(state) => state.bytes.len(),
        };
        StateSource::Snapshot { bytes, events }
    }
}

impl Slot {
    /// Resets what counts against a version: its predecessor's faults do not.
    fn begin(&mut self, started: u64) {
        self.shadow = None;
        self.active = true;
        self.traps.clear();
        self.budget.begin_again();
        self.counters.await_instance(None);
        self.pause_from = Some(self.last_call_ended.take().unwrap_or(started));
        self.counters.expecting.store(false, Ordering::Relaxed);
    }
}
