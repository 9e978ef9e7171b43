//! Colours for people, plain text for files and pipes.

use std::fmt::Display;
use std::io::{IsTerminal, Write};

/// Prints a line. Unlike `println!` it goes on when nobody reads any more (`transaction-producer | head`):
/// a program that has work to do must not end for a line of progress.
pub fn say(line: impl Display) {
    let _nobody_reads = writeln!(std::io::stdout().lock(), "{line}");
}

/// ANSI colours, used only where standard output is a terminal and `NO_COLOR` is not set.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    colours: bool,
}

impl Paint {
    /// Looks at standard output and the environment.
    pub fn detect() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self {
            colours: wanted && std::io::stdout().is_terminal(),
        }
    }

    /// Whether there are colours.
    pub fn colours(self) -> bool {
        self.colours
    }

    /// Good news.
    pub fn green(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// Bad news.
    pub fn red(self, text: &str) -> String {
        self.wrap("31", text)
    }

    /// Worth a look.
    pub fn yellow(self, text: &str) -> String {
        self.wrap("33", text)
    }

    /// Headings.
    pub fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// Details.
    pub fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.colours {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}
