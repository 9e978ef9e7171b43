//! "Did you mean": the candidate nearest to a misspelt name.

/// The candidate that a typing slip turns into `name`: one edit (insert, delete, replace, swap of
/// neighbours), or one for every three characters; upper and lower case are the same.
/// `None` where all are farther away.
pub fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    // Longer names are no typing slips of anything, and the distance costs their product.
    const LONGEST: usize = 100;
    let name: Vec<char> = name
        .chars()
        .take(LONGEST + 1)
        .flat_map(char::to_lowercase)
        .collect();
    if name.len() > LONGEST {
        return None;
    }
    let allowed = (name.len() / 3).max(1);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| {
            let letters: Vec<char> = candidate.chars().flat_map(char::to_lowercase).collect();
            (distance(&name, &letters), candidate)
        })
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Edit distance with swaps of neighbours (optimal string alignment), by three rows.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before = vec![0; b.len() + 1];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replace = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replace.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_finds_the_name_that_was_meant() {
        let names = ["key", "value", "timestamp", "headers", "topic"];
        assert_eq!(nearest("vlaue", names), Some("value"));
        assert_eq!(nearest("timestmp", names), Some("timestamp"));
        assert_eq!(nearest("Topic", names), Some("topic"));
        assert_eq!(nearest("kye", names), Some("key"));
    }

    #[test]
    fn a_different_name_finds_nothing() {
        let names = ["key", "value"];
        assert_eq!(nearest("account", names), None);
        assert_eq!(nearest("x", names), None);
        assert_eq!(nearest("", names), None);
        assert_eq!(nearest(&"v".repeat(5_000), names), None);
    }
}
