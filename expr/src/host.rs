//! Functions of the host: what a program that embeds expressions lets them call.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bumpalo::Bump;

use crate::lower::is_built_in;
use crate::{Type, Value};

/// What a host function does. Closures of the same shape implement it.
pub trait NativeFunction: Send + Sync {
    /// The result for these arguments, which are as many as the function's parameters. It may live
    /// in the arena, or borrow from the arguments. Any argument may be null, whatever its type; so
    /// may the result.
    ///
    /// # Errors
    /// Why these arguments have no result; the expression fails with it.
    fn call<'r>(&self, arguments: &[Value<'r>], arena: &'r Bump) -> Result<Value<'r>, String>;
}

impl<F> NativeFunction for F
where
    F: for<'r> Fn(&[Value<'r>], &'r Bump) -> Result<Value<'r>, String> + Send + Sync,
{
    fn call<'r>(&self, arguments: &[Value<'r>], arena: &'r Bump) -> Result<Value<'r>, String> {
        self(arguments, arena)
    }
}

/// A host function and its types.
#[derive(Clone)]
pub struct Function {
    /// Types of its parameters, in order.
    pub parameters: Vec<Type>,
    /// Type of its results.
    pub result: Type,
    /// What it does.
    pub native: Arc<dyn NativeFunction>,
}

impl Function {
    /// A function with these types.
    pub fn new(
        parameters: impl Into<Vec<Type>>,
        result: Type,
        native: impl NativeFunction + 'static,
    ) -> Self {
        Self {
            parameters: parameters.into(),
            result,
            native: Arc::new(native),
        }
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (i, parameter) in self.parameters.iter().enumerate() {
            let comma = if i > 0 { ", " } else { "" };
            write!(f, "{comma}{parameter}")?;
        }
        write!(f, ") -> {}", self.result)
    }
}

/// Why a function was not taken into [`Functions`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FunctionError {
    /// Expressions could not call it.
    #[error(
        "`{0}` cannot name a function: use letters, digits and `_`, beginning with a letter, and no \
         word of the language"
    )]
    Name(String),
    /// Another one has the name.
    #[error("there is a function `{0}` already: choose another name")]
    Taken(String),
}

/// Host functions by name, called as `name(…)`. Cloning shares the functions.
#[derive(Clone, Debug, Default)]
pub struct Functions {
    by_name: BTreeMap<String, Function>,
}

impl Functions {
    /// No functions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a function.
    ///
    /// # Errors
    /// The name cannot be called, or is taken: by another function, or by one of the language's own.
    pub fn add(
        &mut self,
        name: impl Into<String>,
        function: Function,
    ) -> Result<(), FunctionError> {
        let name = name.into();
        if !is_callable(&name) {
            return Err(FunctionError::Name(name));
        }
        if is_built_in(&name) || self.by_name.contains_key(&name) {
            return Err(FunctionError::Taken(name));
        }
        self.by_name.insert(name, function);
        Ok(())
    }

    /// The function of this name.
    pub fn get(&self, name: &str) -> Option<&Function> {
        self.by_name.get(name)
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }
}

/// Whether CEL reads this as the name of a function.
fn is_callable(name: &str) -> bool {
    const WORDS: [&str; 19] = [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
    ];
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !WORDS.contains(&name)
        && !matches!(name, "void" | "while")
}
