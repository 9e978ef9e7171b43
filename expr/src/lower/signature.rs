//! The functions by name: how they are called, what they take, what they give.

use crate::Type;
use crate::node::Function;

/// Kinds of values, as a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kinds(u16);

const BOOL: Kinds = Kinds(1);
const INT: Kinds = Kinds(2);
const DECIMAL: Kinds = Kinds(4);
const DOUBLE: Kinds = Kinds(8);
const STRING: Kinds = Kinds(16);
const BYTES: Kinds = Kinds(32);
const LIST: Kinds = Kinds(64);
const MAP: Kinds = Kinds(128);

impl Kinds {
    const fn or(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }

    /// Whether a value of this type may be of one of the kinds.
    pub(super) fn take(self, ty: &Type) -> bool {
        let kind = match ty {
            Type::Any => return true,
            Type::Null => return false,
            Type::Bool => BOOL,
            Type::Int => INT,
            Type::Decimal => DECIMAL,
            Type::Double => DOUBLE,
            Type::String => STRING,
            Type::Bytes => BYTES,
            Type::List(_) => LIST,
            Type::Map(_) => MAP,
        };
        self.0 & kind.0 != 0
    }

    /// "int, decimal or double".
    pub(super) fn names(self) -> String {
        let all = [
            "bool", "int", "decimal", "double", "string", "bytes", "list", "map",
        ];
        let names: Vec<&str> = all
            .into_iter()
            .enumerate()
            .filter_map(|(i, name)| (self.0 >> i & 1 == 1).then_some(name))
            .collect();
        match names.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            _ => names.join(""),
        }
    }
}

/// How a function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// `f(x)`.
    Global,
    /// `x.f()`.
    Member,
    /// Both.
    Either,
}

/// How the result's type follows from the arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gives {
    Bool,
    Int,
    Decimal,
    Double,
    String,
    Bytes,
    Strings,
    /// The type of the first argument.
    Same,
    /// The common type of all arguments.
    Common,
}

/// A function. A receiver counts as the first argument.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signature {
    pub(super) name: &'static str,
    pub(super) function: Function,
    pub(super) style: Style,
    /// Kinds by argument.
    pub(super) takes: &'static [Kinds],
    /// How many must be there; the others may be left out.
    pub(super) least: usize,
    /// Whether the last may be repeated.
    pub(super) repeats: bool,
    pub(super) gives: Gives,
    /// An example call.
    pub(super) usage: &'static str,
}

const EXACT: Kinds = INT.or(DECIMAL);
const NUMBER: Kinds = EXACT.or(DOUBLE);
const NUMBER_OR_TEXT: Kinds = NUMBER.or(STRING);
const TEXTUAL: Kinds = NUMBER_OR_TEXT.or(BOOL).or(BYTES);
const SIZED: Kinds = STRING.or(BYTES).or(LIST).or(MAP);

/// A function that is called as `f(x)`; all of `takes` is required.
const fn global(
    name: &'static str,
    usage: &'static str,
    function: Function,
    takes: &'static [Kinds],
    gives: Gives,
) -> Signature {
    let (style, least) = (Style::Global, takes.len());
    Signature {
        name,
        function,
        style,
        takes,
        least,
        repeats: false,
        gives,
        usage,
    }
}

/// A function that is called as `x.f()`; all of `takes` is required.
const fn member(
    name: &'static str,
    usage: &'static str,
    function: Function,
    takes: &'static [Kinds],
    gives: Gives,
) -> Signature {
    Signature {
        style: Style::Member,
        ..global(name, usage, function, takes, gives)
    }
}

/// All functions.
static SIGNATURES: &[Signature] = &[
    global("abs", "abs(number)", Function::Abs, &[NUMBER], Gives::Same),
    global(
        "bool",
        "bool(text)",
        Function::Bool,
        &[BOOL.or(STRING)],
        Gives::Bool,
    ),
    global(
        "bytes",
        "bytes(text)",
        Function::Bytes,
        &[STRING.or(BYTES)],
        Gives::Bytes,
    ),
    global(
        "decimal",
        "decimal(x)",
        Function::Decimal,
        &[NUMBER_OR_TEXT],
        Gives::Decimal,
    ),
    global(
        "double",
        "double(x)",
        Function::Double,
        &[NUMBER_OR_TEXT],
        Gives::Double,
    ),
    global(
        "int",
        "int(x)",
        Function::Int,
        &[NUMBER_OR_TEXT],
        Gives::Int,
    ),
    Signature {
        repeats: true,
        ..global("max", "max(a, b)", Function::Max, &[NUMBER], Gives::Common)
    },
    Signature {
        repeats: true,
        ..global("min", "min(a, b)", Function::Min, &[NUMBER], Gives::Common)
    },
    Signature {
        least: 1,
        ..global(
            "round",
            "round(x, digits)",
            Function::Round,
            &[EXACT, INT],
            Gives::Same,
        )
    },
    Signature {
        style: Style::Either,
        ..global("size", "size(list)", Function::Size, &[SIZED], Gives::Int)
    },
    global(
        "string",
        "string(x)",
        Function::String,
        &[TEXTUAL],
        Gives::String,
    ),
    member(
        "contains",
        "text.contains(part)",
        Function::Contains,
        &[STRING; 2],
        Gives::Bool,
    ),
    member(
        "endsWith",
        "text.endsWith(part)",
        Function::EndsWith,
        &[STRING; 2],
        Gives::Bool,
    ),
    Signature {
        least: 1,
        ..member(
            "join",
            "list.join(text)",
            Function::Join,
            &[LIST, STRING],
            Gives::String,
        )
    },
    member(
        "lowerAscii",
        "text.lowerAscii()",
        Function::LowerAscii,
        &[STRING],
        Gives::String,
    ),
    Signature {
        style: Style::Either,
        ..member(
            "matches",
            "text.matches(regex)",
            Function::Matches,
            &[STRING; 2],
            Gives::Bool,
        )
    },
    Signature {
        least: 3,
        ..member(
            "replace",
            "text.replace(old, new)",
            Function::Replace,
            &[STRING, STRING, STRING, INT],
            Gives::String,
        )
    },
    Signature {
        least: 2,
        ..member(
            "split",
            "text.split(separator)",
            Function::Split,
            &[STRING, STRING, INT],
            Gives::Strings,
        )
    },
    member(
        "startsWith",
        "text.startsWith(part)",
        Function::StartsWith,
        &[STRING; 2],
        Gives::Bool,
    ),
    Signature {
        least: 2,
        ..member(
            "substring",
            "text.substring(start, end)",
            Function::Substring,
            &[STRING, INT, INT],
            Gives::String,
        )
    },
    member(
        "trim",
        "text.trim()",
        Function::Trim,
        &[STRING],
        Gives::String,
    ),
    member(
        "upperAscii",
        "text.upperAscii()",
        Function::UpperAscii,
        &[STRING],
        Gives::String,
    ),
];

/// What is called like a function but lowered in ways of its own.
const SPECIAL: &[&str] = &["all", "dyn", "exists", "exists_one", "filter", "has", "map"];

/// The function of this name.
pub(super) fn find(name: &str) -> Option<&'static Signature> {
    SIGNATURES.iter().find(|signature| signature.name == name)
}

/// Names of all that can be called.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    SIGNATURES
        .iter()
        .map(|signature| signature.name)
        .chain(SPECIAL.iter().copied())
}

/// Whether something by this name can be called.
pub(super) fn exists(name: &str) -> bool {
    names().any(|known| known == name)
}
