//! The live view: a model of what is shown, a pure rendering of it, and the terminal around both.

mod model;
mod render;
mod rate;
mod terminal;

pub(crate) use model::position;
pub use model::{Head, InstrumentRow, LogRow, OrderRow, Prompt, StrategyRow, Tone, ViewModel, head, view};
pub use render::render;
pub use rate::Rate;
pub use terminal::{Screen, Wish};
