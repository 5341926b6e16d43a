//! Dry runs: trying out a version from its predecessor's current state, off the trading threads.

use crate::port::{Code, Fault, State, StrategyStart, Version, last_order};
use crate::worker::dispatch::SlotIndex;
use crate::worker::recovery_budget::RecoveryBudget;
use crate::worker::refeed::Refeed;
use crate::worker::runner::StrategyRunner;
use crate::worker::slot::StartFrom;
use crate::worker::start::begin;
use std::sync::Arc;
use tickdeck_model::{Amount, CurrencyId, Event, OrderNumber, StrategyId};
use tickdeck_portfolio::Portfolio;

/// The current state of a strategy, for trying out a new version before it may take over.
pub struct DryRun {
    id: StrategyId,
    origin: Option<Arc<State>>,
    portfolio: Portfolio,
    events: Vec<Event>,
    budget: RecoveryBudget,
    /// The code of the versions that could take over immediately: the shadow, and the previous version.
    others: Vec<Arc<dyn Code>>,
}

impl DryRun {
    /// Returns whether the shadow and the previous version, if any, have an instance that can take over. If not, this triggers
    /// the creation of one.
    pub fn are_others_ready(&self) -> bool {
        // Ask each of them, because asking triggers the creation.
        let unready = self.others.iter().filter(|code| !code.is_ready());
        unready.count() == 0
    }

    /// Starts a version and has it handle the strategy's last events, off the trading threads. Its decisions are discarded.
    /// Returns how many events it handled.
    ///
    /// # Errors
    /// The version cannot read the state, or it traps; the text says why.
    pub fn run(mut self, version: &Version) -> Result<usize, Fault> {
        let Some(book) = self.portfolio.book_mut(self.id) else {
            return Ok(0);
        };
        let (mut strategy, _) = begin(version, self.origin, book).map_err(Fault)?;
        let mut again = Refeed::new(self.id, self.portfolio);
        match again.offer(&mut *strategy, &self.events, &self.budget)? {
            true => Ok(self.events.len()),
            false => Err(self.budget.exceeded()),
        }
    }

    /// Restarts a strategy that was removed, with its book as it stands: it contains its positions, and the order numbers that
    /// it used are taken.
    ///
    /// # Errors
    /// The strategy refuses, or traps; the text says why.
    pub fn start(
        mut self,
        name: String,
        allocation: Vec<(CurrencyId, Amount)>,
        next_order: OrderNumber,
        version: Version,
    ) -> Result<StrategyStart, Fault> {
        let portfolio = &mut self.portfolio;
        portfolio.open_strategy(self.id, &allocation, next_order);
        let mut book = portfolio.close_strategy(self.id).unwrap_or_default();
        let last_order = last_order(next_order);
        let next_order = book.next_order();
        let strategy = version.code.start(&mut book)?;
        Ok(StrategyStart {
            id: self.id,
            name,
            allocation,
            next_order,
            last_order,
            version,
            strategy,
        })
    }
}

impl StrategyRunner {
    /// Returns the current state of a strategy.
    pub(crate) fn dry_run(&mut self, place: SlotIndex) -> DryRun {
        let slot = &self.slots[place];
        let base = slot.backlog.base.as_ref();
        let shadow = slot.shadow.iter().map(|shadow| &shadow.version);
        let previous = slot.previous.iter().map(|previous| &previous.version);
        let others = shadow.chain(previous);
        let now = self.portfolio.book(slot.id).cloned().unwrap_or_default();
        let book = base.map_or_else(|| Box::new(now), |base| base.book.clone());
        DryRun {
            id: slot.id,
            origin: base.and_then(|base| match &base.origin {
                StartFrom::Start => None,
                StartFrom::State(state) => Some(Arc::clone(state)),
            }),
            portfolio: self.portfolio.fork(slot.id, book),
            events: slot.backlog.handled().to_vec(),
            budget: RecoveryBudget::of_dry_run(&self.now_ns),
            others: others.map(|version| Arc::clone(&version.code)).collect(),
        }
    }
}
