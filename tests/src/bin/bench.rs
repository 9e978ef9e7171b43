//! What `make bench` runs.

use std::process::ExitCode;

use clap::Parser;
use millrace_tests::bench;

fn main() -> ExitCode {
    match bench::run(&bench::Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
