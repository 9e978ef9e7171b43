//! `millrace-worker`: runs, tries out, checks and describes StreamApps.

mod cli;

use std::process::ExitCode;

use clap::Parser;

/// One allocator for Rust, RocksDB and librdkafka: glibc's arenas fragment under RocksDB's blocks.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    cli::run(cli::Args::parse())
}
