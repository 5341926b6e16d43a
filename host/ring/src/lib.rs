//! A ring buffer with many producers, one global sequence, and consumers that may attach and detach while it runs.
//!
//! The host has one order of events. Gateways, collectors and timers publish events from their own threads; workers, the
//! recorder and the display read them. This crate is that order and nothing else: it must never see an event type, a
//! clock or a thread of its own, and depends on no other crate of the host.
//!
//! Start reading at [`ring()`] and the example below; then the protocol, `shared.rs` and, for a ring with one producer,
//! `sole.rs`. The only modules with `unsafe` are `slots.rs` (the memory) and its callers in `consumer.rs` and
//! `producer.rs`.
//!
//! - An item is plain data (`Copy`) and lives in a slot of the ring. A consumer that the producers wait for borrows a
//!   slice of the ring itself ([`Consumer::peek`]); nothing is copied.
//! - Every item has a sequence, counted from 0 without gaps. All consumers see the same item at a sequence.
//! - [`Producer::publish`] claims a run of sequences for a batch and makes it visible as a whole. Consumers see
//!   only what is contiguous: a run becomes readable once all runs before it are.
//! - A single producing thread may have the ring to itself ([`Ring::sole_producer`]) and then does not compete.
//! - The [`SlowPolicy`] of a slow consumer decides: the producers wait, or it is lapped and learns exactly what it
//!   missed, or it drops out. No policy loses an item silently.
//!
//! ```
//! use tickdeck_ring::{Read, RingConfig, SlowPolicy, Wait, Wake, ring};
//!
//! # fn main() -> Result<(), tickdeck_ring::RingError> {
//! let ring = ring::<u64>(RingConfig { capacity: 1024, wait: Wait::SpinThenPark { spins: 100 } })?;
//! let mut worker = ring.attach(SlowPolicy::Wait);
//! let mut display = ring.attach(SlowPolicy::Conflate);
//!
//! let mut gateway = ring.producer();
//! let worker = std::thread::spawn(move || {
//!     let mut sum = 0;
//!     while worker.wait(|| false)? == Wake::Ready {
//!         let first = worker.position();
//!         let batch = worker.peek(64);
//!         sum += (first..).zip(batch).map(|(sequence, item)| sequence * item).sum::<u64>();
//!         let count = batch.len();
//!         worker.release(count);
//!     }
//!     Ok::<_, tickdeck_ring::RingError>(sum)
//! });
//!
//! gateway.publish(&[10, 20])?;
//! gateway.publish_with(&[0], |item, sequence| *item = 100 + sequence)?;
//! ring.close();
//! assert_eq!(worker.join().expect("the worker does not panic")?, 20 + 2 * 102);
//!
//! let mut recent = Vec::new();
//! assert_eq!(display.read(&mut recent, 64)?, Read::Items { first: 0, count: 3 });
//! assert_eq!(recent, [10, 20, 102]);
//! # Ok(())
//! # }
//! ```
//!
//! # The protocol
//!
//! Let `N` be the capacity, and call `N / 2` the *window*. No run is longer than the window.
//!
//! - `claimed` is the next sequence to be claimed. A producer moves it by a compare-and-swap, and only up to its
//!   *limit*, so a claim never has to wait: between claim and publication lies only the copy (and `stamp`).
//!   The highest bit says that the ring is closed, hence no claim comes after the close.
//! - `ends[s % N]` is the end of the run that begins at `s`, stored once the whole run is written. A run of any
//!   length costs one store. Readers walk from the end of one run to the end of the next; an entry left by an
//!   earlier lap is recognised since it ends before the place where it stands.
//! - `frontier` is such a boundary up to which everything is published. A thread that walks further advances it.
//! - A *sole producer* sets a bit in `claimed` that turns all others away, and counts its claims itself. Once all
//!   that was claimed before it is published it *leads*: it publishes by storing the end of its run to `frontier`, and
//!   no longer to `ends`. A walk begins at the frontier, so it misses nothing; the entries that it meets are of
//!   earlier laps. When it is dropped, or finds the ring closed, it puts into `claimed` how far it came.
//! - A *gate* is the oldest sequence that an attached consumer may be reading. A `Wait` consumer has its gate at
//!   its position at all times. The others *pin*: they close their gate for the length of a copy of at most
//!   [`MAX_PINNED`] items. Atomic copies of the words with a check afterwards (a seqlock) would spare the pin,
//!   but items have padding and consumers get `&[T]`; there is no sound way to copy what may be
//!   half overwritten, short of forbidding both.
//!
//! A producer's limit is computed as follows: walk to the end `F` of what is published and move `frontier` there; fence;
//! read all gates; the limit is the least of `gate + N` and of `F + N/2`. It is kept and used until it is used up:
//! gates are looked at once per window, not per claim.
//!
//! # Why it is sound
//!
//! 1. *A slot has one writer at a time.* Sequences are claimed by a read-modify-write, or by a sole producer between
//!    the two that shut the others out and let them in again; so claims are disjoint, and a claim
//!    lies below `F + N/2`, so whatever was in the slot before lies below `F` and was published.
//! 2. *A reader sees what was written.* The store to `ends` is a release after the last write to the run; walking is
//!    by acquire loads; `frontier` changes by acquire-release read-modify-writes after such a walk, or by the release
//!    stores of a sole producer, which has acquired all that was published before it came and wrote the rest itself.
//!    Neither takes the frontier back: while a sole producer leads, no walk gets beyond the frontier.
//! 3. *A writer comes after all readers it lets pass.* A gate moves forward by a release store after the reads, and
//!    gives way by release read-modify-writes when its owner detaches; producers acquire both.
//! 4. *A gate that appears is not overrun.* A consumer closes its gate at `g`, then fences, then walks to the published
//!    `P`. A producer walks to `F`, fences, then reads the gates. Both fences are sequentially consistent, so either
//!    the producer sees the gate, and its limit is at most `g + N`; or its fence comes first, then `F <= P` as the
//!    frontier only grows, and its limit, however old, is at most `P + N/2`. In both cases no sequence in
//!    `max(g, P - N/2)..P` is overwritten. Hence the window: a consumer that comes to the ring from nowhere can rely
//!    on half of it. A consumer that finds itself further behind was lapped and touches nothing.
//! 5. *No wake-up is lost.* A thread counts itself as a sleeper, fences and checks again before it sleeps; others make
//!    their change, fence and check for sleepers. One of the two sees the other.
//!
//! `tests/loom.rs` checks these on small rings with every access to a slot tracked; Miri runs the unit tests;
//! `tests/stress.rs` runs the real thing.
//!
//! # Limits
//!
//! - It has no fairness among producers, and no priority.
//! - A `Wait` consumer that stops reading stops the ring once it is full. Watch [`Ring::slowest`]; drop the consumer.
//! - A thread that the system suspends in the middle of a claim or of a pin delays the others after half a ring, until
//!   it runs again.
//! - A sole producer learns of a close only when it next publishes or is dropped, and consumers see the end only then:
//!   learning of it sooner would cost the very synchronisation that a sole producer saves.
//! - The number of consumers is limited to [`MAX_CONSUMERS`].

mod config;
mod consumer;
mod error;
mod gates;
mod producer;
mod ring;
mod shared;
mod slots;
mod sole;
mod sync;
mod wait;

#[cfg(all(test, not(loom)))]
mod tests;

pub use config::{MAX_CAPACITY, RingConfig};
pub use consumer::{Consumer, MAX_PINNED, Read, SlowPolicy, Wake};
pub use error::RingError;
pub use gates::MAX_CONSUMERS;
pub use producer::Producer;
pub use ring::{Ring, ring};
pub use wait::{PARK_LIMIT, Wait};
