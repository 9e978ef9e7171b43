//! Whether an object has to be written: compares what is wanted with what the API server has.
//!
//! Two questions, both answered without a write. Has what is *wanted* changed since it was last
//! written? A digest of it in an annotation tells, also of fields that are no longer wanted. Has
//! somebody else changed what is *there*? Everything wanted must be found in the live object, which
//! may have more: defaults, and what others own.

use kube::api::DynamicObject;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Annotation with the digest of what was last written.
pub const DIGEST: &str = "millrace.dev/applied";

/// The first 16 hex digits of the SHA-256 of an object's JSON, its digest annotation left out.
pub fn digest(wanted: &Value) -> String {
    let hash = Sha256::digest(wanted.to_string().as_bytes());
    hash.iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Whether the live object is as wanted, and nothing has to be written. `wanted` has its digest
/// annotation.
pub fn is_as_wanted(wanted: &DynamicObject, live: &DynamicObject) -> bool {
    let of = |object: &DynamicObject| {
        let annotations = object.metadata.annotations.as_ref();
        annotations.and_then(|all| all.get(DIGEST).cloned())
    };
    if of(wanted) != of(live) {
        return false;
    }
    let (Ok(wanted_meta), Ok(live_meta)) = (
        serde_json::to_value(&wanted.metadata),
        serde_json::to_value(&live.metadata),
    ) else {
        return false;
    };
    contains(&live_meta, &wanted_meta) && contains(&live.data, &wanted.data)
}

/// Whether everything of `wanted` is found in `live`. Lists must have the same length: of lists that
/// the API server may extend by entries of its own the operator writes none.
pub fn contains(live: &Value, wanted: &Value) -> bool {
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(live)) => {
            wanted.iter().all(|(key, wanted)| match live.get(key) {
                Some(live) => contains(live, wanted),
                None => is_nothing(wanted),
            })
        }
        (Value::Array(wanted), Value::Array(live)) => {
            wanted.len() == live.len()
                && wanted
                    .iter()
                    .zip(live)
                    .all(|(wanted, live)| contains(live, wanted))
        }
        (Value::String(wanted), Value::String(live)) => {
            wanted == live || same_quantity(wanted, live)
        }
        (wanted, live) => wanted == live,
    }
}

/// Empty values are not kept by the API server.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_i64() == Some(0),
    }
}

/// Whether two texts are one quantity: the API server writes `1024Mi` as `1Gi`.
fn same_quantity(a: &str, b: &str) -> bool {
    matches!((quantity(a), quantity(b)), (Some(a), Some(b)) if a == b)
}

/// A quantity in thousandths; `None` for texts that are none, or finer.
pub fn quantity(text: &str) -> Option<i128> {
    const SUFFIXES: [(&str, i128); 12] = [
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
        ("Ti", 1 << 40),
        ("Pi", 1 << 50),
        ("Ei", 1 << 60),
        ("k", 1_000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
        ("T", 1_000_000_000_000),
        ("P", 1_000_000_000_000_000),
        ("E", 1_000_000_000_000_000_000),
    ];
    if let Some(number) = text.strip_suffix('m') {
        return number.parse().ok();
    }
    let suffix = SUFFIXES.iter().find(|(suffix, _)| text.ends_with(suffix));
    let (number, factor) = match suffix {
        Some((suffix, factor)) => (text.strip_suffix(suffix)?, *factor),
        None => (text, 1),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let whole: i128 = whole.parse().ok()?;
    let thousandths: i128 = format!("{fraction:0<3}").parse().ok()?;
    (whole * 1000 + thousandths).checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_and_what_others_own_are_no_difference() {
        let wanted = json!({"spec": {"replicas": 2, "list": [{"a": 1}], "none": {}}});
        let live = json!({"spec": {"replicas": 2, "list": [{"a": 1, "default": true}], "more": 1}});
        assert!(contains(&live, &wanted));
    }

    #[test]
    fn what_somebody_changed_removed_or_added_to_a_list_is_a_difference() {
        let wanted = json!({"spec": {"replicas": 2, "list": [1]}});
        for live in [
            json!({"spec": {"replicas": 3, "list": [1]}}),
            json!({"spec": {"list": [1]}}),
            json!({"spec": {"replicas": 2, "list": [1, 2]}}),
        ] {
            assert!(!contains(&live, &wanted), "{live}");
        }
    }

    #[test]
    fn a_quantity_in_other_words_is_the_same() {
        for (a, b) in [
            ("1024Mi", "1Gi"),
            ("0.5", "500m"),
            ("1000k", "1M"),
            ("1500m", "1.5"),
        ] {
            assert!(same_quantity(a, b), "{a} {b}");
        }
        for (a, b) in [("1Gi", "1G"), ("worker", "workers"), ("", "0"), ("1", "1m")] {
            assert!(!same_quantity(a, b), "{a} {b}");
        }
    }
}
