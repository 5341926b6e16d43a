//! Bringing an instance to where another one was, by the same events.

use crate::desk::MAX_ACTIONS;
use crate::port::{Fault, Strategy};
use tickdeck_model::{Action, Event, StrategyId};
use tickdeck_portfolio::Portfolio;

/// Offers `events` to an instance whose book in `portfolio` stands where they begin, and folds them into it. What the
/// instance decides reaches its book as it did the first time, and nothing else: it was sent then.
pub(crate) fn replay(
    strategy: &mut dyn Strategy,
    id: StrategyId,
    portfolio: &mut Portfolio,
    events: &[Event],
    max_batch: usize,
) -> Result<(), Fault> {
    let mut actions = Vec::with_capacity(MAX_ACTIONS);
    let mut at = 0;
    while at < events.len() {
        // An event that changes the portfolio comes first in a batch. That it can't be folded was told the first time.
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
                // Refused the first time too, if it is; another version's orders are nobody's business.
                let _ = portfolio.intend(id, order);
            }
        }
    }
    Ok(())
}

/// Checks how much of a batch an instance says it handled.
pub(crate) fn consumed(consumed: usize, batch: &[Event]) -> Result<usize, Fault> {
    if consumed == 0 || consumed > batch.len() {
        return Err(Fault(format!(
            "on-events consumed {consumed} of {} events: 1 to all is the rule",
            batch.len()
        )));
    }
    Ok(consumed)
}
