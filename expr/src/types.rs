//! The static types of expressions, and the variables an expression sees.

use std::fmt;

/// The type of an expression as far as it is known before any record is seen.
///
/// Any value may be null at run time (`right` of a left join, a table's deleted value), whatever its
/// type: `x == null` is legal for every type, and an operation on null is an evaluation error.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// Not known: fields of JSON values. Checked at run time.
    Any,
    /// Only null.
    Null,
    /// true or false.
    Bool,
    /// 64-bit signed integer.
    Int,
    /// Exact decimal of up to 28 digits.
    Decimal,
    /// IEEE 754, 64 bits.
    Double,
    /// UTF-8 text.
    String,
    /// Bytes.
    Bytes,
    /// A list and the type of its elements.
    List(Box<Type>),
    /// A map from strings and the type of its values.
    Map(Box<Type>),
}

impl Type {
    /// A list whose elements are not known.
    pub fn any_list() -> Self {
        Self::List(Box::new(Self::Any))
    }

    /// A map whose values are not known.
    pub fn any_map() -> Self {
        Self::Map(Box::new(Self::Any))
    }

    /// Whether values of this type are int, decimal or double for sure.
    pub fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Decimal | Self::Double)
    }

    /// Whether a value of this type may stand where `target` is wanted: equal types, `Any` on either
    /// side, and null for everything. An int may stand for a decimal, but not inside lists and maps.
    pub fn fits(&self, target: &Type) -> bool {
        match (self, target) {
            (Self::Any | Self::Null, _) | (_, Self::Any) | (Self::Int, Self::Decimal) => true,
            (Self::List(a), Self::List(b)) | (Self::Map(a), Self::Map(b)) => {
                a.fits(b) && !matches!((&**a, &**b), (Self::Int, Self::Decimal))
            }
            (a, b) => a == b,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Null => f.write_str("null"),
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Decimal => f.write_str("decimal"),
            Self::Double => f.write_str("double"),
            Self::String => f.write_str("string"),
            Self::Bytes => f.write_str("bytes"),
            Self::List(element) if **element == Self::Any => f.write_str("list"),
            Self::List(element) => write!(f, "list of {element}"),
            Self::Map(value) if **value == Self::Any => f.write_str("map"),
            Self::Map(value) => write!(f, "map of {value}"),
        }
    }
}

/// The variables an expression may use, in order: a variable's slot, its index in the values handed
/// to [`Expr::eval`](crate::Expr::eval), is its position here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    variables: Vec<(String, Type)>,
}

impl Scope {
    /// No variables.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a variable in the next slot. A later variable of the same name hides the earlier one.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, variable: Type) -> Self {
        self.variables.push((name.into(), variable));
        self
    }

    /// Number of variables.
    pub fn len(&self) -> usize {
        self.variables.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.variables.is_empty()
    }

    /// Slot and type of a variable.
    pub fn find(&self, name: &str) -> Option<(usize, &Type)> {
        let slot = self.variables.iter().rposition(|(n, _)| n == name)?;
        Some((slot, &self.variables[slot].1))
    }

    /// Names in slot order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().map(|(name, _)| name.as_str())
    }
}
