//! A worker's strategies, by place and by number.

use crate::worker::dispatch::SlotIndex;
use crate::worker::slot::Slot;
use std::ops::{Index, IndexMut};
use tickdeck_model::StrategyId;

/// The slots of a worker's strategies. A slot stays when its strategy ends, for one of the same name that may follow.
#[derive(Default)]
pub(super) struct Slots {
    list: Vec<Slot>,
    /// By strategy number: its place in the list. Ids are interned, so they are dense.
    places: Vec<Option<SlotIndex>>,
}

impl Slots {
    /// The place of a strategy, if it ever ran here.
    #[inline]
    pub(super) fn place_of(&self, id: StrategyId) -> Option<SlotIndex> {
        self.places.get(id.index()).copied().flatten()
    }

    /// The place of a strategy that still gets events.
    pub(super) fn active_place_of(&self, id: StrategyId) -> Option<SlotIndex> {
        self.place_of(id)
            .filter(|place| self.list[*place].is_active())
    }

    pub(super) const fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.list.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.list.iter_mut()
    }

    /// Puts a slot after the others, or in the place of its predecessor of the same name, which has ended.
    pub(super) fn put(&mut self, place: SlotIndex, slot: Slot) {
        let id = slot.id;
        if place == self.list.len() {
            self.list.push(slot);
        } else {
            self.list[place] = slot;
        }
        if id.index() >= self.places.len() {
            self.places.resize(id.index() + 1, None);
        }
        self.places[id.index()] = Some(place);
    }
}

impl Index<SlotIndex> for Slots {
    type Output = Slot;

    #[inline]
    fn index(&self, place: SlotIndex) -> &Slot {
        &self.list[place]
    }
}

impl IndexMut<SlotIndex> for Slots {
    #[inline]
    fn index_mut(&mut self, place: SlotIndex) -> &mut Slot {
        &mut self.list[place]
    }
}
