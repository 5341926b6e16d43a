//! The host as a strategy sees it: the store, the instruments, and the log.

use crate::fixed::Size;
use crate::ids::{InstrumentId, OrderNumber, TextId, Timestamp};
use crate::imports;
use crate::instrument::Instrument;
use crate::store::{Capital, Position, WorkingOrder};
use crate::terms::Level;
use core::fmt::Display;

/// The functions that the host offers to a strategy. [`Context`](crate::Context) and [`Init`](crate::Init) dereference
/// to it.
///
/// The store is the strategy's own view of the portfolio, exactly as of the current event: it reflects fills and order
/// updates before the handler sees them. Each call crosses the sandbox boundary once, so keep values that do not change.
#[derive(Debug, Clone, Copy)]
pub struct Host;

impl Host {
    /// Returns the signed size of the position in `instrument`, zero if flat. Cheaper than
    /// [`positions`](Self::positions).
    pub fn position(&self, instrument: InstrumentId) -> Size {
        imports::position_size(instrument)
    }

    /// Returns all positions that are not flat, by instrument id.
    pub fn positions(&self) -> Vec<Position> {
        imports::positions()
    }

    /// Returns all currencies with an allocation or a result, by currency id.
    pub fn capital(&self) -> Vec<Capital> {
        imports::capital()
    }

    /// Returns all orders that are not done, by number, including orders just sent by earlier handlers.
    pub fn orders(&self) -> Vec<WorkingOrder> {
        imports::orders()
    }

    /// Returns the position in `instrument` once every working order in it is filled: the base for correcting a
    /// position while earlier orders are still working.
    pub fn expected_position(&self, instrument: InstrumentId) -> Size {
        let orders = self
            .orders()
            .into_iter()
            .filter(|order| order.instrument == instrument);
        orders.fold(self.position(instrument), |size, order| {
            size + order.remaining() * order.side.sign()
        })
    }

    /// Returns the order with this number, if it is not done.
    pub fn order(&self, number: OrderNumber) -> Option<WorkingOrder> {
        imports::order(number)
    }

    /// Returns the time at which the last event that changed the store was received, 0 before the first.
    pub fn timestamp(&self) -> Timestamp {
        imports::timestamp()
    }

    /// Returns the terms of an instrument, or `None` if there is no such instrument.
    pub fn instrument(&self, id: InstrumentId) -> Option<Instrument> {
        imports::instrument(id)
    }

    /// Looks up an instrument by its symbol; a symbol without a venue (`BTCUSDT`) is found if only one venue lists it.
    pub fn find(&self, symbol: &str) -> Option<InstrumentId> {
        imports::find(symbol)
    }

    /// Returns all instruments of the deck, by id.
    pub fn instruments(&self) -> Vec<Instrument> {
        imports::instruments()
    }

    /// Returns the text of an interned id.
    pub fn text(&self, id: TextId) -> Option<String> {
        imports::text(id)
    }

    /// Returns the id of a text that the deck knows: a message of a manifest, or the name of a subscribed signal.
    pub fn find_text(&self, text: &str) -> Option<TextId> {
        imports::find_text(text)
    }

    /// Writes a line to the host's log: `cx.log(Level::Info, format_args!("spread {spread}"))`. The line is truncated
    /// after 1,024 bytes; lines beyond the strategy's rate limit are counted, not kept.
    pub fn log(&self, level: Level, line: impl Display) {
        imports::log(level, &line.to_string());
    }

    /// Writes a line for the author of the strategy.
    pub fn debug(&self, line: impl Display) {
        self.log(Level::Debug, line);
    }

    /// Writes a line for the operator.
    pub fn info(&self, line: impl Display) {
        self.log(Level::Info, line);
    }

    /// Writes a line that the operator should look at.
    pub fn warn(&self, line: impl Display) {
        self.log(Level::Warn, line);
    }

    /// Writes a line about an error.
    pub fn error(&self, line: impl Display) {
        self.log(Level::Error, line);
    }
}
