//! Feeding events to an instance again, to bring it to the state of another one.

use crate::port::{Fault, Strategy};
use crate::worker::actions::{MAX_ACTIONS, consumed};
use std::cell::OnceCell;
use std::sync::Arc;
use tickdeck_model::{Action, Event, StrategyId};
use tickdeck_portfolio::Portfolio;

/// Offers `events` to an instance whose book in `portfolio` is as of their beginning, and folds them into it. The instance's
/// decisions reach only its book: they were sent the first time.
pub(crate) fn replay(
    strategy: &mut dyn Strategy,
    id: StrategyId,
    portfolio: &mut Portfolio,
    events: &[Event],
    max_batch: usize,
    budget: &RecoveryBudget,
) -> Result<(), Fault> {
    let mut actions = Vec::with_capacity(MAX_ACTIONS);
    let mut at = 0;
    while at < events.len() {
        budget.check()?;
        // An event that changes the portfolio comes first in a batch. If it cannot be folded, that was reported the first time.
        let _ = portfolio.apply(&events[at]);
        let rest = &events[at + 1..events.len().min(at + max_batch)];
        let more = rest.iter().take_while(|event| !event.changes_portfolio());
        let batch = &events[at..at + 1 + more.count()];
        let Some(book) = portfolio.book_mut(id) else {
            return Ok(());
        };
        actions.clear();
        at += consumed(strategy.on_events(batch, book, &mut actions)?, batch)?;
        for action in &actions {
            if let Action::Submit(order) = action {
                // If it is refused, it was refused the first time too; another version's orders do not matter.
                let _ = portfolio.intend(id, order);
            }
        }
    }
    Ok(())
}

/// Time limit of a recovery on a worker, while the other workers wait.
const WORKER_BUDGET_NS: u64 = 250_000_000;

/// Time limit of a dry run, while only other swaps wait.
const DRY_RUN_BUDGET_NS: u64 = 5_000_000_000;

/// How long an instance may take in total to handle events again. Each call has a limit of its own, but there may be
/// thousands.
pub(crate) struct RecoveryBudget {
    now_ns: Arc<dyn Fn() -> u64 + Send + Sync>,
    limit_ns: u64,
    started: OnceCell<u64>,
}

impl RecoveryBudget {
    pub(crate) fn of_worker(now_ns: &Arc<dyn Fn() -> u64 + Send + Sync>) -> Self {
        Self::new(now_ns, WORKER_BUDGET_NS)
    }

    pub(crate) fn of_dry_run(now_ns: &Arc<dyn Fn() -> u64 + Send + Sync>) -> Self {
        Self::new(now_ns, DRY_RUN_BUDGET_NS)
    }

    /// For a replay: the recovery met its limit when it was recorded.
    pub(crate) fn endless(now_ns: &Arc<dyn Fn() -> u64 + Send + Sync>) -> Self {
        Self::new(now_ns, u64::MAX)
    }

    fn new(now_ns: &Arc<dyn Fn() -> u64 + Send + Sync>, limit_ns: u64) -> Self {
        let (now_ns, started) = (Arc::clone(now_ns), OnceCell::new());
        Self {
            now_ns,
            limit_ns,
            started,
        }
    }

    /// Checks that there is time left. Time runs from the first check.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        let now = (self.now_ns)();
        if now.saturating_sub(*self.started.get_or_init(|| now)) <= self.limit_ns {
            return Ok(());
        }
        let limit = self.limit_ns / 1_000_000;
        Err(Fault(format!(
            "took more than {limit} ms to handle the last events again"
        )))
    }
}
