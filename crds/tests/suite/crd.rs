//! The CRD that is committed is the one the types give, and one that Kubernetes accepts.

use millrace_crds::{definition, limits};
use serde_json::Value;

use crate::golden;

const FILE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/yaml/streamapps.millrace.dev.yaml"
);

/// Far below the 262144 bytes that `kubectl apply` keeps of it in an annotation.
const MAX_JSON_BYTES: usize = 100_000;

#[test]
fn the_committed_crd_is_what_crdgen_prints() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_crdgen"))
        .output()
        .unwrap();
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout).unwrap();
    if let Err(difference) = golden::compare(FILE.as_ref(), &printed) {
        panic!("run `make crd`, and commit the result\n{difference}");
    }
}

/// For editors that read files, as `worker schema` prints them.
#[test]
fn the_committed_schemas_of_files_are_those_of_the_types() {
    let schemas = [
        ("streamapp", millrace_crds::schema()),
        ("test-file", millrace_crds::test_file::test_file_schema()),
    ];
    for (name, schema) in schemas {
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/schema");
        let file = format!("{folder}/{name}.schema.json");
        if let Err(difference) = golden::compare(file.as_ref(), &text) {
            panic!("run with MILLRACE_BLESS=1, and commit the result\n{difference}");
        }
    }
}

#[test]
fn the_schema_is_structural_and_small() {
    let crd = serde_json::to_value(definition()).unwrap();
    let size = crd.to_string().len();
    assert!(size < MAX_JSON_BYTES, "the CRD has {size} bytes");
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    check(schema, "");
    let topology = &schema["properties"]["spec"]["properties"]["topology"]["properties"];
    assert_eq!(topology["streams"]["maxProperties"], limits::STREAMS);
    let key = &topology["streams"]["additionalProperties"]["properties"]["key"];
    let description = key["description"].as_str().unwrap();
    assert!(
        description.starts_with("Format of keys on the topic"),
        "{description}"
    );
}

/// Structural: each node has a type, no references, no closed objects; every list, map and string of
/// users has a bound, each field a description.
fn check(node: &Value, path: &str) {
    // Kubernetes' own type, written by the operator alone.
    if path == ".status.conditions[]" {
        return;
    }
    let object = node
        .as_object()
        .unwrap_or_else(|| panic!("{path} is no schema: {node}"));
    assert!(!object.contains_key("$ref"), "{path}: a reference");
    assert_ne!(
        object.get("additionalProperties"),
        Some(&Value::Bool(false)),
        "{path}: closed"
    );
    let int_or_string = object.contains_key("x-kubernetes-int-or-string");
    let ty = object.get("type").and_then(Value::as_str);
    assert!(ty.is_some() || int_or_string, "{path}: no type");
    match ty {
        Some("array") => {
            assert!(object.contains_key("maxItems"), "{path}: an unbounded list");
            check(&object["items"], &format!("{path}[]"));
        }
        Some("string") => {
            // A format such as a date's bounds a text as well as a length does.
            let bounds = ["maxLength", "enum", "format"];
            let bounded = bounds.iter().any(|bound| object.contains_key(*bound));
            assert!(bounded, "{path}: an unbounded string");
        }
        _ => {}
    }
    if let Some(values) = object.get("additionalProperties") {
        assert!(
            object.contains_key("maxProperties"),
            "{path}: an unbounded map"
        );
        check(values, &format!("{path}.*"));
    }
    let properties = object.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        let path = format!("{path}.{name}");
        assert!(
            property.get("description").is_some(),
            "{path}: no description"
        );
        check(property, &path);
    }
}
