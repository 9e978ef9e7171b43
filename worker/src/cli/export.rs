//! `export`: the topology of this program as a StreamApp.

use std::path::PathBuf;

use clap::Args;
use millrace_crds::plan::{NodeKind, Plan};
use millrace_crds::{StreamApp, StreamAppSpec, topology};
use serde_json::{Map, Value, json};

use super::Image;
use super::input::{self, Overrides};
use super::out;

/// Arguments of `export`.
#[derive(Args)]
pub(super) struct ExportArgs {
    /// File with a StreamApp whose settings are kept; its topology is replaced, and may be `{}`.
    #[arg(value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Image with this program: spec.image.
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    #[command(flatten)]
    overrides: Overrides,
}

/// Prints the StreamApp.
pub(super) fn export(args: &ExportArgs, image: &Image) -> Result<(), String> {
    let Some(own) = &image.own else {
        return Err(
            "this program has no topology of its own to export: give `Worker` one, with \
                    `Worker::topology`"
                .to_owned(),
        );
    };
    let mut app = match &args.settings {
        None => {
            let mut app = own.stream_app();
            app.spec.kafka.bootstrap_servers = String::new();
            app
        }
        Some(file) => {
            let mut documents = input::read(file)?;
            let (Some(document), true) = (documents.pop(), documents.is_empty()) else {
                return Err(format!("{} has not one StreamApp", file.display()));
            };
            let mut app = document.app;
            app.spec.topology = own.topology().data().clone();
            app
        }
    };
    args.overrides.apply(&mut app);
    if let Some(image) = &args.image {
        app.spec.image = Some(image.clone());
    }
    if app.spec.kafka.bootstrap_servers.is_empty() {
        return Err("which Kafka? give --bootstrap-servers, or a file of settings".to_owned());
    }
    let planned = own.topology().plan_of(&app);
    let plan = planned.map_err(|problems| input::paragraphs(&problems))?;
    if app.spec.image.is_none() && needs_image(&app, &plan) {
        return Err(
            "which image? give --image: the operator's own image has not the code of this topology"
                .to_owned(),
        );
    }
    out::all(written(&app)?)
}

/// Whether the StreamApp runs only where this program's code is.
fn needs_image(app: &StreamApp, plan: &Plan) -> bool {
    let mut kinds = plan.nodes.iter().map(|node| &node.kind);
    !app.spec.topology.functions.is_empty()
        || kinds.any(|kind| matches!(kind, NodeKind::Process { .. }))
}

/// The StreamApp as YAML, without what is so by default.
fn written(app: &StreamApp) -> Result<String, String> {
    let failed = |error: serde_json::Error| format!("write the StreamApp: {error}");
    let mut spec = fields(&app.spec).map_err(failed)?;
    let default = StreamAppSpec::new("", topology::Topology::default());
    let default = fields(&default).map_err(failed)?;
    spec.retain(|name, value| default.get(name) != Some(value));
    if let Some(Value::Object(kafka)) = spec.get_mut("kafka") {
        kafka.retain(|_, value| *value != json!({}));
    }
    if let Some(topology) = spec.get_mut("topology") {
        tidy(topology);
    }
    let mut metadata = fields(&app.metadata).map_err(failed)?;
    metadata.retain(|_, value| !value.is_null());
    let document = json!({
        "apiVersion": "millrace.dev/v1alpha1",
        "kind": "StreamApp",
        "metadata": metadata,
        "spec": spec,
    });
    serde_saphyr::to_string(&document).map_err(|error| format!("write the StreamApp: {error}"))
}

fn fields(value: &impl serde::Serialize) -> serde_json::Result<Map<String, Value>> {
    match serde_json::to_value(value)? {
        Value::Object(fields) => Ok(fields),
        other => Ok(Map::from_iter([("value".to_owned(), other)])),
    }
}

/// Leaves out what a step has and does not say.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, value| !(name == "serdes" && *value == json!({})));
            fields.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}
