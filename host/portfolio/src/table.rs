//! A small map kept as a sorted vector: a handful of rows that are read constantly and rarely added to.

/// A row that knows its own key.
pub(crate) trait Row {
    type Key: Ord + Copy;

    fn key(&self) -> Self::Key;
}

/// Rows by ascending key.
#[derive(Debug, PartialEq)]
pub(crate) struct Table<R>(Vec<R>);

impl<R: Clone> Clone for Table<R> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }

    fn clone_from(&mut self, other: &Self) {
        self.0.clone_from(&other.0);
    }
}

impl<R> Default for Table<R> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<R: Row> Table<R> {
    #[inline]
    pub(crate) fn get(&self, key: R::Key) -> Option<&R> {
        self.search(key).ok().map(|at| &self.0[at])
    }

    /// Returns the index of this key's row, valid until a row is added or removed.
    #[inline]
    pub(crate) fn find(&self, key: R::Key) -> Option<usize> {
        self.search(key).ok()
    }

    /// The row with this key, created if there is none yet.
    #[inline]
    pub(crate) fn row(&mut self, key: R::Key, make: impl FnOnce() -> R) -> &mut R {
        let at = match self.search(key) {
            Ok(at) => at,
            Err(at) => {
                self.0.insert(at, make());
                at
            }
        };
        &mut self.0[at]
    }

    pub(crate) fn remove(&mut self, key: R::Key) {
        if let Ok(at) = self.search(key) {
            self.0.remove(at);
        }
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, R> {
        self.0.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> std::slice::IterMut<'_, R> {
        self.0.iter_mut()
    }

    #[inline]
    fn search(&self, key: R::Key) -> Result<usize, usize> {
        self.0.binary_search_by_key(&key, R::key)
    }
}

impl<R> std::ops::Index<usize> for Table<R> {
    type Output = R;

    #[inline]
    fn index(&self, at: usize) -> &R {
        &self.0[at]
    }
}

impl<R> std::ops::IndexMut<usize> for Table<R> {
    #[inline]
    fn index_mut(&mut self, at: usize) -> &mut R {
        &mut self.0[at]
    }
}
