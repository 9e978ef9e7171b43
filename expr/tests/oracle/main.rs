//! Our evaluator against the interpreter of the `cel` crate, on random expressions over random
//! records.
//!
//! The interpreter knows no decimals, so it gets ours as a value type of its own ([`number`], on
//! arbitrary precision integers): every number literal of the parsed tree is replaced by a variable
//! that holds one, and so is every number of the records. All else, fields, `&&` and `||` with their
//! errors, comprehensions, equality, maps and strings, is the interpreter's own.
//!
//! A failure prints the seed of the expression and the smallest case found; proptest keeps both.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod generate;
mod number;

use std::collections::HashMap;
use std::sync::Arc;

use cel::common::ast::{CallExpr, EntryExpr, Expr as Syntax, IdedExpr, LiteralValue, SourceInfo};
use cel::common::types::{CelBool, CelList, CelMap, CelMapKey, CelNull, CelString};
use cel::common::value::Val;
use cel::{Context, Env};
use millrace_expr::{Bump, Scope, Type, Value, compile, json};
use proptest::prelude::*;

use generate::Generator;
use number::Number;

fn scope() -> Scope {
    Scope::new()
        .with("left", Type::Any)
        .with("right", Type::Any)
        .with("n", Type::Int)
        .with("d", Type::Decimal)
        .with("s", Type::String)
}

/// A record as the interpreter holds it.
fn to_cel(value: &Value<'_>) -> Box<dyn Val + 'static> {
    match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(b) => Box::new(CelBool::from(*b)),
        Value::Int(i) => Box::new(Number::Int(*i)),
        Value::Decimal(d) => Box::new(Number::parse_decimal(&d.to_string()).unwrap()),
        Value::String(s) => Box::new(CelString::from((*s).to_owned())),
        Value::List(elements) => Box::new(CelList::from(
            elements.iter().map(to_cel).collect::<Vec<_>>(),
        )),
        Value::Map(entries) => {
            let entry = |(name, value): &(&str, Value<'_>)| {
                (CelMapKey::from((*name).to_owned()), to_cel(value))
            };
            Box::new(CelMap::from(
                entries.iter().map(entry).collect::<HashMap<_, _>>(),
            ))
        }
        Value::Double(_) | Value::Bytes(_) => panic!("not generated: {value}"),
    }
}

/// Whether both evaluators gave the same, decimals to the last digit and zero.
fn same(ours: &Value<'_>, theirs: &dyn Val) -> bool {
    if let Some(number) = theirs.downcast_ref::<Number>() {
        return match ours {
            Value::Int(i) => *number == Number::Int(*i),
            Value::Decimal(d) => Some(number) == Number::parse_decimal(&d.to_string()).as_ref(),
            _ => false,
        };
    }
    match ours {
        Value::Null => theirs.downcast_ref::<CelNull>().is_some(),
        Value::Bool(b) => theirs
            .downcast_ref::<CelBool>()
            .is_some_and(|t| t.inner() == b),
        Value::String(s) => theirs
            .downcast_ref::<CelString<'_>>()
            .is_some_and(|t| t.inner() == *s),
        Value::List(list) => theirs.downcast_ref::<CelList<'_>>().is_some_and(|theirs| {
            let theirs = theirs.inner();
            theirs.len() == list.len() && list.iter().zip(theirs).all(|(a, b)| same(a, b.as_ref()))
        }),
        Value::Map(entries) => theirs.downcast_ref::<CelMap<'_>>().is_some_and(|theirs| {
            let theirs = theirs.inner();
            theirs.len() == entries.len()
                && entries.iter().all(|(name, value)| {
                    let key = CelMapKey::from((*name).to_owned());
                    theirs
                        .get(&key)
                        .is_some_and(|their| same(value, their.as_ref()))
                })
        }),
        _ => false,
    }
}

/// Replaces number literals by variables that hold [`Number`]s, and has `size()` give one.
struct Rewrite<'s> {
    source: &'s str,
    info: &'s SourceInfo,
    literals: Vec<(String, Number)>,
}

impl Rewrite<'_> {
    fn number(&mut self, id: u64, literal: &LiteralValue) -> Option<Syntax> {
        let (start, stop) = self.info.offset_for(id)?;
        let chars = self
            .source
            .chars()
            .skip(start as usize)
            .take((stop - start + 1) as usize);
        let text: String = chars.collect();
        // Macros make literals of their own, whose place is the macro's.
        if !text.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return None;
        }
        let number = match literal {
            LiteralValue::Int(value) => Number::Int(*value.inner()),
            LiteralValue::Double(value) => {
                let sign = if value.inner().is_sign_negative() {
                    "-"
                } else {
                    ""
                };
                Number::parse_decimal(&format!("{sign}{text}")).expect("a decimal literal")
            }
            _ => return None,
        };
        let name = format!("literal{}", self.literals.len());
        self.literals.push((name.clone(), number));
        Some(Syntax::Ident(name))
    }

    fn all(&mut self, nodes: &mut [IdedExpr]) {
        nodes.iter_mut().for_each(|node| self.node(node));
    }

    fn node(&mut self, node: &mut IdedExpr) {
        let id = node.id;
        match &mut node.expr {
            Syntax::Literal(literal) => {
                let literal = literal.clone();
                if let Some(replaced) = self.number(id, &literal) {
                    node.expr = replaced;
                }
            }
            Syntax::Call(call) => {
                if let Some(target) = &mut call.target {
                    self.node(target);
                }
                // A list's index stays an int of the interpreter's.
                let most = if call.func_name == "_[_]" {
                    1
                } else {
                    call.args.len()
                };
                self.all(&mut call.args[..most]);
                if call.func_name == "size" {
                    let size = std::mem::take(node);
                    let args = vec![size];
                    let func_name = "number".to_owned();
                    node.expr = Syntax::Call(CallExpr {
                        func_name,
                        target: None,
                        args,
                    });
                }
            }
            Syntax::Select(select) => self.node(&mut select.operand),
            Syntax::List(list) => self.all(&mut list.elements),
            Syntax::Map(map) => {
                for entry in &mut map.entries {
                    if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                        self.node(&mut entry.value);
                    }
                }
            }
            Syntax::Comprehension(comprehension) => {
                self.node(&mut comprehension.iter_range);
                self.node(&mut comprehension.accu_init);
                self.node(&mut comprehension.loop_cond);
                self.node(&mut comprehension.loop_step);
                self.node(&mut comprehension.result);
            }
            Syntax::Ident(_) | Syntax::Struct(_) | Syntax::Unspecified => {}
        }
    }
}

/// Evaluates by the interpreter; the comparison happens here because its values borrow.
fn interpret(source: &str, variables: &[Value<'_>], ours: Option<&Value<'_>>) -> (bool, String) {
    let mut env = Env::stdlib();
    number::add_functions(&mut env);
    let (mut root, info) = env
        .parser()
        .parse_with_source_info(source)
        .expect("it parses");
    let mut rewrite = Rewrite {
        source,
        info: &info,
        literals: Vec::new(),
    };
    rewrite.node(&mut root);
    let mut context = Context::with_env(Arc::new(env));
    for (name, number) in rewrite.literals {
        context.add_variable_as_val(name, Box::new(number));
    }
    for (name, value) in scope().names().zip(variables) {
        context.add_variable_as_val(name.to_owned(), to_cel(value));
    }
    match (cel::Value::resolve_val(&root, &context), ours) {
        (Ok(theirs), Some(ours)) => (same(ours, theirs.as_ref()), format!("{theirs:?}")),
        (Ok(theirs), None) => (false, format!("{theirs:?}")),
        (Err(error), ours) => (ours.is_none(), error.to_string()),
    }
}

fn numbers() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "(0|[1-9][0-9]{0,3})",
        4 => "(0|[1-9][0-9]{0,4})\\.[0-9]{1,3}",
        1 => any::<i64>().prop_map(|i| i.to_string()),
        1 => "-?[1-9][0-9]{0,13}\\.[0-9]{1,14}",
        1 => "0\\.0{0,20}[1-9]",
        1 => "-?[1-9][0-9]{18,27}",
    ]
}

/// The texts of `left` and `right`.
fn records() -> impl Strategy<Value = (String, String)> {
    let line = (numbers(), 0..20_i64)
        .prop_map(|(price, count)| format!(r#"{{"price":{price},"count":{count}}}"#));
    let left = (
        numbers(),
        numbers(),
        prop::collection::vec("\"[a-c]{0,2}\"", 0..4),
        prop::collection::vec(line, 0..4),
        any::<bool>(),
    );
    let left = left.prop_map(|(amount, rate, tags, lines, flag)| {
        format!(
            r#"{{"account":"001-00101","amount":{amount},"rate":{rate},"tags":[{}],"lines":[{}],"flag":{flag},"none":null}}"#,
            tags.join(","),
            lines.join(",")
        )
    });
    let right = prop_oneof![
        1 => Just("null".to_owned()),
        3 => numbers().prop_map(|n| format!(r#"{{"account":"001-00101","balance":{n}}}"#)),
    ];
    (left, right)
}

/// 2,000 cases take some seconds; `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    let default = ProptestConfig::default();
    let cases = if asked { default.cases } else { 2_000 };
    ProptestConfig { cases, ..default }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn we_evaluate_as_the_interpreter_does(
        tape in prop::collection::vec(any::<u8>(), 1..120),
        (left, right) in records(),
        n in prop_oneof![-5..20_i64, any::<i64>()],
        d in numbers(),
        s in "[a-c0-9-]{0,6}",
    ) {
        let source = Generator::new(&tape).root();
        let expr = compile(&source, &scope(), &Type::Any)
            .map_err(|e| TestCaseError::fail(format!("{source} was refused:\n{}", e.excerpt())))?;
        let arena = Bump::new();
        let variables = [
            json::parse(left.as_bytes(), &arena).unwrap(),
            json::parse(right.as_bytes(), &arena).unwrap(),
            Value::Int(n),
            Value::Decimal(millrace_expr::parse_decimal(&d).unwrap()),
            Value::String(&s),
        ];
        let ours = expr.eval(&variables, &arena);
        let (agree, theirs) = interpret(&source, &variables, ours.as_ref().ok());
        prop_assert!(agree, "{source}\nover {} and {}\nours:   {:?}\ntheirs: {theirs}",
            variables[0], variables[1], ours.map(|v| v.to_string()));
    }
}

/// The generator must not spend its cases on expressions that all fail.
#[test]
fn most_random_expressions_have_a_value_and_all_have_decimals() {
    let left = br#"{"account":"001-00101","amount":100,"rate":0.05,"tags":["a","b"],
        "lines":[{"price":12.30,"count":2}],"flag":true,"none":null}"#;
    let right = br#"{"account":"001-00101","balance":1234.56}"#;
    let arena = Bump::new();
    let variables = [
        json::parse(left, &arena).unwrap(),
        json::parse(right, &arena).unwrap(),
        Value::Int(3),
        Value::Decimal("2.50".parse().unwrap()),
        Value::String("ab"),
    ];
    let (mut values, mut state) = (0, 1_u64);
    const CASES: usize = 2_000;
    for _ in 0..CASES {
        let tape: Vec<u8> = (0..120)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (state >> 33) as u8
            })
            .collect();
        let source = Generator::new(&tape).root();
        assert!(source.contains('.'), "{source}");
        let expr = compile(&source, &scope(), &Type::Any).unwrap();
        values += usize::from(expr.eval(&variables, &arena).is_ok());
    }
    assert!(
        values > CASES / 2,
        "{values} of {CASES} expressions have a value"
    );
}
