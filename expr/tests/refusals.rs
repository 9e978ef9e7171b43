//! What is refused before any record: each message, its place and its advice.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use millrace_expr::{MAX_TOKENS, Scope, Type, compile};
use proptest::prelude::*;

fn scope() -> Scope {
    Scope::new()
        .with("left", Type::Any)
        .with("right", Type::Any)
        .with("count", Type::Int)
        .with("total", Type::Decimal)
        .with("ratio", Type::Double)
        .with("key", Type::String)
}

fn refused(source: &str) -> String {
    refused_as(source, &Type::Any)
}

fn refused_as(source: &str, expected: &Type) -> String {
    match compile(source, &scope(), expected) {
        Ok(expr) => panic!("{source} was accepted: {expr:?}"),
        Err(error) => error.excerpt(),
    }
}

/// Source, then the place and message as one line, then the advice (or nothing).
fn check(cases: &[(&str, &str, &str)]) {
    for (source, wanted, help) in cases {
        let error = compile(source, &scope(), &Type::Any)
            .err()
            .unwrap_or_else(|| panic!("{source} was accepted"));
        let found = format!("{}:{}: {}", error.line, error.column, error.message);
        assert_eq!(&found, wanted, "{source}");
        assert_eq!(error.help.as_deref().unwrap_or(""), *help, "{source}");
    }
}

#[test]
fn the_excerpt_shows_the_place() {
    assert_eq!(
        refused("right != null &&\n  right.balance >= lefft.amount"),
        "2 |   right.balance >= lefft.amount\n  \
           |                    ^^^^^ unknown variable `lefft`\n  \
           = help: did you mean `left`?"
    );
    assert_eq!(
        refused("key + (count * 2)"),
        "1 | key + (count * 2)\n  \
           | ^^^^^^^^^^^^^^^^^ cannot apply `+` to string and int: `key` is of type string, \
         `count * 2` of type int\n  \
           = help: convert the other side with string(…)"
    );
}

#[test]
fn unknown_names_get_a_suggestion() {
    check(&[
        (
            "rigth.balance",
            "1:1: unknown variable `rigth`",
            "did you mean `right`?",
        ),
        (
            "account",
            "1:1: unknown variable `account`",
            "did you mean `count`?",
        ),
        (
            "approved",
            "1:1: unknown variable `approved`",
            "variables here: left, right, count, total, ratio, key; text stands in quotes",
        ),
        (
            "size == 1",
            "1:1: unknown variable `size`",
            "`size` is a function: call it, such as size(…)",
        ),
        (
            "key.startswith('a')",
            "1:5: unknown function `startswith`",
            "did you mean `startsWith`?",
        ),
        (
            "left.balance()",
            "1:6: unknown function `balance`",
            "a field is read without brackets: value.field",
        ),
        ("key()", "1:1: `key` is a variable, not a function", ""),
        (
            "{account: 1}",
            "1:2: names in a map stand in quotes",
            "write \"account\"",
        ),
        (
            "[1].map(x, y)",
            "1:12: unknown variable `y`",
            "variables here: x, left, right, count, total, ratio, key; text stands in quotes",
        ),
    ]);
}

#[test]
fn operand_types_are_checked() {
    check(&[
        (
            "key == 1",
            "1:1: `key` is of type string and `1` of type int: they are never equal",
            "",
        ),
        (
            "key < 1",
            "1:1: cannot compare `key`, which is of type string, with `1`, which is of type int",
            "",
        ),
        (
            "null < 1",
            "1:1: `null` has no order: it is of type null",
            "",
        ),
        (
            "count && true",
            "1:1: both sides of `&&` must be bool; `count` is of type int",
            "",
        ),
        ("!key", "1:2: `!` needs a bool; `key` is of type string", ""),
        ("-key", "1:1: cannot negate `key`: it is of type string", ""),
        (
            "count ? 1 : 2",
            "1:1: the condition before `?` must be a bool; `count` is of type int",
            "",
        ),
        (
            "true ? 'a' : 1",
            "1:14: both results of `? :` must have one type: `'a'` is string, `1` is int",
            "wrap one in dyn(…) if that is meant",
        ),
        (
            "ratio * total",
            "1:1: cannot apply `*` to double and decimal: `ratio` is of type double, `total` of type decimal",
            "doubles do not mix with exact numbers: convert one side with decimal(…) or double(…)",
        ),
        (
            "count + null",
            "1:1: cannot apply `+` to int and null: `count` is of type int, `null` of type null",
            "null takes part in `==` and `!=` only",
        ),
        (
            "key.name",
            "1:1: no field `name`: `key` is of type string, not a map",
            "",
        ),
        (
            "[1, 2].first",
            "1:1: no field `first`: `[1, 2]` is of type list of int, not a map",
            "",
        ),
        (
            "count[0]",
            "1:1: `count` is of type int, not a list or map",
            "",
        ),
        (
            "[1]['a']",
            "1:5: cannot index `[1]` by string; lists go by int, maps by string",
            "",
        ),
        (
            "'a' in key",
            "1:8: `in` looks into a list or a map; `key` is of type string",
            "for a part of a string, use text.contains(part)",
        ),
        (
            "'a' in [1, 2]",
            "1:1: `'a'` is string, never in a list of int",
            "",
        ),
        (
            "{1: 2}",
            "1:2: names in a map are strings, not of type int",
            "",
        ),
        ("{'a': 1, 'a': 2}", "1:10: name `a` occurs twice", ""),
        (
            "max(ratio, 1)",
            "1:1: `max` cannot choose between doubles and exact numbers",
            "convert one side with decimal(…) or double(…)",
        ),
        (
            "has(count.x)",
            "1:5: no field `x`: `count` is of type int, not a map",
            "",
        ),
        (
            "1.5[0]",
            "1:1: `1.5` is of type decimal, not a list or map",
            "",
        ),
    ]);
}

#[test]
fn calls_are_checked() {
    check(&[
        (
            "key.contains()",
            "1:1: `contains` takes 1 argument, not 0",
            "it is called as text.contains(part)",
        ),
        (
            "key.substring(1, 2, 3)",
            "1:1: `substring` takes 1 to 2 arguments, not 3",
            "it is called as text.substring(start, end)",
        ),
        (
            "size()",
            "1:1: `size` takes 1 argument, not 0",
            "it is called as size(list)",
        ),
        (
            "max()",
            "1:1: `max` takes at least 1 argument, not 0",
            "it is called as max(a, b)",
        ),
        (
            "contains(key, 'a')",
            "1:1: `contains` is called as text.contains(part)",
            "",
        ),
        ("count.abs()", "1:7: `abs` is called as abs(number)", ""),
        (
            "count.contains('a')",
            "1:1: `contains` is called on string; `count` is of type int",
            "",
        ),
        (
            "key.contains(1)",
            "1:14: `contains` takes string here; `1` is of type int",
            "",
        ),
        (
            "size(count)",
            "1:6: `size` takes string, bytes, list or map here; `count` is of type int",
            "",
        ),
        (
            "round(ratio)",
            "1:7: `round` takes int or decimal here; `ratio` is of type double",
            "",
        ),
        (
            "int(null)",
            "1:5: `int` takes int, decimal, double or string here; `null` is of type null",
            "",
        ),
        (
            "has(key)",
            "1:1: has() takes one field, such as has(value.name)",
            "",
        ),
        (
            "[1].all(1, true)",
            "1:5: `all` is used as all(x, condition), with a new name for x",
            "",
        ),
        (
            "[1].all(x)",
            "1:5: `all` is used as all(x, condition), with a new name for x",
            "",
        ),
        (
            "[1].map(x)",
            "1:5: `map` is used as map(x, result) or map(x, condition, result), with a new name for x",
            "",
        ),
        (
            "[1].all(x, x)",
            "1:12: the condition of `all` must be a bool; `x` is of type int",
            "",
        ),
        (
            "count.all(x, true)",
            "1:1: `all` goes through a list or a map; `count` is int",
            "",
        ),
        (
            "key.matches('(')",
            "1:13: invalid pattern: unclosed group",
            "",
        ),
        ("dyn()", "1:1: `dyn` takes 1 argument", ""),
    ]);
}

#[test]
fn syntax_errors_speak_of_the_text() {
    check(&[
        ("", "1:1: the expression is empty", ""),
        ("  // nothing", "1:1: the expression is empty", ""),
        ("1 +", "1:3: the expression stops short after `+`", ""),
        ("count = 1", "1:7: unexpected `=`", "compare with `==`"),
        ("count & 1", "1:7: unexpected `&`", "write `&&`"),
        ("true and false", "1:6: unexpected `and`", "write `&&`"),
        ("not true", "1:5: unexpected `true`", ""),
        ("(count", "1:1: `(` is never closed", ""),
        ("count)", "1:6: `)` closes nothing", ""),
        ("[count)", "1:7: `)` does not close `[`", ""),
        ("count total", "1:7: unexpected `total`", ""),
        ("[1,,2]", "1:4: unexpected `,`", ""),
        ("'abc", "1:1: this string does not end", "close it with '"),
        (
            "key == \"a\nb\"",
            "1:8: this string does not end",
            "close it with \"",
        ),
        ("count ? 1", "1:9: the expression stops short after `1`", ""),
        (
            "\u{201c}a\u{201d}",
            "1:1: unexpected `\u{201c}`",
            "strings stand in \"…\" or '…'",
        ),
        (
            "$key",
            "1:1: unexpected `$`",
            "variables are written by their name alone",
        ),
        ("1u", "1:1: there are no unsigned ints", "write 1"),
        (
            "9223372036854775808",
            "1:1: `9223372036854775808` does not fit 64 bits",
            "write the decimal `9223372036854775808.0`",
        ),
        (
            "0.00000000000000000000000000001",
            "1:1: `0.00000000000000000000000000001` needs more than 28 digits",
            "",
        ),
        (
            "1e400",
            "1:1: `1e400` is no number the language can hold",
            "",
        ),
        ("if", "1:1: `if` is a reserved word of the language", ""),
        (
            "Message{a: 1}",
            "1:8: there are no message types such as `Message`",
            "maps are written without a name: {\"field\": value}",
        ),
        ("left.?x", "1:5: unexpected `.`", ""),
        ("caf\u{e9}", "1:4: unexpected `\u{e9}`", ""),
        (
            "\"\u{e9}\" + nam",
            "1:7: unknown variable `nam`",
            "variables here: left, right, count, total, ratio, key; text stands in quotes",
        ),
    ]);
}

#[test]
fn a_result_of_the_wrong_type_is_refused() {
    assert_eq!(
        refused_as("count + 1", &Type::Bool),
        "1 | count + 1\n  | ^^^^^^^^^ this gives int, but bool is needed here"
    );
    assert!(refused_as("key", &Type::Int).contains("this gives string, but int is needed here"));
    assert!(refused_as("null", &Type::Bool).contains("this gives null, but bool is needed here"));
    assert!(refused_as("ratio", &Type::Decimal).contains("this gives double, but decimal"));
    assert!(compile("count", &scope(), &Type::Decimal).is_ok());
    assert!(compile("null", &scope(), &Type::String).is_ok());
    assert!(compile("left.x", &scope(), &Type::Bool).is_ok());
}

#[test]
fn size_and_nesting_are_bounded() {
    let long = "1 + ".repeat(MAX_TOKENS / 2 - 1) + "1";
    assert!(compile(&long, &scope(), &Type::Any).is_ok());
    let longer = "1 + ".repeat(MAX_TOKENS / 2) + "1";
    assert!(refused(&longer).contains("more than 2000 words and operators"));
    assert!(refused(&format!("'{}'", "a".repeat(20_000))).contains("at most 16384 are allowed"));
    let brackets = |n| "(".repeat(n) + "1" + &")".repeat(n);
    assert!(compile(&brackets(50), &scope(), &Type::Any).is_ok());
    assert!(refused(&brackets(500)).contains("nested deeper than 64 levels"));
    let fields = "left".to_owned() + &".a".repeat(MAX_TOKENS / 2 - 1);
    assert!(compile(&fields, &scope(), &Type::Any).is_ok());
    let sums = "left.a + ".repeat(MAX_TOKENS / 4 - 1) + "1";
    assert!(compile(&sums, &scope(), &Type::Any).is_ok());
    let negated = "!".repeat(MAX_TOKENS - 1) + "left";
    assert!(compile(&negated, &scope(), &Type::Any).is_ok());
}

/// Text made of the language's own pieces: mostly wrong, sometimes right.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "left",
        "right",
        ".",
        "balance",
        "count",
        "total",
        "ratio",
        "key",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "?",
        "+",
        "-",
        "*",
        "/",
        "%",
        "==",
        "!=",
        "<",
        ">=",
        "&&",
        "||",
        "!",
        " in ",
        "1",
        "0.10",
        "'a'",
        "\"b\"",
        "b'c'",
        "null",
        "true",
        "has(",
        "size(",
        "x",
        ".all(x,",
        ".map(x,",
        ".contains(",
        "max(",
        "decimal(",
        "dyn(",
        "=",
        "&",
        "'",
        "\"",
        "\\",
        "\n",
        "//",
        "\u{e9}",
        "1u",
        "1e5",
        "0x",
        "..",
        "'''",
        "if",
        "int",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_accepted_or_refused_with_a_place(source in prop_oneof![pieces(), ".{0,40}"]) {
        if let Err(error) = compile(&source, &scope(), &Type::Any) {
            let lines = source.split('\n').count();
            prop_assert!(error.line >= 1 && error.line <= lines);
            prop_assert!(error.column >= 1 && error.width >= 1);
            prop_assert!(!error.excerpt().is_empty() && !error.message.is_empty());
        }
    }
}
