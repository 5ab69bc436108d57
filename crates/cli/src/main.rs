//! Images and registries without a daemon.

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    // Before anything else: a container's init is a process of one thread with nothing of ours in it.
    if words.get(1).is_some_and(|word| word == wharfie_runtime::INIT_WORD) {
        return wharfie_runtime::init_main(&words[2..]);
    }
    wharfie_runtime::keep_from_children();
    // A process of ours that goes on for a command: it has no command line.
    if words.get(1).is_some_and(|word| word == wharfie_engine::job::JOB_WORD) {
        return wharfie::program::job();
    }
    wharfie::program::run(words)
}
