//! The typed tree that expressions are lowered to: variables are slots, constants are folded, field
//! names are owned by the tree, and frequent shapes have nodes of their own.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use regex::Regex;
use rust_decimal::Decimal;

use crate::{NativeFunction, Type, Value};

/// A place in the source, in bytes, for error messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    start: u32,
    end: u32,
}

impl From<Range<usize>> for At {
    /// Sources are far below 4 GiB.
    fn from(range: Range<usize>) -> Self {
        Self {
            start: range.start as u32,
            end: range.end as u32,
        }
    }
}

impl At {
    /// The text at this place.
    pub(crate) fn of(self, source: &str) -> &str {
        source
            .get(self.start as usize..self.end as usize)
            .unwrap_or(source)
    }
}

/// A value known when the expression is compiled.
#[derive(Clone, Debug)]
pub(crate) enum Constant {
    Null,
    Bool(bool),
    Int(i64),
    Decimal(Decimal),
    Double(f64),
    String(Box<str>),
    Bytes(Box<[u8]>),
}

impl Constant {
    #[inline]
    pub(crate) fn value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Int(*value),
            Self::Decimal(value) => Value::Decimal(*value),
            Self::Double(value) => Value::Double(*value),
            Self::String(value) => Value::String(value),
            Self::Bytes(value) => Value::Bytes(value),
        }
    }

    /// `None` for lists and maps: their parts have no owner to borrow from.
    pub(crate) fn of(value: &Value<'_>) -> Option<Self> {
        Some(match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(value) => Self::Int(*value),
            Value::Decimal(value) => Self::Decimal(*value),
            Value::Double(value) => Self::Double(*value),
            Value::String(value) => Self::String((*value).into()),
            Value::Bytes(value) => Self::Bytes((*value).into()),
            Value::List(_) | Value::Map(_) => return None,
        })
    }
}

/// `<`, `<=`, `>`, `>=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// `+`, `-`, `*`, `/`, `%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Arithmetic {
    /// As it is written.
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }
}

/// The functions that are neither operators nor comprehensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Abs,
    Bool,
    Bytes,
    Contains,
    Decimal,
    Double,
    EndsWith,
    Int,
    Join,
    LowerAscii,
    Matches,
    Max,
    Min,
    Replace,
    Round,
    Size,
    Split,
    StartsWith,
    String,
    Substring,
    Trim,
    UpperAscii,
}

/// What a comprehension makes of the elements.
#[derive(Clone, Debug)]
pub(crate) enum Fold {
    /// Whether the predicate is true for all.
    All(Node),
    /// Whether it is true for at least one.
    Exists(Node),
    /// Whether it is true for exactly one.
    ExistsOne(Node),
    /// A list of those for which it is true.
    Filter(Node),
    /// A list of results, for the elements that pass the filter if there is one.
    Map {
        /// The filter.
        filter: Option<Node>,
        /// The result.
        transform: Node,
    },
}

/// `range.all(x, …)` and its siblings.
#[derive(Clone, Debug)]
pub(crate) struct Comprehension {
    /// What is gone through: a list, or a map's names.
    pub(crate) range: Node,
    /// Local that holds the element.
    pub(crate) local: usize,
    /// What is done.
    pub(crate) fold: Fold,
    /// Nodes evaluated per element at most: what an element takes from the budget.
    pub(crate) cost: usize,
    /// The range.
    pub(crate) at: At,
}

/// A call of a function of the host.
#[derive(Clone)]
pub(crate) struct HostCall {
    /// The function's name.
    pub(crate) name: Box<str>,
    /// The function.
    pub(crate) native: Arc<dyn NativeFunction>,
    /// As many as it has parameters.
    pub(crate) arguments: Box<[Node]>,
    /// The call.
    pub(crate) at: At,
}

impl fmt::Debug for HostCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.name, self.arguments)
    }
}

/// A node. `at` is the whole sub-expression, except where said otherwise.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Constant(Constant),
    Variable(usize),
    Local(usize),
    /// `variable.field`; `at` is the variable.
    VariableField {
        slot: usize,
        field: Box<str>,
        at: At,
    },
    /// `operand.field`; `at` is the operand.
    Field {
        operand: Box<Node>,
        field: Box<str>,
        at: At,
    },
    /// `has(operand.field)`; `at` is the operand.
    Has {
        operand: Box<Node>,
        field: Box<str>,
        at: At,
    },
    Index {
        sides: Box<[Node; 2]>,
        at: At,
    },
    /// `operand == null`, or `!=` when negated.
    IsNull {
        operand: Box<Node>,
        negate: bool,
    },
    Equal {
        sides: Box<[Node; 2]>,
        negate: bool,
        at: At,
    },
    Order {
        order: Order,
        sides: Box<[Node; 2]>,
        at: At,
    },
    And {
        sides: Box<[Node; 2]>,
        at: At,
    },
    Or {
        sides: Box<[Node; 2]>,
        at: At,
    },
    Not {
        operand: Box<Node>,
        at: At,
    },
    /// `condition ? yes : no`; `at` is the condition.
    Choose {
        parts: Box<[Node; 3]>,
        at: At,
    },
    Arithmetic {
        operator: Arithmetic,
        sides: Box<[Node; 2]>,
        at: At,
    },
    Negate {
        operand: Box<Node>,
        at: At,
    },
    List(Box<[Node]>),
    Map(Box<[(Box<str>, Node)]>),
    /// A map whose names are not all known.
    ComputedMap {
        entries: Box<[(Node, Node)]>,
        at: At,
    },
    In {
        sides: Box<[Node; 2]>,
        at: At,
    },
    /// `operand in [constants]`.
    OneOf {
        operand: Box<Node>,
        constants: Box<[Constant]>,
    },
    Comprehension(Box<Comprehension>),
    Call {
        function: Function,
        arguments: Box<[Node]>,
        at: At,
    },
    /// Never folded: what a host's function does is not known here.
    Host(Box<HostCall>),
    /// `operand.matches(regex)` with a pattern known when compiled.
    Pattern {
        operand: Box<Node>,
        regex: Box<Regex>,
        at: At,
    },
    /// An int made a decimal, where the type must be one; other values pass.
    Widen(Box<Node>),
    /// Checks a result whose type was not known.
    Expect {
        operand: Box<Node>,
        expected: Type,
        at: At,
    },
}

impl Node {
    /// Whether evaluation needs no variable and yields no more than what is written here, so that it
    /// can be done once, when compiled.
    pub(crate) fn is_foldable(&self) -> bool {
        let constant = |node: &Node| matches!(node, Node::Constant(_));
        match self {
            Self::Index { sides, .. }
            | Self::Equal { sides, .. }
            | Self::Order { sides, .. }
            | Self::And { sides, .. }
            | Self::Or { sides, .. }
            | Self::Arithmetic { sides, .. }
            | Self::In { sides, .. } => sides.iter().all(constant),
            Self::Choose { parts, .. } => parts.iter().all(constant),
            Self::IsNull { operand, .. }
            | Self::Not { operand, .. }
            | Self::Negate { operand, .. }
            | Self::OneOf { operand, .. }
            | Self::Widen(operand) => constant(operand),
            Self::Call { arguments, .. } => arguments.iter().all(constant),
            _ => false,
        }
    }
}
