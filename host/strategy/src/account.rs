//! The memory of all strategies of a process, in one account: what every instance uses, by strategy, against a bound on the
//! total.
//!
//! Every instance has a limit of its own, `memory_mib`. Hitting it is deterministic: the instance is refused more memory, and a
//! replay repeats that. The deck's bound is not, because who comes first depends on timing: hitting it is a fault, which reels
//! record. An instance's minimum is set aside when it is created, so no strategy can take it from another.

use crate::footprint::Footprint;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Bytes that are set aside for every instance, whether it uses them or not: as much as a small strategy needs.
const ASSURED: u64 = 2 << 20;

/// Limit on the address space of all instances together: half of what a process has on a CPU with the smallest one.
const MAX_ADDRESSES: u64 = 64 << 40;

/// The memory of all strategies of a process. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemoryAccount {
    total: Arc<Total>,
    /// Bytes by strategy, for as long as it has an instance.
    strategies: Arc<Mutex<BTreeMap<String, Weak<AtomicU64>>>>,
}

#[derive(Debug)]
struct Total {
    bytes: AtomicU64,
    addresses: AtomicU64,
    /// Maximum number of bytes; `u64::MAX` if there is no bound.
    bound: AtomicU64,
}

impl Default for Total {
    fn default() -> Self {
        Self {
            bytes: AtomicU64::new(0),
            addresses: AtomicU64::new(0),
            bound: AtomicU64::new(u64::MAX),
        }
    }
}

/// The strategies of a deck have used up their common bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DeckIsFull {
    /// Bytes.
    #[error(
        "all strategies together would take more than {} MiB: raise `deck_memory_mib` under [wasm], or remove a strategy",
        bound >> 20
    )]
    Bytes {
        /// The most that there may be.
        bound: u64,
    },
    /// Addresses.
    #[error(
        "all strategies together would reserve more than {} TiB of addresses, 4 GiB for each memory: remove a strategy",
        MAX_ADDRESSES >> 40
    )]
    Addresses,
}

/// Whether a new instance is of a module that is new to the deck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Newcomer {
    /// The first instance of a module: a part of the bound is reserved from these, so that running strategies can be replaced.
    Module,
    /// Another instance of a module that was admitted.
    Instance,
}

impl Newcomer {
    /// The part of a bound that it may fill.
    const fn share(self, bound: u64) -> u64 {
        match self {
            Self::Module => bound / 4 * 3,
            Self::Instance => bound,
        }
    }
}

impl MemoryAccount {
    /// Bounds the bytes of all strategies together. By default there is no bound; a replay needs none, because a fault that the
    /// bound caused is on the tape.
    pub fn set_bound(&self, bytes: u64) {
        self.total.bound.store(bytes, Ordering::Relaxed);
    }

    /// Returns the maximum number of bytes that all strategies together may use, if there is a bound.
    pub fn bound(&self) -> Option<u64> {
        let bound = self.total.bound.load(Ordering::Relaxed);
        (bound != u64::MAX).then_some(bound)
    }

    /// Returns the bytes of all strategies together.
    pub fn bytes(&self) -> u64 {
        self.total.bytes.load(Ordering::Relaxed)
    }

    /// Returns the addresses that all strategies together reserve.
    pub fn addresses(&self) -> u64 {
        self.total.addresses.load(Ordering::Relaxed)
    }

    /// Returns the bytes of a strategy: of the instance that trades, of those that wait to take over, and of its shadow.
    pub fn bytes_of(&self, strategy: &str) -> u64 {
        let strategies = self.strategies();
        let bytes = strategies.get(strategy).and_then(Weak::upgrade);
        bytes.map_or(0, |bytes| bytes.load(Ordering::Relaxed))
    }

    /// Sets aside what a new instance needs.
    ///
    /// # Errors
    /// There is no room for it.
    pub(crate) fn open(
        &self,
        strategy: &str,
        footprint: &Footprint,
        newcomer: Newcomer,
    ) -> Result<Charge, DeckIsFull> {
        let mut charge = Charge {
            total: Arc::clone(&self.total),
            strategy: self.strategy(strategy),
            used: 0,
            charged: 0,
            addresses: 0,
        };
        charge.reserve(footprint.addresses(), newcomer)?;
        charge.charge(ASSURED, newcomer)?;
        charge.grow(footprint.bytes())?;
        Ok(charge)
    }

    fn strategy(&self, name: &str) -> Arc<AtomicU64> {
        let mut strategies = self.strategies();
        if let Some(known) = strategies.get(name).and_then(Weak::upgrade) {
            return known;
        }
        strategies.retain(|_, bytes| bytes.strong_count() > 0);
        let bytes = Arc::default();
        strategies.insert(name.to_owned(), Arc::downgrade(&bytes));
        bytes
    }

    fn strategies(&self) -> MutexGuard<'_, BTreeMap<String, Weak<AtomicU64>>> {
        self.strategies
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one instance uses. Everything is given back when it is dropped with the instance.
#[derive(Debug)]
pub(crate) struct Charge {
    total: Arc<Total>,
    strategy: Arc<AtomicU64>,
    used: usize,
    /// Bytes charged to the account: those in use, or those set aside if that is more.
    charged: u64,
    addresses: u64,
}

impl Charge {
    /// Bytes in use.
    pub(crate) const fn used(&self) -> usize {
        self.used
    }

    /// Takes more.
    ///
    /// # Errors
    /// There is no room for it.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), DeckIsFull> {
        let used = self.used.saturating_add(bytes);
        self.charge(used as u64, Newcomer::Instance)?;
        self.used = used;
        Ok(())
    }

    /// Gives some back.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        self.used = self.used.saturating_sub(bytes);
        let charged = ASSURED.max(self.used as u64);
        let less = self.charged.saturating_sub(charged);
        self.charged -= less;
        self.total.bytes.fetch_sub(less, Ordering::Relaxed);
        self.strategy.fetch_sub(less, Ordering::Relaxed);
    }

    /// Raises the charged bytes to `bytes`.
    fn charge(&mut self, bytes: u64, newcomer: Newcomer) -> Result<(), DeckIsFull> {
        let more = bytes.saturating_sub(self.charged);
        let bound = self.total.bound.load(Ordering::Relaxed);
        if !add_within(&self.total.bytes, more, newcomer.share(bound)) {
            return Err(DeckIsFull::Bytes { bound });
        }
        self.charged += more;
        self.strategy.fetch_add(more, Ordering::Relaxed);
        Ok(())
    }

    fn reserve(&mut self, addresses: u64, newcomer: Newcomer) -> Result<(), DeckIsFull> {
        if !add_within(
            &self.total.addresses,
            addresses,
            newcomer.share(MAX_ADDRESSES),
        ) {
            return Err(DeckIsFull::Addresses);
        }
        self.addresses = addresses;
        Ok(())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.total.bytes.fetch_sub(self.charged, Ordering::Relaxed);
        self.strategy.fetch_sub(self.charged, Ordering::Relaxed);
        self.total
            .addresses
            .fetch_sub(self.addresses, Ordering::Relaxed);
    }
}

/// Adds to a sum unless the result would exceed the bound; returns whether it did.
fn add_within(sum: &AtomicU64, more: u64, bound: u64) -> bool {
    if more == 0 {
        return true;
    }
    let add = |sum: u64| sum.checked_add(more).filter(|sum| *sum <= bound);
    sum.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add)
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn open(account: &MemoryAccount, name: &str) -> Result<Charge, DeckIsFull> {
        account.open(name, &Footprint::default(), Newcomer::Instance)
    }

    #[test]
    fn an_instance_has_what_is_set_aside_for_it_and_gives_everything_back() {
        let account = MemoryAccount::default();
        account.set_bound(10 * MIB);
        let mut greedy = open(&account, "greedy").unwrap();
        let mut modest = open(&account, "modest").unwrap();
        greedy.grow(8 << 20).unwrap();
        assert_eq!(account.bytes(), 10 * MIB);
        assert_eq!(
            greedy.grow(1),
            Err(DeckIsFull::Bytes { bound: 10 * MIB }),
            "the rest is set aside"
        );
        modest.grow(2 << 20).unwrap();
        assert_eq!(modest.grow(1), Err(DeckIsFull::Bytes { bound: 10 * MIB }));
        assert_eq!(account.bytes_of("greedy"), 8 * MIB);
        greedy.shrink(5 << 20);
        assert_eq!(account.bytes_of("greedy"), 3 * MIB);
        drop((greedy, modest));
        assert_eq!((account.bytes(), account.bytes_of("greedy")), (0, 0));
    }

    #[test]
    fn a_part_of_the_bound_is_kept_for_replacements_of_what_runs() {
        let account = MemoryAccount::default();
        account.set_bound(8 * MIB);
        let new = |name| account.open(name, &Footprint::default(), Newcomer::Module);
        let running: Vec<Charge> = ["a", "b", "c"].map(|name| new(name).unwrap()).into();
        assert!(new("d").is_err());
        let spare = open(&account, "a").unwrap();
        assert_eq!(account.bytes_of("a"), 4 * MIB);
        drop((running, spare));
        assert_eq!(account.bytes(), 0);
    }

    #[test]
    fn addresses_are_counted_and_bounded() {
        let account = MemoryAccount::default();
        let large = Footprint::of_memories(8);
        let mut taken = Vec::new();
        let refused = loop {
            match account.open("x", &large, Newcomer::Instance) {
                Ok(charge) => taken.push(charge),
                Err(refused) => break refused,
            }
        };
        assert_eq!(refused, DeckIsFull::Addresses);
        assert!(taken.len() > 1_500, "{}", taken.len());
        drop(taken);
        assert_eq!((account.addresses(), account.bytes()), (0, 0));
    }
}
