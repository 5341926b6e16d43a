//! One side of a book: levels in the order of their rank, in pages of bounded size.
//!
//! A change looks up its page among the pages' highest ranks, which lie side by side, and moves at most one page's
//! levels. One sorted vector moves every level between a deep change and the best; a tree follows pointers.

/// Levels of a page.
const PAGE: usize = 64;

/// A page this empty is joined with its neighbour if both fit well into one.
const SPARSE: usize = PAGE / 4;

#[derive(Debug, Clone)]
struct Page {
    len: usize,
    /// Ascending.
    ranks: [i64; PAGE],
    sizes: [i64; PAGE],
}

impl Page {
    const EMPTY: Self = Self {
        len: 0,
        ranks: [0; PAGE],
        sizes: [0; PAGE],
    };

    fn ranks(&self) -> &[i64] {
        &self.ranks[..self.len]
    }

    /// Where a rank is, or where it belongs.
    #[inline]
    fn find(&self, rank: i64) -> Result<usize, usize> {
        let at = self.ranks().partition_point(|other| *other < rank);
        match self.ranks().get(at) {
            Some(found) if *found == rank => Ok(at),
            _ => Err(at),
        }
    }

    /// There must be room.
    fn insert(&mut self, at: usize, rank: i64, size: i64) {
        self.ranks.copy_within(at..self.len, at + 1);
        self.sizes.copy_within(at..self.len, at + 1);
        (self.ranks[at], self.sizes[at]) = (rank, size);
        self.len += 1;
    }

    fn remove(&mut self, at: usize) {
        self.ranks.copy_within(at + 1..self.len, at);
        self.sizes.copy_within(at + 1..self.len, at);
        self.len -= 1;
    }

    /// Moves the upper half into a page of its own.
    fn split(&mut self) -> Box<Self> {
        let half = self.len / 2;
        let mut upper = Box::new(Self::EMPTY);
        upper.append(&self.ranks[half..self.len], &self.sizes[half..self.len]);
        self.len = half;
        upper
    }

    /// There must be room.
    fn append(&mut self, ranks: &[i64], sizes: &[i64]) {
        let end = self.len + ranks.len();
        self.ranks[self.len..end].copy_from_slice(ranks);
        self.sizes[self.len..end].copy_from_slice(sizes);
        self.len = end;
    }

    fn iter(&self) -> impl DoubleEndedIterator<Item = (i64, i64)> + '_ {
        let sizes = self.sizes[..self.len].iter();
        self.ranks().iter().copied().zip(sizes.copied())
    }
}

/// Levels by rank; the best has the highest.
#[derive(Debug, Clone, Default)]
pub(super) struct Ladder {
    /// The highest rank of each page, ascending.
    tops: Vec<i64>,
    /// None is empty.
    #[expect(
        clippy::vec_box,
        reason = "a new page moves the pointers behind it, not the levels"
    )]
    pages: Vec<Box<Page>>,
    len: usize,
}

impl Ladder {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Sets the size at a rank; zero removes the level.
    pub(super) fn set(&mut self, rank: i64, size: i64) {
        let Some(last) = self.pages.len().checked_sub(1) else {
            if size != 0 {
                self.begin(rank, size);
            }
            return;
        };
        let at = self.page_of(rank).min(last);
        let page = &mut self.pages[at];
        match page.find(rank) {
            Ok(place) if size != 0 => page.sizes[place] = size,
            Ok(place) => {
                page.remove(place);
                self.len -= 1;
                self.shrunk(at);
            }
            Err(_) if size == 0 => {}
            Err(place) => {
                self.len += 1;
                if page.len < PAGE {
                    page.insert(place, rank, size);
                    self.tops[at] = self.tops[at].max(rank);
                } else {
                    self.insert_split(at, rank, size);
                }
            }
        }
    }

    /// The size at a rank, zero if there is no level.
    pub(super) fn get(&self, rank: i64) -> i64 {
        let Some(page) = self.pages.get(self.page_of(rank)) else {
            return 0;
        };
        page.find(rank).map_or(0, |at| page.sizes[at])
    }

    /// The highest rank and its size.
    #[inline]
    pub(super) fn best(&self) -> Option<(i64, i64)> {
        let page = self.pages.last()?;
        let at = page.len - 1;
        Some((page.ranks[at], page.sizes[at]))
    }

    /// Ranks and sizes, ascending.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (i64, i64)> + '_ {
        self.pages.iter().flat_map(|page| page.iter())
    }

    /// The page that a rank is on, or belongs on; one too far for a rank above all.
    #[inline]
    fn page_of(&self, rank: i64) -> usize {
        // Most changes are near the best, on the last page.
        match self.tops[..] {
            [.., before, _] if rank > before => self.tops.len() - 1,
            _ => self.tops.partition_point(|top| *top < rank),
        }
    }

    fn begin(&mut self, rank: i64, size: i64) {
        let mut page = Box::new(Page::EMPTY);
        page.insert(0, rank, size);
        self.tops.push(rank);
        self.pages.push(page);
        self.len = 1;
    }

    /// Splits a full page and inserts into the half where the rank belongs.
    fn insert_split(&mut self, at: usize, rank: i64, size: i64) {
        let upper = self.pages[at].split();
        self.pages.insert(at + 1, upper);
        self.tops.insert(at + 1, self.tops[at]);
        self.tops[at] = self.pages[at].ranks[self.pages[at].len - 1];
        let at = if rank > self.tops[at] { at + 1 } else { at };
        let page = &mut self.pages[at];
        if let Err(place) = page.find(rank) {
            page.insert(place, rank, size);
        }
        self.tops[at] = self.tops[at].max(rank);
    }

    /// A page lost a level.
    fn shrunk(&mut self, at: usize) {
        let len = self.pages[at].len;
        if len == 0 {
            self.pages.remove(at);
            self.tops.remove(at);
            return;
        }
        self.tops[at] = self.pages[at].ranks[len - 1];
        let next = self.pages.get(at + 1).map(|next| next.len);
        if len < SPARSE && next.is_some_and(|next| next + len <= PAGE - SPARSE) {
            let next = self.pages.remove(at + 1);
            self.tops.remove(at);
            self.pages[at].append(next.ranks(), &next.sizes[..next.len]);
        }
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
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn a_ladder_is_the_map_it_stands_for(changes in prop::collection::vec((-400i64..400, 0i64..3), 0..3_000)) {
            let (mut ladder, mut model) = (Ladder::default(), BTreeMap::new());
            for (rank, size) in changes {
                ladder.set(rank, size);
                if size == 0 { model.remove(&rank); } else { model.insert(rank, size); }
                prop_assert_eq!(ladder.get(rank), size);
                prop_assert_eq!(ladder.best(), model.last_key_value().map(|(rank, size)| (*rank, *size)));
                prop_assert_eq!(ladder.len(), model.len());
            }
            prop_assert!(ladder.iter().eq(model.iter().map(|(rank, size)| (*rank, *size))));
            for rank in -401..401 {
                prop_assert_eq!(ladder.get(rank), model.get(&rank).copied().unwrap_or(0));
            }
            prop_assert!(ladder.pages.iter().all(|page| page.len > 0));
            prop_assert!(ladder.pages.iter().zip(&ladder.tops).all(|(page, top)| page.ranks().last() == Some(top)));
        }
    }

    #[test]
    fn pages_do_not_stay_behind_when_a_market_moves_on() {
        let mut ladder = Ladder::default();
        for step in 0..100_000 {
            ladder.set(step, 1);
            if step >= 500 {
                ladder.set(step - 500, 0);
            }
        }
        assert_eq!(ladder.len(), 500);
        assert!(ladder.pages.len() < 40, "{} pages", ladder.pages.len());
    }
}
