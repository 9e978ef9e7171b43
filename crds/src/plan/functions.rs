//! [`Functions`]: what the expressions of a StreamApp can call beside the language's own functions.
//!
//! A StreamApp *declares* them (`spec.topology.functions`), so that whoever has no code can plan it; the
//! worker's image *has* them.

use std::collections::BTreeMap;
use std::fmt;

use millrace_expr::{Bump, FunctionError, Type, Value};

use super::check::check_count;
use super::graph::SerdeKind;
use super::spec;
use crate::limits;
use crate::path::Path;
use crate::problem::{Problem, Problems};
use crate::topology::{self, SerdeName, TypeName};

/// Functions by name: those of a worker image, or as a StreamApp declares them. The typed DSL's closures
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
        function: millrace_expr::Function,
        format: Option<SerdeKind>,
    ) -> Result<(), FunctionError> {
        self.callable.add(name, function)?;
        self.formats
            .extend(format.map(|format| (name.to_owned(), format)));
        Ok(())
    }

    /// How a StreamApp declares these functions.
    pub fn declarations(&self) -> BTreeMap<String, topology::Function> {
        let names = self.callable.names();
        let found = names.filter_map(|name| Some((name.to_owned(), self.declaration(name)?)));
        found.collect()
    }

    fn declaration(&self, name: &str) -> Option<topology::Function> {
        let function = self.callable.get(name)?;
        Some(topology::Function {
            parameters: function.parameters.iter().map(TypeName::from).collect(),
            result: (&function.result).into(),
            format: self.formats.get(name).copied().map(SerdeName::from),
        })
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

/// What a StreamApp declares.
pub(super) type Declared = BTreeMap<String, topology::Function>;

/// Functions that have been declared, and no code: good for a plan that nobody runs.
pub(super) fn without_code(declared: &Declared, problems: &mut Problems) -> Functions {
    let mut functions = Functions::new();
    let bounds = (0, limits::FUNCTIONS);
    check_count(&path(), "functions", declared.len(), bounds, problems);
    for (name, function) in declared.iter().take(limits::FUNCTIONS) {
        let path = path().key(name);
        let bounds = (0, limits::PARAMETERS);
        let count = function.parameters.len();
        check_count(
            &path.key("parameters"),
            "parameters",
            count,
            bounds,
            problems,
        );
        let types: Vec<Type> = function.parameters.iter().map(|ty| (*ty).into()).collect();
        let code = without(name.clone());
        let native = millrace_expr::Function::new(types, function.result.into(), code);
        let format = function.format.map(SerdeKind::from);
        if let Err(error) = functions.add(name, native, format) {
            problems.add(Problem::new(&path, error.to_string()));
        }
    }
    functions
}

/// What stands for code that is elsewhere.
fn without(name: String) -> impl millrace_expr::NativeFunction + 'static {
    // A closure is taken for a function of any arena only where it is asked to be one.
    fn any_arena<F>(function: F) -> F
    where
        F: for<'r> Fn(&[Value<'r>], &'r Bump) -> Result<Value<'r>, String>,
    {
        function
    }
    any_arena(move |_, _| {
        Err(format!(
            "the function `{name}` is declared, and this program does not have it"
        ))
    })
}

/// The functions of an image that a StreamApp declares, each as it declares them.
pub(super) fn with_code(
    declared: &Declared,
    image: &Functions,
    problems: &mut Problems,
) -> Functions {
    // What is declared wrongly is so whatever the image has.
    let _without_code = without_code(declared, problems);
    let mut functions = Functions::new();
    if !problems.is_empty() {
        return functions;
    }
    for (name, wanted) in declared {
        let path = path().key(name);
        let (Some(found), Some(function)) = (image.declaration(name), image.callable.get(name))
        else {
            let message = format!("this program has no function `{name}`");
            problems.add(Problem::new(&path, message).help(OTHER_IMAGE));
            continue;
        };
        if found != *wanted {
            let message =
                format!("`{name}` is declared as {wanted}, and is {found} in this program");
            problems.add(Problem::new(&path, message).help(OTHER_IMAGE));
            continue;
        }
        let format = image.formats.get(name).copied();
        if let Err(error) = functions.add(name, function.clone(), format) {
            problems.add(Problem::new(&path, error.to_string()));
        }
    }
    functions
}

/// What to do where a StreamApp and the image do not fit together.
const OTHER_IMAGE: &str = "run the StreamApp by the image it was exported from (`spec.image`), or \
                           export it anew from this one";

fn path() -> Path {
    spec().key("topology").key("functions")
}

impl fmt::Display for topology::Function {
    /// `(string, int) -> any, json`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |name: &TypeName| Type::from(*name).to_string();
        let parameters: Vec<String> = self.parameters.iter().map(of).collect();
        write!(f, "`({}) -> {}", parameters.join(", "), of(&self.result))?;
        match self.format {
            Some(format) => write!(f, ", {}`", SerdeKind::from(format)),
            None => f.write_str("`"),
        }
    }
}
