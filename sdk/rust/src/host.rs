//! What a strategy can read of its surroundings: the store, the instruments, and the log to write to.

use crate::fixed::Size;
use crate::ids::{InstrumentId, OrderNumber, TextId, Timestamp};
use crate::imports;
use crate::instrument::Instrument;
use crate::store::{Capital, Position, WorkingOrder};
use crate::terms::Level;
use core::fmt::Display;

/// The host's side of the contract. [`Context`](crate::Context) and [`Init`](crate::Init) are one each.
///
/// The store is the strategy's own view of the portfolio, exactly as of the event at hand: fills and order updates
/// are in it before the handler sees them. Each call crosses the sandbox once, so keep what does not change.
#[derive(Debug, Clone, Copy)]
pub struct Host;

impl Host {
    /// The signed size of the position in `instrument`, zero if flat. Cheaper than [`positions`](Self::positions).
    pub fn position(&self, instrument: InstrumentId) -> Size {
        imports::position_size(instrument)
    }

    /// Every position that is not flat, by instrument id.
    pub fn positions(&self) -> Vec<Position> {
        imports::positions()
    }

    /// Every currency with an allocation or a result in it, by currency id.
    pub fn capital(&self) -> Vec<Capital> {
        imports::capital()
    }

    /// Orders that are not done, by number; those sent by earlier handlers are in it at once.
    pub fn orders(&self) -> Vec<WorkingOrder> {
        imports::orders()
    }

    /// The position in `instrument` once every working order in it is filled: what to start from when correcting a
    /// position while earlier orders are still under way.
    pub fn expected_position(&self, instrument: InstrumentId) -> Size {
        let orders = self
            .orders()
            .into_iter()
            .filter(|order| order.instrument == instrument);
        orders.fold(self.position(instrument), |size, order| {
            size + order.remaining() * order.side.sign()
        })
    }

    /// The order of that number, if it is not done.
    pub fn order(&self, number: OrderNumber) -> Option<WorkingOrder> {
        imports::order(number)
    }

    /// When the last event that changed the store was received, 0 before the first.
    pub fn timestamp(&self) -> Timestamp {
        imports::timestamp()
    }

    /// The terms of an instrument, or `None` if there is no such instrument.
    pub fn instrument(&self, id: InstrumentId) -> Option<Instrument> {
        imports::instrument(id)
    }

    /// Looks an instrument up by its symbol; without a venue (`BTCUSDT`) it is found if only one venue has it.
    pub fn find(&self, symbol: &str) -> Option<InstrumentId> {
        imports::find(symbol)
    }

    /// All instruments of the deck, by id.
    pub fn instruments(&self) -> Vec<Instrument> {
        imports::instruments()
    }

    /// The text behind an interned number.
    pub fn text(&self, id: TextId) -> Option<String> {
        imports::text(id)
    }

    /// The number of a text the deck knows: messages of manifests, and names of signals subscribed to.
    pub fn find_text(&self, text: &str) -> Option<TextId> {
        imports::find_text(text)
    }

    /// Writes a line to the host's log: `cx.log(Level::Info, format_args!("spread {spread}"))`. It is cut after 1,024
    /// bytes; lines past the strategy's rate limit are counted, not kept.
    pub fn log(&self, level: Level, line: impl Display) {
        imports::log(level, &line.to_string());
    }

    /// Writes a line for the author.
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

    /// Writes a line about something broken.
    pub fn error(&self, line: impl Display) {
        self.log(Level::Error, line);
    }
}
