//! The operator's program: reads its settings, sets logging up, and runs.

use std::process::ExitCode;

use clap::Parser;
use millrace_operator::cli::{Cli, Command, LogFormat, RunArgs};
use millrace_operator::{crash, run};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Some(Command::CrashPoints) => {
            for point in crash::POINTS {
                println!("{point}");
            }
            ExitCode::SUCCESS
        }
        Some(Command::Run) | None => serve(cli.run),
    }
}

fn serve(args: RunArgs) -> ExitCode {
    log_to_stderr(args.log_format);
    if let Ok(text) = std::env::var(crash::VARIABLE)
        && crash::parse(&text).is_none()
    {
        tracing::error!(
            "{}={text} names no crash point; `millrace-operator crash-points` prints them",
            crash::VARIABLE
        );
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "could not start threads");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(run::run(args));
    // A call to Kafka may hang for seconds: one who has lost the lead must not wait for it.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "ending");
            ExitCode::FAILURE
        }
    }
}

fn log_to_stderr(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Json => lines.json().init(),
        LogFormat::Text => lines.init(),
    }
}
