//! `schema`: what editors complete and check files with.

use clap::{Args, ValueEnum};

use super::out;

/// Arguments of `schema`.
#[derive(Args)]
pub(super) struct SchemaArgs {
    /// Which files.
    #[arg(value_enum, default_value = "stream-app")]
    of: Of,
}

/// What there are files of.
#[derive(Clone, Copy, ValueEnum)]
enum Of {
    /// StreamApps.
    StreamApp,
    /// What `test` runs.
    TestFile,
}

/// Prints the JSON Schema.
pub(super) fn schema(args: &SchemaArgs) -> Result<(), String> {
    let schema = match args.of {
        Of::StreamApp => millrace_crds::schema(),
        Of::TestFile => millrace_crds::test_file::test_file_schema(),
    };
    let text = serde_json::to_string_pretty(&schema)
        .map_err(|error| format!("write the schema as JSON: {error}"))?;
    out::line(text)
}
