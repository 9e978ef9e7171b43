//! The expression part: what expr/examples/expressions.rs measures of itself, in its own process.

use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;

use super::Places;

/// Runs the example and reads the one line of JSON it prints.
pub(super) fn run(places: &Places) -> anyhow::Result<Value> {
    let program = places.programs.join("examples/expressions");
    println!("expressions: {} --json", program.display());
    let output = Command::new(&program)
        .arg("--json")
        .output()
        .with_context(|| format!("could not start {}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "expressions ended with {}:\n{errors}",
        output.status
    );
    let json = text.lines().rfind(|line| line.starts_with('{'));
    let json = json.with_context(|| format!("expressions printed no JSON:\n{text}"))?;
    let mut printed: Value = serde_json::from_str(json)
        .with_context(|| format!("expressions printed bad JSON: {json}"))?;
    let figures = printed.get_mut("expressions").map(Value::take);
    figures.with_context(|| format!("expressions printed something else: {json}"))
}
