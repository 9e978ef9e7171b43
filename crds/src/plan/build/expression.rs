//! Expressions, and how their errors are shown.

use std::sync::Arc;

use millrace_expr::{CompileError, Scope, Type, compile_with};

use super::Builder;
use crate::limits;
use crate::path::Path;
use crate::plan::graph::Expression;
use crate::problem::Problem;

/// Characters of an expression's line shown around an error.
const SHOWN_WIDTH: usize = 90;

impl Builder<'_, '_> {
    /// Compiles an expression; `None`, with a problem, where it is refused.
    pub(super) fn expression(
        &mut self,
        path: &Path,
        source: &str,
        scope: &Scope,
        expected: &Type,
    ) -> Option<Expression> {
        if source.chars().count() > limits::EXPRESSION_LENGTH {
            let message = format!(
                "an expression has at most {} characters",
                limits::EXPRESSION_LENGTH
            );
            return self.refuse(path, message, "divide it over several `mapValues` steps");
        }
        match compile_with(source, scope, self.functions.callable(), expected) {
            Ok(expr) => Some(Expression {
                source: source.to_owned(),
                format: self.functions.format_of(&expr),
                code: Arc::new(expr),
            }),
            Err(error) => {
                self.problems.add(problem(path, &error));
                None
            }
        }
    }

    /// The type of an expression's result before anything is asked of it; `None` where it is refused.
    pub(super) fn type_of(&mut self, path: &Path, source: &str, scope: &Scope) -> Option<Type> {
        let expression = self.expression(path, source, scope, &Type::Any)?;
        Some(expression.result_type().clone())
    }
}

/// The message, and under it the line with a mark under the place.
fn problem(path: &Path, error: &CompileError) -> Problem {
    let number = error.line.to_string();
    let margin = " ".repeat(number.len());
    let (text, column) = crop(&error.text, error.column.saturating_sub(1), error.width);
    let room = text.chars().count().saturating_sub(column).max(1);
    let mark = format!(
        "{}{}",
        " ".repeat(column),
        "^".repeat(error.width.clamp(1, room))
    );
    let message = format!(
        "{}\n  {number} | {text}\n  {margin} | {mark}",
        error.message
    );
    let problem = Problem::new(path, message);
    match &error.help {
        Some(help) => problem.help(help.clone()),
        None => problem,
    }
}

/// The part of a line around a place, and the place's column (from 0) in it. Tabs become spaces, so
/// that the mark below stands right.
fn crop(line: &str, column: usize, width: usize) -> (String, usize) {
    let characters: Vec<char> = line
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if characters.len() <= SHOWN_WIDTH {
        return (characters.into_iter().collect(), column);
    }
    let shown_mark = width.min(SHOWN_WIDTH / 2);
    let start = (column + shown_mark).saturating_sub(SHOWN_WIDTH * 3 / 4);
    let end = (start + SHOWN_WIDTH).min(characters.len());
    let start = start.min(end);
    let before = if start > 0 { "…" } else { "" };
    let after = if end < characters.len() { "…" } else { "" };
    let shown: String = characters[start..end].iter().collect();
    (
        format!("{before}{shown}{after}"),
        column.saturating_sub(start) + before.chars().count(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_cropped_around_the_mark() {
        let line = format!("{}wrong{}", "a".repeat(500), "b".repeat(500));
        let (text, column) = crop(&line, 500, 5);
        assert!(text.chars().count() <= SHOWN_WIDTH + 2);
        assert_eq!(
            text.chars().skip(column).take(5).collect::<String>(),
            "wrong"
        );
        assert!(text.starts_with('…') && text.ends_with('…'));
        assert_eq!(crop("short", 2, 1), ("short".to_owned(), 2));
        assert_eq!(crop("", 7, 1), (String::new(), 7));
    }
}
