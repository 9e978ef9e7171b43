//! The examples of the user's guides are read and planned.

use millrace_crds::read::read_documents;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/guides");

/// The guides, and how many examples each has at least.
const GUIDES: &[(&str, usize)] = &[("topology.md", 7), ("resource.md", 1), ("processor.md", 1)];

/// The YAML blocks of a Markdown text, with the line each starts on.
fn examples(text: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut inside = false;
    for (line, number) in text.lines().zip(1..) {
        match line {
            "```yaml" => {
                inside = true;
                found.push((number, String::new()));
            }
            "```" => inside = false,
            line if inside => {
                let (_, example) = found.last_mut().unwrap();
                example.push_str(line);
                example.push('\n');
            }
            _ => {}
        }
    }
    found
}

/// An example that is a topology alone, as a StreamApp.
fn whole(example: &str) -> String {
    if example.starts_with("apiVersion") {
        return example.to_owned();
    }
    let head = "apiVersion: millrace.dev/v1alpha1\nkind: StreamApp\nmetadata: {name: guide}\nspec:\n  \
                kafka: {bootstrapServers: 'kafka:9092'}\n  topology:\n";
    let lines: Vec<String> = example
        .lines()
        .map(|line| format!("    {line}\n"))
        .collect();
    format!("{head}{}", lines.concat())
}

#[test]
fn each_example_of_the_guides_is_a_valid_topology() {
    for (guide, least) in GUIDES {
        let text = std::fs::read_to_string(format!("{FOLDER}/{guide}")).unwrap();
        let examples = examples(&text);
        assert!(
            examples.len() >= *least,
            "{guide}: only {} examples",
            examples.len()
        );
        for (line, example) in examples {
            let documents = read_documents(&whole(&example), guide)
                .unwrap_or_else(|problems| panic!("{guide}, line {line}: {}", problems[0]));
            let plan = documents[0].plan();
            plan.unwrap_or_else(|problems| panic!("{guide}, line {line}: {}", problems[0]));
        }
    }
}
