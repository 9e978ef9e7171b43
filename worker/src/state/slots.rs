//! The slots of a hash table whose entries lie in a buffer of their owner's, which knows their keys. A
//! slot has 8 bytes: where the entry is, and 32 bits of its key's hash. So a look-up touches one slot and
//! one entry, each a miss of the CPU's caches in a large table and nothing more. There is no way to take out
//! one entry: they leave all together, or when the others move.

use std::hash::{BuildHasher, Hasher};
use std::num::NonZeroU32;

use rustc_hash::FxBuildHasher;

/// Entries begin at multiples of this in their buffer.
pub(super) const ALIGNMENT: usize = 8;

/// Bytes that the CPU fetches together.
const CACHE_LINE: usize = 64;

/// Slots of the smallest table.
const SLOTS_MIN: usize = 64;
/// Slots and bytes that are not worth giving back.
const SLOTS_KEPT: usize = 16 * 1024;
const BYTES_KEPT: usize = 256 * 1024;

/// Where an entry is, counted from one in units of [`ALIGNMENT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(NonZeroU32);

impl Place {
    /// The place of an entry that begins there, below 32 GiB.
    pub(super) fn from_start(start: usize) -> Self {
        debug_assert!(start / ALIGNMENT < u32::MAX as usize, "beyond 32 GiB");
        let units = u32::try_from(start / ALIGNMENT).unwrap_or(u32::MAX - 1);
        Self(NonZeroU32::MIN.saturating_add(units))
    }

    /// Where it begins.
    #[inline]
    pub(super) fn start(self) -> usize {
        (self.0.get() - 1) as usize * ALIGNMENT
    }
}

/// An entry, and 32 bits of its key's hash, which spare most looks at the entries of other keys and all
/// when the table grows.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    tag: u32,
    place: Option<Place>,
}

/// None, or a power of two of which two thirds at most are taken. A key is in the first slot after the
/// one that its tag names that is free or its own.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    /// Slots that are taken.
    taken: usize,
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

impl Slots {
    /// The entry of a key; `is_it` says whether one is.
    #[inline]
    pub(super) fn find(&self, hash: u64, is_it: impl Fn(Place) -> bool) -> Option<Place> {
        if self.taken == 0 {
            return None;
        }
        self.slots[self.probe(tag(hash), is_it)].place
    }

    /// The slot of a key that is to be written: its own, or the free one that it gets.
    #[inline]
    pub(super) fn slot(&mut self, hash: u64, is_it: impl Fn(Place) -> bool) -> usize {
        if (self.taken + 1) * 3 > self.slots.len() * 2 {
            self.grow();
        }
        self.probe(tag(hash), is_it)
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

    /// The entry of a slot; `None`: it is free.
    #[inline]
    pub(super) fn get(&self, slot: usize) -> Option<Place> {
        self.slots[slot].place
    }

    /// Gives a slot, the key's own, an entry.
    #[inline]
    pub(super) fn set(&mut self, slot: usize, hash: u64, place: Place) {
        self.taken += usize::from(self.slots[slot].place.is_none());
        let (tag, place) = (tag(hash), Some(place));
        self.slots[slot] = Slot { tag, place };
    }

    /// Twice the slots.
    fn grow(&mut self) {
        let slots = (self.slots.len() * 2).max(SLOTS_MIN);
        let before = std::mem::replace(&mut self.slots, vec![Slot::default(); slots]);
        self.fill(before.into_iter().filter(|slot| slot.place.is_some()));
    }

    /// Fills free slots of an empty table with those of keys that are all different.
    fn fill(&mut self, taken: impl Iterator<Item = Slot>) {
        for slot in taken {
            let at = self.probe(slot.tag, |_| false);
            self.slots[at] = slot;
        }
    }

    /// The entries have moved: where each begins now, `None` where it is gone.
    pub(super) fn move_to(&mut self, start: impl Fn(Place) -> Option<usize>) {
        let moved = |slot: &Slot| {
            let place = Some(Place::from_start(start(slot.place?)?));
            Some(Slot { place, ..*slot })
        };
        let left: Vec<Slot> = self.slots.iter().filter_map(moved).collect();
        let slots = (left.len() * 3 / 2 + 1).next_power_of_two().max(SLOTS_MIN);
        self.slots = vec![Slot::default(); slots];
        self.taken = left.len();
        self.fill(left.into_iter());
    }

    /// Reads the slots of some keys, then the entries in `bytes` that they lead to: the CPU fetches all
    /// of a kind at the same time, where one by one each look-up would wait twice.
    pub(super) fn touch(&self, hashes: &[u64], bytes: &[u8]) {
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
        let last = bytes.len() - 1;
        let entries = places().flatten().map(|place| {
            let start = place.start();
            // An entry may go on in the next line of the cache.
            bytes[start] ^ bytes[last.min(start + CACHE_LINE - 1)]
        });
        std::hint::black_box(entries.fold(0, |all, byte| all ^ byte));
    }

    /// Memory in use, in bytes. A table is at least a third full but for the smallest: what is counted
    /// here grows with the entries, not by leaps.
    pub(super) fn size_bytes(&self) -> usize {
        self.taken * 3 * size_of::<Slot>()
    }

    /// Forgets everything, the owner's entries as well. The memory stays for the next ones, but for what
    /// is far more than these had.
    pub(super) fn clear(&mut self, entries: &mut Vec<u8>) {
        let bytes = entries.len().max(BYTES_KEPT);
        let slots = (self.taken * 3).next_power_of_two().max(SLOTS_KEPT);
        entries.clear();
        if entries.capacity() > 4 * bytes {
            entries.shrink_to(bytes);
        }
        if self.slots.len() > 4 * slots {
            self.slots = vec![Slot::default(); slots];
        } else if self.taken > 0 {
            self.slots.fill(Slot::default());
        }
        self.taken = 0;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Entries are their own number, 8 bytes each; hashes meet in few slots, and some are the same.
    const HASHES: u64 = 40;

    fn entry(bytes: &[u8], place: Place) -> u64 {
        u64::from_ne_bytes(*bytes[place.start()..].first_chunk().unwrap())
    }

    fn find(slots: &Slots, bytes: &[u8], number: u64) -> Option<usize> {
        let found = slots.find(number % HASHES, |place| entry(bytes, place) == number);
        found.map(Place::start)
    }

    #[test]
    fn entries_are_found_though_their_hashes_meet_the_table_grows_and_they_move() {
        let (mut slots, mut bytes) = (Slots::default(), Vec::new());
        assert_eq!(find(&slots, &bytes, 0), None);
        slots.touch(&[0, 1], &bytes);
        for number in 0..500u64 {
            let slot = slots.slot(number % HASHES, |place| entry(&bytes, place) == number);
            assert_eq!(slots.get(slot), None);
            slots.set(slot, number % HASHES, Place::from_start(bytes.len()));
            bytes.extend_from_slice(&number.to_ne_bytes());
        }
        for number in 0..500 {
            assert_eq!(find(&slots, &bytes, number), Some(number as usize * 8));
        }
        assert_eq!(find(&slots, &bytes, 500), None);
        let before = slots.size_bytes();
        bytes.drain(..300 * 8);
        slots.move_to(|place| place.start().checked_sub(300 * 8));
        for number in 0..500 {
            let expected = u64::checked_sub(number, 300).map(|left| left as usize * 8);
            assert_eq!(find(&slots, &bytes, number), expected);
        }
        assert!(slots.size_bytes() < before);
        assert!(slots.slots.len() < slots.taken * 3, "at least a third full");
        slots.touch(&[0, 7, 500], &bytes);
        slots.clear(&mut bytes);
        assert_eq!((find(&slots, &bytes, 400), slots.size_bytes()), (None, 0));
    }
}
