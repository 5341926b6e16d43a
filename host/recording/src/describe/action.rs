//! Actions: what a strategy decided.

use crate::names::Names;
use tickdeck_engine::AppliedAction;
use tickdeck_model::format::date_time;
use tickdeck_model::{Action, CancelScope, Feed, FeedRequest, InstrumentId, Submit, TextId};

/// Describes an action with its cause.
pub fn applied_action(applied: &AppliedAction, names: &Names) -> String {
    let late = if applied.late {
        ", too late to be sent"
    } else {
        ""
    };
    let cause = match applied.is_at_end() {
        true => String::new(),
        false => format!(" on event {}", applied.cause),
    };
    format!("{}{cause}{late}", action(&applied.action, names))
}

/// Describes several actions in one line; `nothing` if there is none.
pub fn actions(actions: &[Action], names: &Names) -> String {
    if actions.is_empty() {
        return "nothing".to_owned();
    }
    let described: Vec<String> = actions.iter().map(|it| action(it, names)).collect();
    described.join("; ")
}

/// Describes an action of the contract.
pub fn action(action: &Action, names: &Names) -> String {
    match action {
        Action::Submit(order) => submit(order, names),
        // The order's instrument, and with it the scales, are not in the modification.
        Action::Modify(modify) => format!("modify order {}", modify.order),
        Action::Cancel(order) => format!("cancel order {order}"),
        Action::CancelAll(cancel) => match cancel.scope {
            CancelScope::Everything => "cancel all orders".to_owned(),
            CancelScope::Instrument => {
                format!("cancel all orders in {}", names.symbol(cancel.instrument))
            }
        },
        Action::SetTimer(timer) => format!("timer {} at {}", timer.id, date_time(timer.due)),
        Action::ClearTimer(id) => format!("clear timer {id}"),
        Action::Notify(notify) => format!("notify {} with {}", notify.message, notify.value),
        Action::Subscribe(request) => format!("subscribe to {}", feed(request, names)),
        Action::Unsubscribe(request) => format!("unsubscribe from {}", feed(request, names)),
    }
}

/// `limit buy 0.5 BTCUSDT.SIM at 61000.00 (order 7)`
pub fn submit(order: &Submit, names: &Names) -> String {
    let symbol = names.symbol(order.instrument);
    let size = names.size(order.instrument, order.size);
    let price = match order.kind.has_price() {
        true => format!(" at {}", names.price(order.instrument, order.price)),
        false => String::new(),
    };
    format!(
        "{} {} {size} {symbol}{price} (order {})",
        order.kind.as_str(),
        order.side.as_str(),
        order.order
    )
}

/// `bars in BTCUSDT.SIM`, `signal fair-price`
fn feed(request: &FeedRequest, names: &Names) -> String {
    match request.feed {
        Feed::Signals => format!("signal {}", names.text(TextId(request.target))),
        other => format!("{other} in {}", names.symbol(InstrumentId(request.target))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tickdeck_model::Registry;

    #[test]
    fn several_actions_stand_in_one_line_and_none_is_said_too() {
        let names = Names::new(Arc::new(Registry::new()), None);
        let decided = [Action::Cancel(7), Action::ClearTimer(2)];
        assert_eq!(actions(&decided, &names), "cancel order 7; clear timer 2");
        assert_eq!(actions(&[], &names), "nothing");
    }
}
