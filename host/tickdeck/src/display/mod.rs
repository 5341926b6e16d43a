//! Shows a run on a terminal: the live view, lines of figures, and the closing table or JSON object.
//!
//! Everything here renders the read model ([`HostStatus`](tickdeck_control::protocol::HostStatus)). The live view has a
//! model of text and colors, a pure function that draws it, and the terminal around both.

pub mod closing;
pub mod console;
pub(crate) mod data_quality;
pub mod ends_in_time;
pub mod lines;
mod message_log;
mod model;
mod money;
mod rate;
mod render;
pub mod summary;
mod terminal;
#[cfg(test)]
mod tests;

pub use message_log::MessageLog;
pub use model::{
    Focus, Head, InstrumentRow, LogRow, OrderRow, Prompt, StrategyRow, Tone, ViewModel, view,
};
pub use rate::Rate;
pub use render::render;
pub use terminal::{KeyCommand, Screen};
