//! Records as bytes.
//!
//! What comes often has a fixed layout, little-endian; what comes seldom is JSON, so that it can be read without this code.

use anyhow::{Result, bail, ensure};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tickdeck_engine::port::State;
use tickdeck_engine::{Acted, ChangeKept, Deed, Order, Outcome, SentKind};
use tickdeck_model::{Action, Amount, ClientOrderId, CurrencyId, StrategyId, Timestamp};

/// The kinds of record, in both reels. A number is never used for something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum Kind {
    /// What the run was made of: JSON, [`super::Session`]. The first record of both reels.
    Session = 1,
    /// An event, in its canonical layout.
    Event = 2,
    /// An action that was carried out.
    Acted = 3,
    /// A command that left.
    Sent = 4,
    /// A strategy's state.
    Saved = 5,
    /// Anything else that the kernel did: JSON.
    Deed = 6,
    /// The run ended in order.
    End = 7,
    /// All that was done before some position is on the reel. Of schema 2.
    Mark = 8,
}

impl Kind {
    /// The kind of this number.
    pub const fn of(number: u16) -> Option<Self> {
        Some(match number {
            1 => Self::Session,
            2 => Self::Event,
            3 => Self::Acted,
            4 => Self::Sent,
            5 => Self::Saved,
            6 => Self::Deed,
            7 => Self::End,
            8 => Self::Mark,
            _ => return None,
        })
    }
}

/// A record of the actions reel.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// Something that the kernel did, and its position.
    Deed(u64, Deed),
    /// A command that left, and when by the wall: nanoseconds since 1970.
    Sent(u64, Deed, i64),
    /// What the run was made of.
    Session,
    /// The run ended in order.
    End,
    /// All that was done before this position is on the reel, and which start of the machine wrote it.
    Mark(u64, u64),
}

/// Bytes of an action's record.
const ACTED: usize = 48 + Action::SIZE;
/// Bytes of a command's record.
const SENT: usize = 48;
/// Bytes before a state's own.
const SAVED: usize = 16;

/// Writes a deed behind what is in `out`.
pub(super) fn encode(position: u64, deed: &Deed, out: &mut Vec<u8>) -> Kind {
    match deed {
        Deed::Acted(acted) => {
            out.extend(position.to_le_bytes());
            out.extend(acted.cause.to_le_bytes());
            out.extend(acted.at.to_le_bytes());
            out.extend(acted.leaves_at.to_le_bytes());
            out.extend(acted.strategy.0.to_le_bytes());
            out.extend(acted.ordinal.to_le_bytes());
            out.extend(u64::from(acted.late).to_le_bytes());
            out.extend(acted.action.to_bytes());
            Kind::Acted
        }
        Deed::Sent { at, order, what } => {
            out.extend(position.to_le_bytes());
            out.extend(at.to_le_bytes());
            out.extend(order.number.to_le_bytes());
            out.extend(u64::from(order.strategy.0).to_le_bytes());
            out.extend((*what as u64).to_le_bytes());
            out.extend(wall_ns().to_le_bytes());
            Kind::Sent
        }
        Deed::Saved { strategy, state } => {
            out.extend(position.to_le_bytes());
            out.extend(strategy.0.to_le_bytes());
            out.extend(state.schema.to_le_bytes());
            out.extend(&state.bytes);
            Kind::Saved
        }
        other => {
            let text = serde_json::to_vec(&(position, Seldom::of(other)));
            out.extend(text.unwrap_or_default());
            Kind::Deed
        }
    }
}

fn wall_ns() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    })
}

/// The payload of a mark.
pub(super) fn mark(position: u64, machine: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&position.to_le_bytes());
    bytes[8..].copy_from_slice(&machine.to_le_bytes());
    bytes
}

/// Reads a record of the actions reel.
///
/// # Errors
/// It is none, or of a newer version.
pub fn decode(kind: u16, payload: &[u8]) -> Result<Entry> {
    match Kind::of(kind) {
        Some(Kind::Session) => Ok(Entry::Session),
        Some(Kind::End) => Ok(Entry::End),
        Some(Kind::Mark) => {
            ensure!(payload.len() == 16, "a mark has {} bytes", payload.len());
            let mut fields = Fields(payload);
            Ok(Entry::Mark(fields.u64(), fields.u64()))
        }
        Some(Kind::Acted) => {
            ensure!(
                payload.len() == ACTED,
                "an action has {} bytes",
                payload.len()
            );
            let mut fields = Fields(payload);
            let position = fields.u64();
            let acted = Acted {
                cause: fields.u64(),
                at: fields.u64().cast_signed(),
                leaves_at: fields.u64().cast_signed(),
                strategy: StrategyId(fields.u32()),
                ordinal: fields.u32(),
                late: fields.u64() != 0,
                action: Action::from_bytes(&fields.take())?,
            };
            Ok(Entry::Deed(position, Deed::Acted(acted)))
        }
        Some(Kind::Sent) => {
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
            Ok(Entry::Sent(position, Deed::Sent { at, order, what }, wall))
        }
        Some(Kind::Saved) => {
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
            Ok(Entry::Deed(position, Deed::Saved { strategy, state }))
        }
        Some(Kind::Deed) => {
            let (position, seldom): (u64, Seldom) = serde_json::from_slice(payload)?;
            Ok(Entry::Deed(position, seldom.deed()?))
        }
        Some(Kind::Event) | None => bail!("a record of kind {kind}"),
    }
}

/// Fixed fields, one after the other; the length was checked before.
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

/// What comes seldom, as JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "did", rename_all = "kebab-case")]
enum Seldom {
    Settled {
        at: Timestamp,
        strategy: u32,
        outcome: OutcomeKept,
    },
    Operated {
        at: Timestamp,
        order: OrderKept,
        strategy: Option<u32>,
    },
    GaveUp {
        at: Timestamp,
        strategy: u32,
    },
    Seat {
        at: Timestamp,
        strategy: u32,
        name: String,
        allocation: Vec<(u32, i64)>,
        next_order: u64,
        last_order: u64,
        recipe: String,
    },
    Swap {
        at: Timestamp,
        strategy: u32,
        recipe: String,
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
    Refused {
        why: String,
    },
    Halted {
        problem: String,
        denied: u32,
    },
    Kept,
    Asked,
    Stopping {
        at: Timestamp,
    },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum OutcomeKept {
    /// With the first sequence of the batch.
    Fenced(Option<u64>),
    Recovered,
    Ended,
    TrialFailed,
    BesideFailed,
    Live,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum OrderKept {
    Pause,
    Reduce,
    Resume,
    Kill,
}

impl Seldom {
    fn of(deed: &Deed) -> Self {
        match deed {
            Deed::Settled {
                at,
                strategy,
                outcome,
            } => Self::Settled {
                at: *at,
                strategy: strategy.0,
                outcome: OutcomeKept::of(*outcome),
            },
            Deed::Operated { at, order } => {
                let (order, strategy) = match order {
                    Order::Pause(who) => (OrderKept::Pause, *who),
                    Order::Reduce(who) => (OrderKept::Reduce, *who),
                    Order::Resume(who) => (OrderKept::Resume, *who),
                    Order::Kill => (OrderKept::Kill, None),
                };
                Self::Operated {
                    at: *at,
                    order,
                    strategy: strategy.map(|id| id.0),
                }
            }
            Deed::GaveUp { at, strategy } => Self::GaveUp {
                at: *at,
                strategy: strategy.0,
            },
            Deed::Changed { at, what } => Self::change(*at, what),
            Deed::Refused { why } => Self::Refused { why: why.clone() },
            Deed::Halted { problem, denied } => Self::Halted {
                problem: problem.clone(),
                denied: *denied,
            },
            Deed::Asked => Self::Asked,
            Deed::Stopping { at } => Self::Stopping { at: *at },
            // The first three have a layout of their own.
            Deed::Acted(_) | Deed::Sent { .. } | Deed::Saved { .. } | Deed::Kept => Self::Kept,
        }
    }

    fn change(at: Timestamp, what: &ChangeKept) -> Self {
        let strategy = what.strategy().0;
        match what {
            ChangeKept::Seat {
                name,
                allocation,
                next_order,
                last_order,
                recipe,
                ..
            } => Self::Seat {
                at,
                strategy,
                name: name.clone(),
                allocation: allocation.iter().map(|(id, sum)| (id.0, sum.0)).collect(),
                next_order: *next_order,
                last_order: *last_order,
                recipe: recipe.to_string(),
            },
            ChangeKept::Swap { recipe, .. } => Self::Swap {
                at,
                strategy,
                recipe: recipe.to_string(),
            },
            ChangeKept::Promote(_) => Self::Promote { at, strategy },
            ChangeKept::RollBack(_) => Self::RollBack { at, strategy },
            ChangeKept::Remove(_) => Self::Remove { at, strategy },
        }
    }

    fn deed(self) -> Result<Deed> {
        Ok(match self {
            Self::Settled {
                at,
                strategy,
                outcome,
            } => Deed::Settled {
                at,
                strategy: StrategyId(strategy),
                outcome: outcome.outcome(),
            },
            Self::Operated {
                at,
                order,
                strategy,
            } => {
                let who = strategy.map(StrategyId);
                let order = match order {
                    OrderKept::Pause => Order::Pause(who),
                    OrderKept::Reduce => Order::Reduce(who),
                    OrderKept::Resume => Order::Resume(who),
                    OrderKept::Kill => Order::Kill,
                };
                Deed::Operated { at, order }
            }
            Self::GaveUp { at, strategy } => Deed::GaveUp {
                at,
                strategy: StrategyId(strategy),
            },
            Self::Refused { why } => Deed::Refused { why },
            Self::Halted { problem, denied } => Deed::Halted { problem, denied },
            Self::Kept => Deed::Kept,
            Self::Asked => Deed::Asked,
            Self::Stopping { at } => Deed::Stopping { at },
            change => {
                let (at, what) = change.changed()?;
                Deed::Changed { at, what }
            }
        })
    }

    /// A change of the strategies that run.
    fn changed(self) -> Result<(Timestamp, ChangeKept)> {
        Ok(match self {
            Self::Seat {
                at,
                strategy,
                name,
                allocation,
                next_order,
                last_order,
                recipe,
            } => {
                let sums = allocation.into_iter();
                let what = ChangeKept::Seat {
                    strategy: StrategyId(strategy),
                    name,
                    allocation: sums
                        .map(|(id, sum)| (CurrencyId(id), Amount(sum)))
                        .collect(),
                    next_order,
                    last_order,
                    recipe: Arc::from(recipe),
                };
                (at, what)
            }
            Self::Swap {
                at,
                strategy,
                recipe,
            } => {
                let (strategy, recipe) = (StrategyId(strategy), Arc::from(recipe));
                (at, ChangeKept::Swap { strategy, recipe })
            }
            Self::Promote { at, strategy } => (at, ChangeKept::Promote(StrategyId(strategy))),
            Self::RollBack { at, strategy } => (at, ChangeKept::RollBack(StrategyId(strategy))),
            Self::Remove { at, strategy } => (at, ChangeKept::Remove(StrategyId(strategy))),
            other => bail!("{other:?} is no change"),
        })
    }
}

impl OutcomeKept {
    const fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Fenced(offered) => Self::Fenced(offered),
            Outcome::Recovered => Self::Recovered,
            Outcome::Ended => Self::Ended,
            Outcome::TrialFailed => Self::TrialFailed,
            Outcome::BesideFailed => Self::BesideFailed,
            Outcome::Live => Self::Live,
        }
    }

    const fn outcome(self) -> Outcome {
        match self {
            Self::Fenced(offered) => Outcome::Fenced(offered),
            Self::Recovered => Outcome::Recovered,
            Self::Ended => Outcome::Ended,
            Self::TrialFailed => Outcome::TrialFailed,
            Self::BesideFailed => Outcome::BesideFailed,
            Self::Live => Outcome::Live,
        }
    }
}
