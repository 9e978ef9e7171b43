//! `all`, `exists`, `exists_one`, `filter` and `map` over a list, or over the names of a map.

use bumpalo::collections::Vec as ArenaVec;

use super::{Context, Outcome, article};
use crate::node::{At, Comprehension, Fold, Node};
use crate::{EvalError, Value};

/// What is gone through.
enum Elements<'r> {
    List(&'r [Value<'r>]),
    Names(&'r [(&'r str, Value<'r>)]),
}

impl<'r> Elements<'r> {
    fn iter(&self) -> impl Iterator<Item = Value<'r>> {
        let (list, names) = match self {
            Self::List(list) => (*list, &[][..]),
            Self::Names(entries) => (&[][..], *entries),
        };
        list.iter()
            .copied()
            .chain(names.iter().map(|(name, _)| Value::String(name)))
    }

    fn len(&self) -> usize {
        match self {
            Self::List(list) => list.len(),
            Self::Names(entries) => entries.len(),
        }
    }
}

pub(super) fn run<'r>(cx: &Context<'_, 'r>, comprehension: &'r Comprehension) -> Outcome<'r> {
    let at = comprehension.at;
    let elements = match comprehension.range.eval(cx)? {
        Value::List(list) => Elements::List(list),
        Value::Map(entries) => Elements::Names(entries),
        other => {
            return Err(cx.error(at, |text| {
                format!("`{text}` is {}, expected a list or a map", article(&other))
            }));
        }
    };
    let walk = Walk {
        cx,
        comprehension,
        elements,
    };
    match &comprehension.fold {
        Fold::All(predicate) => walk.until(predicate, false),
        Fold::Exists(predicate) => walk.until(predicate, true),
        Fold::ExistsOne(predicate) => {
            let mut count = 0;
            walk.each(|_| {
                count += usize::from(walk.test(predicate)?);
                Ok(())
            })?;
            Ok(Value::Bool(count == 1))
        }
        Fold::Filter(predicate) => walk.collect(|element| {
            Ok(if walk.test(predicate)? {
                Some(element)
            } else {
                None
            })
        }),
        Fold::Map { filter, transform } => walk.collect(|_| match filter {
            Some(filter) if !walk.test(filter)? => Ok(None),
            _ => transform.eval(cx).map(Some),
        }),
    }
}

struct Walk<'a, 'b, 'r> {
    cx: &'a Context<'b, 'r>,
    comprehension: &'r Comprehension,
    elements: Elements<'r>,
}

impl<'r> Walk<'_, '_, 'r> {
    fn at(&self) -> At {
        self.comprehension.at
    }

    /// Puts each element into the local and does something with it.
    fn each(
        &self,
        mut action: impl FnMut(Value<'r>) -> Result<(), EvalError>,
    ) -> Result<(), EvalError> {
        for element in self.elements.iter() {
            self.cx.spend(self.comprehension.cost, self.at())?;
            self.cx.locals[self.comprehension.local].set(element);
            action(element)?;
        }
        Ok(())
    }

    fn test(&self, predicate: &'r Node) -> Result<bool, EvalError> {
        match predicate.eval(self.cx)? {
            Value::Bool(value) => Ok(value),
            other => Err(self.cx.error(self.at(), |text| {
                format!(
                    "the condition on `{text}` is {}, expected a bool",
                    article(&other)
                )
            })),
        }
    }

    /// `&&` or `||` over the elements: `decisive` for one wins over errors of others.
    fn until(&self, predicate: &'r Node, decisive: bool) -> Outcome<'r> {
        let mut first_error = None;
        for element in self.elements.iter() {
            // Running out of budget is final, whatever the other elements say.
            self.cx.spend(self.comprehension.cost, self.at())?;
            self.cx.locals[self.comprehension.local].set(element);
            match self.test(predicate) {
                Ok(value) if value == decisive => return Ok(Value::Bool(decisive)),
                Ok(_) => {}
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        first_error.map_or(Ok(Value::Bool(!decisive)), Err)
    }

    fn collect(
        &self,
        mut make: impl FnMut(Value<'r>) -> Result<Option<Value<'r>>, EvalError>,
    ) -> Outcome<'r> {
        let mut list = ArenaVec::with_capacity_in(self.elements.len(), self.cx.arena);
        self.each(|element| {
            list.extend(make(element)?);
            Ok(())
        })?;
        Ok(Value::List(list.into_bump_slice()))
    }
}
