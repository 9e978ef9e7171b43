//! `millrace-worker`: runs, tries out, checks and describes StreamApps.

use std::process::ExitCode;

use millrace_worker::api::{Jemalloc, Worker};

/// One allocator for Rust, RocksDB and librdkafka: glibc's arenas fragment under RocksDB's blocks.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    Worker::new().main()
}
