//! A deck that runs: put together from its settings, its plugins folder and its data folder; changed while it trades;
//! operated; replayed.
//!
//! Start reading at [`assemble`] (a start), then [`lifecycle`] (a changed file becomes a swapped instance) and
//! [`replay`] (a recorded run again).
//!
//! It must never see a terminal, a command line or cargo: whoever shows a deck asks it through [`feed`] and
//! [`operator`].
#![forbid(unsafe_code)]

pub mod affinity;
pub mod assemble;
pub mod clock;
pub mod feed;
pub mod folder;
pub mod lifecycle;
pub mod loading;
pub mod operator;
pub mod read_model;
pub mod replay;
pub mod venues;
