//! The program: `millrace-worker`'s command line over the topology in `lib.rs`.

use std::process::ExitCode;

use millrace_worker::api::{Jemalloc, Worker};

/// The memory allocator of `millrace-worker`.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    Worker::new()
        .topology("word-count", word_count::word_count())
        .main()
}
