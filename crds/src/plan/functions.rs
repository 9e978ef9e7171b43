//! [`Functions`]: what the expressions of a StreamApp can call beside the language's own functions.

use std::collections::BTreeMap;

use millrace_expr::{Function, FunctionError};

use super::graph::SerdeKind;

/// Functions of a worker image, by name; of a StreamApp in YAML alone, none. The typed DSL's closures
/// are such functions.
#[derive(Clone, Debug, Default)]
pub struct Functions {
    callable: millrace_expr::Functions,
    formats: BTreeMap<String, SerdeKind>,
}

impl Functions {
    /// No functions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a function. `format` is that of a key or value which is its result; without one, stores
    /// and topics take over the format of the input, as for other expressions.
    ///
    /// # Errors
    /// The name cannot be called, or is taken.
    pub fn add(
        &mut self,
        name: &str,
        function: Function,
        format: Option<SerdeKind>,
    ) -> Result<(), FunctionError> {
        self.callable.add(name, function)?;
        self.formats
            .extend(format.map(|format| (name.to_owned(), format)));
        Ok(())
    }

    /// As expressions know them.
    pub(super) fn callable(&self) -> &millrace_expr::Functions {
        &self.callable
    }

    /// The format of what an expression gives, where it is the call of a function that has one.
    pub(super) fn format_of(&self, expression: &millrace_expr::Expr) -> Option<SerdeKind> {
        self.formats.get(expression.host_call()?).copied()
    }
}
