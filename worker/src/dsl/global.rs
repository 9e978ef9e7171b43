//! [`GlobalKTable`].

use std::fmt;
use std::marker::PhantomData;

use super::graph::Handle;

/// A table of which every instance has all partitions: streams look single keys of it up, whatever
/// their own key is ([`KStream::join_global_table`](super::KStream::join_global_table)).
pub struct GlobalKTable<K, V> {
    pub(super) handle: Handle,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> GlobalKTable<K, V> {
    pub(super) fn of(handle: Handle) -> Self {
        Self {
            handle,
            types: PhantomData,
        }
    }
}

impl<K, V> Clone for GlobalKTable<K, V> {
    fn clone(&self) -> Self {
        Self::of(self.handle.clone())
    }
}

impl<K, V> fmt::Debug for GlobalKTable<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GlobalKTable")
    }
}
