//! The imports in a native build: the world that the calling thread has entered.

use crate::fixed::Size;
use crate::harness::World;
use crate::ids::{InstrumentId, OrderNumber, TextId, Timestamp};
use crate::instrument::Instrument;
use crate::store::{Capital, Position, WorkingOrder};
use crate::terms::Level;

pub(crate) fn capital() -> Vec<Capital> {
    World::with(|world| world.capital.clone())
}

pub(crate) fn positions() -> Vec<Position> {
    World::with(|world| {
        world
            .positions
            .values()
            .filter(|position| position.size.0 != 0)
            .copied()
            .collect()
    })
}

pub(crate) fn position_size(instrument: InstrumentId) -> Size {
    World::with(|world| world.position(instrument))
}

pub(crate) fn orders() -> Vec<WorkingOrder> {
    World::with(|world| world.orders.values().copied().collect())
}

pub(crate) fn order(number: OrderNumber) -> Option<WorkingOrder> {
    World::with(|world| world.orders.get(&number).copied())
}

pub(crate) fn timestamp() -> Timestamp {
    World::with(|world| world.timestamp)
}

pub(crate) fn instrument(id: InstrumentId) -> Option<Instrument> {
    World::with(|world| {
        world
            .instruments
            .iter()
            .find(|instrument| instrument.id == id)
            .cloned()
    })
}

pub(crate) fn find(symbol: &str) -> Option<InstrumentId> {
    World::with(|world| world.find(symbol))
}

pub(crate) fn instruments() -> Vec<Instrument> {
    World::with(|world| world.instruments.clone())
}

pub(crate) fn text(id: TextId) -> Option<String> {
    World::with(|world| world.texts.get(id.0 as usize).cloned())
}

pub(crate) fn find_text(text: &str) -> Option<TextId> {
    World::with(|world| {
        let position = |text: &str| world.texts.iter().position(|known| known == text);
        // As in a host, `NAME/SIGNAL` is found by the signal's own name.
        let signal = text.split_once('/').map(|(_, signal)| signal);
        let index = signal.and_then(position).or_else(|| position(text));
        index.map(|index| TextId(index as u32))
    })
}

pub(crate) fn log(level: Level, line: &str) {
    World::with(|world| world.log.push((level, line.to_owned())));
}
