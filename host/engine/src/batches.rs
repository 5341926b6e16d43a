//! The batches that strategies were offered, unless implied, and how a replay offers them again.
//!
//! The decisions of an honest strategy never depend on how its events are cut into batches. A strategy that looks at the length
//! of a batch is found out in a replay, and can then be offered exactly the batches of the original run. A batch of one event is
//! implied; for any other, its first event and its size are recorded, before or with the first decision that follows it.

use tickdeck_model::Event;

/// Capacity in bytes of a group of batches that is recorded together.
const CAPACITY: usize = 54;
/// Bytes of the longest encoded number.
const MOST_DIGITS: usize = 10;

/// Bits that number the events of one sequence: bars directly follow the event that completed them.
const ORDINAL_BITS: u32 = 7;

/// The place of a batch in a strategy's events: the sequence of its first event, and how many events of that sequence the
/// strategy got before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BatchPlace(u64);

impl BatchPlace {
    /// The place of a batch that begins with `first`, after the event at `last`.
    pub(crate) fn of(first: &Event, last: Option<Self>) -> Self {
        match last {
            Some(last) if last.sequence() == first.sequence => last.plus(1),
            _ => Self::new(first.sequence, 0),
        }
    }

    /// The place of the last of these events, which begin at this place.
    pub(crate) fn of_last(self, events: &[Event]) -> Self {
        let Some(last) = events.last() else {
            return self;
        };
        let others = events.iter().rev().skip(1);
        let before = others.take_while(|event| event.sequence == last.sequence);
        let before = before.count() as u64;
        match last.sequence == self.sequence() {
            true => self.plus(before),
            false => Self::new(last.sequence, 0).plus(before),
        }
    }

    /// The place of a later event of the same sequence.
    const fn plus(self, events: u64) -> Self {
        let most = (1 << ORDINAL_BITS) - 1;
        let ordinal = (self.0 & most).saturating_add(events);
        Self(self.0 & !most | if ordinal < most { ordinal } else { most })
    }

    /// The place of an event that comes after `ordinal` others of its sequence.
    pub const fn new(sequence: u64, ordinal: u8) -> Self {
        Self(sequence << ORDINAL_BITS).plus(ordinal as u64)
    }

    /// How many events of its sequence the strategy got before it.
    pub const fn ordinal(self) -> u8 {
        (self.0 & ((1 << ORDINAL_BITS) - 1)) as u8
    }

    /// The sequence of the first event.
    pub const fn sequence(self) -> u64 {
        self.0 >> ORDINAL_BITS
    }
}

/// Some of the batches that a strategy was offered, in order: the place and the size of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OfferedBatches {
    length: u8,
    bytes: [u8; CAPACITY],
    /// The place of the last one, if known.
    last: u64,
}

impl Default for OfferedBatches {
    fn default() -> Self {
        Self {
            length: 0,
            bytes: [0; CAPACITY],
            last: 0,
        }
    }
}

impl OfferedBatches {
    /// Decodes the recorded form.
    pub fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let mut batches = Self {
            length: u8::try_from(bytes.len()).ok()?,
            ..Self::default()
        };
        batches.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(batches)
    }

    /// Returns the recorded form.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// Returns the batches; malformed data ends the list.
    pub fn list(&self) -> Vec<(BatchPlace, usize)> {
        let (mut rest, mut place, mut list) = (self.as_bytes(), 0, Vec::new());
        while let (Some(step), Some(size)) = (take(&mut rest), take(&mut rest)) {
            place = step.saturating_add(place);
            list.push((
                BatchPlace(place),
                usize::try_from(size).unwrap_or(usize::MAX),
            ));
        }
        list
    }

    /// Returns the sequence after the first event of the last batch, if known.
    pub(crate) const fn end(&self) -> u64 {
        BatchPlace(self.last).sequence() + 1
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Appends a batch; returns false if there is no room.
    fn push(&mut self, place: u64, size: usize) -> bool {
        if usize::from(self.length) + 2 * MOST_DIGITS > CAPACITY {
            return false;
        }
        self.put(place - self.last);
        self.put(size as u64);
        self.last = place;
        true
    }

    /// Encodes a number as LEB128: seven bits per byte, lowest first; the top bit says that another byte follows.
    fn put(&mut self, mut number: u64) {
        loop {
            let more = number > 0x7f;
            self.bytes[usize::from(self.length)] = (number & 0x7f) as u8 | u8::from(more) << 7;
            self.length += 1;
            number >>= 7;
            if !more {
                return;
            }
        }
    }
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// The batches of a strategy that are not recorded yet.
#[derive(Default)]
pub(crate) struct BatchNotes(OfferedBatches);

impl BatchNotes {
    /// Whether nothing waits to be recorded.
    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Notes a batch that is offered. Returns the batches that must be recorded first to make room.
    #[inline]
    pub(crate) fn note(&mut self, place: BatchPlace, size: usize) -> Option<OfferedBatches> {
        if size == 1 || self.0.push(place.0, size) {
            return None;
        }
        let full = self.take();
        self.0.push(place.0, size);
        full
    }

    /// Takes what is not recorded yet.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<OfferedBatches> {
        (!self.is_empty()).then(|| std::mem::take(&mut self.0))
    }
}

/// Reads the recorded batches of a strategy.
pub trait BatchSource: Send {
    /// Returns the next batches; none at the end, or if the tape can't be read, which the replay itself detects.
    fn next(&mut self) -> Option<OfferedBatches>;
}

/// The batches that a strategy has to be offered again.
pub struct RecordedBatches {
    source: Box<dyn BatchSource>,
    /// Batches already read, the next one last.
    read: Vec<(BatchPlace, usize)>,
    /// Before this event, batches may have any size.
    from: u64,
}

impl RecordedBatches {
    /// Offers the batches that `source` reads, from the event with sequence `from` on; before it, any size will do.
    pub fn new(source: Box<dyn BatchSource>, from: u64) -> Self {
        Self {
            source,
            read: Vec::new(),
            from,
        }
    }

    /// Returns the size of the batch at this place; none if any will do. A batch that can't be read, or was not recorded before
    /// the run ended, had one event.
    pub(crate) fn size_at(&mut self, place: BatchPlace) -> Option<usize> {
        if place.sequence() < self.from {
            return None;
        }
        loop {
            match self.read.last() {
                Some((next, _)) if *next < place => drop(self.read.pop()),
                Some((next, size)) => return Some(if *next == place { *size } else { 1 }),
                None => {
                    let Some(batches) = self.source.next() else {
                        return Some(1);
                    };
                    self.read = batches.list();
                    self.read.reverse();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_written_down_and_offered_again() {
        let mut notes = BatchNotes::default();
        let offered: Vec<(u64, usize)> = (0..1_000u64)
            .map(|n| (n * n * 977, 1 + (n as usize * n as usize) % 700))
            .collect();
        let mut recorded = Vec::new();
        for (place, size) in &offered {
            recorded.extend(notes.note(BatchPlace(*place), *size));
        }
        recorded.extend(notes.take());
        assert!(recorded.len() < 150, "{}", recorded.len());
        struct Kept(std::vec::IntoIter<OfferedBatches>);
        impl BatchSource for Kept {
            fn next(&mut self) -> Option<OfferedBatches> {
                self.0.next()
            }
        }
        let again = recorded.iter().map(|batches| {
            OfferedBatches::of_bytes(batches.as_bytes()).expect("it was written down")
        });
        let again: Vec<_> = again.collect();
        let mut again = RecordedBatches::new(Box::new(Kept(again.into_iter())), 10_000);
        for (place, size) in &offered {
            let place = BatchPlace(*place);
            let expected = (place.sequence() >= 10_000).then_some(*size);
            assert_eq!(again.size_at(place), expected, "{place:?}");
        }
        assert_eq!(again.size_at(BatchPlace(u64::MAX)), Some(1));
    }

    #[test]
    fn malformed_batches_are_no_batches() {
        assert!(OfferedBatches::of_bytes(&[0; CAPACITY + 1]).is_none());
        let endless = OfferedBatches::of_bytes(&[0xff; CAPACITY]).unwrap();
        assert!(endless.list().is_empty());
    }
}
