//! What expressions mean: one line a case, results as people read them.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use millrace_expr::{Bump, Expr, Scope, Type, Value, compile, json};

/// The variables of the cases, the first three from JSON.
fn scope() -> Scope {
    Scope::new()
        .with("left", Type::Any)
        .with("right", Type::Any)
        .with("missing", Type::Any)
        .with("n", Type::Int)
        .with("d", Type::Decimal)
        .with("x", Type::Double)
        .with("s", Type::String)
        .with("b", Type::Bytes)
}

const LEFT: &[u8] = br#"{"account":"001-00101","amount":100,"tags":["a","b","c"],"lines":[
    {"price":12.30,"count":2},{"price":0.05,"count":10}],"owner":{"name":"Ann","age":null}}"#;
const RIGHT: &[u8] = br#"{"account":"001-00101","balance":1234.56}"#;

fn eval(source: &str) -> Result<String, String> {
    let expr = compile(source, &scope(), &Type::Any)
        .unwrap_or_else(|e| panic!("{source} was refused:\n{}", e.excerpt()));
    eval_expr(&expr)
}

fn eval_expr(expr: &Expr) -> Result<String, String> {
    let arena = Bump::new();
    let variables = [
        json::parse(LEFT, &arena).unwrap(),
        json::parse(RIGHT, &arena).unwrap(),
        Value::Null,
        Value::Int(7),
        Value::Decimal("2.50".parse().unwrap()),
        Value::Double(0.5),
        Value::String("Grüße, Welt"),
        Value::Bytes(b"\x00\xff"),
    ];
    expr.eval(&variables, &arena)
        .map(|v| v.to_string())
        .map_err(|e| e.to_string())
}

/// `expression => result`, a line each.
fn all_give(cases: &str) {
    for line in cases.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (source, wanted) = line.rsplit_once(" => ").expect("a case has an arrow");
        assert_eq!(eval(source.trim()).as_deref(), Ok(wanted), "{source}");
    }
}

/// `expression => error`, a line each.
fn all_fail(cases: &str) {
    for line in cases.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (source, wanted) = line.rsplit_once(" => ").expect("a case has an arrow");
        assert_eq!(eval(source.trim()), Err(wanted.to_owned()), "{source}");
    }
}

#[test]
fn the_loan_join_decides() {
    let source = r#"{"account": left.account, "amount": left.amount,
        "status": right != null && right.balance >= left.amount ? "approved" : "rejected"}"#;
    assert_eq!(
        eval(source).unwrap(),
        r#"{"account": "001-00101", "amount": 100, "status": "approved"}"#
    );
    let unknown = source.replace("right", "missing");
    assert_eq!(
        eval(&unknown).unwrap(),
        r#"{"account": "001-00101", "amount": 100, "status": "rejected"}"#
    );
}

#[test]
fn literals_are_values() {
    all_give(
        r#"
        null => null
        true => true
        -42 => -42
        0x1F => 31
        0.10 => 0.10
        -0.5 => -0.5
        .5 => 0.5
        1e3 => 1000
        1.5e-3 => 0.0015
        "tab\there" => "tab\there"
        'single "quotes"' => "single \"quotes\""
        r"\d" => "\\d"
        b"\x00a" => b"\x00a"
        [1, "a", null] => [1, "a", null]
        {"a": 1, "b": {"c": []}} => {"a": 1, "b": {"c": []}}
        {s: 1, "k": 2} => {"Grüße, Welt": 1, "k": 2}
        1 + 2 // a comment => 3
        "#,
    );
}

#[test]
fn decimals_are_exact_and_keep_their_scale() {
    all_give(
        "
        0.1 + 0.2 == 0.3 => true
        0.1 + 0.2 => 0.3
        12.30 + 1 => 13.30
        12.30 - 12.30 => 0.00
        1.10 * 3 => 3.30
        1 / 4.0 => 0.25
        1.0 / 3 => 0.3333333333333333333333333333
        2.0 / 3 => 0.6666666666666666666666666667
        7.5 % 2 => 1.5
        -7.5 % 2 => -1.5
        -d => -2.50
        left.amount + 0.05 => 100.05
        right.balance * 2 => 2469.12
        1 == 1.0 && 1.0 == 1.00 => true
        -0.00 => 0.00
        -(d - d) => 0.00
        0.00 * -1 => 0.00
        round(-0.001, 2) => 0.00
        round(2.5, 0) => 2
        round(3.5) => 4
        round(12.345, 2) => 12.34
        round(12.3, 2) => 12.3
        round(5, 2) => 5
        abs(-12.30) => 12.30
        ",
    );
}

#[test]
fn ints_are_64_bits_and_divide_as_ints() {
    all_give(
        "
        7 / 2 => 3
        -7 / 2 => -3
        7 % 3 => 1
        -7 % 3 => -1
        9223372036854775807 => 9223372036854775807
        -9223372036854775808 => -9223372036854775808
        abs(-3) => 3
        min(3, n, 5) => 3
        max(1, 2.5) => 2.5
        max(1.50, 1.5) => 1.50
        min(2, 2.5) => 2
        ",
    );
}

#[test]
fn what_does_not_fit_is_an_error_and_never_rounded() {
    all_fail(
        "
        9223372036854775807 + n => overflow in `9223372036854775807 + n`: the result does not fit 64 bits
        -9223372036854775808 - n => overflow in `-9223372036854775808 - n`: the result does not fit 64 bits
        n * 9223372036854775807 => overflow in `n * 9223372036854775807`: the result does not fit 64 bits
        abs(-9223372036854775808) => overflow in `abs(-9223372036854775808)`: the result does not fit 64 bits
        d + 9999999999999999999999999999e0 => overflow in `d + 9999999999999999999999999999e0`: 2.50 + 9999999999999999999999999999 exceeds 28 digits
        n / 0 => division by zero in `n / 0`
        n % 0 => division by zero in `n % 0`
        d / 0.00 => division by zero in `d / 0.00`
        (n + 1) * 9223372036854775807 => overflow in `(n + 1) * 9223372036854775807`: the result does not fit 64 bits
        "
    );
}

#[test]
fn comparisons_are_exact_between_all_numbers() {
    all_give(
        r#"
        1 < 1.5 => true
        x == 0.5 => true
        x < 0.51 => true
        double("0.1") == 0.1 => false
        double("0.1") > 0.1 => true
        9007199254740993 == double("9007199254740993") => false
        "a" < "b" => true
        b"a" <= b"a" => true
        false < true => true
        [1, 2.0] == [1.0, 2] => true
        {"a": 1, "b": 2} == {"b": 2.0, "a": 1} => true
        {"a": 1} == {"b": 1} => false
        left.account == right.account => true
        left.account != 1 => true
        left == right => false
        double("nan") < 1 => false
        "#,
    );
}

#[test]
fn null_equals_null_alone() {
    all_give(
        "
        missing == null => true
        null != missing => false
        right == null => false
        n == null => false
        left.owner.age == null => true
        missing == missing => true
        missing == 1 => false
        null == null => true
        ",
    );
}

#[test]
fn errors_name_the_part_that_failed() {
    all_fail(
        r#"
        left.balance => no field `balance` in `left`
        left.owner.email.domain => no field `email` in `left.owner`
        missing.balance => no field `balance`: `missing` is null; test `missing != null` first
        left.owner.age.x => no field `x`: `left.owner.age` is null; test `left.owner.age != null` first
        left.account.x => no field `x`: `left.account` is a string, not a map
        has(missing.x) => no field `x`: `missing` is null; test `missing != null` first
        left.tags[3] => no element 3 in `left.tags`: the list has 3
        left.tags[-1] => no element -1 in `left.tags`: the list has 3
        left["nope"] => no field `nope` in `left`
        left[0] => cannot index a map by an int in `left`; lists go by int, maps by string
        missing < 1 => cannot compare null with an int in `missing < 1`
        left.account + 1 => cannot apply `+` to a string and an int in `left.account + 1`
        left.amount + x => cannot apply `+` to an int and a double in `left.amount + x`; convert one side with decimal(…) or double(…)
        left.amount ? 1 : 2 => `left.amount` is an int, expected a bool
        !left.amount => `left.amount` is an int, expected a bool
        left.amount && true => one side of `left.amount && true` is an int, expected a bool
        left.amount.exists(t, t == 1) => `left.amount` is an int, expected a list or a map
        left.tags.all(t, t) => the condition on `left.tags` is a string, expected a bool
        left.account.substring(5, 100) => no part 5 to 100 in `left.account.substring(5, 100)`: the string has 9 characters
        left.amount.contains("x") => the first argument of `left.amount.contains("x")` is an int, expected a string
        "a" in left.amount => `in` looks into a list or a map, not into an int, in `"a" in left.amount`
        {left.amount: 1} => names in a map are strings, not an int, in `{left.amount: 1}`
        {"a": 1, left.tags[0]: 2} => name `a` occurs twice in `{"a": 1, left.tags[0]: 2}`
        (left.tags + [1])[9] => no element 9 in `left.tags + [1]`: the list has 4
        decimal("1,5") => "1,5" is no decimal in `decimal("1,5")`
        int(1e20) => 100000000000000000000 does not fit int in `int(1e20)`
        string(left) => cannot make a map a string in `string(left)`
        "#,
    );
}

#[test]
fn and_or_absorb_errors_of_the_side_that_does_not_decide() {
    all_give(
        "
        missing != null && missing.x > 1 => false
        missing.x > 1 && missing != null => false
        missing == null || missing.x > 1 => true
        missing.x > 1 || missing == null => true
        false && 1 / 0 == 1 => false
        1 / 0 == 1 || true => true
        ",
    );
    all_fail(
        "
        missing.x > 1 && right != null => no field `x`: `missing` is null; test `missing != null` first
        missing.x > 1 || right == null => no field `x`: `missing` is null; test `missing != null` first
        missing.x && left.y => no field `x`: `missing` is null; test `missing != null` first
        ",
    );
}

#[test]
fn fields_elements_and_presence() {
    all_give(
        r#"
        left.owner.name => "Ann"
        left["owner"]["name"] => "Ann"
        left.lines[1].price => 0.05
        {"a": {"b": 5}}.a.b => 5
        has(left.amount) => true
        has(left.balance) => false
        has(left.owner.age) => true
        has(left.balance) ? left.balance : 0 => 0
        "amount" in left => true
        "balance" in left => false
        1 in left => false
        "b" in left.tags => true
        n in [5, 7.0] => true
        left.tags[0] in ["x", "a"] => true
        100.00 in [left.amount] => true
        [1, 2] + [3] => [1, 2, 3]
        "#,
    );
}

#[test]
fn comprehensions_go_through_lists_and_the_names_of_maps() {
    all_give(
        r#"
        left.tags.all(t, t < "d") => true
        left.tags.exists(t, t == "b") => true
        left.tags.exists_one(t, t > "b") => true
        left.tags.existsOne(t, t > "a") => false
        left.tags.filter(t, t != "b") => ["a", "c"]
        left.tags.map(t, t + t) => ["aa", "bb", "cc"]
        left.tags.map(t, t != "b", t.upperAscii()) => ["A", "C"]
        left.lines.map(l, l.price * l.count) => [24.60, 0.50]
        left.lines.filter(l, l.count > 5).map(l, {"p": l.price}) => [{"p": 0.05}]
        right.map(name, name) => ["account", "balance"]
        [[1, 2], [3]].map(r, r.map(c, c * n)) => [[7, 14], [21]]
        [1, 2].map(n, n + 1) => [2, 3]
        [0, 1].exists(i, 1 / i == 1) => true
        [0, 1].all(i, 1 / i == 5) => false
        [].all(i, i > 1) => true
        [].exists(i, i > 1) => false
        left.tags.all(t, left.lines.exists(l, l.count == 2)) => true
        "#,
    );
    all_fail(
        "
        [0, 1].all(i, 1 / i == 1) => division by zero in `1 / i`
        [0, 1].exists_one(i, 1 / i == 1) => division by zero in `1 / i`
        [0, 1].map(i, 1 / i) => division by zero in `1 / i`
        ",
    );
}

#[test]
fn strings_are_counted_in_characters() {
    all_give(
        r#"
        size(s) => 11
        s.size() => 11
        size(b) => 2
        size(left.tags) => 3
        size(right) => 2
        s.contains("üß") => true
        s.startsWith("Gr") => true
        s.endsWith("welt") => false
        s.substring(2, 4) => "üß"
        s.substring(7) => "Welt"
        s.substring(11) => ""
        s.upperAscii() => "GRüßE, WELT"
        s.lowerAscii() => "grüße, welt"
        "  a b ".trim() => "a b"
        "a,b,,c".split(",") => ["a", "b", "", "c"]
        "a,b,c".split(",", 2) => ["a", "b,c"]
        "a,b,c".split(",", 0) => []
        "äb".split("") => ["ä", "b"]
        "".split(",") => [""]
        "".split("") => []
        "aXbXc".replace("X", "--") => "a--b--c"
        "aXbXc".replace("X", "", 1) => "abXc"
        "ab".replace("", "-") => "-a-b-"
        left.tags.join("/") => "a/b/c"
        ["x"].join() => "x"
        [].join(",") => ""
        left.account.matches("^[0-9]{3}-[0-9]+$") => true
        matches(s, "^x") => false
        left.account.matches(left.tags[0]) => false
        "a" + "b" => "ab"
        b"a" + b"b" => b"ab"
        "#,
    );
}

#[test]
fn conversions_are_explicit() {
    all_give(
        r#"
        int("42") => 42
        int(2.9) => 2
        int(-2.9) => -2
        int(x) => 0
        decimal("12.30") => 12.30
        decimal(n) => 7
        decimal(x) => 0.5
        decimal(double("0.1")) => 0.1
        double(d) => 2.5
        x * double(3) => 1.5
        string(12.30) => "12.30"
        string(n) => "7"
        string(true) => "true"
        string(b"abc") => "abc"
        string(x) => "0.5"
        bool("true") => true
        bytes("é") => b"\xc3\xa9"
        dyn(n) + 1 => 8
        "#,
    );
    all_fail(
        r#"
        int(left.account) => "001-00101" is no int in `int(left.account)`
        bool("yes") => "yes" is no bool in `bool("yes")`
        string(b) => bytes that are not UTF-8 in `string(b)`
        decimal(double("inf")) => inf does not fit decimal in `decimal(double("inf"))`
        int(double("1e19")) => 1e19 does not fit int in `int(double("1e19"))`
        "#,
    );
}

#[test]
fn both_results_of_a_condition_have_one_type() {
    all_give(
        "
        n > 5 ? 1 : 2.5 => 1
        n > 5 ? null : 2.5 => null
        n > 5 ? dyn(1) : \"a\" => 1
        [1, 2.5] => [1, 2.5]
        ",
    );
    let kind = |source: &str| {
        compile(source, &scope(), &Type::Any)
            .unwrap()
            .result_type()
            .clone()
    };
    assert_eq!(kind("n > 5 ? 1 : 2.5"), Type::Decimal);
    assert_eq!(kind("n > 5 ? null : 2.5"), Type::Decimal);
    assert_eq!(kind("[1, 2.5]"), Type::List(Box::new(Type::Decimal)));
    assert_eq!(kind("{\"a\": 1, \"b\": 2.5}"), Type::any_map());
    assert_eq!(
        kind("left.tags.map(t, size(t))"),
        Type::List(Box::new(Type::Int))
    );
    assert_eq!(kind("left.amount + 1"), Type::Any);
    assert_eq!(kind("left.amount + 1.0"), Type::Decimal);
}

#[test]
fn the_expected_type_is_checked_when_it_is_not_known_before() {
    let give =
        |source: &str, expected: Type| eval_expr(&compile(source, &scope(), &expected).unwrap());
    assert_eq!(give("left.amount > 5", Type::Bool).as_deref(), Ok("true"));
    assert_eq!(
        give("left.amount", Type::Bool),
        Err("`left.amount` is an int, expected a bool".to_owned())
    );
    assert_eq!(
        give("missing", Type::Bool),
        Err("`missing` is null, expected a bool".to_owned())
    );
    assert_eq!(give("missing", Type::Int).as_deref(), Ok("null"));
    assert_eq!(give("left.amount", Type::Decimal).as_deref(), Ok("100"));
    assert_eq!(give("n", Type::Decimal).as_deref(), Ok("7"));
    assert_eq!(
        give("left.account", Type::String).as_deref(),
        Ok("\"001-00101\"")
    );
    assert_eq!(
        give("left.account", Type::Int),
        Err("`left.account` is a string, expected an int".to_owned())
    );
}

#[test]
fn work_is_bounded() {
    let hundred = format!("[{}]", vec!["left.amount"; 100].join(","));
    let nested =
        format!("{hundred}.all(a, {hundred}.all(b, {hundred}.all(c, {hundred}.all(d, d == 100))))");
    let error = eval(&nested).unwrap_err();
    assert!(
        error.contains("too much to go through: more than 1000000 steps"),
        "{error}"
    );
    let doubled = "s".to_owned() + &".replace('', s)".repeat(9);
    let error = eval(&doubled).unwrap_err();
    assert!(error.contains("exceeds 4194304 bytes"), "{error}");
}

/// The deepest trees that the limits allow are evaluated and dropped on a small stack.
#[test]
fn depth_is_bounded() {
    let sources = [
        "left.amount + ".repeat(498) + "1",
        "left.flag == ".repeat(490) + "true",
        "left".to_owned() + &".owner".repeat(990),
        "[[1]]".to_owned() + &".map(x, x)".repeat(250),
        "s".to_owned() + &".trim()".repeat(490),
        "left.amount > 5 && ".repeat(330) + "true",
        "left.amount < 5 ? 1 : ".repeat(60) + "2",
        "(".repeat(60) + "n" + &" + 1)".repeat(60),
    ];
    let small = std::thread::Builder::new().stack_size(1 << 20);
    let evaluate = move || sources.map(|source| eval(&source).is_ok());
    let results = small.spawn(evaluate).unwrap().join().unwrap();
    assert_eq!(results, [true, false, false, true, true, true, true, true]);
}

#[test]
fn a_quotation_in_an_error_is_one_short_line() {
    let many = "left.amount,\n".repeat(100);
    let error = eval(&format!("[{many} 1][1000]")).unwrap_err();
    assert!(
        error.chars().count() < 300 && !error.contains('\n'),
        "{error}"
    );
}

#[test]
fn an_expression_is_shared_between_threads() {
    fn shared<T: Send + Sync + std::fmt::Debug>(_: &T) {}
    let expr = compile("left.amount + 1", &scope(), &Type::Any).unwrap();
    shared(&expr);
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| assert_eq!(eval_expr(&expr).as_deref(), Ok("101")));
        }
    });
}

#[test]
fn too_few_variables_are_an_error() {
    let expr = compile("n", &scope(), &Type::Any).unwrap();
    let error = expr.eval(&[Value::Null], &Bump::new()).unwrap_err();
    assert_eq!(
        error.message(),
        "1 values for the 8 variables of an expression"
    );
}
