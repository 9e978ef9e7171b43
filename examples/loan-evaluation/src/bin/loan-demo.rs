//! What `make demo` runs.

use std::process::ExitCode;

use clap::Parser;
use loan_evaluation::demo;
use loan_evaluation::terminal::Paint;

/// Shows the loan evaluation at work on this machine, without Kafka
#[derive(Debug, Parser)]
#[command(name = "loan-demo", version)]
struct Options {
    #[command(flatten)]
    demo: demo::Options,
}

fn main() -> ExitCode {
    match demo::run(&Options::parse().demo) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{} {error:#}", Paint::detect().red("error:"));
            ExitCode::FAILURE
        }
    }
}
