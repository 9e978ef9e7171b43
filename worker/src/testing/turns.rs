//! Whose turn it is.

use std::sync::Arc;

/// Topics by the time of their first record, the lowest first. Equal times have the order of Java's
/// `PriorityQueue`, which is what Kafka Streams' driver keeps its inputs in: not fair, but what results
/// are compared with. So this is a binary heap that moves its elements just as that one does.
#[derive(Default)]
pub(super) struct Turns(Vec<(i64, Arc<str>)>);

impl Turns {
    /// Adds a topic.
    pub(super) fn offer(&mut self, time: i64, topic: Arc<str>) {
        let mut place = self.0.len();
        self.0.push((time, topic));
        while place > 0 {
            let parent = (place - 1) / 2;
            if time >= self.0[parent].0 {
                break;
            }
            self.0.swap(place, parent);
            place = parent;
        }
    }

    /// Removes the first topic.
    pub(super) fn poll(&mut self) -> Option<Arc<str>> {
        if self.0.is_empty() {
            return None;
        }
        let (_, first) = self.0.swap_remove(0);
        let mut place = 0;
        while 2 * place + 1 < self.0.len() {
            let (left, right) = (2 * place + 1, 2 * place + 2);
            let right_is_lower = right < self.0.len() && self.0[right].0 < self.0[left].0;
            let child = if right_is_lower { right } else { left };
            if self.0[place].0 <= self.0[child].0 {
                break;
            }
            self.0.swap(place, child);
            place = child;
        }
        Some(first)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_time_goes_first_and_equal_ones_as_in_java() {
        let mut turns = Turns::default();
        for topic in ["a", "b", "c", "d"] {
            turns.offer(5, topic.into());
        }
        turns.offer(3, "early".into());
        let order: Vec<Arc<str>> = std::iter::from_fn(|| turns.poll()).collect();
        // What java.util.PriorityQueue gives for the same calls.
        assert_eq!(
            order.iter().map(|t| &**t).collect::<Vec<_>>(),
            ["early", "b", "d", "c", "a"]
        );
    }
}
