//! Functions of the host: what expressions may do with them, and what is refused.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use millrace_expr::{
    Bump, Decimal, Function, FunctionError, Functions, NativeFunction, Scope, Type, Value,
    compile_with,
};

/// Its first argument and how many there are.
struct First;

impl NativeFunction for First {
    fn call<'r>(&self, arguments: &[Value<'r>], arena: &'r Bump) -> Result<Value<'r>, String> {
        if matches!(arguments[0], Value::Null) {
            return Err("nothing to do with null".to_owned());
        }
        let count = Value::Int(arguments.len() as i64);
        Ok(Value::List(arena.alloc_slice_copy(&[arguments[0], count])))
    }
}

fn functions() -> Functions {
    let mut functions = Functions::new();
    let function = Function::new([Type::Decimal, Type::Any], Type::any_list(), First);
    functions.add("first_1", function).unwrap();
    functions
}

fn scope() -> Scope {
    Scope::new()
        .with("n", Type::Int)
        .with("text", Type::String)
        .with("json", Type::Any)
}

fn refusal(source: &str) -> String {
    compile_with(source, &scope(), &functions(), &Type::Any)
        .unwrap_err()
        .excerpt()
}

fn eval(source: &str, json: Value<'_>) -> Result<String, String> {
    let expr = compile_with(source, &scope(), &functions(), &Type::Any).unwrap();
    let arena = Bump::new();
    let variables = [Value::Int(7), Value::String("t"), json];
    expr.eval(&variables, &arena)
        .map(|value| value.to_string())
        .map_err(|error| error.to_string())
}

#[test]
fn a_function_of_the_host_is_called_with_its_arguments() {
    assert_eq!(
        eval("first_1(json, text)", Value::Int(1)).unwrap(),
        "[1, 2]"
    );
    assert_eq!(eval("first_1(1.5, text)[1] + n", Value::Null).unwrap(), "9");
    assert_eq!(
        eval("[1, 2].map(x, first_1(x, 0)[0])", Value::Null).unwrap(),
        "[1, 2]"
    );
}

#[test]
fn an_int_becomes_the_decimal_that_a_parameter_is() {
    let expr = compile_with("first_1(n, 0)[0]", &scope(), &functions(), &Type::Any).unwrap();
    let arena = Bump::new();
    let variables = [Value::Int(7), Value::Null, Value::Null];
    let found = expr.eval(&variables, &arena).unwrap();
    assert!(matches!(found, Value::Decimal(d) if d == Decimal::from(7)));
}

#[test]
fn what_a_function_says_of_its_arguments_is_the_expressions_error() {
    assert_eq!(
        eval("first_1(json, 0)", Value::Null).unwrap_err(),
        "`first_1(json, 0)`: nothing to do with null"
    );
}

#[test]
fn wrong_calls_are_refused_before_any_record() {
    for (source, message) in [
        ("first_1(n)", "`first_1` takes 2 arguments, not 1"),
        (
            "first_1(text, n)",
            "`first_1` takes decimal here; `text` is of type string",
        ),
        ("n.first_1(text)", "`first_1` is called as first_1(…)"),
        ("fist_1(n, n)", "did you mean `first_1`?"),
        ("first_1", "first_1"),
    ] {
        let refusal = refusal(source);
        assert!(refusal.contains(message), "{refusal}");
    }
}

#[test]
fn the_function_that_an_expression_is_has_a_name() {
    let expr = |source| compile_with(source, &scope(), &functions(), &Type::Any).unwrap();
    assert_eq!(expr("first_1(n, n)").host_call(), Some("first_1"));
    assert_eq!(expr("first_1(n, n)[0]").host_call(), None);
}

#[test]
fn names_that_cannot_be_called_or_are_taken_are_refused() {
    let mut functions = functions();
    let mut add = |name: &str| functions.add(name, Function::new([], Type::Any, First));
    for name in ["", "1st", "a-b", "in", "a.b", "while"] {
        assert_eq!(
            add(name),
            Err(FunctionError::Name(name.to_owned())),
            "{name}"
        );
    }
    for name in ["size", "map", "has", "first_1"] {
        assert_eq!(
            add(name),
            Err(FunctionError::Taken(name.to_owned())),
            "{name}"
        );
    }
}
