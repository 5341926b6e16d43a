//! The live view: a model of what is shown, a pure rendering of it, and the terminal around both.

mod model;
mod rate;
mod render;
mod terminal;
#[cfg(test)]
mod tests;
mod told;

pub(crate) use model::position;
pub use model::{
    Focus, Head, InstrumentRow, LogRow, OrderRow, Prompt, StrategyRow, Tone, ViewModel, head, view,
};
pub use rate::Rate;
pub use render::render;
pub use terminal::{KeyCommand, Screen};
pub use told::MessageLog;
