//! The result of a strategy's call, checked against the contract, and what follows from its actions at once.

use crate::port::Fault;
use crate::worker::dispatch::SlotIndex;
use tickdeck_model::{Action, Event, FeedRequest, StrategyId, Timestamp};
use tickdeck_portfolio::Portfolio;

/// Maximum number of actions per call, as the contract says.
pub(crate) const MAX_ACTIONS: usize = 256;

/// A change of feeds that a strategy requested.
pub(crate) struct FeedChange {
    pub(crate) at: Timestamp,
    pub(crate) place: SlotIndex,
    pub(crate) request: FeedRequest,
    pub(crate) wanted: bool,
}

/// Checks the number of events that an instance reports as handled.
pub(crate) fn consumed(consumed: usize, batch: &[Event]) -> Result<usize, Fault> {
    if consumed == 0 || consumed > batch.len() {
        return Err(Fault(format!(
            "on-events consumed {consumed} of {} events: it must consume at least one and at most all",
            batch.len()
        )));
    }
    Ok(consumed)
}

/// The change of feeds that an action requests, if any.
pub(crate) fn feed_change(at: Timestamp, place: SlotIndex, action: &Action) -> Option<FeedChange> {
    let (request, wanted) = match action {
        Action::Subscribe(request) => (*request, true),
        Action::Unsubscribe(request) => (*request, false),
        _ => return None,
    };
    Some(FeedChange {
        at,
        place,
        request,
        wanted,
    })
}

/// Puts a new order into its strategy's book at once.
pub(crate) fn intend(
    portfolio: &mut Portfolio,
    strategy: StrategyId,
    action: &Action,
) -> Result<(), Fault> {
    let Action::Submit(order) = action else {
        return Ok(());
    };
    let intended = portfolio.intend(strategy, order);
    intended.map_err(|error| Fault(format!("order {}: {error}", order.order)))
}
