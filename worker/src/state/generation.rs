//! Rows of one store by key: a hash table over entries that lie in one buffer, each in one piece:
//!
//! ```text
//!   key length, 4 │ value length, 4 │ room, 4 │ commit, 4 │ key │ value … room, to a multiple of 8
//! ```
//!
//! There is no allocation per write, and forgetting everything keeps the memory. What the rows mean is
//! [`super::row_table`]'s.

use super::slots::{ALIGNMENT, Place, Slots};

const KEY_LEN: usize = 0;
const VALUE_LEN: usize = 4;
const ROOM: usize = 8;
const COMMIT: usize = 12;
const HEADER_LEN: usize = 16;

/// Value length of a key that has no row.
const NO_ROW: u32 = u32::MAX;
/// Value length of an entry whose key has another, larger one further back.
const MOVED: u32 = u32::MAX - 1;

/// An entry as it lies in the buffer.
pub(super) struct Entry<'a> {
    value_len: u32,
    room: usize,
    /// The commit that it was written in; 0: in none.
    pub(super) commit: u32,
    pub(super) key: &'a [u8],
    /// The row, and the room after it.
    rest: &'a [u8],
}

/// What a write did.
pub(super) struct Put {
    /// The key's entry now.
    pub(super) place: Place,
    /// Whether no write before this one had that place.
    pub(super) is_new_place: bool,
    /// The commit of what the key had before; `None`: nothing.
    pub(super) before: Option<u32>,
}

/// A hash table and its entries. Bounded by its owner, far below the 32 GiB that places reach.
#[derive(Debug, Default)]
pub(super) struct Generation {
    slots: Slots,
    bytes: Vec<u8>,
}

fn len_u32(len: usize) -> u32 {
    // Keys and values are bounded by the log's record size, far below 4 GiB.
    u32::try_from(len).unwrap_or(MOVED - 1)
}

#[inline]
fn u32_at(bytes: &[u8], start: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[start..start + 4]);
    u32::from_ne_bytes(number)
}

#[inline]
fn key_at(bytes: &[u8], place: Place) -> &[u8] {
    let start = place.start();
    let len = u32_at(bytes, start + KEY_LEN) as usize;
    &bytes[start + HEADER_LEN..][..len]
}

impl<'a> Entry<'a> {
    #[inline]
    fn at(bytes: &'a [u8], start: usize) -> Self {
        let (header, rest) = bytes[start..].split_at(HEADER_LEN);
        let (key_len, room) = (
            u32_at(header, KEY_LEN) as usize,
            u32_at(header, ROOM) as usize,
        );
        let (key, rest) = rest.split_at(key_len);
        Self {
            value_len: u32_at(header, VALUE_LEN),
            room,
            commit: u32_at(header, COMMIT),
            key,
            rest: &rest[..room],
        }
    }

    /// The row; `None`: the key has none.
    #[inline]
    pub(super) fn row(&self) -> Option<&'a [u8]> {
        (self.value_len != NO_ROW).then(|| &self.rest[..self.value_len as usize])
    }
}

impl Generation {
    /// Where a key is, if it is known.
    #[inline]
    pub(super) fn find(&self, hash: u64, key: &[u8]) -> Option<Place> {
        self.slots
            .find(hash, |place| key_at(&self.bytes, place) == key)
    }

    /// The entry at a place that was found.
    #[inline]
    pub(super) fn at(&self, place: Place) -> Entry<'_> {
        Entry::at(&self.bytes, place.start())
    }

    /// The entry that was written at a place, unless its key has another one since.
    pub(super) fn live(&self, place: Place) -> Option<Entry<'_>> {
        let entry = self.at(place);
        (entry.value_len != MOVED).then_some(entry)
    }

    /// Reads a byte of each of some entries, which the CPU fetches at the same time.
    pub(super) fn touch(&self, places: &[Place]) {
        let bytes = places
            .iter()
            .map(|place| self.bytes[place.start() + VALUE_LEN]);
        std::hint::black_box(bytes.fold(0, |all, byte| all ^ byte));
    }

    /// Brings the slots and entries of some keys into the CPU's caches.
    pub(super) fn touch_keys(&self, hashes: &[u64]) {
        self.slots.touch(hashes, &self.bytes);
    }

    /// Writes a row made of two parts (timestamp and bytes), or that there is none, in a commit.
    pub(super) fn put(
        &mut self,
        hash: u64,
        key: &[u8],
        row: Option<(&[u8], &[u8])>,
        commit: u32,
    ) -> Put {
        let Self { slots, bytes } = self;
        let at = slots.slot(hash, |place| key_at(bytes, place) == key);
        let Some(place) = slots.get(at) else {
            let place = self.append(key, row, commit);
            self.slots.set(at, hash, place);
            return Put {
                place,
                is_new_place: true,
                before: None,
            };
        };
        let start = place.start();
        let Entry {
            room,
            commit: before,
            ..
        } = Entry::at(&self.bytes, start);
        match row {
            None => self.set(start + VALUE_LEN, NO_ROW),
            Some((head, tail)) if head.len() + tail.len() <= room => {
                let at = start + HEADER_LEN + key.len();
                self.bytes[at..at + head.len()].copy_from_slice(head);
                let at = at + head.len();
                self.bytes[at..at + tail.len()].copy_from_slice(tail);
                self.set(start + VALUE_LEN, len_u32(head.len() + tail.len()));
            }
            Some(_) => {
                self.set(start + VALUE_LEN, MOVED);
                let place = self.append(key, row, commit);
                self.slots.set(at, hash, place);
                return Put {
                    place,
                    is_new_place: true,
                    before: Some(before),
                };
            }
        }
        self.set(start + COMMIT, commit);
        Put {
            place,
            is_new_place: false,
            before: Some(before),
        }
    }

    fn append(&mut self, key: &[u8], row: Option<(&[u8], &[u8])>, commit: u32) -> Place {
        let (head, tail) = row.unwrap_or_default();
        let len = head.len() + tail.len();
        // Numbers grow digit by digit: the room up to the next entry keeps most where they are.
        let room = (key.len() + len).next_multiple_of(ALIGNMENT) - key.len();
        let value_len = row.map_or(NO_ROW, |_| len_u32(len));
        let place = Place::from_start(self.bytes.len());
        self.bytes.reserve(HEADER_LEN + key.len() + room);
        for number in [len_u32(key.len()), value_len, len_u32(room), commit] {
            self.bytes.extend_from_slice(&number.to_ne_bytes());
        }
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(head);
        self.bytes.extend_from_slice(tail);
        self.bytes.extend_from_slice(&[0; ALIGNMENT][..room - len]);
        place
    }

    fn set(&mut self, at: usize, number: u32) {
        self.bytes[at..at + 4].copy_from_slice(&number.to_ne_bytes());
    }

    /// Copies an entry of another generation.
    pub(super) fn copy(&mut self, hash: u64, entry: &Entry<'_>) {
        let row = entry.row().map(|row| (row, &b""[..]));
        self.put(hash, entry.key, row, entry.commit);
    }

    /// Memory in use, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        self.bytes.len() + self.slots.size_bytes()
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.slots.clear(&mut self.bytes);
    }
}
