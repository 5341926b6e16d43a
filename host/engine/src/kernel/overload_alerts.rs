//! Alerts about strategies that keep the others waiting or are behind themselves: one at the beginning, none while it lasts.

use crate::config::{BudgetConfig, Overload};
use crate::report::{Notice, Observer, Status, StrategyState, StrategyStatus};
use std::collections::BTreeMap;
use tickdeck_model::StrategyId;

/// Lag from which a strategy counts as behind.
const BEHIND_NS: u64 = 50_000_000;

/// The reason for an alert; the second is the worse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Alert {
    /// The strategy is behind, whoever's fault it is.
    Behind,
    /// It has used up half of its budget.
    InDebt,
}

/// The alerts given so far.
#[derive(Default)]
pub(crate) struct OverloadAlerts {
    /// None if nothing depends on time.
    budget: Option<BudgetConfig>,
    /// The last alert, by strategy.
    alerted: BTreeMap<StrategyId, Alert>,
}

impl OverloadAlerts {
    pub(super) fn of(budget: Option<BudgetConfig>) -> Self {
        Self {
            budget,
            ..Self::default()
        }
    }

    /// Alerts the observer of strategies that became slow since the last call.
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
                continue;
            }
            let before = self.alerted.get(&strategy.id).copied();
            if let Some(alert) = alert(&budget, strategy).filter(|now| before < Some(*now)) {
                self.alerted.insert(strategy.id, alert);
                observer.notice(status.now, notice(&budget, strategy, alert));
            }
        }
    }
}

/// Returns the reason for an alert, if there is one.
fn alert(budget: &BudgetConfig, strategy: &StrategyStatus) -> Option<Alert> {
    if strategy.debt_ns >= budget.burst_ns / 2 {
        return Some(Alert::InDebt);
    }
    let is_behind = strategy.lag_events > 0 && strategy.lag_ns >= BEHIND_NS;
    is_behind.then_some(Alert::Behind)
}

/// Whether a strategy is well below the alert thresholds; the hysteresis keeps alerts from flapping.
fn is_well(budget: &BudgetConfig, strategy: &StrategyStatus) -> bool {
    strategy.debt_ns < budget.burst_ns / 4 && strategy.lag_ns < BEHIND_NS / 2
}

fn notice(budget: &BudgetConfig, strategy: &StrategyStatus, alert: Alert) -> Notice {
    Notice::Overloaded {
        strategy: strategy.id,
        debt_ns: match alert {
            Alert::Behind => 0,
            Alert::InDebt => strategy.debt_ns,
        },
        limit_ns: (budget.overload == Overload::End).then_some(budget.burst_ns),
        lag_events: strategy.lag_events,
        lag_ns: strategy.lag_ns,
    }
}
