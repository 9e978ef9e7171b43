#![allow(clippy::unwrap_used, clippy::expect_used)]
//! The reader and writer, against `serde_json` where it can be the judge.

use proptest::prelude::*;

use super::*;
use crate::Decimal;

fn round_trip(text: &str) -> String {
    let arena = Bump::new();
    let value = parse(text.as_bytes(), &arena).unwrap_or_else(|e| panic!("{text}: {e}"));
    let mut out = Vec::new();
    write(&value, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn error(text: &[u8]) -> JsonError {
    parse(text, &Bump::new()).expect_err("must be refused")
}

fn message(text: &str) -> String {
    error(text.as_bytes()).to_string()
}

#[test]
fn numbers_keep_every_digit_and_their_scale() {
    for text in [
        "12.30",
        "0.10",
        "-5.000",
        "100",
        "-9223372036854775808",
        "9223372036854775807",
        "9223372036854775808",
        "0.0000000000000000000000000001",
        "9999999999999999999999999999",
    ] {
        assert_eq!(round_trip(text), text);
    }
    assert_eq!(round_trip("1.5e3"), "1500");
    assert_eq!(round_trip("1.50E-2"), "0.0150");
    assert_eq!(round_trip("-0"), "0");
}

#[test]
fn only_integers_that_fit_64_bits_are_ints() {
    let arena = Bump::new();
    let kind = |text: &'static str| parse(text.as_bytes(), &arena).unwrap().kind();
    assert_eq!(kind("9223372036854775807"), "int");
    assert_eq!(kind("9223372036854775808"), "decimal");
    assert_eq!(kind("-9223372036854775808"), "int");
    assert_eq!(kind("-9223372036854775809"), "decimal");
    assert_eq!(kind("1.0"), "decimal");
    assert_eq!(kind("1e2"), "decimal");
}

#[test]
fn a_number_of_more_than_28_digits_is_an_error_that_names_its_place() {
    assert_eq!(
        error(br#"{"a":0.12345678901234567890123456789}"#),
        JsonError::NumberTooLong { offset: 5 }
    );
    assert_eq!(error(b"[1, 1e400]"), JsonError::NumberTooLong { offset: 4 });
}

#[test]
fn strings_borrow_the_input_unless_they_are_escaped() {
    let input =
        br#"["plain text of some length", "a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00z", "\u0000"]"#;
    let arena = Bump::new();
    let Value::List(list) = parse(input, &arena).unwrap() else {
        panic!("a list")
    };
    let Value::String(plain) = list[0] else {
        panic!("a string")
    };
    assert!(input.as_ptr_range().contains(&plain.as_ptr()));
    assert_eq!(
        list[1],
        Value::String("a\"\\/\u{8}\u{c}\n\r\t\u{e9}\u{1F600}z")
    );
    assert_eq!(list[2], Value::String("\0"));
}

#[test]
fn of_a_repeated_name_the_last_value_counts() {
    assert_eq!(round_trip(r#"{"a":1,"b":2,"a":3}"#), r#"{"a":3,"b":2}"#);
    let many: Vec<String> = (0..200).map(|i| format!("\"n{}\":{i}", i % 90)).collect();
    let arena = Bump::new();
    let text = format!("{{{}}}", many.join(","));
    let value = parse(text.as_bytes(), &arena).unwrap();
    let Value::Map(entries) = value else {
        panic!("a map")
    };
    assert_eq!(entries.len(), 90);
    assert_eq!(value.get("n5"), Some(Value::Int(185)));
    assert_eq!(value.get("n89"), Some(Value::Int(179)));
}

#[test]
fn errors_say_where_and_what_was_expected() {
    assert_eq!(
        message(""),
        "invalid JSON at byte 0: expected a value, found the end"
    );
    assert_eq!(
        message(r#"{"a":1"#),
        "invalid JSON at byte 6: expected `,` or `}`, found the end"
    );
    assert_eq!(
        message("{a:1}"),
        "invalid JSON at byte 1: expected a name in double quotes, found `a`"
    );
    assert_eq!(
        message("[1,]"),
        "invalid JSON at byte 3: expected a value, found `]`"
    );
    assert_eq!(
        message("1 2"),
        "invalid JSON at byte 2: expected the end of the document, found `2`"
    );
    assert_eq!(
        message("01"),
        "invalid JSON at byte 1: expected no digit behind a leading zero, found `1`"
    );
    assert_eq!(
        message("-x"),
        "invalid JSON at byte 1: expected a digit, found `x`"
    );
    assert_eq!(
        message("nul"),
        "invalid JSON at byte 0: expected a value, found `n`"
    );
    assert_eq!(
        message("\"a"),
        "invalid JSON at byte 2: expected a closing double quote, found the end"
    );
    assert_eq!(
        message("\"a\nb\""),
        "invalid JSON at byte 2: expected no control character in a string, found byte 0x0a"
    );
    assert_eq!(
        message(r#""\x""#),
        "invalid JSON at byte 2: expected an escape: one of \"\\/bfnrtu, found `x`"
    );
    assert_eq!(
        message(r#""\ud800""#),
        "invalid JSON at byte 1: \\u escape is half of a surrogate pair"
    );
    assert_eq!(
        message(r#""\udc00""#),
        "invalid JSON at byte 1: \\u escape is half of a surrogate pair"
    );
    assert_eq!(
        message(r#""\ud800\u0041""#),
        "invalid JSON at byte 1: \\u escape is half of a surrogate pair"
    );
    assert_eq!(error(b"\"a\xff\""), JsonError::Utf8 { offset: 2 });
}

#[test]
fn nesting_has_a_bound_both_ways() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert_eq!(round_trip(&nested(MAX_DEPTH)), nested(MAX_DEPTH));
    assert_eq!(
        error(nested(MAX_DEPTH + 1).as_bytes()),
        JsonError::TooDeep { offset: MAX_DEPTH }
    );
    assert_eq!(
        error("[".repeat(1_000_000).as_bytes()),
        JsonError::TooDeep { offset: MAX_DEPTH }
    );
    let arena = Bump::new();
    let mut value = Value::Null;
    for _ in 0..=MAX_DEPTH {
        value = Value::List(arena.alloc([value]));
    }
    let result = write(&value, &mut Vec::new());
    assert_eq!(result, Err(JsonError::TooDeep { offset: MAX_DEPTH }));
}

#[test]
fn what_json_has_no_kind_for_is_written_in_its_way() {
    let written = |value: Value<'_>| {
        let mut out = Vec::new();
        write(&value, &mut out).map(|()| String::from_utf8(out).unwrap())
    };
    assert_eq!(written(Value::Bytes(b"")).unwrap(), r#""""#);
    assert_eq!(written(Value::Bytes(b"f")).unwrap(), r#""Zg==""#);
    assert_eq!(written(Value::Bytes(b"fo")).unwrap(), r#""Zm8=""#);
    assert_eq!(
        written(Value::Bytes(b"foo\xff\xfe")).unwrap(),
        r#""Zm9v//4=""#
    );
    assert_eq!(written(Value::Double(1.0)).unwrap(), "1.0");
    assert_eq!(written(Value::Double(0.1)).unwrap(), "0.1");
    assert_eq!(written(Value::Double(1e300)).unwrap(), "1e300");
    assert_eq!(
        written(Value::Double(f64::NAN)),
        Err(JsonError::NotFinite("NaN"))
    );
    assert_eq!(
        written(Value::Double(f64::NEG_INFINITY)),
        Err(JsonError::NotFinite("-inf"))
    );
    assert_eq!(written(Value::Int(i64::MIN)).unwrap(), i64::MIN.to_string());
    assert_eq!(
        written(Value::Decimal(Decimal::new(-5, 3))).unwrap(),
        "-0.005"
    );
    assert_eq!(
        written(Value::String("\u{1}\u{1f}\u{7f}\u{e9}")).unwrap(),
        "\"\\u0001\\u001f\u{7f}\u{e9}\""
    );
}

/// Documents that `serde_json` holds exactly: its numbers are 64-bit.
fn documents() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        (-1_000_000_i32..1_000_000).prop_map(|n| serde_json::json!(f64::from(n) / 64.0)),
        any::<String>().prop_map(Into::into),
        "[a-z\"\\\\\u{0}-\u{1f}é😀]{0,24}".prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 60, 24, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..24).prop_map(serde_json::Value::from),
            prop::collection::vec(("[a-c]{0,2}|\\PC{0,5}", inner), 0..24)
                .prop_map(|entries| serde_json::Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn documents_survive_reading_and_writing(document in documents(), pretty in any::<bool>()) {
        let text = if pretty {
            serde_json::to_string_pretty(&document).unwrap()
        } else {
            document.to_string()
        };
        let ours = round_trip(&text);
        let back: serde_json::Value = serde_json::from_str(&ours).unwrap();
        prop_assert_eq!(&back, &document);
        prop_assert_eq!(&round_trip(&ours), &ours);
    }

    #[test]
    fn mutated_documents_are_judged_as_serde_json_judges_them(
        document in documents(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 0..4),
    ) {
        let mut bytes = document.to_string().into_bytes();
        for (index, byte, kind) in cuts {
            let at = index.index(bytes.len().max(1)).min(bytes.len());
            match kind {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, byte),
                _ if at < bytes.len() => bytes[at] = byte,
                _ => {}
            }
        }
        let arena = Bump::new();
        let theirs = serde_json::from_slice::<serde_json::Value>(&bytes);
        match parse(&bytes, &arena) {
            Ok(_) => {
                // It refuses what exceeds a double; we hold some of that exactly.
                let range = |e: &serde_json::Error| e.to_string().contains("out of range");
                prop_assert!(theirs.as_ref().err().is_none_or(range), "{:?}", theirs);
            }
            Err(JsonError::NumberTooLong { .. } | JsonError::TooDeep { .. }) => {}
            Err(error) => prop_assert!(theirs.is_err(), "we said {error}"),
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = parse(&bytes, &Bump::new());
    }

    #[test]
    fn text_that_looks_like_json_never_panics(text in "[\\[\\]{}\",:0-9eE.\\\\utrn \u{e9}-]{0,64}") {
        let _ = parse(text.as_bytes(), &Bump::new());
    }
}
