//! Links between the repository's documents lead somewhere: to a file, and to a heading of it.

use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Every Markdown file below a folder, without what builds and editors leave.
fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with('.') || name == "target" || name == "data" {
            continue;
        }
        if path.is_dir() {
            documents(&path, found);
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
}

/// Lines outside of code blocks, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut code = false;
    text.lines().zip(1..).filter_map(move |(line, number)| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        (!code && !fence).then_some((number, line))
    })
}

/// What the links of a line lead to.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let ends = line.split("](").skip(1);
    ends.filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
}

/// A heading's anchor, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = kept.chars().filter_map(|c| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || matches!(c, '-' | '_') => Some(c),
        _ => None,
    });
    kept.collect()
}

fn has_heading(document: &Path, wanted: &str) -> bool {
    let text = std::fs::read_to_string(document).unwrap();
    prose(&text).any(|(_, line)| line.starts_with('#') && anchor(line) == wanted)
}

/// What is wrong with a link of a document, if anything is.
fn fault(document: &Path, target: &str) -> Option<String> {
    if target.starts_with("http") {
        return None;
    }
    let (path, heading) = target.split_once('#').unwrap_or((target, ""));
    let file = match path {
        "" => document.to_owned(),
        path => document.parent().unwrap().join(path),
    };
    if !file.exists() {
        return Some("there is no such file".to_owned());
    }
    let missing = !heading.is_empty() && !has_heading(&file, heading);
    missing.then(|| format!("{} has no such heading", file.display()))
}

#[test]
fn each_link_between_documents_leads_somewhere() {
    let mut found = Vec::new();
    documents(Path::new(ROOT), &mut found);
    let (mut links, mut faults) = (0, Vec::new());
    for document in &found {
        let text = std::fs::read_to_string(document).unwrap();
        for (line, text) in prose(&text) {
            for target in targets(text) {
                links += 1;
                if let Some(fault) = fault(document, target) {
                    faults.push(format!("{}:{line}: {target}: {fault}", document.display()));
                }
            }
        }
    }
    assert!(links >= 40, "only {links} links found");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
