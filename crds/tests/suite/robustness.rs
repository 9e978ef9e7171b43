//! Whatever the bytes, reading and planning end with a plan or with problems, never with a panic.
//!
//! Method: random bytes, and the YAML files of the other tests with parts removed, repeated, replaced
//! and exchanged, so that they come far into the planner. Proptest prints the input that failed.

use std::collections::BTreeMap;

use millrace_crds::plan::{describe, diff, mermaid};
use millrace_crds::{MAX_PROBLEMS, read::read_documents};
use proptest::prelude::*;

use crate::golden;

/// Reads, plans, and takes every further step that a plan allows.
fn exercise(text: &str) {
    let documents = match read_documents(text, "random.yaml") {
        Ok(documents) => documents,
        Err(problems) => {
            assert!(!problems.is_empty() && problems.len() <= MAX_PROBLEMS);
            return;
        }
    };
    for document in documents {
        match document.plan() {
            Ok(plan) => {
                assert!(!describe(&plan).is_empty() && !mermaid(&plan).is_empty());
                assert!(diff(&plan, &plan).is_empty());
                let topics = plan.source_topics().into_iter();
                let counts: BTreeMap<String, i32> =
                    topics.map(|(topic, _)| (topic.to_owned(), 3)).collect();
                let layout = plan.layout(&counts).unwrap();
                assert!(layout.internal_partitions.values().all(|count| *count > 0));
            }
            Err(problems) => assert!(!problems.is_empty() && problems.len() <= MAX_PROBLEMS),
        }
    }
}

/// The texts of the other tests.
fn corpus() -> Vec<String> {
    let files = ["broken", "plans"]
        .map(|folder| golden::files(folder, "yaml"))
        .concat();
    files
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect()
}

/// One change of a text.
#[derive(Clone, Debug)]
enum Mutation {
    /// A line is left out.
    Drop(prop::sample::Index),
    /// A line comes twice.
    Repeat(prop::sample::Index),
    /// Two lines change places.
    Swap(prop::sample::Index, prop::sample::Index),
    /// A word is replaced by another word of the text.
    Word(prop::sample::Index, prop::sample::Index),
    /// Characters are put in.
    Insert(prop::sample::Index, String),
    /// The rest is cut off.
    Cut(prop::sample::Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    use prop::sample::Index;
    prop_oneof![
        2 => any::<Index>().prop_map(Mutation::Drop),
        2 => any::<Index>().prop_map(Mutation::Repeat),
        2 => any::<(Index, Index)>().prop_map(|(a, b)| Mutation::Swap(a, b)),
        4 => any::<(Index, Index)>().prop_map(|(a, b)| Mutation::Word(a, b)),
        1 => (any::<Index>(), "[-{}\\[\\]:,'\"&*!|>%#? a1\u{e9}\n\t]{1,4}")
            .prop_map(|(at, text)| Mutation::Insert(at, text)),
        1 => any::<Index>().prop_map(Mutation::Cut),
    ]
}

fn apply(text: &str, mutation: &Mutation) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    if lines.is_empty() {
        return text.to_owned();
    }
    match mutation {
        Mutation::Drop(at) => drop(lines.remove(at.index(lines.len()))),
        Mutation::Repeat(at) => {
            let at = at.index(lines.len());
            lines.insert(at, lines[at]);
        }
        Mutation::Swap(a, b) => {
            let count = lines.len();
            lines.swap(a.index(count), b.index(count));
        }
        Mutation::Word(at, by) => return exchange_words(text, at, by),
        Mutation::Insert(at, inserted) => {
            let place = at.index(text.chars().count() + 1);
            let head: String = text.chars().take(place).collect();
            let tail: String = text.chars().skip(place).collect();
            return format!("{head}{inserted}{tail}");
        }
        Mutation::Cut(at) => {
            return text
                .chars()
                .take(at.index(text.chars().count() + 1))
                .collect();
        }
    }
    lines.join("\n")
}

fn exchange_words(text: &str, at: &prop::sample::Index, by: &prop::sample::Index) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    let mut words: Vec<(usize, &str)> = Vec::new();
    for word in text.split(|c| !is_word(c)).filter(|word| !word.is_empty()) {
        words.push((word.as_ptr().addr() - text.as_ptr().addr(), word));
    }
    if words.is_empty() {
        return text.to_owned();
    }
    let (start, old) = words[at.index(words.len())];
    let (_, new) = words[by.index(words.len())];
    format!("{}{new}{}", &text[..start], &text[start + old.len()..])
}

#[test]
fn a_chain_of_streams_beyond_all_bounds_is_refused_and_not_followed() {
    let mut text =
        "apiVersion: millrace.dev/v1alpha1\nkind: StreamApp\nmetadata: {name: long}\nspec:\n  \
                    kafka: {bootstrapServers: 'kafka:9092'}\n  topology:\n    streams:\n      \
                    s0: {topic: t}\n"
            .to_owned();
    for index in 1..20_000 {
        text.push_str(&format!("      s{index}: {{from: s{}}}\n", index - 1));
    }
    let problems = read_documents(&text, "long.yaml").unwrap()[0]
        .plan()
        .unwrap_err();
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0]
            .message
            .contains("20000 streams; the bounds are 0 to 100")
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn random_text_never_panics(text in "\\PC{0,200}") {
        exercise(&text);
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        exercise(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn changed_stream_apps_never_panic(
        file in any::<prop::sample::Index>(),
        mutations in prop::collection::vec(mutation(), 1..6),
    ) {
        let corpus = corpus();
        let mut text = corpus[file.index(corpus.len())].clone();
        for mutation in &mutations {
            text = apply(&text, mutation);
        }
        exercise(&text);
    }
}
