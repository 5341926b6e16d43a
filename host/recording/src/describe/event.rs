//! Events: their kind, instrument and content. The content is described in `kinds/`.

use crate::kinds;
use crate::names::Names;
use tickdeck_model::format::date_time;
use tickdeck_model::{Event, StrategyId};

/// Describes an event with its time, to the microsecond.
pub fn event(event: &Event, names: &Names) -> String {
    let (at, body) = (date_time(event.ts_host), kinds::describe(event, names));
    format!("{} at {at}: {body}", about(event, names))
}

/// Describes an event whose time is shown elsewhere.
pub fn untimed_event(event: &Event, names: &Names) -> String {
    format!("{}: {}", about(event, names), kinds::describe(event, names))
}

/// `fill BTCUSDT.SIM of pairs`
fn about(event: &Event, names: &Names) -> String {
    let symbol = event
        .instrument()
        .map_or_else(String::new, |id| format!(" {}", names.symbol(id)));
    let owner = event
        .owner()
        .filter(|owner| *owner != StrategyId::default())
        .map_or_else(String::new, |id| format!(" of {}", names.strategy(id)));
    format!("{}{symbol}{owner}", event.kind().as_str())
}
