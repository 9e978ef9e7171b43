//! Results as text for people.

use std::fmt::Write;

use super::{CaseResult, Difference, Line};

/// Widest cell, in characters; longer ones end in `…`, unless they differ.
const CELL_CHARS_MAX: usize = 48;
/// Lines shown of one comparison.
const LINES_MAX: usize = 60;

const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

impl CaseResult {
    /// Whether all was as expected.
    pub fn passed(&self) -> bool {
        self.failure.is_none()
    }

    /// The result as text: a line, and below it what is wrong. `colours` are ANSI's, for terminals.
    pub fn report(&self, colours: bool) -> String {
        let paint = |code: &str, text: &str| paint(colours, code, text);
        let Some(failure) = &self.failure else {
            return format!("  {}    {}\n", paint(GREEN, "ok"), self.name);
        };
        let mut out = format!("  {}  {}\n", paint(RED, "FAIL"), paint(BOLD, &self.name));
        let place = failure.location.as_ref();
        let place = place.map_or_else(String::new, |place| format!("{place}: "));
        for line in format!("{place}{}", failure.message).lines() {
            push(&mut out, &format!("        {line}"));
        }
        if let Some(difference) = &failure.difference {
            out.push('\n');
            table(difference, colours, &mut out);
            out.push('\n');
        }
        out
    }
}

/// Expected and got in columns; `>` stands before what differs.
fn table(difference: &Difference, colours: bool, out: &mut String) {
    let cell = |line: &Line, text: &str| {
        if line.differs || text.chars().count() <= CELL_CHARS_MAX {
            return text.to_owned();
        }
        let cut: String = text.chars().take(CELL_CHARS_MAX - 1).collect();
        format!("{cut}…")
    };
    let first = difference.lines.iter().position(|line| line.differs);
    // The first difference is always among the lines shown.
    let skipped = first.map_or(0, |first| first.saturating_sub(LINES_MAX / 2));
    let shown = difference.lines.iter().skip(skipped).take(LINES_MAX);
    let rows: Vec<[String; 4]> = shown
        .clone()
        .map(|line| {
            let expected = cell(line, &line.expected);
            let got = cell(line, &line.got);
            [line.record.to_string(), line.field.clone(), expected, got]
        })
        .collect();
    let head = ["#", "field", "expected", "got"].map(str::to_owned);
    let widths: Vec<usize> = (0..4)
        .map(|column| {
            let cells = rows.iter().chain([&head]);
            cells
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let pad = |text: &str, column: usize| {
        let spaces = widths[column].saturating_sub(text.chars().count());
        format!("{text}{}", " ".repeat(spaces))
    };
    let row = |mark: &str, cells: &[String; 4], differs: bool| {
        let (expected, got) = (pad(&cells[2], 2), cells[3].clone());
        let (expected, got) = if differs {
            (paint(colours, GREEN, &expected), paint(colours, RED, &got))
        } else {
            (expected, got)
        };
        let (record, field) = (pad(&cells[0], 0), pad(&cells[1], 1));
        format!("      {mark} {record}  {field}  {expected}  {got}")
    };
    push(out, &row(" ", &head, false));
    for (line, cells) in shown.zip(&rows) {
        let mark = if line.differs { ">" } else { " " };
        push(out, &row(mark, cells, line.differs));
    }
    let hidden = difference.lines.len().saturating_sub(rows.len());
    if hidden > 0 {
        push(out, &format!("        and {hidden} lines more"));
    }
}

fn push(out: &mut String, line: &str) {
    // Writing to a string cannot fail.
    let _written = writeln!(out, "{}", line.trim_end());
}

fn paint(colours: bool, code: &str, text: &str) -> String {
    if colours {
        format!("{code}{text}{PLAIN}")
    } else {
        text.to_owned()
    }
}
