//! `schema`: what editors complete and check StreamApp files with.

/// Prints the JSON Schema.
#[allow(clippy::print_stdout)]
pub(super) fn schema() -> Result<(), String> {
    let text = serde_json::to_string_pretty(&millrace_crds::schema())
        .map_err(|error| format!("write the schema as JSON: {error}"))?;
    println!("{text}");
    Ok(())
}
