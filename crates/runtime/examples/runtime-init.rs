//! The init of the tests' containers: what the command line does when its first argument is `INIT_WORD`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    match words.split_first() {
        Some((first, rest)) if first == wharfie_runtime::INIT_WORD => wharfie_runtime::init_main(rest),
        _ => ExitCode::from(2),
    }
}
