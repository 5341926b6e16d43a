//! `tickdeck journal`: the recorded runs of a data folder.

mod export;
mod import;
mod ls;
mod prune;
mod show;
mod tail;
mod verify;

use crate::cli::command_table::command_table;

command_table! {
    /// List, inspect, verify, export and prune recorded runs.
    pub(super) enum Journal {
        ls::Ls(),
        tail::Tail(),
        show::Show(),
        verify::Verify(),
        export::Export(),
        import::Import(),
        prune::Prune(),
    }
}
