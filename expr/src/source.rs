//! The text of an expression by tokens: where things are, and mistakes that a parser would only
//! describe by its grammar.
//!
//! The parser of `cel` gives each node one token's position. The tokens here widen that to the whole
//! sub-expression, so that errors can quote it.

use std::ops::Range;

use crate::CompileError;

/// Longest expression, in bytes.
pub const MAX_SOURCE_BYTES: usize = 16 * 1024;

/// Most tokens in an expression. Bounds the depth of the tree too, and so the stack of everything
/// that walks it.
pub const MAX_TOKENS: usize = 2_000;

/// What sort of token it is, as far as anyone here cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A name, keyword or number.
    Word,
    /// A string or bytes literal with its quotes and prefix.
    Text,
    /// An opening bracket.
    Open,
    /// A closing bracket.
    Close,
    /// Everything else.
    Operator,
}

#[derive(Clone, Debug)]
struct Token {
    kind: Kind,
    /// In bytes.
    range: Range<usize>,
    /// Where it starts, in characters, as `cel` counts.
    character: usize,
    /// For a bracket, the index of its partner.
    partner: usize,
}

/// A part of the source, by tokens, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    first: usize,
    last: usize,
}

impl Span {
    /// From the start of `self` to the end of `other`.
    pub(crate) fn to(self, other: Span) -> Span {
        Span {
            first: self.first.min(other.first),
            last: self.last.max(other.last),
        }
    }

    /// The first token alone.
    pub(crate) fn start(self) -> Span {
        Span {
            first: self.first,
            last: self.first,
        }
    }
}

/// An expression's text with its tokens; it has at least one, and all brackets match.
#[derive(Debug)]
pub(crate) struct Source<'s> {
    text: &'s str,
    tokens: Vec<Token>,
}

impl<'s> Source<'s> {
    /// Splits the text.
    ///
    /// # Errors
    /// Too long, empty, an unknown character or operator, an unterminated string, unbalanced brackets.
    pub(crate) fn new(text: &'s str) -> Result<Self, CompileError> {
        let mut source = Self {
            text,
            tokens: Vec::new(),
        };
        if text.len() > MAX_SOURCE_BYTES {
            let message = format!(
                "expression of {} bytes; at most {MAX_SOURCE_BYTES} are allowed",
                text.len()
            );
            return Err(source.error_at(0..0, message, None));
        }
        source.scan()?;
        if source.tokens.is_empty() {
            return Err(source.error_at(0..0, "the expression is empty", None));
        }
        source.pair_brackets()?;
        Ok(source)
    }

    fn scan(&mut self) -> Result<(), CompileError> {
        let (mut at, mut character) = (0, 0);
        while let Some(found) = self.text[at..].chars().next() {
            let rest = &self.text[at..];
            if found.is_ascii_whitespace() {
                at += 1;
                character += 1;
                continue;
            }
            if rest.starts_with("//") {
                let length = rest.find('\n').unwrap_or(rest.len());
                character += rest[..length].chars().count();
                at += length;
                continue;
            }
            let (kind, length) = self.token(at, found)?;
            if self.tokens.len() == MAX_TOKENS {
                let message = format!("expression of more than {MAX_TOKENS} words and operators");
                return Err(self.error_at(at..at + length, message, None));
            }
            self.tokens.push(Token {
                kind,
                range: at..at + length,
                character,
                partner: 0,
            });
            character += rest[..length].chars().count();
            at += length;
        }
        Ok(())
    }

    /// Kind and length in bytes of the token that starts at `at`.
    fn token(&self, at: usize, found: char) -> Result<(Kind, usize), CompileError> {
        let rest = &self.text[at..];
        if found.is_ascii_digit() {
            return Ok((Kind::Word, number_length(rest)));
        }
        if found.is_ascii_alphabetic() || found == '_' {
            let other = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
            let length = rest.find(other).unwrap_or(rest.len());
            let prefix = matches!(
                rest[..length].to_ascii_lowercase().as_str(),
                "r" | "b" | "rb" | "br"
            );
            return match rest[length..].chars().next() {
                Some(quote @ ('"' | '\'')) if prefix => {
                    let raw = rest[..length].contains(['r', 'R']);
                    Ok((
                        Kind::Text,
                        length + self.text_length(at + length, quote, raw)?,
                    ))
                }
                _ => Ok((Kind::Word, length)),
            };
        }
        let pair = rest.get(..2).unwrap_or("");
        match found {
            '"' | '\'' => Ok((Kind::Text, self.text_length(at, found, false)?)),
            '(' | '[' | '{' => Ok((Kind::Open, 1)),
            ')' | ']' | '}' => Ok((Kind::Close, 1)),
            _ if matches!(pair, "&&" | "||" | "==" | "!=" | "<=" | ">=") => Ok((Kind::Operator, 2)),
            '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                Ok((Kind::Word, number_length(rest)))
            }
            '!' | '<' | '>' | '+' | '-' | '*' | '/' | '%' | '?' | ':' | '.' | ',' => {
                Ok((Kind::Operator, 1))
            }
            _ => Err(self.unknown(at, found, pair)),
        }
    }

    fn unknown(&self, at: usize, found: char, pair: &str) -> CompileError {
        let help = match found {
            '=' => Some("compare with `==`".to_owned()),
            '&' | '|' => Some(format!("write `{found}{found}`")),
            '`' | '\u{2018}'..='\u{201f}' => Some("strings stand in \"…\" or '…'".to_owned()),
            '$' | '#' | '@' => Some("variables are written by their name alone".to_owned()),
            _ => None,
        };
        let message = match pair {
            "<>" => "unknown operator `<>`".to_owned(),
            _ if found.is_control() => format!("unexpected character {found:?}"),
            _ => format!("unexpected `{found}`"),
        };
        self.error_at(at..at + found.len_utf8(), message, help)
    }

    /// Length in bytes, quotes included, of the string literal that starts at `at`.
    fn text_length(&self, at: usize, quote: char, raw: bool) -> Result<usize, CompileError> {
        let rest = &self.text[at..];
        let triple = [quote; 3].iter().collect::<String>();
        let end = if rest.starts_with(&triple) {
            triple.as_str()
        } else {
            &triple[..1]
        };
        let mut inside = end.len();
        while let Some(next) = rest[inside..].chars().next() {
            if rest[inside..].starts_with(end) {
                return Ok(inside + end.len());
            }
            if end.len() == 1 && next == '\n' {
                break;
            }
            inside += next.len_utf8();
            if next == '\\' && !raw {
                inside += rest[inside..].chars().next().map_or(0, char::len_utf8);
            }
        }
        let help = format!("close it with {end}");
        Err(self.error_at(at..at + 1, "this string does not end", Some(help)))
    }

    fn pair_brackets(&mut self) -> Result<(), CompileError> {
        let mut open: Vec<usize> = Vec::new();
        for i in 0..self.tokens.len() {
            let text = &self.text[self.tokens[i].range.clone()];
            match self.tokens[i].kind {
                Kind::Open => open.push(i),
                Kind::Close => {
                    let wanted = match text {
                        ")" => "(",
                        "]" => "[",
                        _ => "{",
                    };
                    let Some(partner) = open.pop() else {
                        let message = format!("`{text}` closes nothing");
                        return Err(self.error(Span { first: i, last: i }, message));
                    };
                    let opening = &self.text[self.tokens[partner].range.clone()];
                    if opening != wanted {
                        let message = format!("`{text}` does not close `{opening}`");
                        return Err(self.error(Span { first: i, last: i }, message));
                    }
                    self.tokens[i].partner = partner;
                    self.tokens[partner].partner = i;
                }
                _ => {}
            }
        }
        match open.pop() {
            Some(i) => {
                let text = &self.text[self.tokens[i].range.clone()];
                Err(self.error(
                    Span { first: i, last: i },
                    format!("`{text}` is never closed"),
                ))
            }
            None => Ok(()),
        }
    }

    /// All of the text.
    pub(crate) fn all(&self) -> &'s str {
        self.text
    }

    /// The whole expression.
    pub(crate) fn whole(&self) -> Span {
        Span {
            first: 0,
            last: self.tokens.len() - 1,
        }
    }

    /// The token at this offset in characters: the last that starts at or before it.
    pub(crate) fn token_at(&self, character: usize) -> Span {
        let next = self
            .tokens
            .partition_point(|token| token.character <= character);
        let i = next.saturating_sub(1);
        Span { first: i, last: i }
    }

    /// The token at a line and column, both from 1, the column in characters.
    pub(crate) fn token_at_line(&self, line: usize, column: usize) -> Span {
        let before: usize = self
            .text
            .split_inclusive('\n')
            .take(line - 1)
            .map(|l| l.chars().count())
            .sum();
        self.token_at(before + column - 1)
    }

    /// The last token.
    pub(crate) fn end(&self) -> Span {
        let last = self.tokens.len() - 1;
        Span { first: last, last }
    }

    /// The token before this one.
    pub(crate) fn before(&self, span: Span) -> Span {
        let i = span.first.saturating_sub(1);
        Span { first: i, last: i }
    }

    /// The token behind this one.
    pub(crate) fn behind(&self, span: Span) -> Span {
        let i = (span.last + 1).min(self.tokens.len() - 1);
        Span { first: i, last: i }
    }

    /// From an opening bracket to its partner.
    pub(crate) fn bracketed(&self, open: Span) -> Span {
        match self.tokens[open.first].kind {
            Kind::Open => Span {
                first: open.first,
                last: self.tokens[open.first].partner,
            },
            _ => open,
        }
    }

    /// The span made larger until every bracket in it has its partner in it.
    pub(crate) fn balanced(&self, span: Span) -> Span {
        let mut wide = span;
        let mut i = span.first;
        while i <= wide.last {
            let token = &self.tokens[i];
            match token.kind {
                Kind::Open if token.partner > wide.last => wide.last = token.partner,
                Kind::Close if token.partner < wide.first => {
                    // What now comes before has not been looked at.
                    wide.first = token.partner;
                    i = wide.first;
                    continue;
                }
                _ => {}
            }
            i += 1;
        }
        wide
    }

    /// Byte range of a span.
    pub(crate) fn range(&self, span: Span) -> Range<usize> {
        self.tokens[span.first].range.start..self.tokens[span.last].range.end
    }

    /// Text of a span.
    pub(crate) fn text(&self, span: Span) -> &'s str {
        &self.text[self.range(span)]
    }

    /// An error at a span.
    pub(crate) fn error(&self, span: Span, message: impl Into<String>) -> CompileError {
        self.error_at(self.range(span), message, None)
    }

    /// An error at a span with advice.
    pub(crate) fn error_with_help(
        &self,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> CompileError {
        self.error_at(self.range(span), message, Some(help.into()))
    }

    fn error_at(
        &self,
        range: Range<usize>,
        message: impl Into<String>,
        help: Option<String>,
    ) -> CompileError {
        let before = &self.text[..range.start];
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        let line_end = self.text[range.start..]
            .find('\n')
            .map_or(self.text.len(), |i| range.start + i);
        CompileError {
            message: message.into(),
            help,
            line: before.matches('\n').count() + 1,
            column: self.text[line_start..range.start].chars().count() + 1,
            width: self.text[range.start..range.end.min(line_end)]
                .chars()
                .count()
                .max(1),
            text: self.text[line_start..line_end].trim_end().to_owned(),
        }
    }
}

/// A piece of source in one line, cut at so many characters.
pub(crate) fn shortened(text: &str, characters: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Length of the number literal at the start of `rest`, as generous as can be: the parser decides.
fn number_length(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let hexadecimal = rest.starts_with("0x");
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let sign_of_exponent = matches!(byte, b'+' | b'-')
            && !hexadecimal
            && at > 0
            && matches!(bytes[at - 1], b'e' | b'E');
        let point = byte == b'.' && bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
        if !(byte.is_ascii_alphanumeric() || byte == b'_' || point || sign_of_exponent) {
            break;
        }
        at += 1;
    }
    at
}
