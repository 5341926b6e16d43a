//! Venues: the gateways through which the engine receives market data and sends orders.
//!
//! Each kind of venue is one folder, and implements [`tickdeck_engine::port::Gateway`]:
//!
//! - [`sim`]: a simulated exchange with an order book of its own and a seeded order flow.
//! - [`playback`]: plays captures of Binance Spot and simulates fills against the recorded book.
//! - [`scripted`]: a minimal venue that follows a script, for tests and golden accounts.
//!
//! Venues share two things:
//!
//! - [`broker`]: everything a venue does for our orders besides matching them: latency, account and reservations, fees,
//!   order states and their events. A venue without a real exchange behind it builds on it.
//! - [`binance`]: the wire format and the local book of Binance Spot, free of I/O, for a capture as for a live connection.
//!
//! This crate must never see strategies, settings, recordings or WebAssembly: it knows the engine's port and the model.
//! Venue spellings (symbols, ids, status texts) never leave it.
//!
//! Start reading at [`broker`], then [`scripted`] as the smallest complete venue.

pub mod binance;
pub mod broker;
pub mod playback;
pub mod scripted;
pub mod sim;
