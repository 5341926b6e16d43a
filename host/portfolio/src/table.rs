//! A small map kept as a sorted vector: a handful of rows that are read all the time and rarely added to.

/// A row that knows its own key.
pub(crate) trait Row {
    type Key: Ord + Copy;

    fn key(&self) -> Self::Key;
}

/// Rows by rising key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Table<R>(Vec<R>);

impl<R> Default for Table<R> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<R: Row> Table<R> {
    pub(crate) fn get(&self, key: R::Key) -> Option<&R> {
        self.find(key).ok().map(|at| &self.0[at])
    }

    /// The row of this key, made if there is none yet.
    pub(crate) fn row(&mut self, key: R::Key, make: impl FnOnce() -> R) -> &mut R {
        let at = match self.find(key) {
            Ok(at) => at,
            Err(at) => {
                self.0.insert(at, make());
                at
            }
        };
        &mut self.0[at]
    }

    pub(crate) fn remove(&mut self, key: R::Key) {
        if let Ok(at) = self.find(key) {
            self.0.remove(at);
        }
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, R> {
        self.0.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> std::slice::IterMut<'_, R> {
        self.0.iter_mut()
    }

    fn find(&self, key: R::Key) -> Result<usize, usize> {
        self.0.binary_search_by_key(&key, R::key)
    }
}
