//! What strategies decide, in words.

use crate::names::Names;
use tickdeck_model::{Action, CancelScope, Feed, FeedRequest, InstrumentId};

/// Several decisions in one line; `nothing` if there is none.
pub fn words(actions: &[Action], names: &Names) -> String {
    if actions.is_empty() {
        return "nothing".to_owned();
    }
    let words: Vec<String> = actions.iter().map(|action| word(action, names)).collect();
    words.join("; ")
}

fn word(action: &Action, names: &Names) -> String {
    match action {
        Action::Submit(order) => {
            let (id, mut price) = (order.instrument, String::new());
            if order.kind.has_price() {
                price = format!(" at {}", names.price(id, order.price));
            }
            format!(
                "order {}: {} {} {} {}{price}",
                order.order,
                order.side,
                names.size(id, order.size),
                names.symbol(id),
                order.kind,
            )
        }
        // The order's instrument, and with it the scales, are not in the change.
        Action::Modify(modify) => format!("change order {}", modify.order),
        Action::Cancel(order) => format!("cancel order {order}"),
        Action::CancelAll(cancel) => match cancel.scope {
            CancelScope::Everything => "cancel all orders".to_owned(),
            CancelScope::Instrument => {
                format!("cancel all orders in {}", names.symbol(cancel.instrument))
            }
        },
        Action::SetTimer(timer) => format!("timer {}", timer.id),
        Action::ClearTimer(id) => format!("no timer {id}"),
        Action::Notify(notify) => format!("message {} of {}", notify.message, notify.value),
        Action::Subscribe(request) => format!("feed of {}", feed(request, names)),
        Action::Unsubscribe(request) => format!("no feed of {}", feed(request, names)),
    }
}

fn feed(request: &FeedRequest, names: &Names) -> String {
    match request.feed {
        Feed::Signals => format!("signal {}", request.target),
        other => format!("{other} in {}", names.symbol(InstrumentId(request.target))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tickdeck_model::Registry;

    #[test]
    fn several_decisions_stand_in_one_line_and_none_is_said_too() {
        let names = Names::new(Arc::new(Registry::new()), None);
        let actions = [Action::Cancel(7), Action::ClearTimer(2)];
        assert_eq!(words(&actions, &names), "cancel order 7; no timer 2");
        assert_eq!(words(&[], &names), "nothing");
    }
}
