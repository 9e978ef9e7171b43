//! The CustomResourceDefinition: what the types give, in the form the API server likes best.
//!
//! kube's derive writes the schema. Three things are said better here:
//!
//! - A field that may be left out is not `nullable`: Kubernetes then drops a null before anything looks
//!   at it, and `has()` in a rule means that there is a value.
//! - The `oneOf` of an externally tagged enum becomes a rule, whose message names the fields instead of
//!   "must validate one and only one schema".
//! - A description is one line a paragraph: `kubectl explain` breaks lines to the width it has. What a
//!   condition's fields mean is said once, in Kubernetes' own reference, and here in a line each.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
    ValidationRule,
};
use kube::CustomResourceExt;

use crate::rules::{self, Rule};
use crate::stream_app::StreamApp;

/// The fields of a condition.
const CONDITION: [(&str, &str); 6] = [
    ("type", "Its type."),
    ("status", "True, False or Unknown."),
    ("reason", "Why, in CamelCase."),
    ("message", "Why, in words."),
    ("lastTransitionTime", "When its status changed last."),
    (
        "observedGeneration",
        "`metadata.generation` that it is about.",
    ),
];

/// The CustomResourceDefinition `streamapps.millrace.dev`, as `crdgen` prints and the chart installs
/// it.
pub fn definition() -> CustomResourceDefinition {
    let mut definition = StreamApp::crd();
    let schemas = definition
        .spec
        .versions
        .iter_mut()
        .filter_map(|version| version.schema.as_mut()?.open_api_v3_schema.as_mut());
    for schema in schemas {
        tidy(schema);
        shorten_conditions(schema);
        schema.x_kubernetes_validations =
            Some(rules::resource().into_iter().map(validation).collect());
    }
    definition
}

fn tidy(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    if let Some(description) = &mut schema.description {
        let paragraphs = description.split("\n\n");
        let joined: Vec<String> = paragraphs.map(|text| text.replace('\n', " ")).collect();
        *description = joined.join("\n\n");
    }
    if let Some(alternatives) = schema.one_of.take() {
        let fields: Vec<String> = alternatives
            .into_iter()
            .filter_map(|alternative| alternative.required)
            .flatten()
            .collect();
        let rules = schema.x_kubernetes_validations.get_or_insert_default();
        rules.push(validation(rules::exactly_one(&fields)));
    }
    for property in schema
        .properties
        .iter_mut()
        .flat_map(|all| all.values_mut())
    {
        tidy(property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        tidy(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        tidy(values);
    }
}

/// Describes the fields of `status.conditions` in a line each, not in Kubernetes' paragraphs.
fn shorten_conditions(schema: &mut JSONSchemaProps) {
    let status = properties(schema).and_then(|fields| fields.get_mut("status"));
    let conditions = status
        .and_then(properties)
        .and_then(|fields| fields.get_mut("conditions"));
    let Some(JSONSchemaPropsOrArray::Schema(condition)) =
        conditions.and_then(|conditions| conditions.items.as_mut())
    else {
        return;
    };
    condition.description = None;
    for (name, field) in properties(condition).into_iter().flatten() {
        let description = CONDITION.iter().find(|(known, _)| known == name);
        if let Some((_, description)) = description {
            field.description = Some((*description).to_owned());
        }
    }
}

fn properties(schema: &mut JSONSchemaProps) -> Option<&mut BTreeMap<String, JSONSchemaProps>> {
    schema.properties.as_mut()
}

fn validation(rule: Rule) -> ValidationRule {
    ValidationRule {
        rule: rule.rule,
        message: Some(rule.message),
        ..ValidationRule::default()
    }
}
