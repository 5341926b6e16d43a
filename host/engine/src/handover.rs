//! One version of a strategy takes over from another, between two windows: everything offered has been handled, and
//! nothing new is there yet. Orders, timers and order numbers belong to the host and are not touched by any of this.

use crate::action_ring::Decision;
use crate::desk::{Desk, intend, wish};
use crate::dispatch::Place;
use crate::port::{Code, Fault, OtherSchema, SaveFailed, Seat, State, Strategy, Version};
use crate::replay::{consumed, replay};
use crate::slot::{Base, Origin, Previous, Shadow, Slot, Trial};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tickdeck_model::{Action, Amount, CurrencyId, Event, OrderNumber, StrategyId};
use tickdeck_portfolio::Portfolio;

/// What a version took over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inherited {
    /// The state that the version before saved there and then.
    Saved {
        /// Its size.
        bytes: usize,
    },
    /// The last snapshot, and the events since.
    Snapshot {
        /// Its size.
        bytes: usize,
        /// How many events; what was decided on them came too late to be sent.
        events: usize,
    },
    /// Nothing: it started afresh.
    Nothing,
}

/// What a handover came to.
pub(crate) struct Handover {
    pub(crate) inherited: Inherited,
    /// Why the version before could not save, if it was asked and could not.
    pub(crate) lost: Option<String>,
    /// From `save` to the new instance standing ready.
    pub(crate) took_ns: u64,
    /// The version that now counts.
    pub(crate) version: Version,
    /// The instance that is done. It is stopped and dropped by whoever has the time.
    pub(crate) retired: Option<Box<dyn Strategy>>,
}

/// Where a strategy stands: what a new version is tried on before it may take over.
pub struct Rehearsal {
    id: StrategyId,
    origin: Option<Arc<State>>,
    portfolio: Portfolio,
    events: Vec<Event>,
    max_batch: usize,
}

impl Rehearsal {
    /// Lets a version start as it will and handle the strategy's last events, away from the trading threads. What it
    /// decides is discarded. Returns how many events it handled.
    ///
    /// # Errors
    /// It does not read the state, or it traps; the text says why.
    pub fn run(mut self, version: &Version) -> Result<usize, Fault> {
        let Some(book) = self.portfolio.book_mut(self.id) else {
            return Ok(0);
        };
        let origin = readable(version, self.origin).map_err(Fault)?;
        let mut strategy = origin.begin(&*version.code, book)?;
        replay(
            &mut *strategy,
            self.id,
            &mut self.portfolio,
            &self.events,
            self.max_batch,
        )?;
        Ok(self.events.len())
    }

    /// Starts a strategy that left where its book stands now, for it to be seated again: its positions are in it, and
    /// the order numbers that it used are gone.
    ///
    /// # Errors
    /// The strategy refuses, or traps; the text says why.
    pub fn seat(
        mut self,
        name: String,
        allocation: Vec<(CurrencyId, Amount)>,
        next_order: OrderNumber,
        version: Version,
    ) -> Result<Seat, Fault> {
        let portfolio = &mut self.portfolio;
        portfolio.open_strategy(self.id, &allocation, next_order);
        let mut book = portfolio.close_strategy(self.id).unwrap_or_default();
        let next_order = book.next_order();
        let strategy = version.code.start(&mut book)?;
        Ok(Seat {
            id: self.id,
            name,
            allocation,
            next_order,
            version,
            strategy,
        })
    }
}

/// What a version starts from, given what there is to inherit.
fn readable(version: &Version, state: Option<Arc<State>>) -> Result<Origin, String> {
    let Some(state) = state else {
        return Ok(Origin::Start);
    };
    let reads = version.code.restores();
    if reads.contains(&state.schema) {
        return Ok(Origin::State(state));
    }
    match version.swap.other_schema {
        OtherSchema::Fresh => Ok(Origin::Start),
        OtherSchema::Refuse => Err(format!(
            "version {} reads states of schema {reads:?}, the running version saves {}: add it to `restores`, or set \
             other_schema = \"fresh\" to start without the state",
            version.label, state.schema
        )),
    }
}

/// An instance that stands ready to take over.
struct Heir {
    strategy: Box<dyn Strategy>,
    inherited: Inherited,
    origin: Origin,
}

/// What a version leaves to the next.
struct Bequest {
    origin: Option<Arc<State>>,
    inherited: Inherited,
    /// Why there is no state as of now, if it was asked for.
    lost: Option<String>,
    /// Whether the events since have to be caught up with.
    late: bool,
}

impl Desk {
    /// Where a strategy stands.
    pub(crate) fn rehearsal(&mut self, place: Place) -> Rehearsal {
        let slot = &self.slots[place];
        let base = slot.tape.base.as_ref();
        let now = self.portfolio.book(slot.id).cloned().unwrap_or_default();
        let book = base.map_or_else(|| Box::new(now), |base| base.book.clone());
        Rehearsal {
            id: slot.id,
            origin: base.and_then(|base| match &base.origin {
                Origin::Start => None,
                Origin::State(state) => Some(Arc::clone(state)),
            }),
            portfolio: self.portfolio.fork(slot.id, book),
            events: slot.tape.handled().to_vec(),
            max_batch: self.max_batch,
        }
    }

    /// Lets `to` take over, or run beside if it is to.
    pub(crate) fn swap(&mut self, place: Place, to: Version) -> Result<Handover, String> {
        let started = (self.now_ns)();
        let bequest = self.bequeath(place, to.swap.save_failed);
        match self.take_over(place, &to, &bequest) {
            Ok(heir) if to.swap.shadow => Ok(self.put_beside(place, to, heir, started)),
            Ok(heir) => Ok(self.install(place, to, heir, bequest, started)),
            Err(why) => {
                self.revive(place);
                Err(why)
            }
        }
    }

    /// The version that runs beside takes over, with the state that it has come to.
    pub(crate) fn promote(&mut self, place: Place) -> Result<Handover, String> {
        let started = (self.now_ns)();
        let slot = &mut self.slots[place];
        let Some(Shadow {
            version,
            mut strategy,
        }) = slot.shadow.take()
        else {
            return Err("no version runs beside it".to_owned());
        };
        let bytes = strategy
            .save()
            .and_then(|saved| saved.map_err(Fault))
            .map_err(|fault| format!("version {} can't save: {fault}", version.label))?;
        let inherited = Inherited::Saved { bytes: bytes.len() };
        let state = State {
            schema: version.code.schema(),
            bytes,
        };
        // A fresh instance, because the order numbers that the old one used are gone by now.
        let own = Bequest {
            origin: Some(Arc::new(state)),
            inherited,
            lost: None,
            late: false,
        };
        let left = self.bequeath(place, SaveFailed::Snapshot);
        match self.take_over(place, &version, &own) {
            Ok(heir) => Ok(self.install(place, version, heir, left, started)),
            Err(why) => {
                self.revive(place);
                Err(why)
            }
        }
    }

    /// Ends the version that runs beside, if there is one.
    pub(crate) fn end_beside(&mut self, place: Place) -> Option<Version> {
        let shadow = self.slots[place].shadow.take();
        shadow.map(|shadow| shadow.version)
    }

    /// The version before takes over again. Within the trial it gets the state that it had left and the events since;
    /// later, the state of the version that it replaces.
    pub(crate) fn roll_back(&mut self, place: Place) -> Result<Handover, String> {
        let slot = &mut self.slots[place];
        let Some(previous) = slot.previous.take() else {
            return Err("there is no earlier version".to_owned());
        };
        let Previous { mut version, state } = previous;
        version.swap.shadow = false;
        let Some(origin) = state else {
            let back = self.swap(place, version.clone());
            if back.is_err() {
                let state = None;
                self.slots[place].previous = Some(Previous { version, state });
            }
            return back;
        };
        let started = (self.now_ns)();
        match self.resume(place, &version, &origin) {
            Ok((strategy, events)) => {
                let bytes = match &origin {
                    Origin::Start => 0,
                    Origin::State(state) => state.bytes.len(),
                };
                let heir = Heir {
                    strategy,
                    inherited: Inherited::Snapshot { bytes, events },
                    origin,
                };
                Ok(self.reinstate(place, version, heir, started))
            }
            Err(fault) => {
                let slot = &mut self.slots[place];
                slot.counters.note(&fault);
                if slot.is_suspended() {
                    slot.trial = None;
                    self.end(place);
                } else {
                    let state = Some(origin);
                    slot.previous = Some(Previous { version, state });
                }
                Err(fault.0)
            }
        }
    }

    /// Takes a strategy's instance out for good.
    pub(crate) fn remove(&mut self, place: Place) -> Option<Box<dyn Strategy>> {
        let slot = &mut self.slots[place];
        slot.seated = false;
        (slot.shadow, slot.previous, slot.trial) = (None, None, None);
        slot.tape.rebase(None);
        slot.tape.clear();
        slot.strategy.take()
    }

    /// What the running version leaves: its state as of now, or what the policy says if it can't save.
    fn bequeath(&mut self, place: Place, policy: SaveFailed) -> Bequest {
        let slot = &mut self.slots[place];
        let lost = match slot.strategy.as_mut().map(|strategy| strategy.save()) {
            Some(Ok(Ok(bytes))) => {
                let inherited = Inherited::Saved { bytes: bytes.len() };
                let schema = slot.version.code.schema();
                return Bequest {
                    origin: Some(Arc::new(State { schema, bytes })),
                    inherited,
                    lost: None,
                    late: false,
                };
            }
            Some(Ok(Err(why))) => Some(why),
            Some(Err(fault)) => {
                slot.counters.note(&fault);
                slot.strategy = None;
                Some(fault.0)
            }
            None => None,
        };
        match (policy, slot.tape.base.as_ref().map(|base| &base.origin)) {
            (SaveFailed::Snapshot, Some(Origin::State(state))) => Bequest {
                origin: Some(Arc::clone(state)),
                inherited: Inherited::Snapshot {
                    bytes: state.bytes.len(),
                    events: slot.tape.handled().len(),
                },
                lost,
                late: true,
            },
            _ => Bequest {
                origin: None,
                inherited: Inherited::Nothing,
                lost,
                late: false,
            },
        }
    }

    /// Starts an instance of `to` from what was left to it.
    fn take_over(&mut self, place: Place, to: &Version, bequest: &Bequest) -> Result<Heir, String> {
        let id = self.slots[place].id;
        let origin = readable(to, bequest.origin.clone())?;
        let inherited = match origin {
            Origin::Start => Inherited::Nothing,
            Origin::State(_) => bequest.inherited,
        };
        let code: &dyn Code = &*to.code;
        let book = self.portfolio.book_mut(id).ok_or("it has no book")?;
        let mut strategy = origin.begin(code, book).map_err(|fault| fault.0)?;
        if bequest.late && matches!(origin, Origin::State(_)) {
            let events = self.slots[place].tape.handled().to_vec();
            let caught_up = self.catch_up(place, &mut *strategy, &events);
            caught_up.map_err(|fault| fault.0)?;
        }
        Ok(Heir {
            strategy,
            inherited,
            origin,
        })
    }

    /// Starts an instance of an earlier version and brings it to where things stand now.
    fn resume(
        &mut self,
        place: Place,
        version: &Version,
        origin: &Origin,
    ) -> Result<(Box<dyn Strategy>, usize), Fault> {
        let slot = &self.slots[place];
        let events = slot.tape.all().to_vec();
        let Some(book) = self.portfolio.book_mut(slot.id) else {
            return Err(Fault("it has no book".to_owned()));
        };
        let mut strategy = origin.begin(&*version.code, book)?;
        self.catch_up(place, &mut *strategy, &events)?;
        Ok((strategy, events.len()))
    }

    /// Offers events that another version has handled. What is decided on them comes too late: the router denies new
    /// orders and changes, so that the strategy learns what became of them, and carries out the rest.
    fn catch_up(
        &mut self,
        place: Place,
        strategy: &mut dyn Strategy,
        events: &[Event],
    ) -> Result<(), Fault> {
        let mut at = 0;
        while at < events.len() {
            let batch = &events[at..events.len().min(at + self.max_batch)];
            let slot = &mut self.slots[place];
            let Some(book) = self.portfolio.book_mut(slot.id) else {
                return Ok(());
            };
            self.actions.clear();
            let handled = consumed(strategy.on_events(batch, book, &mut self.actions)?, batch)?;
            at += handled;
            let cause = batch[handled - 1].ts_host;
            for action in &self.actions {
                if matches!(action, Action::Notify(_)) {
                    continue;
                }
                slot.allowance.admit(cause, action)?;
                intend(&mut self.portfolio, slot.id, action)?;
                self.wishes.extend(wish(cause, place, action));
                let late = slot.at_end(Decision::Late(*action));
                self.outlet.publish(&[late]);
            }
        }
        Ok(())
    }

    /// Puts a new version in place, on trial; the one before leaves `left`.
    fn install(
        &mut self,
        place: Place,
        to: Version,
        heir: Heir,
        left: Bequest,
        started: u64,
    ) -> Handover {
        let book = self.portfolio.book_mut(self.slots[place].id).cloned();
        let took_ns = (self.now_ns)().saturating_sub(started);
        let slot = &mut self.slots[place];
        let at = slot.tape.handled().last().map_or(0, |event| event.ts_host);
        if !left.late {
            slot.tape.rebase(Some(Base {
                origin: heir.origin,
                book: book.unwrap_or_default(),
            }));
        }
        slot.tape.hold();
        slot.trial = Some(Trial {
            events_left: to.swap.trial_events.max(1),
            until: at.saturating_add(to.swap.trial_ns),
        });
        let retired = slot.strategy.replace(heir.strategy);
        let version = std::mem::replace(&mut slot.version, to.clone());
        let state = Some(left.origin.map_or(Origin::Start, Origin::State));
        slot.previous = Some(Previous { version, state });
        slot.begin(started);
        Handover {
            inherited: heir.inherited,
            lost: left.lost,
            took_ns,
            version: to,
            retired,
        }
    }

    /// Puts an earlier version back in place.
    fn reinstate(&mut self, place: Place, version: Version, heir: Heir, started: u64) -> Handover {
        let took_ns = (self.now_ns)().saturating_sub(started);
        let slot = &mut self.slots[place];
        let retired = slot.strategy.replace(heir.strategy);
        slot.version = version.clone();
        slot.trial = None;
        slot.tape.rebase(None);
        slot.tape.clear();
        slot.begin(started);
        self.snapshot(place);
        Handover {
            inherited: heir.inherited,
            lost: None,
            took_ns,
            version,
            retired,
        }
    }

    /// Lets a version run beside the one that trades.
    fn put_beside(&mut self, place: Place, version: Version, heir: Heir, started: u64) -> Handover {
        let took_ns = (self.now_ns)().saturating_sub(started);
        let slot = &mut self.slots[place];
        slot.counters.agreed.store(0, Ordering::Relaxed);
        slot.counters.differed.store(0, Ordering::Relaxed);
        let retired = slot.shadow.replace(Shadow {
            version: version.clone(),
            strategy: heir.strategy,
        });
        Handover {
            inherited: heir.inherited,
            lost: None,
            took_ns,
            version,
            retired: retired.map(|shadow| shadow.strategy),
        }
    }

    /// Brings back a version that trapped while it saved for one that is then refused.
    fn revive(&mut self, place: Place) {
        let slot = &mut self.slots[place];
        if slot.is_suspended() {
            let at = slot.tape.handled().last().map_or(0, |event| event.ts_host);
            self.fault(place, at, Fault("trapped in save".to_owned()));
        }
    }
}

impl Slot {
    /// A version begins: what its predecessor did is not held against it.
    fn begin(&mut self, started: u64) {
        self.shadow = None;
        self.seated = true;
        self.traps.clear();
        self.pause_from = Some(self.last_call_ended.take().unwrap_or(started));
        self.counters.expecting.store(false, Ordering::Relaxed);
    }
}
