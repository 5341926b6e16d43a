//! Reads a TOML file and reports everything that is wrong with it, each mistake with its line and the fix.

mod problem;
mod section;
mod value;

pub use problem::{Problem, Problems};
pub(crate) use section::{Reader, Section};
pub(crate) use value::DAY_MS;
pub use value::{Decimal, Located, Setting};
