//! Closures as functions that expressions call.

use millrace_crds::plan::SerdeKind;
use millrace_crds::topology::Serdes;
use millrace_expr::{Bump, Type, Value};

use super::graph::{Graph, format_name};
use super::key::Key;
use crate::data::{Data, DataError};

/// What a call gives.
pub(super) type Called<'r> = Result<Value<'r>, String>;

/// Lets the compiler know that a closure works for any arena.
pub(super) fn native<F>(function: F) -> F
where
    F: for<'r> Fn(&[Value<'r>], &'r Bump) -> Called<'r> + Send + Sync + 'static,
{
    function
}

/// An argument; `what` names it in messages.
pub(super) fn argument<T: Data>(
    arguments: &[Value<'_>],
    at: usize,
    what: &str,
) -> Result<T, String> {
    read(arguments, at, what, T::from_value)
}

/// A key, the first argument.
pub(super) fn key<K: Key>(arguments: &[Value<'_>]) -> Result<K, String> {
    read(arguments, 0, "key", K::read)
}

fn read<T>(
    arguments: &[Value<'_>],
    at: usize,
    what: &str,
    read: impl FnOnce(Value<'_>) -> Result<T, DataError>,
) -> Result<T, String> {
    let value = arguments.get(at).copied().unwrap_or(Value::Null);
    read(value).map_err(|error| format!("the {what}: {error}"))
}

/// A result.
pub(super) fn result<'r, T: Data>(value: &T, arena: &'r Bump) -> Called<'r> {
    value
        .to_value(arena)
        .map_err(|error| format!("the result: {error}"))
}

/// Types of a function of key and value.
pub(super) fn of_record<K: Key, V: Data>(result: Type) -> (Vec<Type>, Type) {
    (vec![K::expression_type(), V::value_type()], result)
}

/// A call with key and value.
pub(super) fn with_record<K: Key>(name: &str) -> String {
    format!("{name}({}, value)", K::EXPRESSION)
}

/// Registers a predicate of key and value; returns its call.
pub(super) fn predicate<K: Key, V: Data>(
    graph: &Graph,
    tag: &str,
    predicate: impl Fn(&K, &V) -> bool + Send + Sync + 'static,
) -> String {
    let native = native(move |arguments, _| {
        let (key, value) = (key(arguments)?, argument(arguments, 1, "value")?);
        Ok(Value::Bool(predicate(&key, &value)))
    });
    let name = graph.function(tag, of_record::<K, V>(Type::Bool), None, native);
    with_record::<K>(&name)
}

/// Registers a function of key and value; returns its call.
pub(super) fn computed<K: Key, V: Data, T: Data>(
    graph: &Graph,
    tag: &str,
    function: impl Fn(&K, &V) -> T + Send + Sync + 'static,
) -> String {
    let native = native(move |arguments, arena| {
        let (key, value) = (key(arguments)?, argument(arguments, 1, "value")?);
        result(&function(&key, &value), arena)
    });
    let types = of_record::<K, V>(T::value_type());
    let name = graph.function(tag, types, Some(T::FORMAT), native);
    with_record::<K>(&name)
}

/// Registers a function of the value alone; returns its call.
pub(super) fn of_value<V: Data, T: Data>(
    graph: &Graph,
    tag: &str,
    function: impl Fn(&V) -> T + Send + Sync + 'static,
) -> String {
    let native = native(move |arguments, arena| {
        let value = argument(arguments, 0, "value")?;
        result(&function(&value), arena)
    });
    let types = (vec![V::value_type()], T::value_type());
    let name = graph.function(tag, types, Some(T::FORMAT), native);
    format!("{name}(value)")
}

/// Says of which type a value is that comes out of a list: `expression`, typed.
pub(super) fn typed<T: Data>(graph: &Graph, tag: &str, expression: &str) -> String {
    let native = native(|arguments, _| Ok(arguments.first().copied().unwrap_or(Value::Null)));
    let types = (vec![T::value_type()], T::value_type());
    let name = graph.function(tag, types, Some(T::FORMAT), native);
    format!("{name}({expression})")
}

/// The formats of a key and a value.
pub(super) fn serdes<K: Key, V: Data>() -> Serdes {
    let key: SerdeKind = <K::Plain as Data>::FORMAT;
    Serdes {
        key: Some(format_name(key)),
        value: Some(format_name(V::FORMAT)),
    }
}

/// The bytes of a header, of all headers as expressions have them.
pub(super) fn header<'r>(headers: Value<'r>, name: &str) -> Option<&'r [u8]> {
    match headers.get(name)? {
        Value::String(text) => Some(text.as_bytes()),
        Value::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}
