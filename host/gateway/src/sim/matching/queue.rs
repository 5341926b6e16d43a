//! Storage of the book: orders in a slab, linked into the queues of their levels; levels in a slab, found by price.

use super::{LevelView, RestingOrder};
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use tickdeck_model::{Price, Side, Size, TimeInForce};

/// The levels of one side by rank, best first.
#[derive(Debug, Default)]
pub(super) struct Ladder(BTreeMap<i64, u32>);

/// All working orders, and all levels.
#[derive(Debug, Default)]
pub(super) struct Queues {
    slots_by_id: HashMap<u64, u32, BuildHasherDefault<IdHasher>>,
    nodes: Vec<Node>,
    free_nodes: Vec<u32>,
    levels: Vec<Level>,
    free_levels: Vec<u32>,
    arrivals: u64,
}

/// The place of an order in the book.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// In the queue of a level.
    Resting {
        /// The level.
        level: u32,
        /// The order before it.
        older: Option<u32>,
        /// The order behind it.
        newer: Option<u32>,
    },
    /// Waiting for its stop price.
    Waiting,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    working: RestingOrder,
    arrival: u64,
    place: Place,
    /// False once removed, until the slot is used again.
    in_use: bool,
}

#[derive(Debug, Clone, Copy)]
struct Level {
    price: Price,
    /// Wider than an order's size, so that no sum of them overflows.
    total: i128,
    orders: u32,
    oldest: Option<u32>,
    newest: Option<u32>,
}

/// Spreads the ids over the table by one multiplication; they are ours or consecutive, so nobody can craft collisions.
#[derive(Debug, Default)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, id: u64) {
        let product = (self.0 ^ id).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = product ^ (product >> 32);
    }
}

impl Ladder {
    pub(super) fn best(&self) -> Option<u32> {
        self.0.first_key_value().map(|(_, level)| *level)
    }

    pub(super) fn find(&self, side: Side, price: Price) -> Option<u32> {
        self.0.get(&rank(side, price)).copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.values().copied()
    }

    pub(super) fn insert(&mut self, side: Side, price: Price, level: u32) {
        self.0.insert(rank(side, price), level);
    }

    pub(super) fn remove(&mut self, side: Side, price: Price) {
        self.0.remove(&rank(side, price));
    }
}

impl Queues {
    pub(super) fn len(&self) -> usize {
        self.slots_by_id.len()
    }

    pub(super) fn find(&self, id: u64) -> Option<u32> {
        self.slots_by_id.get(&id).copied()
    }

    pub(super) fn working(&self, slot: u32) -> &RestingOrder {
        &self.nodes[slot as usize].working
    }

    pub(super) fn place(&self, slot: u32) -> Place {
        self.nodes[slot as usize].place
    }

    /// The order's number of arrival in this book; a new one each time it loses its place.
    pub(super) fn arrival(&self, slot: u32) -> u64 {
        self.nodes[slot as usize].arrival
    }

    /// The slots of the orders with this time in force, in no order.
    pub(super) fn slots_of(&self, time_in_force: TimeInForce) -> Vec<u32> {
        let matching =
            |node: &Node| node.in_use && node.working.order.time_in_force == time_in_force;
        (0u32..)
            .zip(&self.nodes)
            .filter(|(_, node)| matching(node))
            .map(|(slot, _)| slot)
            .collect()
    }

    pub(super) fn price(&self, level: u32) -> Price {
        self.levels[level as usize].price
    }

    pub(super) fn view(&self, level: u32) -> LevelView {
        let Level {
            price,
            total,
            orders,
            ..
        } = self.levels[level as usize];
        LevelView {
            price,
            size: Size(i64::try_from(total).unwrap_or(i64::MAX)),
            orders,
        }
    }

    /// The oldest order of a level.
    pub(super) fn front(&self, level: u32) -> u32 {
        self.levels[level as usize]
            .oldest
            .expect("a level is closed with its last order")
    }

    /// Returns the size that a level offers an order of `account`, up to `wanted`: orders of that account end where it meets them.
    pub(super) fn offered_to(&self, account: Option<u32>, level: u32, wanted: i64) -> i64 {
        let level = &self.levels[level as usize];
        if account.is_none() {
            return i64::try_from(level.total).unwrap_or(i64::MAX).min(wanted);
        }
        let (mut found, mut next) = (0, level.oldest);
        while let Some(slot) = next.filter(|_| found < wanted) {
            let node = &self.nodes[slot as usize];
            if node.working.order.account != account {
                found += node.working.left().0.min(wanted - found);
            }
            next = match node.place {
                Place::Resting { newer, .. } => newer,
                Place::Waiting => None,
            };
        }
        found
    }

    pub(super) fn open_level(&mut self, price: Price) -> u32 {
        let level = Level {
            price,
            total: 0,
            orders: 0,
            oldest: None,
            newest: None,
        };
        put(&mut self.levels, &mut self.free_levels, level)
    }

    pub(super) fn add_waiting(&mut self, working: RestingOrder) -> u32 {
        self.add(working, Place::Waiting)
    }

    pub(super) fn add_resting(&mut self, working: RestingOrder, level: u32) {
        let older = self.levels[level as usize].newest;
        let slot = self.add(
            working,
            Place::Resting {
                level,
                older,
                newer: None,
            },
        );
        self.set_newer(older, level, Some(slot));
        let entry = &mut self.levels[level as usize];
        entry.newest = Some(slot);
        entry.orders += 1;
        entry.total += i128::from(working.left().0);
    }

    /// Fills part of a resting order.
    pub(super) fn fill(&mut self, slot: u32, size: i64) {
        let node = &mut self.nodes[slot as usize];
        node.working.filled.0 += size;
        if let Place::Resting { level, .. } = node.place {
            self.levels[level as usize].total -= i128::from(size);
        }
    }

    /// Gives an order new terms in its place; a resting one keeps its price.
    pub(super) fn restate(&mut self, slot: u32, price: Price, size: Size) {
        let node = &mut self.nodes[slot as usize];
        let grown = i128::from(size.0) - i128::from(node.working.order.size.0);
        node.working.order.size = size;
        node.working.order.price = price;
        if let Place::Resting { level, .. } = node.place {
            self.levels[level as usize].total += grown;
        }
    }

    pub(super) fn remove_waiting(&mut self, slot: u32) {
        self.release(slot);
    }

    /// Unlinks a resting order; true if that closed its level.
    pub(super) fn remove_resting(&mut self, slot: u32, level: u32) -> bool {
        let node = self.nodes[slot as usize];
        if let Place::Resting { older, newer, .. } = node.place {
            self.set_newer(older, level, newer);
            self.set_older(newer, level, older);
        }
        self.release(slot);
        let entry = &mut self.levels[level as usize];
        entry.orders -= 1;
        entry.total -= i128::from(node.working.left().0);
        let closed = entry.orders == 0;
        if closed {
            self.free_levels.push(level);
        }
        closed
    }

    fn add(&mut self, working: RestingOrder, place: Place) -> u32 {
        let node = Node {
            working,
            arrival: self.arrivals,
            place,
            in_use: true,
        };
        self.arrivals += 1;
        let slot = put(&mut self.nodes, &mut self.free_nodes, node);
        self.slots_by_id.insert(working.order.id, slot);
        slot
    }

    fn release(&mut self, slot: u32) {
        let node = &mut self.nodes[slot as usize];
        node.in_use = false;
        self.slots_by_id.remove(&node.working.order.id);
        self.free_nodes.push(slot);
    }

    /// Sets the order behind an order, or the level's oldest order if there is none.
    fn set_newer(&mut self, of: Option<u32>, in_level: u32, next: Option<u32>) {
        match of.map(|slot| &mut self.nodes[slot as usize].place) {
            Some(Place::Resting { newer, .. }) => *newer = next,
            _ => self.levels[in_level as usize].oldest = next,
        }
    }

    /// Sets the order before an order, or the level's newest order if there is none.
    fn set_older(&mut self, of: Option<u32>, in_level: u32, previous: Option<u32>) {
        match of.map(|slot| &mut self.nodes[slot as usize].place) {
            Some(Place::Resting { older, .. }) => *older = previous,
            _ => self.levels[in_level as usize].newest = previous,
        }
    }
}

/// Puts a value into a free place of a slab, or at its end.
fn put<T>(slab: &mut Vec<T>, free: &mut Vec<u32>, value: T) -> u32 {
    match free.pop() {
        Some(index) => {
            slab[index as usize] = value;
            index
        }
        None => {
            slab.push(value);
            u32::try_from(slab.len() - 1)
                .expect("four thousand million orders do not fit in memory")
        }
    }
}

/// Ranks prices by which trades first: for asks the lower, for bids the higher.
fn rank(side: Side, price: Price) -> i64 {
    match side {
        Side::Buy => -price.0,
        Side::Sell => price.0,
    }
}
