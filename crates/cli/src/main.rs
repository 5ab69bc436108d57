//! Images and registries without a daemon.

use std::process::ExitCode;

fn main() -> ExitCode {
    wharfie::program::run(std::env::args_os().collect())
}
