//! [`ChangeCache`]: changes of a table that are held back until the task commits (Kafka Streams'
//! `ThreadCache` before a caching store). Rows are in the store at once, so whoever looks a key up sees
//! the latest; what follows from the changes of a key within a commit follows once.

use std::collections::HashMap;
use std::sync::Arc;

use crate::record::Window;

/// What an entry takes beside its bytes: hash table, lengths, times.
const ENTRY_BYTES: usize = 192;
/// Bytes of a window beside a key.
const WINDOW_BYTES: usize = 16;

/// The latest change of a key, from what was forwarded last.
#[derive(Clone, Debug)]
pub struct HeldChange {
    /// Key, in the store's format.
    pub key: Vec<u8>,
    /// The window beside it.
    pub window: Option<Window>,
    /// What was forwarded last; `None` is nothing, or a deletion.
    pub old: Option<Vec<u8>>,
    /// The value now; `None` is a deletion.
    pub new: Option<Vec<u8>>,
    /// Its time.
    pub timestamp: i64,
    /// Headers of the record that made it, encoded.
    pub headers: Vec<u8>,
    /// Topic of that record.
    pub topic: Arc<str>,
    /// Its offset; `None` where no record led to it.
    pub offset: Option<i64>,
    /// Counts the changes of the cache: held ones go in the order of the last.
    turn: u64,
}

/// A change to be held back.
#[derive(Clone, Copy, Debug)]
pub struct Change<'c> {
    /// Key, in the store's format.
    pub key: &'c [u8],
    /// The window beside it.
    pub window: Option<Window>,
    /// The value before this change.
    pub old: Option<&'c [u8]>,
    /// The value after it.
    pub new: Option<&'c [u8]>,
    /// Its time.
    pub timestamp: i64,
    /// Headers, encoded.
    pub headers: &'c [u8],
    /// Topic it came from.
    pub topic: &'c str,
    /// Offset it came from.
    pub offset: Option<i64>,
}

/// Changes of one store, by key.
#[derive(Debug, Default)]
pub struct ChangeCache {
    held: HashMap<Vec<u8>, HeldChange>,
    /// For keys with windows.
    scratch: Vec<u8>,
    topics: Vec<Arc<str>>,
    bytes: usize,
    turn: u64,
    replaced: u64,
}

impl ChangeCache {
    /// Whether nothing is held back.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Memory of what is held back, in bytes.
    pub fn size_bytes(&self) -> usize {
        self.bytes
    }

    /// Changes that a later one of the same key took the place of.
    pub fn replaced(&self) -> u64 {
        self.replaced
    }

    /// Holds a change back. One of the same key that is held already keeps its old value, and gets the
    /// rest of this one.
    pub fn hold(&mut self, change: &Change<'_>) {
        self.turn += 1;
        let topic = self.topic(change.topic);
        self.scratch.clear();
        self.scratch.extend_from_slice(change.key);
        if let Some(Window { start, end }) = change.window {
            self.scratch.extend_from_slice(&start.to_be_bytes());
            self.scratch.extend_from_slice(&end.to_be_bytes());
        }
        if let Some(held) = self.held.get_mut(&self.scratch) {
            self.replaced += 1;
            self.bytes -= held.size_bytes();
            set(&mut held.new, change.new);
            held.headers.clear();
            held.headers.extend_from_slice(change.headers);
            held.timestamp = change.timestamp;
            held.topic = topic;
            held.offset = change.offset;
            held.turn = self.turn;
            self.bytes += held.size_bytes();
            return;
        }
        let held = HeldChange {
            key: change.key.to_vec(),
            window: change.window,
            old: change.old.map(<[u8]>::to_vec),
            new: change.new.map(<[u8]>::to_vec),
            timestamp: change.timestamp,
            headers: change.headers.to_vec(),
            topic,
            offset: change.offset,
            turn: self.turn,
        };
        self.bytes += held.size_bytes();
        self.held.insert(self.scratch.clone(), held);
    }

    /// Takes all changes out, in the order in which their keys changed last. A key that came and went
    /// meanwhile has none.
    pub fn take(&mut self) -> Vec<HeldChange> {
        self.bytes = 0;
        let changes = self.held.drain().map(|(_, held)| held);
        let mut changes: Vec<HeldChange> = changes
            .filter(|held| held.old.is_some() || held.new.is_some())
            .collect();
        changes.sort_unstable_by_key(|held| held.turn);
        changes
    }

    /// The same text for each change of a topic: a task reads few.
    fn topic(&mut self, topic: &str) -> Arc<str> {
        if let Some(known) = self.topics.iter().find(|known| &***known == topic) {
            return Arc::clone(known);
        }
        let topic: Arc<str> = topic.into();
        self.topics.push(Arc::clone(&topic));
        topic
    }
}

impl HeldChange {
    fn size_bytes(&self) -> usize {
        let len = |value: &Option<Vec<u8>>| value.as_ref().map_or(0, Vec::len);
        let window = self.window.map_or(0, |_| WINDOW_BYTES);
        2 * self.key.len()
            + window
            + len(&self.old)
            + len(&self.new)
            + self.headers.len()
            + ENTRY_BYTES
    }
}

/// Puts bytes in the place of others, in the memory that is there.
fn set(to: &mut Option<Vec<u8>>, from: Option<&[u8]>) {
    match (to.as_mut(), from) {
        (Some(bytes), Some(from)) => {
            bytes.clear();
            bytes.extend_from_slice(from);
        }
        (_, from) => *to = from.map(<[u8]>::to_vec),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change<'c>(key: &'c str, old: Option<&'c str>, new: Option<&'c str>) -> Change<'c> {
        Change {
            key: key.as_bytes(),
            window: None,
            old: old.map(str::as_bytes),
            new: new.map(str::as_bytes),
            timestamp: 1,
            headers: &[],
            topic: "in",
            offset: Some(1),
        }
    }

    type Shown = (String, Option<String>, Option<String>);

    fn taken(cache: &mut ChangeCache) -> Vec<Shown> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let show = |held: HeldChange| {
            let (old, new) = (held.old.as_deref().map(text), held.new.as_deref().map(text));
            (text(&held.key), old, new)
        };
        cache.take().into_iter().map(show).collect()
    }

    #[test]
    fn a_key_has_one_change_from_its_first_old_value_to_its_last_new_one() {
        let mut cache = ChangeCache::default();
        cache.hold(&change("a", Some("0"), Some("1")));
        cache.hold(&change("b", None, Some("1")));
        cache.hold(&change("c", None, Some("1")));
        cache.hold(&change("a", Some("1"), Some("2")));
        cache.hold(&change("c", Some("1"), None));
        cache.hold(&change("d", Some("9"), None));
        assert_eq!(cache.replaced(), 2);
        assert!(cache.size_bytes() > 4 * ENTRY_BYTES);
        let some = |text: &str| Some(text.to_owned());
        let expected: [Shown; 3] = [
            ("b".to_owned(), None, some("1")),
            ("a".to_owned(), some("0"), some("2")),
            ("d".to_owned(), some("9"), None),
        ];
        assert_eq!(taken(&mut cache), expected, "c came and went");
        assert!(cache.is_empty());
        assert_eq!(cache.size_bytes(), 0);
    }

    #[test]
    fn windows_of_a_key_are_keys_of_their_own() {
        let mut cache = ChangeCache::default();
        for start in [0, 10, 0] {
            let window = Some(Window {
                start,
                end: start + 10,
            });
            cache.hold(&Change {
                window,
                ..change("a", None, Some("1"))
            });
        }
        let windows: Vec<_> = cache.take().iter().map(|held| held.window).collect();
        let starts: Vec<_> = windows
            .iter()
            .flatten()
            .map(|window| window.start)
            .collect();
        assert_eq!(starts, [10, 0]);
    }
}
