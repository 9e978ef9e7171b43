//! What the program prints for its user.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

/// Writes a line to standard output. A reader that has gone (`describe | head`) has read all it wanted;
/// anything else (a full disk) is an error.
pub(super) fn line(text: impl Display) -> Result<(), String> {
    all(format_args!("{text}\n"))
}

/// As [`line()`], without the end of the line.
pub(super) fn all(text: impl Display) -> Result<(), String> {
    let mut out = io::stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(format!("write to standard output: {error}"))
        }
        _ => Ok(()),
    }
}
