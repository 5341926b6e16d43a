//! A recorded run as it would have gone with another module: the venue is played again from its seed or its capture, so that
//! it answers what is decided now, and the operator does what they did, when they did it.

use super::codec::{Entry, Kind, decode};
use super::wired::{Maker, casting, plugin};
use super::{ACTIONS, EVENTS, Recipe, Reels, Run, Session, settings};
use crate::clock::{Pace, Stop, since};
use crate::names::Names;
use crate::venue::venue;
use crate::wiring::{Overrides, engine_config};
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;
use tickdeck_engine::port::{Clock, Seat};
use tickdeck_engine::{
    Acted, Change, ChangeKept, Controls, Deed, Engine, Order, RecordError, Recorder, Stepping,
};
use tickdeck_journal::{Reader, segments};
use tickdeck_model::{Event, Registry, StrategyId, Timestamp};

/// A run with another module, ready to be played.
pub struct Otherwise {
    /// The engine.
    pub engine: Engine,
    /// What is decided, as it is.
    pub acted: Decided,
    /// The words behind its numbers.
    pub names: Names,
}

/// The actions of a run, in the order in which they were carried out.
#[derive(Clone, Default)]
pub struct Decided(Arc<Mutex<Vec<Acted>>>);

impl Decided {
    /// Takes them.
    pub fn take(&self) -> Vec<Acted> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Recorder for Decided {
    fn events(&mut self, _: &[Event]) {}

    fn deed(&mut self, _: u64, deed: &Deed) {
        if let Deed::Acted(acted) = deed {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(*acted);
        }
    }

    fn commit(&mut self, _: bool) -> Result<(), RecordError> {
        Ok(())
    }

    fn end(&mut self) -> Result<(), RecordError> {
        Ok(())
    }
}

/// Every action of a recorded run.
///
/// # Errors
/// The reel can't be read.
pub fn recorded_actions(run: &Run) -> Result<Vec<Acted>> {
    let deeds = deeds(run)?.into_iter();
    Ok(deeds
        .filter_map(|deed| match deed {
            Deed::Acted(acted) => Some(acted),
            _ => None,
        })
        .collect())
}

fn deeds(run: &Run) -> Result<Vec<Deed>> {
    let mut reader = Reader::open(&run.folder, ACTIONS)?;
    let mut deeds = Vec::new();
    while let Some(record) = reader.next()? {
        let entry = decode(record.kind, record.payload)
            .with_context(|| format!("record {} of the actions reel", record.index))?;
        if let Entry::Deed(_, deed) = entry {
            deeds.push(deed);
        }
    }
    Ok(deeds)
}

/// Puts a run together with another module for a strategy, in all its versions.
///
/// # Errors
/// The run has no such strategy, the module can't be loaded, or the venue can't be played again.
pub fn otherwise(
    reels: &Reels,
    run: &Run,
    (name, file): (&str, &Path),
    stop: &Stop,
) -> Result<Otherwise> {
    let session = Session::read(&run.folder)?;
    let recipe = recipe_of(&session, name, run)?;
    let config = settings(&session)?;
    let mut registry = Registry::from_text(&session.names).context("the names in the reel")?;
    let mut gateway = venue(&config)?.gateway;
    let terms = gateway.register(&mut registry)?;
    let casting = casting(
        config,
        std::slice::from_ref(&terms),
        &registry,
        session.first_order,
    )?;
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let other = plugin(
        &recipe.plugin,
        file.to_owned(),
        bytes,
        recipe.beside.as_ref(),
    )?;
    let overrides = Overrides {
        events: session.played.events,
        ..Overrides::default()
    };
    let mut config = engine_config(&casting.config, &overrides, session.killed, &registry)?;
    (config.stepping, config.pin) = (Stepping::Lockstep, Vec::new());
    let casting = Arc::new(casting);
    let maker = Maker::new(Arc::clone(&casting), Arc::new(registry), reels.modules());
    let maker = maker.with_other(name.to_owned(), other)?;
    let seats: Vec<Seat> = maker.seats(&session)?;
    let named = seats.iter().find(|seat| seat.name == name);
    let named = named.map(|seat| seat.id);
    let mut wishes = wishes(deeds(run)?, &maker, named)?;
    if !matches!(wishes.last(), Some((_, Wish::Stop))) {
        wishes.push((last_moment(run)?, Wish::Stop));
    }
    let controls = Arc::new(OnceLock::new());
    let clock = Speaking {
        clock: Pace::FlatOut.clock(stop.clone()),
        controls: Arc::clone(&controls),
        wishes: wishes.into_iter().peekable(),
        lookahead_ns: i64::try_from(terms.lookahead_ns).unwrap_or(i64::MAX),
    };
    let (epoch, registry) = (Instant::now(), maker.registry());
    let mut engine = Engine::new(
        config,
        Arc::clone(&registry),
        vec![(gateway, terms)],
        seats,
        Box::new(clock),
        Arc::new(move || since(epoch)),
    )?;
    let acted = Decided::default();
    engine.record(Box::new(acted.clone()));
    let _ = controls.set(engine.controls());
    Ok(Otherwise {
        engine,
        acted,
        names: Names::new(registry, Some(casting.money.id)),
    })
}

fn recipe_of(session: &Session, name: &str, run: &Run) -> Result<Recipe> {
    let Some(seat) = session.seats.iter().find(|seat| seat.name == name) else {
        let names: Vec<&str> = session
            .seats
            .iter()
            .map(|seat| seat.name.as_str())
            .collect();
        bail!(
            "run {} began without a strategy `{name}`: it had {}",
            run.number,
            names.join(", ")
        );
    };
    Recipe::read(&seat.recipe)
}

/// What the operator did, and when it counted.
enum Wish {
    Order(Order),
    Change(Change),
    /// It ended there.
    Stop,
}

/// The time of the last event.
fn last_moment(run: &Run) -> Result<Timestamp> {
    let last = segments(&run.folder, EVENTS)?;
    let end = last.last().map_or(0, |last| last.first + last.records);
    let mut reader = Reader::open(&run.folder, EVENTS)?;
    reader.seek(end.saturating_sub(1))?;
    let mut moment = Timestamp::MIN;
    while let Some(record) = reader.next()? {
        if record.kind == Kind::Event as u16 {
            moment = Event::from_bytes(record.payload)?.ts_host;
        }
    }
    Ok(moment)
}

/// What the operator did, but for versions of the strategy that has another module.
fn wishes(
    deeds: Vec<Deed>,
    maker: &Maker,
    named: Option<StrategyId>,
) -> Result<Vec<(Timestamp, Wish)>> {
    let mut wishes = Vec::new();
    // What became of instances may stand between a change and its refusal.
    let settled = |deed: &Deed| matches!(deed, Deed::Settled { .. } | Deed::Acted(_));
    let mut deeds = deeds.into_iter().filter(|deed| !settled(deed)).peekable();
    while let Some(deed) = deeds.next() {
        match deed {
            Deed::Stopping { at } => wishes.push((at, Wish::Stop)),
            Deed::Operated { at, order } => wishes.push((at, Wish::Order(order))),
            Deed::Changed { at, what } => {
                let refused = deeds
                    .next_if(|next| matches!(next, Deed::Refused { .. }))
                    .is_some();
                if refused || Some(what.strategy()) == named {
                    continue;
                }
                wishes.extend(change(what, maker)?.map(|change| (at, Wish::Change(change))));
            }
            _ => {}
        }
    }
    Ok(wishes)
}

/// A change as it is asked for once more. A strategy that came later is left out: it would start where the other run stood.
fn change(what: ChangeKept, maker: &Maker) -> Result<Option<Change>> {
    Ok(Some(match what {
        ChangeKept::Seat { name, recipe, .. } => {
            let recipe = Recipe::read(&recipe)?;
            Change::Seat(Box::new(maker.seat(&name, &recipe)?))
        }
        ChangeKept::Swap { strategy, recipe } => {
            let recipe = Recipe::read(&recipe)?;
            let name = maker
                .registry()
                .strategy(strategy)
                .unwrap_or_default()
                .to_owned();
            Change::Swap(strategy, Box::new(maker.version(&name, &recipe)?))
        }
        ChangeKept::Promote(strategy) => Change::Promote(strategy),
        ChangeKept::RollBack(strategy) => Change::RollBack(strategy),
        ChangeKept::Remove(strategy) => Change::Remove(strategy),
    }))
}

/// Says what the operator said when event time comes to it; the kernel asks it at every window.
struct Speaking {
    clock: Box<dyn Clock>,
    controls: Arc<OnceLock<Controls>>,
    wishes: std::iter::Peekable<std::vec::IntoIter<(Timestamp, Wish)>>,
    lookahead_ns: i64,
}

impl Clock for Speaking {
    fn wait_until(&mut self, due: Timestamp) {
        let Some(controls) = self.controls.get() else {
            return;
        };
        let ahead = self.lookahead_ns;
        let is_due = |(at, wish): &(Timestamp, Wish)| {
            // A new version is announced one window before it takes over.
            let windows = match wish {
                Wish::Change(Change::Swap(..)) => 2,
                Wish::Order(_) | Wish::Change(_) => 1,
                Wish::Stop => 0,
            };
            due > at.saturating_sub(ahead.saturating_mul(windows))
        };
        while let Some((_, wish)) = self.wishes.next_if(is_due) {
            match wish {
                Wish::Order(order) => controls.order(order),
                Wish::Stop => controls.stop(),
                // Nobody waits for the answer; a refusal shows in what is decided.
                Wish::Change(change) => drop(controls.change(change)),
            }
        }
    }

    fn paces(&self) -> bool {
        false
    }

    fn reached(&self) -> Timestamp {
        self.clock.reached()
    }

    fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }
}
