//! Values, exact decimals, JSON, and the expression language of Millrace topologies.
//!
//! ```text
//!   text ──compile──► Expr ─┐
//!                           ├─ eval ──► Value ──json::write──► bytes
//!   bytes ──json::parse──► Value (borrows the bytes and an arena)
//! ```
//!
//! The language is CEL (the Common Expression Language, as in Kubernetes' CRDs) with one change:
//! numbers with a point are exact decimals, so `0.1 + 0.2 == 0.3` and money never passes through a
//! double. The `cel` crate parses; this crate checks types and lowers the tree to its own, which is
//! evaluated over borrowed values. Nothing here does I/O, keeps state or knows of topics.
//!
//! A program can lend expressions functions of its own: [`Functions`], with [`compile_with`].
//!
//! Reading order: [`Value`], [`json`], [`Type`] and [`Scope`], [`compile`], [`Expr`].

pub mod json;

mod decimal;
mod error;
mod eval;
mod expr;
mod host;
mod lower;
mod node;
mod parse;
mod source;
mod suggest;
mod types;
mod value;

pub use bumpalo::Bump;
pub use decimal::{MAX_DIGITS, parse_decimal, write_decimal};
pub use error::{CompileError, EvalError};
pub use eval::{MAX_PATTERN_BYTES, MAX_STEPS, MAX_TEXT_BYTES};
pub use expr::{Expr, compile, compile_with};
pub use host::{Function, FunctionError, Functions, NativeFunction};
pub use parse::MAX_NESTING;
pub use rust_decimal::Decimal;
pub use source::{MAX_SOURCE_BYTES, MAX_TOKENS};
pub use suggest::nearest;
pub use types::{Scope, Type};
pub use value::Value;
