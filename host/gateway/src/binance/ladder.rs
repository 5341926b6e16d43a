//! One side of a book: every level's size has a fixed place, and bitmaps say which places are occupied.
//!
//! The ranks around the market are a window of 2^24 places: 4,096 chapters of 64 pages of 64 places. Chapters and pages
//! are created when they are first written to. Setting a level is three look-ups and a bit, whatever else is in the book;
//! nothing is searched or moved, so there is no branch to mispredict. The next best level is found by the highest bit on
//! each layer. A sorted vector or page searches and moves; a tree follows pointers.
//!
//! Ranks outside the window are kept in a map. When most levels are there, the window moves.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

/// Places of a page, pages of a chapter, chapters behind one word.
const FAN: usize = 64;
const FAN_BITS: u32 = FAN.trailing_zeros();

/// Chapters of a window.
const CHAPTERS: usize = FAN * FAN;

/// Pages of a window.
const PAGES: i64 = (CHAPTERS * FAN) as i64;

/// The blank chapter and the blank page, which stand for all those never written to. Their slot is 0 too.
const BLANK: usize = 0;

/// With fewer pages, empty ones are not searched for.
const FEW_PAGES: usize = 64;

/// A set of numbers below 64.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Bits(u64);

impl Bits {
    fn put(&mut self, at: usize, is_in: bool) {
        self.0 = self.0 & !(1 << at) | u64::from(is_in) << at;
    }

    fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn iter(self) -> Ones {
        Ones(self.0)
    }
}

/// The numbers of a set, ascending.
struct Ones(u64);

impl Iterator for Ones {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let lowest = self.0.trailing_zeros();
        self.0 &= !1u64.checked_shl(lowest)?;
        Some(lowest as usize)
    }
}

impl DoubleEndedIterator for Ones {
    fn next_back(&mut self) -> Option<usize> {
        let highest = self.0.checked_ilog2()?;
        self.0 &= !(1 << highest);
        Some(highest as usize)
    }
}

#[derive(Debug, Clone)]
struct Page {
    taken: Bits,
    sizes: [i64; FAN],
}

impl Page {
    const EMPTY: Self = Self {
        taken: Bits(0),
        sizes: [0; FAN],
    };
}

#[derive(Debug, Clone)]
struct Chapter {
    /// Pages with levels.
    taken: Bits,
    /// Where its pages are.
    slots: [u32; FAN],
}

impl Chapter {
    const EMPTY: Self = Self {
        taken: Bits(0),
        slots: [BLANK as u32; FAN],
    };
}

/// The position of a rank within a window.
#[derive(Clone, Copy)]
struct Place {
    chapter: usize,
    page: usize,
    at: usize,
}

#[derive(Debug, Clone)]
struct Window {
    /// The page of its first place, in pages from rank 0.
    first: i64,
    /// Words of `taken` that are not empty.
    words: Bits,
    /// Chapters with levels.
    taken: [Bits; FAN],
    /// Where its chapters are.
    slots: [u32; CHAPTERS],
    chapters: Vec<Chapter>,
    pages: Vec<Page>,
    /// Slots of empty pages that no chapter has.
    free: Vec<u32>,
    /// Number of pages from which empty ones are searched for before another is allocated.
    sweep_at: usize,
}

impl Window {
    /// An empty window around a rank.
    fn around(rank: i64) -> Box<Self> {
        let (least, most) = (i64::MIN >> FAN_BITS, (i64::MAX >> FAN_BITS) + 1 - PAGES);
        Box::new(Self {
            first: ((rank >> FAN_BITS) - PAGES / 2).clamp(least, most),
            words: Bits::default(),
            taken: [Bits::default(); FAN],
            slots: [BLANK as u32; CHAPTERS],
            chapters: vec![Chapter::EMPTY],
            pages: vec![Page::EMPTY],
            free: Vec::new(),
            sweep_at: FEW_PAGES,
        })
    }

    fn first_rank(&self) -> i64 {
        self.first << FAN_BITS
    }

    fn last_rank(&self) -> i64 {
        (self.first + PAGES - 1) << FAN_BITS | (FAN as i64 - 1)
    }

    #[inline]
    fn place(&self, rank: i64) -> Option<Place> {
        // Pages are too few to overflow.
        let page = usize::try_from((rank >> FAN_BITS) - self.first).ok()?;
        let chapter = page / FAN;
        (chapter < CHAPTERS).then_some(Place {
            chapter,
            page: page % FAN,
            at: (rank as usize) % FAN,
        })
    }

    #[inline]
    fn slot(&self, place: Place) -> usize {
        self.chapters[self.slots[place.chapter] as usize].slots[place.page] as usize
    }

    #[inline]
    fn get(&self, place: Place) -> i64 {
        self.pages[self.slot(place)].sizes[place.at]
    }

    /// Sets a size and returns the previous one.
    #[inline]
    fn set(&mut self, place: Place, size: i64) -> i64 {
        let mut slot = self.slot(place);
        if slot == BLANK {
            if size == 0 {
                return 0;
            }
            slot = self.open(place);
        }
        let page = &mut self.pages[slot];
        let before = page.taken;
        let old = std::mem::replace(&mut page.sizes[place.at], size);
        page.taken.put(place.at, size != 0);
        let after = page.taken;
        if before.is_empty() != after.is_empty() {
            self.mark(place, !after.is_empty());
        }
        old
    }

    /// Records on every layer above whether a page has levels.
    fn mark(&mut self, place: Place, taken: bool) {
        let chapter = &mut self.chapters[self.slots[place.chapter] as usize];
        chapter.taken.put(place.page, taken);
        let (word, bit) = (place.chapter / FAN, place.chapter % FAN);
        self.taken[word].put(bit, !chapter.taken.is_empty());
        self.words.put(word, !self.taken[word].is_empty());
    }

    /// Makes the page of a place.
    #[cold]
    fn open(&mut self, place: Place) -> usize {
        if self.free.is_empty() && self.pages.len() >= self.sweep_at {
            self.sweep();
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.pages.push(Page::EMPTY);
            number(self.pages.len() - 1)
        });
        if self.slots[place.chapter] as usize == BLANK {
            self.slots[place.chapter] = number(self.chapters.len());
            self.chapters.push(Chapter::EMPTY);
        }
        self.chapters[self.slots[place.chapter] as usize].slots[place.page] = slot;
        slot as usize
    }

    /// Takes the empty pages out of their chapters, for use elsewhere.
    fn sweep(&mut self) {
        for chapter in &mut self.chapters[BLANK + 1..] {
            for slot in &mut chapter.slots {
                let page = *slot as usize;
                if page != BLANK && self.pages[page].taken.is_empty() {
                    self.free.push(*slot);
                    *slot = BLANK as u32;
                }
            }
        }
        let kept = self.pages.len() - self.free.len();
        self.sweep_at = (kept * 2).max(FEW_PAGES);
    }

    /// Ranks and sizes, ascending.
    fn iter(&self) -> impl DoubleEndedIterator<Item = (i64, i64)> + '_ {
        let words = self.words.iter();
        let chapters =
            words.flat_map(move |word| self.taken[word].iter().map(move |bit| word * FAN + bit));
        chapters.flat_map(move |at| {
            let chapter = &self.chapters[self.slots[at] as usize];
            chapter.taken.iter().flat_map(move |page| {
                let first = (self.first + (at * FAN + page) as i64) << FAN_BITS;
                let page = &self.pages[chapter.slots[page] as usize];
                page.taken
                    .iter()
                    .map(move |at| (first + at as i64, page.sizes[at]))
            })
        })
    }
}

fn number(slot: usize) -> u32 {
    u32::try_from(slot).expect("a window has 2^18 pages and fewer chapters")
}

/// Levels by rank; the best has the highest.
#[derive(Debug, Clone, Default)]
pub(super) struct Ladder {
    best: Option<(i64, i64)>,
    len: usize,
    window: Option<Box<Window>>,
    /// The levels outside the window.
    outside: BTreeMap<i64, i64>,
    /// Changes outside the window since it was last moved.
    strayed: usize,
}

impl Ladder {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Sets the size at a rank; zero removes the level.
    #[inline]
    pub(super) fn set(&mut self, rank: i64, size: i64) {
        let placed = self.window.as_deref_mut().and_then(|window| {
            let place = window.place(rank)?;
            Some(window.set(place, size))
        });
        let old = match placed {
            Some(old) => old,
            None => self.set_outside(rank, size),
        };
        // Wrapping: one less, the same, or one more.
        self.len = (self.len + usize::from(size != 0)) - usize::from(old != 0);
        match self.best {
            Some((best, _)) if rank < best => {}
            Some((best, _)) if rank == best && size == 0 => {
                let next = self.iter().next_back();
                self.best = next;
            }
            Some(_) | None if size != 0 => self.best = Some((rank, size)),
            Some(_) | None => {}
        }
    }

    /// The size at a rank, zero if there is no level.
    pub(super) fn get(&self, rank: i64) -> i64 {
        let window = self.window.as_deref();
        let placed = window.and_then(|window| Some(window.get(window.place(rank)?)));
        placed.unwrap_or_else(|| self.outside.get(&rank).copied().unwrap_or(0))
    }

    /// The highest rank and its size.
    #[inline]
    pub(super) fn best(&self) -> Option<(i64, i64)> {
        self.best
    }

    /// Ranks and sizes, ascending.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (i64, i64)> + '_ {
        let window = self.window.as_deref();
        let below = window.map_or(i64::MIN, Window::first_rank);
        let above = window.map_or(i64::MIN, Window::last_rank);
        let below = self.outside.range(..below);
        let above = self.outside.range((Excluded(above), Unbounded));
        let inside = window.into_iter().flat_map(Window::iter);
        let copied = |(rank, size): (&i64, &i64)| (*rank, *size);
        below.map(copied).chain(inside).chain(above.map(copied))
    }

    /// Sets a size outside the window and returns the previous one.
    #[cold]
    fn set_outside(&mut self, rank: i64, size: i64) -> i64 {
        if size == 0 {
            return self.outside.remove(&rank).unwrap_or(0);
        }
        if self.window.is_none() {
            let mut window = Window::around(rank);
            let old = window.place(rank).map(|place| window.set(place, size));
            self.window = Some(window);
            return old.unwrap_or(0);
        }
        let old = self.outside.insert(rank, size).unwrap_or(0);
        self.strayed += 1;
        // Most levels are outside, and there were enough changes there to amortise moving everything.
        if self.outside.len() > self.len / 2 && self.strayed >= self.outside.len() {
            self.move_window();
        }
        old
    }

    /// Puts the window around the level in the middle.
    fn move_window(&mut self) {
        let levels: Vec<(i64, i64)> = self.iter().collect();
        let mut window = Window::around(levels[levels.len() / 2].0);
        self.outside.clear();
        for (rank, size) in levels {
            match window.place(rank) {
                Some(place) => {
                    window.set(place, size);
                }
                None => {
                    self.outside.insert(rank, size);
                }
            }
        }
        self.window = Some(window);
        self.strayed = 0;
    }
}

impl PartialEq for Ladder {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl Eq for Ladder {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A ladder next to the map that it represents.
    #[derive(Default)]
    struct Twins {
        ladder: Ladder,
        model: BTreeMap<i64, i64>,
    }

    impl Twins {
        fn set(&mut self, rank: i64, size: i64) {
            self.ladder.set(rank, size);
            if size == 0 {
                self.model.remove(&rank);
            } else {
                self.model.insert(rank, size);
            }
            let best = self.model.last_key_value();
            assert_eq!(self.ladder.best(), best.map(|(rank, size)| (*rank, *size)));
            assert_eq!(self.ladder.get(rank), size);
            assert_eq!(self.ladder.len(), self.model.len());
        }

        fn check(&self) {
            let levels: Vec<(i64, i64)> = self
                .model
                .iter()
                .map(|(rank, size)| (*rank, *size))
                .collect();
            assert!(self.ladder.iter().eq(levels.iter().copied()));
            assert!(self.ladder.iter().rev().eq(levels.iter().rev().copied()));
            let mut other = Ladder::default();
            for (rank, size) in levels.iter().rev() {
                other.set(*rank, *size);
            }
            assert!(self.ladder == other, "however it came about");
        }

        fn pages(&self) -> usize {
            self.ladder
                .window
                .as_ref()
                .map_or(0, |window| window.pages.len())
        }
    }

    /// Ranks near each other, a page or a chapter apart, around a window's ends, and as far out as there are.
    fn ranks() -> impl Strategy<Value = i64> {
        let width = PAGES << FAN_BITS;
        prop_oneof![
            8 => -400i64..400,
            2 => (-50i64..50).prop_map(|page| page * 64),
            2 => (-70i64..70).prop_map(|chapter| chapter * 4_096 + 1),
            1 => (-70i64..70).prop_map(|word| word * (4_096 * 64)),
            2 => (-3i64..3).prop_map(move |near| width / 2 + near),
            2 => (-3i64..3).prop_map(move |near| -width / 2 + near),
            1 => (-2i64..2).prop_map(move |near| width * 5 + near),
            1 => (0i64..3).prop_map(|below| i64::MAX - below),
            1 => (0i64..3).prop_map(|above| i64::MIN + above),
        ]
    }

    proptest! {
        #[test]
        fn a_ladder_is_the_map_it_stands_for(changes in prop::collection::vec((-400i64..400, 0i64..3), 0..3_000)) {
            let mut twins = Twins::default();
            for (rank, size) in changes {
                twins.set(rank, size);
            }
            twins.check();
            for rank in -401..401 {
                let size = twins.model.get(&rank).copied().unwrap_or(0);
                prop_assert_eq!(twins.ladder.get(rank), size);
            }
        }

        #[test]
        fn it_is_with_levels_far_outside_the_window_too(changes in prop::collection::vec((ranks(), 0i64..3), 0..1_500)) {
            let mut twins = Twins::default();
            for (rank, size) in changes {
                twins.set(rank, size);
            }
            twins.check();
            twins.ladder.clear();
            prop_assert_eq!((twins.ladder.len(), twins.ladder.best()), (0, None));
        }
    }

    #[test]
    fn the_window_follows_when_most_levels_are_outside_it() {
        let width = PAGES << FAN_BITS;
        let mut twins = Twins::default();
        for near in 0..500 {
            twins.set(near, 1);
        }
        for moved in 0..1_000 {
            twins.set(moved + 3 * width, 2);
        }
        twins.check();
        assert_eq!(twins.ladder.outside.len(), 500, "those it left behind");
        let all: Vec<i64> = twins.model.keys().copied().collect();
        for rank in all {
            twins.set(rank, 0);
        }
        twins.check();
    }

    #[test]
    fn scattered_levels_take_no_pages() {
        let mut twins = Twins::default();
        twins.set(i64::MAX, 1);
        twins.set(1, 1);
        for level in 1..2_000 {
            twins.set(level * 5_000_000_000_000, 1);
        }
        twins.check();
        assert!(twins.pages() < 10, "{} pages", twins.pages());
    }

    #[test]
    fn pages_do_not_stay_behind_when_a_market_moves_on() {
        let mut ladder = Twins::default();
        for step in 0..100_000 {
            ladder.set(step, 1);
            if step >= 500 {
                ladder.set(step - 500, 0);
            }
        }
        assert_eq!(ladder.ladder.len(), 500);
        assert!(ladder.pages() <= FEW_PAGES, "{} pages", ladder.pages());
    }

    #[test]
    fn pages_in_use_are_not_looked_through_again_and_again() {
        let mut twins = Twins::default();
        for page in 0..10_000 {
            twins.set(page * 64, 1);
        }
        let window = twins.ladder.window.as_ref().unwrap();
        assert!(window.free.is_empty() && window.sweep_at >= window.pages.len());
    }
}
