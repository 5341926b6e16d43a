//! The binary form of records.
//!
//! Frequent records have a fixed layout, little-endian; rare ones are JSON, so that they can be read without this code.

use crate::earlier;
use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tickdeck_engine::port::State;
use tickdeck_engine::{
    AppliedAction, BatchPlace, CommandAhead, Effect, OfferedBatches, OperatorCommand,
    QuarantineCause, RecordedChange, SentKind, StrategyOutcome,
};
use tickdeck_journal::unix_ns;
use tickdeck_model::{Action, Amount, ClientOrderId, CurrencyId, Event, StrategyId, Timestamp};

/// The kinds of records, in both reels. A number is never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum RecordKind {
    /// The run's manifest in JSON, [`RunManifest`](crate::RunManifest). The first record of both reels.
    Session = 1,
    /// An event, in its canonical layout.
    Event = 2,
    /// An action that was carried out.
    Applied = 3,
    /// A command that was sent to the venue.
    Sent = 4,
    /// A strategy's state.
    Saved = 5,
    /// Any other effect of the kernel, in JSON.
    Effect = 6,
    /// The clean end of the run.
    End = 7,
    /// Everything done before some position is on the reel. Since schema 2.
    Mark = 8,
    /// Batches that a strategy was offered, except those of one event. Since schema 3.
    Offered = 9,
}

impl RecordKind {
    /// Returns the kind with this number.
    pub const fn of(number: u16) -> Option<Self> {
        Some(match number {
            1 => Self::Session,
            2 => Self::Event,
            3 => Self::Applied,
            4 => Self::Sent,
            5 => Self::Saved,
            6 => Self::Effect,
            7 => Self::End,
            8 => Self::Mark,
            9 => Self::Offered,
            _ => return None,
        })
    }
}

/// A record of the actions reel.
#[derive(Debug, Clone, PartialEq)]
pub enum ActionsRecord {
    /// An effect of the kernel, and its position.
    Effect(u64, Effect),
    /// A command that was sent, its position, and the wall time in nanoseconds since 1970.
    Sent(u64, Effect, i64),
    /// The run's manifest.
    Session,
    /// The clean end of the run.
    End,
    /// Everything done before this position is on the reel; and the boot of the machine that wrote it.
    Mark(u64, u64),
    /// Batches that a strategy was offered, and the position of the decision or the moment with which they were recorded.
    Offered(u64, StrategyId, OfferedBatches),
}

/// Bytes before batches.
const OFFERED: usize = 16;
/// Bytes before an action.
const APPLIED: usize = 48;
/// Bytes of a command's record.
const SENT: usize = 48;
/// Bytes before a state's own.
const SAVED: usize = 16;

/// Appends an effect to `out`.
pub(super) fn encode(position: u64, effect: &Effect, out: &mut Vec<u8>) -> RecordKind {
    match effect {
        Effect::Applied(applied) => {
            out.extend(position.to_le_bytes());
            out.extend(applied.cause.to_le_bytes());
            out.extend(applied.at.to_le_bytes());
            out.extend(applied.leaves_at.to_le_bytes());
            out.extend(applied.strategy.0.to_le_bytes());
            out.extend(applied.ordinal.to_le_bytes());
            out.extend(u64::from(applied.late).to_le_bytes());
            out.extend(applied.action.to_bytes());
            RecordKind::Applied
        }
        Effect::Sent { at, order, what } => {
            out.extend(position.to_le_bytes());
            out.extend(at.to_le_bytes());
            out.extend(order.number.to_le_bytes());
            out.extend(u64::from(order.strategy.0).to_le_bytes());
            out.extend((*what as u64).to_le_bytes());
            out.extend(unix_ns().to_le_bytes());
            RecordKind::Sent
        }
        Effect::Saved { strategy, state } => {
            out.extend(position.to_le_bytes());
            out.extend(strategy.0.to_le_bytes());
            out.extend(state.schema.to_le_bytes());
            out.extend(&state.bytes);
            RecordKind::Saved
        }
        other => {
            let text = serde_json::to_vec(&(position, RareEffect::of(other)));
            out.extend(text.unwrap_or_default());
            RecordKind::Effect
        }
    }
}

/// Appends batches that a strategy was offered to `out`.
pub(super) fn encode_offered(
    position: u64,
    strategy: StrategyId,
    batches: &OfferedBatches,
    out: &mut Vec<u8>,
) {
    out.extend(position.to_le_bytes());
    out.extend(u64::from(strategy.0).to_le_bytes());
    out.extend(batches.as_bytes());
}

/// Returns the payload of a mark.
pub(super) fn mark(position: u64, machine: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&position.to_le_bytes());
    bytes[8..].copy_from_slice(&machine.to_le_bytes());
    bytes
}

/// Parses a record of the actions reel.
///
/// # Errors
/// The payload is malformed, or of a newer version.
pub fn decode(kind: u16, payload: &[u8]) -> Result<ActionsRecord> {
    match RecordKind::of(kind) {
        Some(RecordKind::Session) => Ok(ActionsRecord::Session),
        Some(RecordKind::End) => Ok(ActionsRecord::End),
        Some(RecordKind::Mark) => {
            ensure!(payload.len() == 16, "a mark has {} bytes", payload.len());
            let mut fields = Fields(payload);
            Ok(ActionsRecord::Mark(fields.u64(), fields.u64()))
        }
        Some(RecordKind::Offered) => {
            let length = payload.len();
            ensure!(length >= OFFERED, "a record of batches has {length} bytes");
            let mut fields = Fields(payload);
            let position = fields.u64();
            let strategy = StrategyId(u32::try_from(fields.u64())?);
            let batches = OfferedBatches::of_bytes(fields.0);
            let batches =
                batches.with_context(|| format!("a record of batches has {length} bytes"))?;
            Ok(ActionsRecord::Offered(position, strategy, batches))
        }
        Some(RecordKind::Applied) => {
            let length = payload.len();
            ensure!(length >= APPLIED, "an action has {length} bytes");
            let mut fields = Fields(payload);
            let position = fields.u64();
            let applied = AppliedAction {
                cause: fields.u64(),
                at: fields.u64().cast_signed(),
                leaves_at: fields.u64().cast_signed(),
                strategy: StrategyId(fields.u32()),
                ordinal: fields.u32(),
                late: fields.u64() != 0,
                action: recorded_action(fields.0)?,
            };
            Ok(ActionsRecord::Effect(position, Effect::Applied(applied)))
        }
        Some(RecordKind::Sent) => {
            ensure!(
                payload.len() == SENT,
                "a command has {} bytes",
                payload.len()
            );
            let mut fields = Fields(payload);
            let position = fields.u64();
            let at = fields.u64().cast_signed();
            let number = fields.u64();
            let strategy = StrategyId(u32::try_from(fields.u64())?);
            let what = match fields.u64() {
                0 => SentKind::Submit,
                1 => SentKind::Modify,
                2 => SentKind::Cancel,
                other => bail!("a command of kind {other}"),
            };
            let order = ClientOrderId { strategy, number };
            let wall = fields.u64().cast_signed();
            Ok(ActionsRecord::Sent(
                position,
                Effect::Sent { at, order, what },
                wall,
            ))
        }
        Some(RecordKind::Saved) => {
            ensure!(
                payload.len() >= SAVED,
                "a state has {} bytes",
                payload.len()
            );
            let mut fields = Fields(payload);
            let position = fields.u64();
            let strategy = StrategyId(fields.u32());
            let schema = fields.u32();
            let bytes = fields.0.to_vec();
            let state = State { schema, bytes };
            Ok(ActionsRecord::Effect(
                position,
                Effect::Saved { strategy, state },
            ))
        }
        Some(RecordKind::Effect) => {
            let (position, rare): (u64, RareEffect) = serde_json::from_slice(payload)?;
            Ok(ActionsRecord::Effect(position, rare.effect()?))
        }
        Some(RecordKind::Event) | None => bail!("a record of kind {kind}"),
    }
}

/// Reads the action of a record, in the layout of now or of before schema 4.
fn recorded_action(bytes: &[u8]) -> Result<Action> {
    if let Ok(bytes) = bytes.try_into() {
        return Ok(Action::from_bytes(bytes)?);
    }
    let old = bytes.try_into().ok().map(earlier::action);
    let old = old.with_context(|| format!("an action has {} bytes", APPLIED + bytes.len()))?;
    old.context("an action has a value outside the contract")
}

/// Reads an event of the events reel, in the layout of now or of before schema 4.
///
/// # Errors
/// The payload is none.
pub fn recorded_event(payload: &[u8]) -> Result<Event> {
    match payload.try_into() {
        Ok(old) => earlier::event(old).context("an event has a value outside the contract"),
        Err(_) => Ok(Event::from_bytes(payload)?),
    }
}

/// Fixed fields in order; the length has been checked.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (taken, rest) = self.0.split_first_chunk().unwrap_or((&[0; N], &[]));
        self.0 = rest;
        *taken
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
}

/// The JSON form of rare effects.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "did", rename_all = "kebab-case")]
enum RareEffect {
    Settled {
        at: Timestamp,
        strategy: u32,
        outcome: RecordedOutcome,
    },
    Operated {
        at: Timestamp,
        order: String,
        strategy: Option<u32>,
        /// Position, and number of actions on the reel that it came before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ahead: Option<(u64, u32)>,
    },
    GaveUp {
        at: Timestamp,
        strategy: u32,
    },
    CatchingUp {
        at: Timestamp,
        strategy: u32,
    },
    #[serde(rename = "seat")]
    Start {
        at: Timestamp,
        strategy: u32,
        name: String,
        allocation: Vec<(u32, i64)>,
        next_order: u64,
        last_order: u64,
        #[serde(rename = "recipe")]
        spec: String,
    },
    Swap {
        at: Timestamp,
        strategy: u32,
        #[serde(rename = "recipe")]
        spec: String,
    },
    Promote {
        at: Timestamp,
        strategy: u32,
    },
    RollBack {
        at: Timestamp,
        strategy: u32,
    },
    Remove {
        at: Timestamp,
        strategy: u32,
    },
    Quarantine {
        at: Timestamp,
        strategy: u32,
        why: String,
        /// Its decisions up to here are taken from the reel.
        not_repeatable: bool,
    },
    Refused {
        why: String,
    },
    Halted {
        problem: String,
        denied: u32,
    },
    Kept,
    Asked,
    AskedOne {
        strategy: u32,
    },
    LeftBehind,
    Stopping {
        at: Timestamp,
    },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RecordedOutcome {
    /// With the sequence of the batch's first event.
    Fenced(Option<u64>),
    /// The same, if others of this sequence came before it, and how many.
    FencedWithin(u64, u8),
    Recovered,
    Ended,
    #[serde(rename = "trial-failed")]
    Suspended,
    #[serde(rename = "beside-failed")]
    ShadowFailed,
    Live,
}

impl RareEffect {
    fn of(effect: &Effect) -> Self {
        match effect {
            Effect::Settled {
                at,
                strategy,
                outcome,
            } => Self::Settled {
                at: *at,
                strategy: strategy.0,
                outcome: RecordedOutcome::of(*outcome),
            },
            Effect::Operated { at, order, ahead } => {
                let (name, strategy) = order.to_parts();
                Self::Operated {
                    at: *at,
                    order: name.to_owned(),
                    strategy: strategy.map(|id| id.0),
                    ahead: ahead.map(|ahead| (ahead.position, ahead.actions)),
                }
            }
            Effect::GaveUp { at, strategy } => Self::GaveUp {
                at: *at,
                strategy: strategy.0,
            },
            Effect::CatchingUp { at, strategy } => Self::CatchingUp {
                at: *at,
                strategy: strategy.0,
            },
            Effect::Changed { at, what } => Self::change(*at, what),
            Effect::Refused { why } => Self::Refused { why: why.clone() },
            Effect::Halted { problem, denied } => Self::Halted {
                problem: problem.clone(),
                denied: *denied,
            },
            Effect::Asked { strategy: None } => Self::Asked,
            Effect::Asked {
                strategy: Some(strategy),
            } => Self::AskedOne {
                strategy: strategy.0,
            },
            Effect::LeftBehind => Self::LeftBehind,
            Effect::Stopping { at } => Self::Stopping { at: *at },
            // The first three have a fixed layout.
            Effect::Applied(_) | Effect::Sent { .. } | Effect::Saved { .. } | Effect::Kept => {
                Self::Kept
            }
        }
    }

    fn change(at: Timestamp, what: &RecordedChange) -> Self {
        let strategy = what.strategy().0;
        match what {
            RecordedChange::Start {
                name,
                allocation,
                next_order,
                last_order,
                spec,
                ..
            } => Self::Start {
                at,
                strategy,
                name: name.clone(),
                allocation: allocation.iter().map(|(id, sum)| (id.0, sum.0)).collect(),
                next_order: *next_order,
                last_order: *last_order,
                spec: spec.to_string(),
            },
            RecordedChange::Swap { spec, .. } => Self::Swap {
                at,
                strategy,
                spec: spec.to_string(),
            },
            RecordedChange::Promote(_) => Self::Promote { at, strategy },
            RecordedChange::RollBack(_) => Self::RollBack { at, strategy },
            RecordedChange::Remove(_) => Self::Remove { at, strategy },
            RecordedChange::Quarantine { why, cause, .. } => Self::Quarantine {
                at,
                strategy,
                why: why.clone(),
                not_repeatable: *cause == QuarantineCause::NotRepeatable,
            },
        }
    }

    fn effect(self) -> Result<Effect> {
        Ok(match self {
            Self::Settled {
                at,
                strategy,
                outcome,
            } => Effect::Settled {
                at,
                strategy: StrategyId(strategy),
                outcome: outcome.outcome(),
            },
            Self::Operated {
                at,
                order,
                strategy,
                ahead,
            } => {
                let command = OperatorCommand::from_parts(&order, strategy.map(StrategyId));
                let order = command.with_context(|| format!("an operator's command `{order}`"))?;
                let ahead = ahead.map(|(position, actions)| CommandAhead { position, actions });
                Effect::Operated { at, order, ahead }
            }
            Self::GaveUp { at, strategy } => Effect::GaveUp {
                at,
                strategy: StrategyId(strategy),
            },
            Self::CatchingUp { at, strategy } => Effect::CatchingUp {
                at,
                strategy: StrategyId(strategy),
            },
            Self::Refused { why } => Effect::Refused { why },
            Self::Halted { problem, denied } => Effect::Halted { problem, denied },
            Self::Kept => Effect::Kept,
            Self::Asked => Effect::Asked { strategy: None },
            Self::AskedOne { strategy } => Effect::Asked {
                strategy: Some(StrategyId(strategy)),
            },
            Self::LeftBehind => Effect::LeftBehind,
            Self::Stopping { at } => Effect::Stopping { at },
            change => {
                let (at, what) = change.changed()?;
                Effect::Changed { at, what }
            }
        })
    }

    /// Converts a change of the running strategies.
    fn changed(self) -> Result<(Timestamp, RecordedChange)> {
        Ok(match self {
            Self::Start {
                at,
                strategy,
                name,
                allocation,
                next_order,
                last_order,
                spec,
            } => {
                let sums = allocation.into_iter();
                let what = RecordedChange::Start {
                    strategy: StrategyId(strategy),
                    name,
                    allocation: sums
                        .map(|(id, sum)| (CurrencyId(id), Amount(sum)))
                        .collect(),
                    next_order,
                    last_order,
                    spec: Arc::from(spec),
                };
                (at, what)
            }
            Self::Swap { at, strategy, spec } => {
                let (strategy, spec) = (StrategyId(strategy), Arc::from(spec));
                (at, RecordedChange::Swap { strategy, spec })
            }
            Self::Promote { at, strategy } => (at, RecordedChange::Promote(StrategyId(strategy))),
            Self::RollBack { at, strategy } => (at, RecordedChange::RollBack(StrategyId(strategy))),
            Self::Remove { at, strategy } => (at, RecordedChange::Remove(StrategyId(strategy))),
            Self::Quarantine {
                at,
                strategy,
                why,
                not_repeatable,
            } => {
                let cause = match not_repeatable {
                    true => QuarantineCause::NotRepeatable,
                    false => QuarantineCause::NotAllowed,
                };
                let strategy = StrategyId(strategy);
                let what = RecordedChange::Quarantine {
                    strategy,
                    why,
                    cause,
                };
                (at, what)
            }
            other => bail!("{other:?} is no change"),
        })
    }
}

impl RecordedOutcome {
    const fn of(outcome: StrategyOutcome) -> Self {
        match outcome {
            StrategyOutcome::Faulted(None) => Self::Fenced(None),
            StrategyOutcome::Faulted(Some(place)) => match place.ordinal() {
                0 => Self::Fenced(Some(place.sequence())),
                ordinal => Self::FencedWithin(place.sequence(), ordinal),
            },
            StrategyOutcome::Recovered => Self::Recovered,
            StrategyOutcome::Ended => Self::Ended,
            StrategyOutcome::Suspended => Self::Suspended,
            StrategyOutcome::ShadowFailed => Self::ShadowFailed,
            StrategyOutcome::Live => Self::Live,
        }
    }

    const fn outcome(self) -> StrategyOutcome {
        match self {
            Self::Fenced(None) => StrategyOutcome::Faulted(None),
            Self::Fenced(Some(sequence)) => {
                StrategyOutcome::Faulted(Some(BatchPlace::new(sequence, 0)))
            }
            Self::FencedWithin(sequence, ordinal) => {
                StrategyOutcome::Faulted(Some(BatchPlace::new(sequence, ordinal)))
            }
            Self::Recovered => StrategyOutcome::Recovered,
            Self::Ended => StrategyOutcome::Ended,
            Self::Suspended => StrategyOutcome::Suspended,
            Self::ShadowFailed => StrategyOutcome::ShadowFailed,
            Self::Live => StrategyOutcome::Live,
        }
    }
}
