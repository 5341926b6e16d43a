//! The kinds of input, one a file.

pub(crate) mod capture;
pub(crate) mod guest;
pub(crate) mod manifest;
pub(crate) mod plugin;
pub(crate) mod protocol;
pub(crate) mod reel;
pub(crate) mod settings;
pub(crate) mod tables;
