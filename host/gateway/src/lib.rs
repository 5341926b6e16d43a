//! Venues: the simulated exchange, capture playback, and Binance's decoder and local book.

pub mod binance;
pub mod capture;
pub mod desk;
pub mod sim;
