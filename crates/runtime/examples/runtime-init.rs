//! The init of the tests' containers: what the command line does when its first argument is `INIT_WORD`.
//!
//! With `run FILE` it starts the container whose specification the file holds, for tests as another user, and with
//! `exec FILE WORD…` runs one more process in the container whose target the file holds.

use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;

use wharfie_runtime::{Error, INIT_WORD, Io, Process, Spec, Target, exec, init_main, start};

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let outcome = match words.split_first() {
        Some((first, rest)) if first == INIT_WORD => return init_main(rest),
        Some((first, [file])) if first == "run" => run(Path::new(file)),
        Some((first, [file, words @ ..])) if first == "exec" => {
            join(Path::new(file), words.iter().map(|word| word.to_string_lossy().into_owned()).collect())
        }
        _ => return ExitCode::from(2),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(why) => {
            report(&why);
            ExitCode::from(why.exit_code())
        }
    }
}

#[expect(clippy::print_stderr, reason = "the test reads it")]
fn report(why: &Error) {
    let source = std::error::Error::source(why).map(ToString::to_string).unwrap_or_default();
    eprintln!("{why}: {source}");
}

fn own_streams() -> Io {
    let copy = |fd: std::os::fd::BorrowedFd<'_>| fd.try_clone_to_owned().ok();
    let (stdout, stderr) = (std::io::stdout(), std::io::stderr());
    Io { stdin: None, stdout: copy(stdout.as_fd()), stderr: copy(stderr.as_fd()) }
}

fn own_program() -> std::path::PathBuf {
    std::env::current_exe().expect("this program has a path")
}

/// Writes the target beside the specification, so that another call can join.
fn run(file: &Path) -> Result<u8, Error> {
    let text = std::fs::read(file).expect("the test wrote it");
    let spec: Spec = serde_json::from_slice(&text).expect("the test wrote it");
    let started = start(&spec, Vec::new(), own_streams(), &own_program())?;
    let target = serde_json::to_vec(&started.target()).expect("it is plain data");
    std::fs::write(file.with_extension("target"), target).expect("the directory is the user's");
    let exit = started.wait()?;
    started.cgroup.remove()?;
    Ok(exit.code())
}

fn join(file: &Path, args: Vec<String>) -> Result<u8, Error> {
    let text = std::fs::read(file).expect("`run` wrote it");
    let target: Target = serde_json::from_slice(&text).expect("`run` wrote it");
    let process = Process { args, env: vec!["PATH=/bin".to_owned()], ..Process::default() };
    Ok(exec(&target, &process, own_streams(), &own_program())?.wait()?.code())
}
