//! The live view: a model of what is shown, a pure rendering of it, and the terminal around both.

pub mod closing;
pub mod console;
pub mod lines;
mod message_log;
mod model;
mod rate;
mod render;
pub mod summary;
mod terminal;
#[cfg(test)]
mod tests;

pub use crate::display::message_log::MessageLog;
pub(crate) use model::position;
pub use model::{
    Focus, Head, InstrumentRow, LogRow, OrderRow, Prompt, StrategyRow, Tone, ViewModel, head, view,
};
pub use rate::Rate;
pub use render::render;
pub use terminal::{KeyCommand, Screen};
