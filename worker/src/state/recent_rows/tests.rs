//! The rows alone; with their store, see `tests/engine/timed_stores.rs`.

use proptest::prelude::*;

use super::*;
use crate::state::Shape;

const SHAPE: Shape = Shape::Window {
    retention_ms: 480_000,
    duplicates: true,
    order: WindowOrder::Key,
    ordered: false,
    until_forwarded: false,
    join_ms: Some(SPAN_MS),
};
const SPAN_MS: i64 = 10_000;

fn write(rows: &mut RecentRows, key: &[u8], start: i64) {
    let (window, arena) = (
        WindowKey {
            key,
            start,
            sequence: 0,
        },
        Bump::new(),
    );
    rows.write(&window.row_key(SHAPE, &arena), &window, start, b"value");
}

fn starts(rows: &RecentRows, key: &[u8], span: (i64, i64)) -> Vec<i64> {
    let arena = Bump::new();
    let mut found = ArenaVec::new_in(&arena);
    rows.fetch(key, span, &mut found, &arena);
    found.sort_by_key(|row| row.start);
    for row in &found {
        assert_eq!((row.key, row.row.timestamp), (key, row.start));
        assert_eq!(row.row.value, b"value");
    }
    found.iter().map(|row| row.start).collect()
}

fn store(rows: &mut RecentRows, newest: i64, live_from: i64) {
    rows.commit();
    rows.stored(newest, live_from);
}

#[test]
fn rows_of_a_key_are_found_by_time() {
    let mut rows = RecentRows::new(-1, SPAN_MS, 1 << 20);
    for start in [9, 10, 70_000, 30, 20] {
        write(&mut rows, b"a", start);
    }
    write(&mut rows, b"ab", 15);
    assert_eq!(
        starts(&rows, b"a", (9, 80_000)),
        [9, 10, 20, 30, 70_000],
        "not committed"
    );
    store(&mut rows, 70_000, 0);
    write(&mut rows, b"a", 25);
    assert_eq!(starts(&rows, b"a", (10, 80_000)), [10, 20, 25, 30, 70_000]);
    assert_eq!(starts(&rows, b"a", (11, 69_999)), [20, 25, 30]);
    store(&mut rows, 70_000, 60_000);
    assert_eq!(rows.complete_from(), 11, "the first ones have expired");
    assert_eq!(starts(&rows, b"a", (60_000, 80_000)), [70_000]);
}

#[test]
fn of_rows_that_are_not_all_here_those_are_that_are_not_stored() {
    let mut rows = RecentRows::new(20, SPAN_MS, 1 << 20);
    assert_eq!(rows.complete_from(), 21);
    for start in [10, 20, 21, 30] {
        write(&mut rows, b"a", start);
    }
    assert_eq!(starts(&rows, b"a", (0, 99)), [10, 20, 21, 30]);
    rows.commit();
    assert!(!rows.is_stored());
    assert_eq!(rows.uncommitted().count(), 0);
    assert_eq!(rows.unstored().count(), 4);
    write(&mut rows, b"a", 15);
    assert_eq!(starts(&rows, b"a", (0, 99)), [10, 15, 20, 21, 30]);
    assert_eq!(rows.uncommitted().count(), 1);
    store(&mut rows, 30, 0);
    assert!(rows.is_stored());
    assert_eq!(starts(&rows, b"a", (0, 99)), [21, 30], "the state has them");
}

#[test]
fn rows_that_are_not_stored_are_in_the_order_of_their_keys() {
    let mut rows = RecentRows::new(-1, SPAN_MS, 0);
    for (key, start) in [(&b"b"[..], 3), (b"a", 7), (b"ab", 1), (b"a", 5)] {
        write(&mut rows, key, start);
    }
    let keys: Vec<&[u8]> = rows.unstored().map(|(key, _)| key).collect();
    assert!(keys.is_sorted() && keys.len() == 4);
}

#[test]
fn the_memory_is_bounded_and_what_is_forgotten_is_not_claimed() {
    const BYTES: usize = 64 * 1024;
    let mut rows = RecentRows::new(-1, SPAN_MS, BYTES);
    for start in (0i64..10_000_000).step_by(1_000) {
        write(&mut rows, &start.to_be_bytes(), start);
        if start % 3_000 == 0 {
            store(&mut rows, start, 0);
            let held = rows.bytes.len() + rows.slots.size_bytes();
            assert!(held <= BYTES, "{held} bytes");
        }
    }
    let from = rows.complete_from();
    assert!(from > 0);
    for start in (0..10_000_000)
        .step_by(1_000)
        .filter(|&start| start >= from)
    {
        assert_eq!(starts(&rows, &start.to_be_bytes(), (from, start)), [start]);
    }
    rows.forget(77);
    assert_eq!((rows.complete_from(), rows.uncommitted_bytes()), (78, 0));
    assert!(starts(&rows, &9_999_000i64.to_be_bytes(), (0, 10_000_000)).is_empty());
}

#[test]
fn what_a_large_commit_took_is_given_back() {
    let mut rows = RecentRows::new(-1, SPAN_MS, 64 * 1024);
    for start in 0..100_000i64 {
        write(&mut rows, &start.to_be_bytes(), start);
    }
    assert!(rows.is_full());
    store(&mut rows, 100_000, 0);
    assert!(!rows.is_full());
    let kept = rows.bytes.len() - rows.begin;
    assert!(kept > 16 * 1024, "the last rows are kept, {kept} bytes");
    assert!(
        rows.bytes.capacity() <= 4 * ROOM_MIN,
        "{}",
        rows.bytes.capacity()
    );
}

#[test]
fn without_memory_nothing_is_kept_once_it_is_stored() {
    let mut rows = RecentRows::new(-1, SPAN_MS, 0);
    write(&mut rows, b"a", 5);
    assert!(rows.is_full());
    assert_eq!(starts(&rows, b"a", (0, 9)), [5]);
    store(&mut rows, 5, 0);
    assert_eq!(rows.complete_from(), 6);
    assert!(starts(&rows, b"a", (0, 9)).is_empty());
}

/// One whose clock is an hour ahead.
#[test]
fn a_row_far_ahead_does_not_take_the_others_with_it() {
    let mut rows = RecentRows::new(-1, SPAN_MS, 64 * 1024);
    let ahead = 3_600_000;
    write(&mut rows, b"ahead", ahead);
    for start in 0..20_000i64 {
        write(&mut rows, &start.to_be_bytes(), start);
        if start % 10 == 9 {
            store(&mut rows, ahead, 0);
        }
    }
    let from = rows.complete_from();
    assert!((10_000..20_000).contains(&from), "complete from {from}");
    assert_eq!(starts(&rows, b"ahead", (from, ahead)), [ahead]);
    for start in from..20_000 {
        assert_eq!(starts(&rows, &start.to_be_bytes(), (from, start)), [start]);
    }
}

#[derive(Clone, Debug)]
enum Act {
    Write { key: u8, start: i64 },
    Fetch { key: u8, from: i64, to: i64 },
    Commit,
    Store { live_from: i64 },
    Forget,
}

/// Times drift forward, some rows are late, some far ahead.
fn acts() -> impl Strategy<Value = Vec<Act>> {
    let one = (0u8..100, 0u8..5, 0i64..30_000, 0i64..40_000);
    prop::collection::vec(one, 1..400).prop_map(|all| {
        let mut now = 0;
        let acts = all.into_iter().map(|(choice, key, jitter, span)| {
            now += jitter % 700;
            let start = match choice {
                0..3 => now + 400_000,
                3..8 => (now - 3 * jitter).max(0),
                _ => now + jitter % 50,
            };
            match choice {
                0..60 => Act::Write { key, start },
                60..80 => {
                    let (from, to) = (start - span, start + span);
                    Act::Fetch { key, from, to }
                }
                80..88 => Act::Commit,
                88..99 => Act::Store {
                    live_from: (now - 60_000).max(0),
                },
                _ => Act::Forget,
            }
        });
        acts.collect()
    })
}

/// A row as a list has it: key, start and number.
type Listed = (u8, i64, u32);

fn found(rows: &RecentRows, key: u8, span: (i64, i64)) -> Vec<Listed> {
    let arena = Bump::new();
    let mut found = ArenaVec::new_in(&arena);
    rows.fetch(&[key], span, &mut found, &arena);
    let mut found: Vec<Listed> = found
        .iter()
        .map(|row| (row.key[0], row.start, row.sequence))
        .collect();
    found.sort_unstable();
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    /// With what the state has, found rows are all rows, each once.
    #[test]
    fn what_is_not_found_here_is_found_in_the_state(acts in acts(), bytes_max in 0usize..12_000) {
        let mut rows = RecentRows::new(-1, 500, bytes_max);
        let (mut stored, mut written): (Vec<Listed>, Vec<Listed>) = (Vec::new(), Vec::new());
        let (mut uncommitted, mut newest, mut sequence, mut live) = (0, -1, 0, 0);
        let arena = Bump::new();
        for act in acts {
            match act {
                Act::Write { key, start } => {
                    sequence += 1;
                    let key_bytes = [key];
                    let window = WindowKey { key: &key_bytes, start, sequence };
                    rows.write(&window.row_key(SHAPE, &arena), &window, start, b"value");
                    written.push((key, start, sequence));
                    uncommitted += 1;
                    newest = newest.max(start);
                }
                Act::Fetch { key, from, to } => {
                    let from = from.max(live);
                    let of_state = stored.iter().filter(|row| row.1 < rows.complete_from());
                    let mut both: Vec<Listed> = of_state
                        .filter(|row| row.0 == key && (from..=to).contains(&row.1))
                        .copied()
                        .collect();
                    both.extend(found(&rows, key, (from, to)));
                    both.sort_unstable();
                    let all = stored.iter().chain(&written);
                    let mut expected: Vec<Listed> = all
                        .filter(|row| row.0 == key && (from..=to).contains(&row.1))
                        .copied()
                        .collect();
                    expected.sort_unstable();
                    prop_assert_eq!(both, expected);
                    rows.touch([(&[key][..], from), (&[key][..], to)].into_iter(), &arena);
                }
                Act::Commit => {
                    rows.commit();
                    uncommitted = 0;
                }
                Act::Store { live_from } => {
                    rows.commit();
                    uncommitted = 0;
                    live = live_from;
                    rows.stored(newest, live);
                    stored.append(&mut written);
                }
                Act::Forget => {
                    written.clear();
                    uncommitted = 0;
                    newest = stored.iter().map(|row| row.1).max().unwrap_or(-1);
                    rows.forget(newest);
                }
            }
            prop_assert_eq!(rows.uncommitted().count(), uncommitted);
            prop_assert_eq!(rows.unstored().count(), written.len());
            prop_assert_eq!(rows.is_stored(), written.is_empty());
        }
    }
}
