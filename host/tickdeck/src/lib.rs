//! The `tickdeck` command: the command line, the terminal display and the development loop.
//!
//! It may depend on every other crate, and none depends on it. It holds no trading logic, starts no venue, parses no settings:
//! that belongs to `tickdeck-deck` and the crates below it.
//!
//! Start reading at [`cli`], one file per command. `run`, `demo` and `dev` start a deck and show it with [`display`];
//! [`dev`] rebuilds a strategy whenever its sources are saved.
#![forbid(unsafe_code)]
// All output goes through `output`, which makes it safe for a terminal.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod cli;
pub mod dev;
pub mod display;
pub mod exit;
pub mod output;
pub mod text_table;
