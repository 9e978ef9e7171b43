//! [`Function`]: what expressions may call beside the language's own functions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{SerdeName, field_describes};
use crate::limits;

/// A function of the worker's image, which expressions call by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Function {
    /// Types of its parameters, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::PARAMETERS))]
    pub parameters: Vec<TypeName>,
    /// Type of its result.
    pub result: TypeName,
    /// Format of keys and values that are its result. Default: as of other expressions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<SerdeName>,
}

/// A type of expressions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline, transform = field_describes)]
pub enum TypeName {
    /// Not known before there is a record.
    #[default]
    Any,
    /// true or false.
    Bool,
    /// 64 bits, signed.
    Int,
    /// Exact.
    Decimal,
    /// IEEE 754, 64 bits.
    Double,
    /// Text.
    String,
    /// Bytes.
    Bytes,
    /// A list of anything.
    List,
    /// A map from texts to anything.
    Map,
}

impl From<&millrace_expr::Type> for TypeName {
    /// Of lists and maps it says no more than that they are.
    fn from(ty: &millrace_expr::Type) -> Self {
        use millrace_expr::Type;
        match ty {
            Type::Any | Type::Null => Self::Any,
            Type::Bool => Self::Bool,
            Type::Int => Self::Int,
            Type::Decimal => Self::Decimal,
            Type::Double => Self::Double,
            Type::String => Self::String,
            Type::Bytes => Self::Bytes,
            Type::List(_) => Self::List,
            Type::Map(_) => Self::Map,
        }
    }
}

impl From<TypeName> for millrace_expr::Type {
    fn from(name: TypeName) -> Self {
        match name {
            TypeName::Any => Self::Any,
            TypeName::Bool => Self::Bool,
            TypeName::Int => Self::Int,
            TypeName::Decimal => Self::Decimal,
            TypeName::Double => Self::Double,
            TypeName::String => Self::String,
            TypeName::Bytes => Self::Bytes,
            TypeName::List => Self::any_list(),
            TypeName::Map => Self::any_map(),
        }
    }
}
