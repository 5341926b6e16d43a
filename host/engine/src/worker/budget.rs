//! The budget of a strategy over time: how long it may keep the others waiting.
//!
//! The strategies of a worker take turns. A turn is short enough not to make the others late; any time beyond it is charged
//! to the strategy's account. Once the others are late anyway, everything beyond the fair share is charged. The account is
//! credited a small share of the clock's time; a strategy whose account is overdrawn is held.
//!
//! CPU time is used for calls that are long enough for it to matter, so that a busy machine is nobody's fault. If nothing
//! depends on the clock (a backtest, a replay), nothing is measured.

use crate::config::{BudgetConfig, Overload};

/// What a strategy may take in a turn before it is charged. In lockstep a turn lasts as long as the window.
const TURN_NS: u64 = 250_000;

/// The longest turn: the others must not wait longer than this at a time.
const LONGEST_TURN_NS: u64 = 15_000_000;

/// What a strategy may take of a turn, faults and recoveries included, and still be called again in it.
pub(super) const SPENT_NS: u64 = 5_000_000;

/// Lateness of the others from which only the fair share is free.
const LATE_NS: u64 = 20_000_000;

/// Lag from which a strategy with a worker of its own is charged: changes of the deck wait for it.
const LATE_ALONE_NS: u64 = 100_000_000;

/// The smallest fair share is one in this many parts of a worker's time.
const MOST_SHARES: u64 = 10;

/// Those who wait for the strategies of a worker, and how late they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Company {
    /// Nobody.
    None,
    /// The other strategies, and none of them is late.
    InTime,
    /// This many strategies share the time, and they are late.
    Late(usize),
    /// Nobody yet: the strategy has the worker to itself, but the deck will wait for it at the next change.
    Behind,
}

/// How long strategies may keep the others waiting on this deck.
#[derive(Debug, Clone, Copy)]
pub(super) struct BudgetRule {
    pub(super) config: BudgetConfig,
    /// The kernel waits for all workers at the end of each window.
    pub(super) is_lockstep: bool,
    /// The length of a window.
    pub(super) window_ns: u64,
}

impl BudgetRule {
    /// Returns who waits for the strategies of a worker that is this late. In lockstep the whole deck does, and a pace that is
    /// too fast for the machine is nobody's fault.
    pub(super) fn company(&self, on_worker: usize, on_deck: usize, late_ns: u64) -> Company {
        match on_deck {
            0 | 1 => Company::None,
            _ if self.is_lockstep && (on_worker <= 1 || !self.config.is_real_time) => {
                Company::InTime
            }
            _ if on_worker <= 1 && late_ns >= LATE_ALONE_NS => Company::Behind,
            _ if on_worker <= 1 => Company::None,
            _ if late_ns >= LATE_NS => Company::Late(on_worker),
            _ => Company::InTime,
        }
    }

    /// Whether a strategy whose account is overdrawn ends.
    pub(super) fn ends(&self) -> bool {
        self.config.overload == Overload::End
    }

    /// The time that is free in a turn.
    fn turn_ns(&self) -> u64 {
        match self.is_lockstep {
            true => TURN_NS.max(self.window_ns / 2),
            false => TURN_NS,
        }
    }

    fn longest_turn_ns(&self) -> u64 {
        LONGEST_TURN_NS.max(self.window_ns * u64::from(self.is_lockstep))
    }
}

/// A call that is charged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Charge {
    /// The number of the turn.
    pub(super) turn: u64,
    /// When it ended, by the clock.
    pub(super) now_ns: u64,
    /// Time taken by all strategies of the worker so far.
    pub(super) busy_ns: u64,
    pub(super) took_ns: u64,
    pub(super) faulted: bool,
}

/// The account of a strategy.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Budget {
    /// Charged but not credited yet.
    debt_ns: u64,
    /// Charged in total.
    charged_ns: u64,
    /// When it was last charged, and the time that all strategies of the worker had taken by then.
    at_ns: u64,
    busy_ns: u64,
    /// The current turn, and the time taken in it by calls that did not fault, and by all.
    turn: u64,
    taken_ns: u64,
    spent_ns: u64,
    overdrawn: bool,
}

impl Budget {
    /// Whether the strategy has to be held.
    #[inline]
    pub(super) const fn is_overdrawn(&self) -> bool {
        self.overdrawn
    }

    pub(super) const fn debt_ns(&self) -> u64 {
        self.debt_ns
    }

    /// The total time charged.
    pub(super) const fn charged_ns(&self) -> u64 {
        self.charged_ns
    }

    /// The time taken in the current turn.
    pub(super) const fn taken_ns(&self) -> u64 {
        self.taken_ns
    }

    /// What the strategy took of this turn, faults included, as far as it was measured.
    pub(super) const fn spent_ns(&self, turn: u64) -> u64 {
        match self.turn == turn {
            true => self.spent_ns,
            false => 0,
        }
    }

    fn begin_turn(&mut self, turn: u64) {
        if self.turn != turn {
            (self.turn, self.taken_ns, self.spent_ns) = (turn, 0, 0);
        }
    }

    /// Why the strategy is held, with the limit.
    pub(super) fn problem(&self, rule: &BudgetRule) -> String {
        let ms = |ns: u64| ns / 1_000_000;
        let (waited, limit) = match self.debt_ns > rule.config.burst_ns {
            true => (
                format!("{} ms more than its share", ms(self.debt_ns)),
                format!(
                    "its budget is {} ms (`burst_ms` under [budget] in tickdeck.toml)",
                    ms(rule.config.burst_ns)
                ),
            ),
            false => (
                format!("{} ms at once", ms(self.taken_ns)),
                format!("the most is {} ms", ms(rule.longest_turn_ns())),
            ),
        };
        format!(
            "kept the other strategies waiting for {waited}, {limit}; reduce its work per event, or give it a deck of its own"
        )
    }

    /// Charges a call. Calls that faulted are charged, but do not make a turn too long: faults have a limit of their own.
    pub(super) fn charge(&mut self, rule: &BudgetRule, company: Company, call: Charge) {
        let Charge {
            turn,
            now_ns,
            busy_ns,
            took_ns,
            faulted,
        } = call;
        self.begin_turn(turn);
        let elapsed_ns = match self.at_ns {
            0 => 0,
            at_ns => now_ns.saturating_sub(at_ns),
        };
        let shared_ns = busy_ns.saturating_sub(self.busy_ns);
        (self.at_ns, self.busy_ns) = (now_ns, busy_ns);
        let taken_ns = self.taken_ns + took_ns;
        let over = |taken_ns: u64| taken_ns.saturating_sub(rule.turn_ns());
        let beyond_turn_ns = over(taken_ns) - over(self.taken_ns);
        let charged_ns = match company {
            Company::None => 0,
            Company::InTime => beyond_turn_ns,
            Company::Late(sharing) => {
                let shares = (sharing as u64).clamp(1, MOST_SHARES);
                took_ns
                    .saturating_sub(shared_ns / shares)
                    .max(beyond_turn_ns)
            }
            Company::Behind => took_ns,
        };
        let credit_ns = u128::from(elapsed_ns) * u128::from(rule.config.share_bps) / 10_000;
        let credit_ns = u64::try_from(credit_ns).unwrap_or(u64::MAX);
        self.debt_ns = self.debt_ns.saturating_sub(credit_ns) + charged_ns;
        self.charged_ns += charged_ns;
        self.spent_ns += took_ns;
        if !faulted {
            self.taken_ns = taken_ns;
        }
        let too_long = charged_ns > 0 && self.taken_ns >= rule.longest_turn_ns();
        self.overdrawn = too_long || self.debt_ns > rule.config.burst_ns;
    }

    /// Resets the account for another version: the time that the previous one took does not count against it.
    pub(super) fn begin_again(&mut self) {
        *self = Self {
            charged_ns: self.charged_ns,
            ..Self::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn rule(is_lockstep: bool) -> BudgetRule {
        BudgetRule {
            config: BudgetConfig::default(),
            is_lockstep,
            window_ns: MS,
        }
    }

    /// Calls in turns of their own, on a constantly busy worker, until the account is overdrawn; returns when that is, if it is
    /// within ten seconds.
    fn held_after(company: Company, every_ns: u64, took_ns: u64) -> Option<u64> {
        let mut budget = Budget::default();
        let calls = 10_000 * MS / every_ns;
        let call = |call: u64| {
            let charge = Charge {
                turn: call,
                now_ns: MS + call * every_ns,
                busy_ns: call * every_ns,
                took_ns,
                faulted: false,
            };
            budget.charge(&rule(false), company, charge);
            budget.is_overdrawn().then_some(call * every_ns)
        };
        (1..=calls).find_map(call)
    }

    fn in_first_turn(took_ns: u64, faulted: bool) -> Charge {
        Charge {
            turn: 1,
            now_ns: MS,
            busy_ns: MS,
            took_ns,
            faulted,
        }
    }

    #[test]
    fn eight_milliseconds_an_event_are_held_within_half_a_second() {
        let held = held_after(Company::InTime, 8 * MS, 8 * MS).unwrap();
        assert!(held < 200 * MS, "{held}");
        let held = held_after(Company::Late(5), 8 * MS, 8 * MS).unwrap();
        assert!(held < 200 * MS, "{held}");
    }

    #[test]
    fn short_turns_and_rare_long_ones_are_free() {
        assert_eq!(held_after(Company::InTime, MS, TURN_NS), None);
        assert_eq!(held_after(Company::InTime, 1_000 * MS, 9 * MS), None);
    }

    #[test]
    fn long_calls_at_some_events_only_are_held_all_the_same() {
        assert!(held_after(Company::InTime, 100 * MS, 8 * MS).is_some());
    }

    #[test]
    fn the_late_pay_for_what_exceeds_the_fair_share_and_equals_pay_nothing() {
        const TENTH: u64 = MS / 10;
        assert_eq!(held_after(Company::Late(4), 4 * TENTH, TENTH), None);
        assert!(held_after(Company::Late(4), 4 * TENTH, 3 * TENTH).is_some());
        assert_eq!(
            held_after(Company::Late(1_000), MS, TENTH),
            None,
            "a tenth is never too much"
        );
    }

    #[test]
    fn a_strategy_that_nobody_waits_for_is_never_charged() {
        assert_eq!(held_after(Company::None, 8 * MS, 8 * MS), None);
        let free = rule(false);
        assert_eq!(free.company(1, 1, u64::MAX), Company::None, "a deck of one");
        assert_eq!(
            free.company(1, 2, LATE_NS),
            Company::None,
            "a worker of its own"
        );
        assert_eq!(
            free.company(1, 2, LATE_ALONE_NS),
            Company::Behind,
            "far behind"
        );
        let mut lockstep = rule(true);
        let company = lockstep.company(1, 2, LATE_NS);
        assert_eq!(company, Company::InTime, "in lockstep all wait for all");
        let company = lockstep.company(3, 3, LATE_NS);
        assert_eq!(company, Company::Late(3));
        lockstep.config.is_real_time = false;
        let company = lockstep.company(3, 3, LATE_NS);
        assert_eq!(
            company,
            Company::InTime,
            "the pace is too fast for the machine"
        );
    }

    #[test]
    fn a_turn_that_is_too_long_is_the_last_one() {
        let mut budget = Budget::default();
        let company = Company::InTime;
        budget.charge(&rule(true), company, in_first_turn(8 * MS, false));
        assert!(!budget.is_overdrawn());
        budget.charge(&rule(true), company, in_first_turn(8 * MS, false));
        assert!(budget.is_overdrawn());
    }

    #[test]
    fn a_call_that_faulted_does_not_end_the_strategy_by_its_length() {
        let mut budget = Budget::default();
        let company = Company::InTime;
        budget.charge(&rule(true), company, in_first_turn(16 * MS, true));
        assert!(!budget.is_overdrawn());
        assert!(budget.debt_ns() > 15 * MS);
    }
}
