//! What can go wrong: before any record ([`CompileError`]) and with one record ([`EvalError`]).

use std::fmt;

/// An expression that was refused.
///
/// `Display` is the message alone; [`CompileError::excerpt`] shows the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CompileError {
    /// What was found and what was expected.
    pub message: String,
    /// What to do about it, where something can be said.
    pub help: Option<String>,
    /// Line in the expression, from 1.
    pub line: usize,
    /// Column in the line, in characters, from 1.
    pub column: usize,
    /// How many characters are at fault, at least 1.
    pub width: usize,
    /// The text of that line.
    pub text: String,
}

impl CompileError {
    /// The line at fault with carets under the place, then message and help:
    ///
    /// ```text
    /// 1 | right.balance >= lefft.amount
    ///   |                  ^^^^^ unknown variable `lefft`
    ///   = help: did you mean `left`?
    /// ```
    pub fn excerpt(&self) -> String {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        let indent: String = self
            .text
            .chars()
            .take(self.column - 1)
            .map(|c| if c == '\t' { c } else { ' ' })
            .collect();
        let carets = "^".repeat(self.width.max(1));
        let mut excerpt = format!(
            "{number} | {}\n{margin} | {indent}{carets} {}",
            self.text, self.message
        );
        if let Some(help) = &self.help {
            excerpt.push_str(&format!("\n{margin} = help: {help}"));
        }
        excerpt
    }
}

/// An expression that failed on one record: a missing field, a wrong type, an overflow. The record is
/// at fault, or the expression for not having foreseen it; another record may pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvalError {
    message: Box<str>,
}

impl EvalError {
    #[cold]
    pub(crate) fn new(message: impl Into<Box<str>>) -> Self {
        Self {
            message: message.into(),
        }
    }

    /// What failed and in which part of the expression, such as ``no field `balance` in `right` ``.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for EvalError {}
