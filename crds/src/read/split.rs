//! Divides a YAML text into its documents.

/// One document.
pub(super) struct Part<'t> {
    /// Lines of the text before it.
    pub line: u64,
    /// Its text, from its `---` line on if it has one.
    pub text: &'t str,
}

/// The documents of a text that hold more than comments. A line that starts with `---` or `...` and
/// goes on with a blank or not at all is a boundary wherever it stands, also within quotes and block
/// scalars (YAML 1.2.2, rule `c-forbidden`), so no parser is needed to find them.
pub(super) fn documents(text: &str) -> Vec<Part<'_>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut parts = Vec::new();
    let (mut start, mut start_line) = (0, 0);
    let mut offset = 0;
    for (line, number) in text.split_inclusive('\n').zip(0..) {
        let boundary = if is_marker(line, "---") {
            Some((offset, number))
        } else if is_marker(line, "...") {
            Some((offset + line.len(), number + 1))
        } else {
            None
        };
        if let Some((next, next_line)) = boundary {
            parts.push(Part {
                line: start_line,
                text: &text[start..offset],
            });
            (start, start_line) = (next, next_line);
        }
        offset += line.len();
    }
    parts.push(Part {
        line: start_line,
        text: &text[start..],
    });
    parts.retain(|part| part.text.lines().any(is_content));
    parts
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

/// Whether a line has more than a comment, a directive or a bare marker.
fn is_content(line: &str) -> bool {
    let rest = if is_marker(line, "---") {
        &line[3..]
    } else {
        line
    };
    let rest = rest.trim();
    !rest.is_empty() && !rest.starts_with('#') && !line.starts_with('%')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_found_with_the_lines_before_them() {
        let text = "# one\n---\na: 1\n...\n# between\n---\n---  # two\nb: |\n  ---\n--- {c: 1}\n";
        let parts: Vec<(u64, &str)> = documents(text)
            .iter()
            .map(|part| (part.line, part.text))
            .collect();
        let expected = [
            (1, "---\na: 1\n"),
            (6, "---  # two\nb: |\n  ---\n"),
            (9, "--- {c: 1}\n"),
        ];
        assert_eq!(parts, expected);
        assert!(documents("").is_empty() && documents("---\n# only a comment\n").is_empty());
        assert_eq!(documents("\u{feff}a: 1").len(), 1);
        assert_eq!(documents("---a: 1\n").len(), 1);
    }
}
