//! Venues: the simulated exchange, capture playback, and Binance's decoder and local book.

pub mod binance;
pub mod broker;
pub mod playback;
pub mod sim;
