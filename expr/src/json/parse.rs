//! The reader: recursive descent over bytes that were checked to be UTF-8 first.

use bumpalo::Bump;
use bumpalo::collections::{String as ArenaString, Vec as ArenaVec};

use super::plain::plain_length;
use super::{JsonError, MAX_DEPTH};
use crate::Value;
use crate::decimal::{FirstFault, Number, scan_number};

/// Entries a list or object has room for at first.
const FIRST_ENTRIES: usize = 4;

/// Objects up to this size are searched for a repeated name as they grow; larger ones are sorted once
/// at the end.
const SEARCHED_ENTRIES: usize = 16;

/// A [`JsonError`] as the reader passes it on: one word, so that a result is no larger than its value and
/// is copied in whole words.
pub(super) type Fault = Box<JsonError>;

pub(super) fn document<'r>(bytes: &'r [u8], arena: &'r Bump) -> Result<Value<'r>, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|error| JsonError::Utf8 {
        offset: error.valid_up_to(),
    })?;
    let mut parser = Parser {
        text,
        bytes,
        at: 0,
        arena,
    };
    let value = parser.value(0)?;
    parser.space();
    match parser.peek() {
        None => Ok(value),
        Some(_) => Err(parser.expected("the end of the document")),
    }
}

struct Parser<'r> {
    text: &'r str,
    bytes: &'r [u8],
    at: usize,
    arena: &'r Bump,
}

impl<'r> Parser<'r> {
    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    #[cold]
    fn expected(&self, expected: &'static str) -> Fault {
        Box::new(JsonError::Syntax {
            offset: self.at,
            expected,
            found: self.peek(),
        })
    }

    /// A value inside `depth` lists and objects.
    #[inline]
    fn value(&mut self, depth: usize) -> Result<Value<'r>, Fault> {
        self.space();
        match self.peek() {
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            _ => Err(self.expected("a value")),
        }
    }

    fn word(&mut self, word: &'static str, value: Value<'r>) -> Result<Value<'r>, Fault> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.expected("a value"));
        }
        self.at += word.len();
        Ok(value)
    }

    #[inline]
    fn number(&mut self) -> Result<Value<'r>, Fault> {
        let start = self.at;
        match scan_number(&self.bytes[start..]) {
            Ok((number, length)) => {
                self.at = start + length;
                Ok(match number {
                    Number::Int(value) => Value::Int(value),
                    Number::Decimal(value) => Value::Decimal(value),
                })
            }
            Err(fault) => Err(self.bad_number(fault)),
        }
    }

    #[cold]
    fn bad_number(&mut self, fault: FirstFault) -> Fault {
        match fault {
            FirstFault::NoDigit(offset) => {
                self.at += offset;
                self.expected("a digit")
            }
            FirstFault::LeadingZero(offset) => {
                self.at += offset + 1;
                self.expected("no digit behind a leading zero")
            }
            FirstFault::TooLong(_) => Box::new(JsonError::NumberTooLong { offset: self.at }),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value<'r>, Fault> {
        self.open(depth)?;
        if self.closes(b']') {
            return Ok(Value::List(&[]));
        }
        let mut elements = ArenaVec::with_capacity_in(FIRST_ENTRIES, self.arena);
        loop {
            elements.push(self.value(depth + 1)?);
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(self.expected("`,` or `]`")),
            }
        }
        self.at += 1;
        Ok(Value::List(elements.into_bump_slice()))
    }

    fn object(&mut self, depth: usize) -> Result<Value<'r>, Fault> {
        self.open(depth)?;
        if self.closes(b'}') {
            return Ok(Value::Map(&[]));
        }
        let mut entries: ArenaVec<'r, (&'r str, Value<'r>)> =
            ArenaVec::with_capacity_in(FIRST_ENTRIES, self.arena);
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.expected("a name in double quotes"));
            }
            let name = self.string()?;
            self.space();
            if self.peek() != Some(b':') {
                return Err(self.expected("`:`"));
            }
            self.at += 1;
            let value = self.value(depth + 1)?;
            let earlier = match entries.len() {
                0..=SEARCHED_ENTRIES => entries.iter_mut().find(|(n, _)| *n == name),
                _ => None,
            };
            match earlier {
                Some(entry) => entry.1 = value,
                None => entries.push((name, value)),
            }
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(self.expected("`,` or `}`")),
            }
        }
        self.at += 1;
        if entries.len() > SEARCHED_ENTRIES {
            self.keep_last(&mut entries);
        }
        Ok(Value::Map(entries.into_bump_slice()))
    }

    /// Drops all but the last of the entries with the same name, in n log n.
    fn keep_last(&self, entries: &mut ArenaVec<'r, (&'r str, Value<'r>)>) {
        let mut order = ArenaVec::with_capacity_in(entries.len(), self.arena);
        order.extend(0..entries.len());
        order.sort_unstable_by_key(|&i| (entries[i].0, i));
        let repeated = |pair: &[usize]| entries[pair[0]].0 == entries[pair[1]].0;
        if !order.windows(2).any(repeated) {
            return;
        }
        let mut keep = ArenaVec::with_capacity_in(entries.len(), self.arena);
        keep.resize(entries.len(), true);
        for pair in order.windows(2).filter(|pair| repeated(pair)) {
            keep[pair[0]] = false;
        }
        let mut keep = keep.into_iter();
        entries.retain(|_| keep.next().unwrap_or(true));
    }

    /// Steps over an opening bracket.
    #[inline]
    fn open(&mut self, depth: usize) -> Result<(), Fault> {
        if depth >= MAX_DEPTH {
            return Err(self.too_deep());
        }
        self.at += 1;
        self.space();
        Ok(())
    }

    #[cold]
    fn too_deep(&self) -> Fault {
        Box::new(JsonError::TooDeep { offset: self.at })
    }

    /// Steps over `bracket` if it is next.
    #[inline]
    fn closes(&mut self, bracket: u8) -> bool {
        let closes = self.peek() == Some(bracket);
        self.at += usize::from(closes);
        closes
    }

    /// A string, whose opening quote is next.
    #[inline]
    fn string(&mut self) -> Result<&'r str, Fault> {
        self.at += 1;
        let start = self.at;
        self.skip_plain();
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                Ok(&self.text[start..self.at - 1])
            }
            _ => self.escaped_string(start),
        }
    }

    /// Moves to the next quote, backslash or control character, or to the end.
    #[inline]
    fn skip_plain(&mut self) {
        self.at += plain_length(&self.bytes[self.at..]);
    }

    /// The rest of a string that starts at `start` and is plain up to here.
    #[cold]
    fn escaped_string(&mut self, start: usize) -> Result<&'r str, Fault> {
        let mut string = ArenaString::new_in(self.arena);
        let mut plain = start;
        loop {
            string.push_str(&self.text[plain..self.at]);
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => string.push(self.escape()?),
                Some(_) => return Err(self.expected("no control character in a string")),
                None => return Err(self.expected("a closing double quote")),
            }
            plain = self.at;
            self.skip_plain();
        }
        self.at += 1;
        Ok(string.into_bump_str())
    }

    /// An escape, whose backslash is next.
    fn escape(&mut self) -> Result<char, Fault> {
        let start = self.at;
        self.at += 1;
        let character = match self.peek() {
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(c),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode_escape(start);
            }
            _ => return Err(self.expected("an escape: one of \"\\/bfnrtu")),
        };
        self.at += 1;
        Ok(character)
    }

    /// One `\uXXXX` or a pair of them that starts at `start`; the first digit is next.
    fn unicode_escape(&mut self, start: usize) -> Result<char, Fault> {
        let lone = || Box::new(JsonError::LoneSurrogate { offset: start });
        let first = self.four_digits()?;
        if !(0xd800..0xe000).contains(&first) {
            return char::from_u32(first).ok_or_else(lone);
        }
        if first >= 0xdc00 || !self.bytes[self.at..].starts_with(b"\\u") {
            return Err(lone());
        }
        self.at += 2;
        let second = self.four_digits()?;
        if !(0xdc00..0xe000).contains(&second) {
            return Err(lone());
        }
        char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)).ok_or_else(lone)
    }

    fn four_digits(&mut self) -> Result<u32, Fault> {
        let mut value = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            value = value * 16 + digit.ok_or_else(|| self.expected("a hexadecimal digit"))?;
            self.at += 1;
        }
        Ok(value)
    }
}
