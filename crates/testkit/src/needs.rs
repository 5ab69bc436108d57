//! What a test needs from the machine, asked for by name. What is missing is said on the real standard error, which the
//! test harness does not hold back: a test that did not run must be seen.

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Output};

/// True if this process may do what root may; else says which test is skipped and why it would need that.
pub fn root(why: &str) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        skipped(&format!("{why} needs root"));
    }
    is_root
}

/// Says that the running test is skipped, and why.
pub fn skipped(why: &str) {
    let thread = std::thread::current();
    // A closed standard error has no readers.
    let _said = writeln!(std::io::stderr(), "skipped {}: {why}", thread.name().unwrap_or("a test"));
}

/// Runs another program to its end.
///
/// # Panics
/// When it is not installed; `package` is the Debian package that brings it.
pub fn output(command: &mut Command, package: &str) -> Output {
    let program = command.get_program().to_string_lossy().into_owned();
    command
        .output()
        .unwrap_or_else(|why| panic!("the program {program} cannot be run ({why}): install the package {package}"))
}

/// Runs another program, insists on its success and gives what it printed.
///
/// # Panics
/// When it is not installed or fails.
#[track_caller]
pub fn succeeds(command: &mut Command, package: &str) -> String {
    let output = output(command, package);
    let words: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
    assert!(
        output.status.success(),
        "{} {}: {}\n{}{}",
        command.get_program().to_string_lossy(),
        words.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
