//! Fixtures of the suite; no test is in this folder.
//!
//! `deck` and `host` run decks inside the test process, `process` runs the real binary. `guests` assembles strategies from
//! WebAssembly text (the tests of `tickdeck-strategy` include that file too), `versions` names the ones that many tests
//! use, `native` plays strategies without a sandbox.

pub(crate) mod deck;
pub(crate) mod guests;
pub(crate) mod host;
pub(crate) mod native;
pub(crate) mod plugins;
pub(crate) mod process;
pub(crate) mod random;
pub(crate) mod versions;
