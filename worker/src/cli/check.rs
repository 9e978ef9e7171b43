//! `check` and `describe`: no cluster needed.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use millrace_crds::plan::{self, Plan};

use super::Image;
use super::input::{self, Overrides, Planned};
use super::out;

/// Arguments of `check`.
#[derive(Args)]
pub(super) struct CheckArgs {
    /// Files or folders of StreamApps. Default: the topology of this program.
    #[arg(value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
}

/// Arguments of `describe`.
#[derive(Args)]
pub(super) struct DescribeArgs {
    /// Files or folders of StreamApps. Default: the topology of this program.
    #[arg(value_name = "FILE|DIR")]
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
pub(super) fn check(args: &CheckArgs, image: &Image) -> Result<(), String> {
    let overrides = Overrides::default();
    if args.paths.is_empty() {
        return print_good("this program", &image.own(&overrides)?);
    }
    let mut failed = Vec::new();
    for file in input::files(&args.paths)? {
        let name = file.display().to_string();
        match input::load(&file, &overrides, image) {
            Ok(apps) if apps.is_empty() => failed.push(format!("{name}: has no StreamApp")),
            Ok(apps) => apps.iter().try_for_each(|app| print_good(&name, app))?,
            Err(problems) => failed.push(problems),
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(failed.join("\n"))
    }
}

fn print_good(place: &str, app: &Planned) -> Result<(), String> {
    let plan = &app.plan;
    out::line(format_args!(
        "{place}: {} is valid: {} subtopologies, {} stores, plan {}",
        plan.application_id,
        plan.subtopologies.len(),
        plan.stores.len(),
        plan.hash
    ))
}

/// Prints each StreamApp's description.
pub(super) fn describe(args: &DescribeArgs, image: &Image) -> Result<(), String> {
    let print = |plan: &Plan| match args.format {
        Format::Text => out::line(plan::describe(plan)),
        Format::Mermaid => out::line(plan::mermaid(plan)),
    };
    if args.paths.is_empty() {
        return print(&image.own(&Overrides::default())?.plan);
    }
    for file in input::files(&args.paths)? {
        // What is looked at need not be run: by any program, whatever code the StreamApp needs.
        for document in input::read(&file)? {
            let planned = document.plan();
            print(&planned.map_err(|problems| input::paragraphs(&problems))?)?;
        }
    }
    Ok(())
}
