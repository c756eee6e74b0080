//! The command `toolgate`.

use std::process::ExitCode;

/// Memory of many threads, given back when it is no longer used.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    toolgate::commands::run(std::env::args_os())
}
