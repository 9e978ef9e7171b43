//! The guide of the resource says what the types say: its tables are written from the CRD's schema and
//! from the lists of conditions and reasons. `MILLRACE_BLESS=1` writes them anew.

use std::fmt::Write;

use millrace_crds::definition;
use millrace_crds::stream_app::{ConditionType, Reason};
use serde_json::Value;

const GUIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/guides/resource.md");

#[test]
fn the_tables_of_the_guide_are_those_of_the_types() {
    let text = std::fs::read_to_string(GUIDE).unwrap();
    let schema = serde_json::to_value(definition()).unwrap();
    let root = &schema["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
    let sections = [
        ("spec", table(&root["spec"])),
        ("status", table(&root["status"])),
        ("conditions", conditions()),
        ("reasons", reasons()),
    ];
    let wanted = sections.iter().fold(text.clone(), |text, (name, content)| {
        replaced(&text, name, content)
    });
    if std::env::var_os("MILLRACE_BLESS").is_some() {
        std::fs::write(GUIDE, wanted).unwrap();
    } else {
        assert!(
            wanted == text,
            "docs/guides/resource.md is not what the types say: run this test with MILLRACE_BLESS=1"
        );
    }
}

/// The text with another content between the markers of a section.
fn replaced(text: &str, section: &str, content: &str) -> String {
    let (begin, end) = (
        format!("<!-- {section} -->\n"),
        format!("<!-- end of {section} -->"),
    );
    let (before, rest) = text
        .split_once(&begin)
        .unwrap_or_else(|| panic!("no {begin}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("no {end}"));
    format!("{before}{begin}{content}{end}{after}")
}

/// All fields below a schema, a line each.
fn table(schema: &Value) -> String {
    let mut rows = String::from("| field | type | default | meaning |\n|---|---|---|---|\n");
    fields(schema, "", &mut rows);
    rows
}

fn fields(schema: &Value, prefix: &str, rows: &mut String) {
    let required: Vec<&str> = schema["required"]
        .as_array()
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{prefix}{name}");
        let description = field["description"].as_str().unwrap_or_default();
        let default = default(field, required.contains(&name.as_str()));
        let meaning = description.replace("\n\n", " ").replace('|', "\\|");
        writeln!(
            rows,
            "| `{path}` | {} | {default} | {meaning} |",
            type_of(field)
        )
        .unwrap();
        // The topology has a guide of its own, conditions a table of their own.
        if path != "topology" && path != "conditions" {
            fields(field, &format!("{path}."), rows);
            fields(&field["items"], &format!("{path}[]."), rows);
        }
    }
}

fn default(field: &Value, required: bool) -> String {
    match &field["default"] {
        _ if required => "required".to_owned(),
        Value::Null | Value::Object(_) => String::new(),
        default => format!("`{}`", default.to_string().trim_matches('"')),
    }
}

fn type_of(field: &Value) -> String {
    if field["x-kubernetes-int-or-string"] == true {
        return "integer or string".to_owned();
    }
    if let Some(values) = field["enum"].as_array() {
        let values: Vec<String> = values
            .iter()
            .filter_map(Value::as_str)
            .map(|value| format!("`{value}`"))
            .collect();
        return values.join(", ");
    }
    match field["type"].as_str().unwrap_or_default() {
        "array" => format!(
            "list of {}s",
            field["items"]["type"].as_str().unwrap_or_default()
        ),
        "object" if field["additionalProperties"].is_object() => "map".to_owned(),
        other => other.to_owned(),
    }
}

fn conditions() -> String {
    let mut rows = String::from("| type | status |\n|---|---|\n");
    for condition in ConditionType::ALL {
        writeln!(rows, "| `{condition}` | {} |", condition.meaning()).unwrap();
    }
    rows
}

fn reasons() -> String {
    let mut rows = String::from("| reason | meaning |\n|---|---|\n");
    for reason in Reason::ALL {
        writeln!(rows, "| `{reason}` | {} |", reason.meaning()).unwrap();
    }
    rows
}

#[test]
fn reasons_are_words_that_kubernetes_takes() {
    for reason in Reason::ALL {
        let text = reason.as_str();
        let fits = text.starts_with(|c: char| c.is_ascii_uppercase())
            && text.chars().all(|c| c.is_ascii_alphanumeric());
        assert!(fits && text.len() <= 128, "{text}");
        assert!(
            reason.meaning().ends_with('.'),
            "{text}: {}",
            reason.meaning()
        );
    }
}
