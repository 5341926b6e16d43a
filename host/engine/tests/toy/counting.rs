//! A strategy that hashes all it sees into a number, and trades by it: anything lost, duplicated or out of order shows.

use super::{feed, order};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tickdeck_engine::port::{Code, Fault, State, StopReason, Strategy, Version};
use tickdeck_engine::{EngineConfig, OrderLimits, RiskConfig};
use tickdeck_model::*;
use tickdeck_portfolio::StrategyBook;

/// How a version behaves.
#[derive(Clone, Default)]
pub(crate) struct Traits {
    pub(crate) schema: u32,
    pub(crate) restores: Vec<u32>,
    /// Traps at these events, counted over its whole life, as long as the counter is above zero.
    pub(crate) traps: Option<(u64, Arc<AtomicU64>)>,
    /// Trades at every event with this interval.
    pub(crate) every: u64,
    pub(crate) save: Save,
    pub(crate) restore_fails: bool,
}

#[derive(Clone, Copy, Default, PartialEq)]
pub(crate) enum Save {
    #[default]
    Works,
    Refuses,
    Traps,
}

pub(crate) fn traits() -> Traits {
    Traits {
        schema: 1,
        restores: vec![1],
        every: 37,
        ..Traits::default()
    }
}

impl Code for Traits {
    fn start(&self, book: &mut Box<StrategyBook>) -> Result<Box<dyn Strategy>, Fault> {
        Ok(Box::new(Counting {
            traits: self.clone(),
            events: 0,
            mix: 0,
            next: book.next_order().max(1),
        }))
    }

    fn restore(
        &self,
        book: &mut Box<StrategyBook>,
        state: &State,
    ) -> Result<Box<dyn Strategy>, Fault> {
        if self.restore_fails {
            return Err(Fault("restore refused".to_owned()));
        }
        let word = |at: usize| u64::from_le_bytes(state.bytes[at..at + 8].try_into().unwrap());
        Ok(Box::new(Counting {
            traits: self.clone(),
            events: word(0),
            mix: word(8),
            next: book.next_order().max(1),
        }))
    }

    fn schema(&self) -> u32 {
        self.schema
    }

    fn restores(&self) -> &[u32] {
        &self.restores
    }
}

/// Counts its events, mixes all it sees into a number, and trades by it.
struct Counting {
    traits: Traits,
    events: u64,
    mix: u64,
    next: u64,
}

impl Strategy for Counting {
    fn on_events(
        &mut self,
        batch: &[Event],
        book: &mut Box<StrategyBook>,
        actions: &mut Vec<Action>,
    ) -> Result<usize, Fault> {
        for (at, event) in batch.iter().enumerate() {
            if let Some((trap, left)) = &self.traits.traps
                && self.events + 1 == *trap
                && left.load(Ordering::Relaxed) > 0
            {
                left.fetch_sub(1, Ordering::Relaxed);
                return Err(Fault(format!("trapped at event {}", event.sequence)));
            }
            self.events += 1;
            let seen = event.sequence ^ (event.kind() as u64) << 40;
            self.mix = self.mix.wrapping_mul(31).wrapping_add(seen);
            self.mix = self
                .mix
                .wrapping_add_signed(book.position_size(InstrumentId(0)).0)
                .wrapping_add(book.orders().count() as u64);
            if !self.mix.is_multiple_of(self.traits.every) {
                continue;
            }
            let side = match book.position_size(InstrumentId(0)).0 > 0 {
                true => Side::Sell,
                false => Side::Buy,
            };
            match book.orders().next() {
                Some(open) if self.mix.is_multiple_of(2) => {
                    actions.push(Action::Cancel(open.number));
                }
                _ => {
                    let kind = match self.mix.is_multiple_of(3) {
                        true => OrderType::Limit,
                        false => OrderType::Market,
                    };
                    let price = if kind == OrderType::Limit { 9_000 } else { 0 };
                    actions.push(Action::Submit(order(self.next, kind, side, price, 1)));
                    self.next += 1;
                }
            }
            return Ok(at + 1);
        }
        Ok(batch.len())
    }

    fn save(&mut self) -> Result<Result<Vec<u8>, String>, Fault> {
        match self.traits.save {
            Save::Works => Ok(Ok(
                [self.events.to_le_bytes(), self.mix.to_le_bytes()].concat()
            )),
            Save::Refuses => Ok(Err("not now".to_owned())),
            Save::Traps => Err(Fault("save trapped".to_owned())),
        }
    }

    fn stop(&mut self, _: StopReason) -> Result<(), Fault> {
        Ok(())
    }
}

pub(crate) fn market() -> Vec<FeedRequest> {
    vec![
        feed(Feed::Quotes, 0, BarBasis::Time),
        feed(Feed::Trades, 0, BarBasis::Time),
    ]
}

pub(crate) fn version(label: &str, traits: Traits) -> Version {
    super::version(label, market(), Arc::new(traits))
}

pub(crate) fn started(version: &Version) -> Box<dyn Strategy> {
    let mut book = Box::default();
    version.code.start(&mut book).unwrap()
}

pub(crate) fn config(workers: usize, max_batch: usize, split_seed: Option<u64>) -> EngineConfig {
    let default = OrderLimits::none();
    EngineConfig {
        workers,
        max_batch,
        split_seed,
        risk: RiskConfig {
            default,
            ..RiskConfig::default()
        },
        ..EngineConfig::default()
    }
}
