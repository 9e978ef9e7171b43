//! The nearest name to one that does not exist.

/// Help text for an unknown name: the nearest of the known ones, or all of them if they are few.
pub(crate) fn help<'a>(name: &str, known: impl IntoIterator<Item = &'a str>, none: &str) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(near) = nearest(name, &known) {
        return format!("did you mean `{near}`?");
    }
    if known.is_empty() {
        return none.to_owned();
    }
    let shown: Vec<String> = known
        .iter()
        .take(SHOWN)
        .map(|name| format!("`{name}`"))
        .collect();
    let more = known.len().saturating_sub(SHOWN);
    let tail = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("known here: {}{tail}", shown.join(", "))
}

/// Names listed when none is near.
const SHOWN: usize = 20;

/// Longest name compared; the comparison takes the product of the lengths.
const COMPARED_LENGTH_MAX: usize = 100;

/// The known name that differs least, if it differs by no more than a third of its length.
pub(crate) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    if name.chars().count() > COMPARED_LENGTH_MAX {
        return None;
    }
    let lower = name.to_lowercase();
    known
        .iter()
        .map(|&candidate| (distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|&(edits, candidate)| edits <= candidate.chars().count().div_ceil(3).min(4))
        .min()
        .map(|(_, candidate)| candidate)
}

/// Least number of inserted, removed, replaced or swapped neighbouring characters that turns one
/// into the other (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_across_typing_errors_and_case() {
        let known = ["loan-requests", "account-balances", "leftJoin"];
        assert_eq!(nearest("loan-reqeusts", &known), Some("loan-requests"));
        assert_eq!(nearest("leftjoin", &known), Some("leftJoin"));
        assert_eq!(nearest("something", &known), None);
        assert_eq!(nearest("", &["a"]), Some("a"));
    }
}
