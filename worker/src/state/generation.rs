//! Rows of one store by key: a hash table over entries that lie in one buffer, each in one piece:
//!
//! ```text
//!   key length, 4 │ value length, 4 │ room, 4 │ commit, 4 │ key │ value … room, to a multiple of 8
//! ```
//!
//! So a look-up touches one slot of the table and one entry, each a miss of the CPU's caches in a large
//! table and nothing more; there is no allocation per write, and forgetting everything keeps the memory.
//! Entries leave all together or not at all, so that the table needs no way to take one out. What the
//! rows mean is [`super::row_table`]'s.

use std::hash::{BuildHasher, Hasher};
use std::num::NonZeroU32;

use rustc_hash::FxBuildHasher;

const KEY_LEN: usize = 0;
const VALUE_LEN: usize = 4;
const ROOM: usize = 8;
const COMMIT: usize = 12;
const HEADER_LEN: usize = 16;

/// Entries begin at multiples of this.
const ALIGNMENT: usize = 8;

/// Bytes that the CPU fetches together.
const CACHE_LINE: usize = 64;

/// Slots of the smallest table.
const SLOTS_MIN: usize = 64;
/// Slots and bytes that are not worth giving back.
const SLOTS_KEPT: usize = 16 * 1024;
const BYTES_KEPT: usize = 256 * 1024;

/// Value length of a key that has no row.
const NO_ROW: u32 = u32::MAX;
/// Value length of an entry whose key has another, larger one further back.
const MOVED: u32 = u32::MAX - 1;

/// Where an entry is, counted from one in units of [`ALIGNMENT`]; good until the key is written again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(NonZeroU32);

impl Place {
    /// The place of an entry that begins there.
    fn from_start(start: usize) -> Self {
        Self(NonZeroU32::MIN.saturating_add(len_u32(start / ALIGNMENT)))
    }

    #[inline]
    fn start(self) -> usize {
        (self.0.get() - 1) as usize * ALIGNMENT
    }
}

/// A slot of the table: an entry, and 32 bits of its key's hash, which spare most looks at the entries of
/// other keys and all when the table grows.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    tag: u32,
    place: Option<Place>,
}

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
    /// None, or a power of two of which two thirds at most are taken. A key is in the first slot after
    /// the one that its tag names that is free or its own.
    slots: Vec<Slot>,
    /// Slots that are taken.
    taken: usize,
    bytes: Vec<u8>,
}

/// Hash of a key, to be computed once per access and handed to every table that is asked.
pub(super) fn hash(key: &[u8]) -> u64 {
    let mut hasher = FxBuildHasher.build_hasher();
    hasher.write(key);
    hasher.finish()
}

/// What slots keep of a hash: its lower half, whose lowest bits are the best of this hash function.
#[inline]
fn tag(hash: u64) -> u32 {
    hash as u32
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
        if self.taken == 0 {
            return None;
        }
        self.slots[self.slot(tag(hash), key)].place
    }

    /// The slot of a key: its own, or the free one that it would get.
    #[inline]
    fn slot(&self, tag: u32, key: &[u8]) -> usize {
        self.probe(tag, |place| self.key(place) == key)
    }

    /// The first slot from a tag's own on that is free or has this tag and the entry looked for.
    #[inline]
    fn probe(&self, tag: u32, is_it: impl Fn(Place) -> bool) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = tag as usize & mask;
        loop {
            let slot = self.slots[at];
            match slot.place {
                Some(place) if slot.tag != tag || !is_it(place) => at = (at + 1) & mask,
                _ => return at,
            }
        }
    }

    #[inline]
    fn key(&self, place: Place) -> &[u8] {
        let start = place.start();
        let len = u32_at(&self.bytes, start + KEY_LEN) as usize;
        &self.bytes[start + HEADER_LEN..][..len]
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

    /// Reads the slots of some keys, then the entries that they lead to: the CPU fetches all of a kind at
    /// the same time.
    pub(super) fn touch_keys(&self, hashes: &[u64]) {
        if self.taken == 0 {
            return;
        }
        let mask = self.slots.len() - 1;
        // Most keys are in their first slot, and the next ones lie beside it.
        let places = || {
            hashes
                .iter()
                .map(|&hash| self.slots[tag(hash) as usize & mask].place)
        };
        let slots = places().filter(Option::is_some).count();
        std::hint::black_box(slots);
        let last = self.bytes.len() - 1;
        let entries = places().flatten().map(|place| {
            let start = place.start();
            // An entry may go on in the next line of the cache.
            self.bytes[start] ^ self.bytes[last.min(start + CACHE_LINE - 1)]
        });
        std::hint::black_box(entries.fold(0, |all, byte| all ^ byte));
    }

    /// Writes a row made of two parts (timestamp and bytes), or that there is none, in a commit.
    pub(super) fn put(
        &mut self,
        hash: u64,
        key: &[u8],
        row: Option<(&[u8], &[u8])>,
        commit: u32,
    ) -> Put {
        if (self.taken + 1) * 3 > self.slots.len() * 2 {
            self.grow();
        }
        let tag = tag(hash);
        let at = self.slot(tag, key);
        let Some(place) = self.slots[at].place else {
            let place = self.append(key, row, commit);
            self.taken += 1;
            let slot = Some(place);
            self.slots[at] = Slot { tag, place: slot };
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
                self.slots[at].place = Some(place);
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

    /// Twice the slots.
    fn grow(&mut self) {
        let slots = (self.slots.len() * 2).max(SLOTS_MIN);
        let before = std::mem::replace(&mut self.slots, vec![Slot::default(); slots]);
        for slot in before.into_iter().filter(|slot| slot.place.is_some()) {
            let at = self.probe(slot.tag, |_| false);
            self.slots[at] = slot;
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
        // A table is at least a third full but for the smallest: what is counted here grows with the
        // rows, not by leaps.
        self.bytes.len() + self.taken * 3 * size_of::<Slot>()
    }

    /// Forgets everything. The memory stays for the next rows, but for what is far more than these had.
    pub(super) fn clear(&mut self) {
        let bytes = self.bytes.len().max(BYTES_KEPT);
        let slots = (self.taken * 3).next_power_of_two().max(SLOTS_KEPT);
        self.bytes.clear();
        if self.bytes.capacity() > 4 * bytes {
            self.bytes.shrink_to(bytes);
        }
        if self.slots.len() > 4 * slots {
            self.slots = vec![Slot::default(); slots];
        } else if self.taken > 0 {
            self.slots.fill(Slot::default());
        }
        self.taken = 0;
    }
}
