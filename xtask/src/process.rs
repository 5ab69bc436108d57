//! Running programs and saying what happens.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;

/// Prints a line on stderr.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", text.trim_end());
}

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace").into()
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> Result<PathBuf> {
    let metadata = cargo_metadata::MetadataCommand::new().current_dir(root()).no_deps().exec();
    Ok(metadata.map_err(|why| why.to_string())?.target_directory.into())
}

/// Runs a program in the workspace's root, after saying so.
pub(crate) fn run(program: &str, words: &[&str]) -> Result {
    run_with(program, words, &[])
}

/// As [`run`], with more environment.
pub(crate) fn run_with(program: &str, words: &[&str], environment: &[(&str, &str)]) -> Result {
    let shown: Vec<String> = environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    say(&format!("$ {} {program} {}", shown.join(" "), words.join(" ")).replace("  ", " "));
    let mut command = Command::new(program);
    command.args(words).current_dir(root()).envs(environment.iter().copied());
    let status = command.status().map_err(|why| format!("cannot start {program}: {why}"))?;
    if status.success() { Ok(()) } else { Err(format!("{program} {} failed: {status}", words.join(" "))) }
}

/// What a program prints.
pub(crate) fn output(program: &str, words: &[&str]) -> Result<String> {
    let output = Command::new(program).args(words).current_dir(root()).output();
    let output = output.map_err(|why| format!("cannot start {program}: {why}"))?;
    if !output.status.success() {
        return Err(format!("{program} failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
