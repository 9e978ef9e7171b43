//! Joiners: closures over the values of both sides, and over the key that both have.

use millrace_expr::Type;

use super::call::{argument, native, result};
use super::graph::Graph;
use crate::data::Data;

/// Registers a joiner; returns its call. Sides that may be missing are `Option`s.
pub(super) fn joiner<L: Data, R: Data, T: Data>(
    graph: &Graph,
    tag: &str,
    join: impl Fn(&L, &R) -> T + Send + Sync + 'static,
) -> String {
    let native = native(move |arguments, arena| {
        let left = argument(arguments, 0, "left value")?;
        let right = argument(arguments, 1, "right value")?;
        result(&join(&left, &right), arena)
    });
    let types: (Vec<Type>, Type) = (vec![L::value_type(), R::value_type()], T::value_type());
    let name = graph.function(tag, types, Some(T::FORMAT), native);
    format!("{name}(left, right)")
}

/// As [`joiner`], of a closure that looks at the key too.
pub(super) fn joiner_with_key<K: Data, L: Data, R: Data, T: Data>(
    graph: &Graph,
    tag: &str,
    join: impl Fn(&K, &L, &R) -> T + Send + Sync + 'static,
) -> String {
    let native = native(move |arguments, arena| {
        let key = argument(arguments, 0, "key")?;
        let left = argument(arguments, 1, "left value")?;
        let right = argument(arguments, 2, "right value")?;
        result(&join(&key, &left, &right), arena)
    });
    let parameters = vec![K::value_type(), L::value_type(), R::value_type()];
    let types = (parameters, T::value_type());
    let name = graph.function(tag, types, Some(T::FORMAT), native);
    format!("{name}(key, left, right)")
}
