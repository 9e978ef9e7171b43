//! The JSON Schema of StreamApp files, for editors.
//!
//! From the same types as the CRD, in the form editors like: shared parts are named once and referred
//! to, alternatives are alternatives, and fields that do not exist are refused.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::stream_app::StreamAppSpec;

/// The JSON Schema (draft 7) of a StreamApp file.
pub fn schema() -> Value {
    let generator = SchemaSettings::draft07().into_generator();
    let mut spec = Value::from(generator.into_root_schema_for::<StreamAppSpec>());
    let definitions = take(&mut spec, "definitions").unwrap_or_else(|| Value::Object(Map::new()));
    let _own = (take(&mut spec, "$schema"), take(&mut spec, "title"));
    let mut schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "StreamApp",
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"const": "millrace.dev/v1alpha1"},
            "kind": {"const": "StreamApp"},
            "metadata": {
                "description": "As of every Kubernetes object; the name is the application's.",
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "namespace": {"type": "string"}},
            },
            "spec": spec,
        },
        "definitions": definitions,
    });
    tidy(&mut schema);
    schema
}

fn take(schema: &mut Value, field: &str) -> Option<Value> {
    schema.as_object_mut()?.remove(field)
}

/// Leaves out what only the API server reads.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !name.starts_with("x-kubernetes-"));
            fields.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// All references of a schema.
    fn references<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_of_the_schema_leads_somewhere() {
        let schema = schema();
        let mut found = Vec::new();
        references(&schema, &mut found);
        assert!(!found.is_empty());
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(schema.pointer(pointer).is_some(), "{reference}");
        }
    }

    #[test]
    fn steps_are_alternatives_with_their_descriptions() {
        let schema = schema();
        let steps = schema["definitions"]["Step"]["oneOf"].as_array().unwrap();
        assert!(steps.len() > 20, "{} steps", steps.len());
        for step in steps {
            assert!(step["description"].is_string(), "{step}");
            assert_eq!(step["required"].as_array().unwrap().len(), 1, "{step}");
        }
    }
}
