//! From text to the syntax tree of the `cel` crate, whose parser is all of it that is used at run
//! time. Macros (`has`, `all`, `map`, …) are left as the calls they are written as: the lowering
//! knows them.

use std::collections::BTreeMap;

use cel::Env;
use cel::common::ast::{IdedExpr, SourceInfo};
use cel::parser::ParseError;

use crate::CompileError;
use crate::source::{Source, Span};

/// Deepest nesting of brackets and `? :`.
pub const MAX_NESTING: u16 = 64;

/// A parsed expression.
pub(crate) struct Tree<'s> {
    /// The text and its tokens.
    pub(crate) source: Source<'s>,
    /// The syntax tree.
    pub(crate) root: IdedExpr,
    info: SourceInfo,
}

impl<'s> Tree<'s> {
    /// Parses an expression.
    ///
    /// # Errors
    /// Syntax, and what is over a limit.
    pub(crate) fn parse(text: &'s str) -> Result<Self, CompileError> {
        let source = Source::new(text)?;
        let parser = Env::default()
            .with_optional_support(false)
            .parser()
            .max_recursion_depth(MAX_NESTING);
        match parser.parse_with_source_info(text) {
            Ok((root, info)) => Ok(Self { source, root, info }),
            Err(errors) => Err(describe(&source, &errors.errors)),
        }
    }

    /// The token of a node: a literal, a name, an operator, or an opening bracket.
    pub(crate) fn token(&self, id: u64) -> Span {
        match self.info.offset_for(id) {
            Some((start, _)) => self.source.token_at(start as usize),
            None => self.source.whole(),
        }
    }
}

/// Turns the parser's first complaint into one about the text rather than about the grammar.
fn describe(source: &Source<'_>, errors: &[ParseError]) -> CompileError {
    let nested = errors
        .iter()
        .any(|error| error.msg.contains("Recursion limit"));
    if nested {
        let message = format!("nested deeper than {MAX_NESTING} levels");
        return source.error(source.whole().start(), message);
    }
    // Complaints of the tree builder follow from one of the grammar's, which tells more.
    let grammar = errors
        .iter()
        .find(|error| error.msg.starts_with("Syntax error"));
    let Some(error) = grammar.or(errors.first()) else {
        return source.error(source.whole(), "this is no expression");
    };
    let place = place(source, error);
    if error.msg.contains("<EOF>'") && !error.msg.contains("extraneous") {
        let end = source.text(source.end());
        return source.error(
            source.end(),
            format!("the expression stops short after `{end}`"),
        );
    }
    let found = source.text(place);
    let words: BTreeMap<&str, &str> = [
        ("and", "write `&&`"),
        ("or", "write `||`"),
        ("not", "write `!`"),
        ("is", "compare with `==`"),
        ("null", "write `null` as it is, such as `x == null`"),
        ("then", "write `condition ? a : b`"),
    ]
    .into();
    let message = match error.msg.as_str() {
        m if m.starts_with("reserved identifier") => {
            format!("`{found}` is a reserved word of the language")
        }
        "invalid int literal" => format!("`{found}` does not fit 64 bits"),
        "invalid double literal" => format!("`{found}` is no number the language can hold"),
        m if m.starts_with("unsupported syntax") => format!("unexpected `{found}`"),
        m if m.starts_with("invalid string literal") || m.contains("token recognition") => {
            format!("`{found}` cannot be read: check its escapes, such as `\\\\` for a backslash")
        }
        _ => format!("unexpected `{found}`"),
    };
    match (words.get(found), error.msg.as_str()) {
        (Some(help), _) => source.error_with_help(place, message, *help),
        (None, "invalid int literal") => {
            source.error_with_help(place, message, format!("write the decimal `{found}.0`"))
        }
        _ => source.error(place, message),
    }
}

/// The token at the line (from 1) and column (from 1, in characters) of an error.
fn place(source: &Source<'_>, error: &ParseError) -> Span {
    let line = usize::try_from(error.pos.0).unwrap_or(1).max(1);
    let column = usize::try_from(error.pos.1).unwrap_or(1).max(1);
    source.token_at_line(line, column)
}
