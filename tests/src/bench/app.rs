//! The StreamApps that ours runs, as they lie in `tests/bench`, and what is put into them.

use std::fs;
use std::path::Path;

use anyhow::Context;
use millrace_crds::stream_app::{ProcessingGuarantee, StreamApp};

use super::input::{BALANCES_TOPIC, REQUESTS_TOPIC};
use super::runner::Names;
use super::sides::Promise;

/// The output's name in the StreamApps.
const RESULTS_TOPIC: &str = "bench-results";

/// Reads a StreamApp.
pub(super) fn read(folder: &Path, file: &str) -> anyhow::Result<StreamApp> {
    let path = folder.join(file);
    let text =
        fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))?;
    let apps = millrace_crds::read(&text, file)
        .map_err(|problems| anyhow::anyhow!("{}: {problems:?}", path.display()))?;
    let app = apps.into_iter().next();
    app.with_context(|| format!("{} holds no StreamApp", path.display()))
}

/// The text of a StreamApp with the addresses and names of a run. JSON is YAML.
pub(super) fn render(
    app: &StreamApp,
    servers: &str,
    promise: Promise,
    names: &Names,
) -> anyhow::Result<String> {
    let mut app = app.clone();
    app.spec.application_id = Some(names.application_id.clone());
    servers.clone_into(&mut app.spec.kafka.bootstrap_servers);
    app.spec.processing_guarantee = match promise {
        Promise::ExactlyOnce => ProcessingGuarantee::ExactlyOnceV2,
        Promise::AtLeastOnce => ProcessingGuarantee::AtLeastOnce,
    };
    let mut text = serde_json::to_string_pretty(&app)?;
    for (topic, name) in [
        (RESULTS_TOPIC, &names.output),
        (BALANCES_TOPIC, &names.input.balances),
        (REQUESTS_TOPIC, &names.input.requests),
    ] {
        text = text.replace(&format!("\"{topic}\""), &format!("\"{name}\""));
    }
    Ok(text)
}
