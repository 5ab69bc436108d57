//! Finding the command, and saying in docker's words why it cannot be executed.

use std::convert::Infallible;
use std::ffi::CString;
use std::io;
use std::os::unix::fs::PermissionsExt;

use crate::error::{Error, Result};
use crate::init::become_command::c_string;
use crate::sys;

/// Becomes the command. Without a `/` it is looked for in the `PATH` of its own environment.
pub(super) fn execute(arguments: &[String], variables: &[String], environment: &[CString]) -> Result<Infallible> {
    let command = arguments.first().ok_or(Error::NoCommand)?;
    let words = arguments.iter().map(|word| c_string(word, "argument")).collect::<Result<Vec<_>>>()?;
    let not_found = |reason: &str| Error::CommandNotFound { command: command.clone(), reason: reason.to_owned() };
    if command.contains('/') {
        let why = sys::execute(&c_string(command, "command")?, &words, environment);
        return Err(explain(command, command, &why));
    }
    let path = variables.iter().rev().find_map(|one| one.strip_prefix("PATH=")).unwrap_or("");
    for directory in path.split(':') {
        let directory = if directory.is_empty() { "." } else { directory };
        let file = format!("{directory}/{command}");
        // As docker looks: what nobody may execute is not what is meant.
        let is_it =
            std::fs::metadata(&file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0);
        if is_it {
            let why = sys::execute(&c_string(&file, "command")?, &words, environment);
            return Err(explain(command, &file, &why));
        }
    }
    Err(not_found("executable file not found in $PATH"))
}

fn explain(command: &str, file: &str, why: &io::Error) -> Error {
    let command = command.to_owned();
    let not_found = |reason: String| Error::CommandNotFound { command: command.clone(), reason };
    let refused = |reason: &str| Error::NotExecutable { command: command.clone(), reason: reason.to_owned() };
    match why.raw_os_error() {
        Some(libc::ENOENT) if std::fs::symlink_metadata(file).is_err() => {
            not_found(format!("stat {file}: no such file or directory"))
        }
        // It is there, but not what its first line or its header asks for.
        Some(libc::ENOENT) => not_found("no such file or directory".to_owned()),
        Some(libc::ENOTDIR) => not_found(format!("stat {file}: not a directory")),
        Some(libc::ENOEXEC) => refused("exec format error"),
        Some(libc::EACCES) if std::fs::metadata(file).is_ok_and(|found| found.is_dir()) => refused("is a directory"),
        Some(libc::EACCES | libc::EPERM) => refused("permission denied"),
        _ => Error::System {
            doing: format!("execute {file}"),
            source: io::Error::from_raw_os_error(why.raw_os_error().unwrap_or(libc::EIO)),
        },
    }
}
