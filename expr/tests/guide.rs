//! The guide's examples are what they say.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use millrace_expr::{
    Bump, MAX_NESTING, MAX_PATTERN_BYTES, MAX_SOURCE_BYTES, MAX_STEPS, MAX_TEXT_BYTES, MAX_TOKENS,
    Scope, Type, Value, compile, json,
};

const GUIDE: &str = include_str!("../../docs/guides/expressions.md");

const LEFT: &[u8] = br#"{"account":"001-00101","amount":100,"tags":["vip","new"],"owner":null,
    "lines":[{"price":12.30,"count":2},{"price":0.05,"count":1}]}"#;
const RIGHT: &[u8] = br#"{"account":"001-00101","balance":1234.56}"#;

fn result(source: &str) -> Result<String, String> {
    let names = ["left", "right", "nobody"];
    let scope = names
        .iter()
        .fold(Scope::new(), |scope, name| scope.with(*name, Type::Any));
    let expr = compile(source, &scope, &Type::Any).unwrap_or_else(|e| panic!("{}", e.excerpt()));
    let arena = Bump::new();
    let values = [
        json::parse(LEFT, &arena).unwrap(),
        json::parse(RIGHT, &arena).unwrap(),
        Value::Null,
    ];
    expr.eval(&values, &arena)
        .map(|value| value.to_string())
        .map_err(|error| error.to_string())
}

#[test]
fn every_example_of_the_guide_gives_what_it_says() {
    let mut examples = 0;
    for line in GUIDE.lines() {
        if let Some((source, wanted)) = line.split_once(" → ") {
            assert_eq!(
                result(source.trim()),
                Ok(wanted.trim().to_owned()),
                "{line}"
            );
            examples += 1;
        }
        if let Some((source, wanted)) = line.split_once(" ⇒ ") {
            assert_eq!(
                result(source.trim()),
                Err(wanted.trim().to_owned()),
                "{line}"
            );
            examples += 1;
        }
    }
    assert!(examples > 30, "{examples} examples");
}

#[test]
fn the_yaml_example_compiles() {
    let (_, from) = GUIDE.split_once(">-\n").unwrap();
    let (source, _) = from.split_once("```").unwrap();
    assert!(result(source).unwrap().contains("\"status\": \"approved\""));
}

#[test]
fn the_limits_are_the_codes() {
    assert_eq!(
        (MAX_SOURCE_BYTES, MAX_TOKENS, MAX_NESTING),
        (16 << 10, 2_000, 64)
    );
    assert_eq!(
        (MAX_STEPS, MAX_TEXT_BYTES, MAX_PATTERN_BYTES),
        (1_000_000, 4 << 20, 1 << 10)
    );
    assert_eq!(json::MAX_DEPTH, 64);
}
