//! Alerts of strategies that keep the others waiting or are behind themselves: one when it begins, none while it lasts.

use crate::config::{BudgetConfig, Overload};
use crate::report::{Notice, Observer, Status, StrategyState, StrategyStatus};
use std::collections::BTreeSet;
use tickdeck_model::StrategyId;

/// A strategy that is behind by this much is behind.
const BEHIND_NS: u64 = 50_000_000;

/// What was said of the strategies.
#[derive(Default)]
pub(crate) struct OverloadAlerts {
    /// None: nothing depends on time.
    budget: Option<BudgetConfig>,
    alerted: BTreeSet<StrategyId>,
}

impl OverloadAlerts {
    pub(super) fn of(budget: Option<BudgetConfig>) -> Self {
        Self {
            budget,
            ..Self::default()
        }
    }

    /// Alerts the observer of strategies that became slow since the last look.
    pub(super) fn look(&mut self, status: &Status, observer: &mut dyn Observer) {
        let Some(budget) = self.budget else {
            return;
        };
        for strategy in &status.strategies {
            let runs = !matches!(
                strategy.state,
                StrategyState::Quarantined | StrategyState::Stopped
            );
            if !runs || is_well(&budget, strategy) {
                self.alerted.remove(&strategy.id);
            } else if is_overloaded(&budget, strategy) && self.alerted.insert(strategy.id) {
                observer.notice(status.now, notice(&budget, strategy));
            }
        }
    }
}

/// Whether a strategy has used up half of its budget, or is behind by more than others cause.
fn is_overloaded(budget: &BudgetConfig, strategy: &StrategyStatus) -> bool {
    let is_behind = strategy.lag_events > 0 && strategy.lag_ns >= BEHIND_NS;
    strategy.debt_ns >= budget.burst_ns / 2 || is_behind
}

/// Well below where an alert begins, so that none comes and goes.
fn is_well(budget: &BudgetConfig, strategy: &StrategyStatus) -> bool {
    strategy.debt_ns < budget.burst_ns / 4 && strategy.lag_ns < BEHIND_NS / 2
}

fn notice(budget: &BudgetConfig, strategy: &StrategyStatus) -> Notice {
    // What is due to the others' slowness is no debt worth telling.
    let is_in_debt = strategy.debt_ns >= budget.burst_ns / 2;
    Notice::Overloaded {
        strategy: strategy.id,
        debt_ns: if is_in_debt { strategy.debt_ns } else { 0 },
        limit_ns: (budget.overload == Overload::End).then_some(budget.burst_ns),
        lag_events: strategy.lag_events,
        lag_ns: strategy.lag_ns,
    }
}
