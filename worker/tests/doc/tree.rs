// The store that examples of stores of one's own keep their rows in. Included by them.

use std::collections::BTreeMap;
use std::ops::Bound;

use millrace_worker::api::{StateStore, StoreFailure};

/// Rows in a tree.
#[derive(Default)]
pub struct Tree(BTreeMap<Vec<u8>, Vec<u8>>);

impl StateStore for Tree {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreFailure> {
        Ok(self.0.get(key).cloned())
    }

    fn scan(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        row: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreFailure> {
        let to = to.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rows = self.0.range::<[u8], _>((Bound::Included(from), to));
        rows.all(|(key, value)| row(key, value));
        Ok(())
    }

    fn write(&mut self, rows: &[(&[u8], Option<&[u8]>)]) -> Result<(), StoreFailure> {
        for (key, row) in rows {
            match row {
                Some(row) => self.0.insert(key.to_vec(), row.to_vec()),
                None => self.0.remove(*key),
            };
        }
        Ok(())
    }
}
