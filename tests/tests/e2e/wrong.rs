//! Wrong resources: each of `tests/wrong` gets a clear answer, and none stops another application.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use millrace_tests::cluster::Space;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/wrong");
/// Longest wait for what the operator says of a resource.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn wrong_resources_get_clear_answers_and_stop_no_other() -> Result<()> {
    let space = Space::new("e2e-wrong")?;
    space.create_topics(&["in", "counts", "orders"], 2)?;
    let mut files: Vec<_> = std::fs::read_dir(FOLDER)
        .with_context(|| format!("read {FOLDER}"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.sort();
    ensure!(files.len() >= 20, "only {} wrong resources", files.len());
    let mut failures = Vec::new();
    for file in &files {
        if let Err(error) = answer(&space, file) {
            failures.push(format!("{}: {error:#}", file.display()));
        }
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n\n"));
    // With all of them there, another application starts.
    space.kubectl().apply(&space.counts("counts", ""))?;
    space.wait_ready("counts")?;
    space.check_operator_log()
}

/// Applies one, and compares what is said with the file's second line.
fn answer(space: &Space, file: &Path) -> Result<()> {
    let text = std::fs::read_to_string(file)?;
    let line = text.lines().nth(1).and_then(|line| line.strip_prefix("# "));
    let (speaker, expected) = line
        .and_then(|line| line.split_once(": "))
        .context("its second line does not say who refuses it")?;
    let text = text.replace(
        "topic: ",
        &format!("topic: {}-", space.kubectl().namespace()),
    );
    let said = space.kubectl().try_apply(&text)?;
    if speaker == "admission" {
        let refusal = said.err().context("the API server took it")?;
        ensure!(
            refusal.contains(expected),
            "expected {expected}, was told {refusal}"
        );
        return Ok(());
    }
    let (reason, message) = expected.split_once(": ").context("no reason is expected")?;
    if let Err(refusal) = said {
        anyhow::bail!("the API server refused it: {refusal}");
    }
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    let app = space.wait_app(&format!("wrong-{name}"), "answered", ANSWER_LIMIT, |app| {
        app["status"].to_string().contains(reason)
    })?;
    let conditions = app["status"]["conditions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let told = conditions.iter().any(|condition| {
        let text = condition["message"].as_str().unwrap_or_default();
        condition["reason"] == reason && text.contains(message)
    });
    ensure!(told, "expected {expected}, the status is {}", app["status"]);
    let pods = space.pods(&format!("wrong-{name}"))?;
    ensure!(pods.is_empty(), "it runs all the same: {pods:?}");
    Ok(())
}
