//! Aggregators: closures that make one value of many.

use super::call::{argument, key, native, result};
use super::graph::Graph;
use crate::data::Data;

/// Registers an initializer; returns its call.
pub(super) fn initializer<A: Data>(
    graph: &Graph,
    initial: impl Fn() -> A + Send + Sync + 'static,
) -> String {
    let native = native(move |_, arena| result(&initial(), arena));
    let types = (Vec::new(), A::value_type());
    let name = graph.function("initial", types, Some(A::FORMAT), native);
    format!("{name}()")
}

/// Registers an aggregator; returns its call.
pub(super) fn aggregator<K: Data, V: Data, A: Data>(
    graph: &Graph,
    tag: &str,
    aggregate: impl Fn(&K, &V, A) -> A + Send + Sync + 'static,
) -> String {
    let native = native(move |arguments, arena| {
        let (key, value) = (key(arguments)?, argument(arguments, 1, "value")?);
        let before = argument(arguments, 2, "aggregate")?;
        result(&aggregate(&key, &value, before), arena)
    });
    let types = vec![K::value_type(), V::value_type(), A::value_type()];
    let name = graph.function(tag, (types, A::value_type()), Some(A::FORMAT), native);
    format!("{name}(key, value, aggregate)")
}

/// Registers a reducer; returns its call.
pub(super) fn reducer<V: Data>(
    graph: &Graph,
    tag: &str,
    reduce: impl Fn(&V, &V) -> V + Send + Sync + 'static,
) -> String {
    let native = native(move |arguments, arena| {
        let before = argument(arguments, 0, "aggregate")?;
        let value = argument(arguments, 1, "value")?;
        result(&reduce(&before, &value), arena)
    });
    let types = vec![V::value_type(); 2];
    let name = graph.function(tag, (types, V::value_type()), Some(V::FORMAT), native);
    format!("{name}(aggregate, value)")
}

/// Registers a merger of two sessions; returns its call.
pub(super) fn merger<K: Data, A: Data>(
    graph: &Graph,
    merge: impl Fn(&K, A, A) -> A + Send + Sync + 'static,
) -> String {
    let native = native(move |arguments, arena| {
        let key = key(arguments)?;
        let one = argument(arguments, 1, "first session's aggregate")?;
        let other = argument(arguments, 2, "second session's aggregate")?;
        result(&merge(&key, one, other), arena)
    });
    let types = vec![K::value_type(), A::value_type(), A::value_type()];
    let name = graph.function("merge", (types, A::value_type()), Some(A::FORMAT), native);
    format!("{name}(key, left, right)")
}
