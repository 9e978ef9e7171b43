//! How a group divides its tasks: balanced, with as few moves as a balance allows, and always the
//! same for the same members (as `cooperative-sticky`, with static members in order of their
//! instance ids).

use std::cmp::Reverse;

/// Divides tasks over members numbered from 0. `owners` has each task's member so far, if that one
/// is still there; the answer has each task's member from now on (`None` only without members).
pub(crate) fn divide(member_count: usize, owners: &[Option<usize>]) -> Vec<Option<usize>> {
    if member_count == 0 {
        return vec![None; owners.len()];
    }
    let mut quotas = quotas(member_count, owners);
    let mut division: Vec<Option<usize>> = vec![None; owners.len()];
    for (task, owner) in owners.iter().enumerate() {
        if let Some(member) = *owner
            && quotas[member] > 0
        {
            quotas[member] -= 1;
            division[task] = Some(member);
        }
    }
    let mut next = 0;
    for slot in division.iter_mut().filter(|slot| slot.is_none()) {
        // The quotas add up to the number of tasks, so someone has room.
        while quotas[next] == 0 {
            next = (next + 1) % member_count;
        }
        quotas[next] -= 1;
        *slot = Some(next);
        next = (next + 1) % member_count;
    }
    division
}

/// How many tasks each member gets. The odd ones out go to those that have most already (the first
/// among equals): then nobody gives up a task that somebody may keep.
fn quotas(member_count: usize, owners: &[Option<usize>]) -> Vec<usize> {
    let mut counts = vec![0usize; member_count];
    for member in owners.iter().flatten() {
        counts[*member] += 1;
    }
    let mut by_count: Vec<usize> = (0..member_count).collect();
    by_count.sort_by_key(|member| Reverse(counts[*member]));
    let mut quotas = vec![owners.len() / member_count; member_count];
    for member in by_count.into_iter().take(owners.len() % member_count) {
        quotas[member] += 1;
    }
    quotas
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    fn counts(member_count: usize, division: &[Option<usize>]) -> Vec<usize> {
        let mut counts = vec![0; member_count];
        for member in division.iter().flatten() {
            counts[*member] += 1;
        }
        counts
    }

    fn moves(owners: &[Option<usize>], division: &[Option<usize>]) -> usize {
        let moved = |(old, new): (&Option<usize>, &Option<usize>)| old.is_some() && old != new;
        owners
            .iter()
            .zip(division)
            .filter(|pair| moved(*pair))
            .count()
    }

    /// The fewest moves any balanced division needs: each member keeps what its quota allows, and
    /// the larger quotas go where most is kept.
    fn fewest_moves(member_count: usize, owners: &[Option<usize>]) -> usize {
        let counts = counts(member_count, owners);
        let (low, larger) = (owners.len() / member_count, owners.len() % member_count);
        let kept_low: usize = counts.iter().map(|count| (*count).min(low)).sum();
        let above = counts.iter().filter(|count| **count > low).count();
        counts.iter().sum::<usize>() - kept_low - above.min(larger)
    }

    #[test]
    fn three_members_of_six_tasks_get_two_each_and_only_two_move_to_the_third() {
        let two = divide(2, &[None; 6]);
        assert_eq!(counts(2, &two), [3, 3]);
        let three = divide(3, &two);
        assert_eq!(counts(3, &three), [2, 2, 2]);
        assert_eq!(moves(&two, &three), 2);
    }

    #[test]
    fn without_members_nobody_owns_anything() {
        assert_eq!(divide(0, &[None, None]), [None, None]);
    }

    proptest! {
        #[test]
        fn a_division_is_complete_balanced_and_moves_as_little_as_possible(
            (member_count, owners) in (1usize..8).prop_flat_map(|members| {
                let owner = proptest::option::of(0..members);
                (Just(members), proptest::collection::vec(owner, 0..40))
            })
        ) {
            let division = divide(member_count, &owners);
            prop_assert!(division.iter().all(Option::is_some));
            let counts = counts(member_count, &division);
            let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            prop_assert!(most - least <= 1, "{counts:?}");
            prop_assert_eq!(moves(&owners, &division), fewest_moves(member_count, &owners));
            prop_assert_eq!(&divide(member_count, &division), &division);
        }
    }
}
