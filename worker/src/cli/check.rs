//! `check` and `describe`: no cluster needed.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use millrace_crds::plan;
use millrace_worker::api::Processors;

use super::input::{self, Overrides, Planned};
use super::out;

/// Arguments of `check`.
#[derive(Args)]
pub(super) struct CheckArgs {
    /// Files or folders of StreamApps.
    #[arg(required = true, value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
}

/// Arguments of `describe`.
#[derive(Args)]
pub(super) struct DescribeArgs {
    /// Files or folders of StreamApps.
    #[arg(required = true, value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// Form of the description.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// Subtopologies, nodes, stores and topics as text.
    Text,
    /// A Mermaid flowchart, for Markdown.
    Mermaid,
}

/// Says of each StreamApp that it is good, or all that is wrong with it.
pub(super) fn check(args: &CheckArgs, processors: &Processors) -> Result<(), String> {
    let mut failed = Vec::new();
    for file in input::files(&args.paths)? {
        match input::load(&file, &Overrides::default()) {
            Ok(apps) if apps.is_empty() => {
                failed.push(format!("{}: has no StreamApp", file.display()));
            }
            Ok(apps) => {
                for app in &apps {
                    match app.check_processors(processors) {
                        Ok(()) => print_good(&file, app)?,
                        Err(problems) => failed.push(problems),
                    }
                }
            }
            Err(problems) => failed.push(problems),
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(failed.join("\n"))
    }
}

fn print_good(file: &std::path::Path, app: &Planned) -> Result<(), String> {
    let plan = &app.plan;
    out::line(format_args!(
        "{}: {} is valid: {} subtopologies, {} stores, plan {}",
        file.display(),
        plan.application_id,
        plan.subtopologies.len(),
        plan.stores.len(),
        plan.hash
    ))
}

/// Prints each StreamApp's description.
pub(super) fn describe(args: &DescribeArgs) -> Result<(), String> {
    for file in input::files(&args.paths)? {
        for app in input::load(&file, &Overrides::default())? {
            match args.format {
                Format::Text => out::line(plan::describe(&app.plan))?,
                Format::Mermaid => out::line(plan::mermaid(&app.plan))?,
            }
        }
    }
    Ok(())
}
