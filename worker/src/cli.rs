//! The command line.

mod check;
mod dev;
mod export;
mod image;
mod input;
mod kafka_files;
mod out;
mod run;
mod schema;
mod service;
mod test;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

pub(crate) use image::Image;

/// Exit code of a command that did what it is for and found something wrong, or failed.
const FAILED: u8 = 1;

/// Runs stream applications on Kafka: tables, joins and aggregations with state that survives every
/// crash.
#[derive(Parser)]
#[command(name = "millrace-worker", version, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,

    /// Least severe log lines to print: error, warn, info, debug, trace; or a filter such as
    /// `info,millrace_worker::runtime=debug`.
    #[arg(long, global = true, env = "MILLRACE_LOG", default_value = "info")]
    log: String,

    /// Form of log lines on standard error.
    #[arg(
        long,
        global = true,
        env = "MILLRACE_LOG_FORMAT",
        value_enum,
        default_value = "text"
    )]
    log_format: LogFormat,
}

const EXAMPLES: &str = "Examples:
  millrace-worker check examples/loan-evaluation/*.yaml
  millrace-worker describe examples/loan-evaluation/loan-evaluation.yaml --format mermaid
  millrace-worker dev examples/loan-evaluation
  millrace-worker test examples
  millrace-worker run --file loan-evaluation.yaml --bootstrap-servers kafka:9092 --state-dir /data";

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// Run one StreamApp against Kafka, until SIGTERM or SIGINT.
    Run(Box<run::RunArgs>),
    /// Run all StreamApps of a folder in this process, without Kafka.
    Dev(dev::DevArgs),
    /// Check StreamApps and say what is wrong with them.
    Check(check::CheckArgs),
    /// Show the subtopologies, stores and topics of StreamApps.
    Describe(check::DescribeArgs),
    /// Print the StreamApp of the topology in this program, for `kubectl apply`.
    Export(export::ExportArgs),
    /// Run given/expected cases against StreamApps, without Kafka.
    Test(test::TestArgs),
    /// Print the JSON Schema of StreamApp files or of test files, for editors.
    Schema(schema::SchemaArgs),
}

/// Runs the command.
pub(crate) fn run(args: Args, image: &Image) -> ExitCode {
    if let Err(message) = start_logging(&args.log, args.log_format) {
        eprintln!("{message}");
        return ExitCode::from(2);
    }
    let result = match args.command {
        Command::Run(args) => run::run(&args, image),
        Command::Dev(args) => dev::dev(&args, image),
        Command::Check(args) => check::check(&args, image),
        Command::Describe(args) => check::describe(&args, image),
        Command::Export(args) => export::export(&args, image),
        Command::Test(args) => return ExitCode::from(test::test(&args, image)),
        Command::Schema(args) => schema::schema(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(FAILED)
        }
    }
}

fn start_logging(filter: &str, format: LogFormat) -> Result<(), String> {
    let filter = tracing_subscriber::EnvFilter::try_new(filter)
        .map_err(|error| format!("--log {filter}: {error}; try `info` or `debug`"))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Text => builder.with_target(false).init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(())
}
