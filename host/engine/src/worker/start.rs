//! Starting an instance of a version, afresh or from a saved state.

use crate::port::{OtherSchema, State, Strategy, Version};
use crate::worker::slot::StartFrom;
use std::sync::Arc;
use tickdeck_portfolio::StrategyBook;

/// Starts an instance of a version from `state`, if there is one, and returns what it started from. A version that cannot
/// read the state starts afresh if its policy says so.
pub(crate) fn begin(
    version: &Version,
    state: Option<Arc<State>>,
    book: &mut Box<StrategyBook>,
) -> Result<(Box<dyn Strategy>, StartFrom), String> {
    let code = &*version.code;
    let refused = match state {
        None => None,
        Some(state) => match restored(version, &state, book) {
            Ok(strategy) => return Ok((strategy, StartFrom::State(state))),
            Err(why) => Some(why),
        },
    };
    match (refused, version.swap.other_schema) {
        (Some(why), OtherSchema::Refuse) => Err(why),
        (None, _) | (Some(_), OtherSchema::Fresh) => {
            let strategy = code.start_in_place(book).map_err(|fault| fault.0)?;
            Ok((strategy, StartFrom::Start))
        }
    }
}

fn restored(
    version: &Version,
    state: &State,
    book: &mut Box<StrategyBook>,
) -> Result<Box<dyn Strategy>, String> {
    let reads = version.code.restores();
    if !reads.contains(&state.schema) {
        return Err(format!(
            "version {} reads states of schema {reads:?}, the running version saves {}: let it read that one too (in \
             Rust by `OLDEST_STATE` and `migrate`), or set other_schema = \"fresh\" under [swap] in its NAME.toml to \
             start without the state",
            version.label, state.schema
        ));
    }
    let restored = version.code.restore(book, state);
    restored.map_err(|fault| fault.0)
}
