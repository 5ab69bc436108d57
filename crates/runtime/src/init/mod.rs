//! What our program does when it runs again as an init: a process of one thread that makes a container and ends.

mod become_command;
mod container;
pub(crate) mod devices;
mod find;
mod join;
mod kernel_files;
mod maker;
pub(crate) mod masks;
pub(crate) mod mounts;
mod reaper;
pub(crate) mod rootfs;
mod terminal;

pub(crate) use container::become_root;

pub use masks::{HIDDEN_PATHS, READ_ONLY_PATHS};
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;

use crate::channel::{Channel, Handover, Report};
use crate::error::{Error, Result};
use crate::launch::{Job, KEEPER_WORD};
use crate::rlimit;
use crate::warning::Warning;

/// What `wharfie __runtime-init NAME` does. `words` are those after [`crate::INIT_WORD`]: they name the process
/// for whoever looks at it, everything else comes over standard input, a socket.
pub fn init_main(words: &[OsString]) -> ExitCode {
    if words.first().is_some_and(|word| word == KEEPER_WORD) {
        keep_terminal();
        return ExitCode::SUCCESS;
    }
    if let Some(word) = words.get(1).and_then(|word| word.to_str()) {
        rlimit::restore_files(word);
    }
    let Ok(channel) = std::io::stdin().as_fd().try_clone_to_owned().map(Channel::from_fd) else {
        return ExitCode::FAILURE;
    };
    match run(&channel) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            report(&channel, why);
            ExitCode::FAILURE
        }
    }
}

/// Reads a terminal until nobody is on its other side.
fn keep_terminal() {
    // The caller's terminal is not to end this with itself.
    let _ = rustix::process::setsid();
    let mut buffer = [0; 4096];
    while let Ok(1..) = std::io::stdin().lock().read(&mut buffer) {}
}

fn run(channel: &Channel) -> Result<()> {
    let (handover, files) = channel.receive::<Handover>()?.ok_or(Error::InitDied)?;
    let mut files = files.into_iter();
    let sealed = files.next().ok_or(Error::InitDied)?;
    let stdio = handover.stdio.map(|is_given| if is_given { files.next() } else { None });
    let mut text = Vec::new();
    File::from(sealed).read_to_end(&mut text).map_err(Error::system("read the spec"))?;
    let job: Job =
        serde_json::from_slice(&text).map_err(std::io::Error::from).map_err(Error::system("understand the spec"))?;
    let lowers = channel.receive_files(handover.lowers)?;
    match job {
        Job::Start(spec) => maker::make(&spec, Inherited { channel, lowers, stdio }),
        Job::Exec(target, process) => join::join(&target, &process, Inherited { channel, lowers, stdio }),
    }
}

/// What came with the job.
struct Inherited<'a> {
    channel: &'a Channel,
    lowers: Vec<OwnedFd>,
    stdio: [Option<OwnedFd>; 3],
}

/// Reports the end. Names of an image or an option may be too long for a message; then at least the kind is said.
fn report(channel: &Channel, why: Error) {
    let exit_code = why.exit_code();
    if channel.send(&Report::Failed(why), &[]).is_err() {
        let reason = "it has a name that is too long to repeat".to_owned();
        let command = "…".to_owned();
        let short = match exit_code {
            127 => Error::CommandNotFound { command, reason },
            126 => Error::NotExecutable { command, reason },
            _ => Error::Invalid { what: "option".to_owned(), value: command, reason },
        };
        let _ = channel.send(&Report::Failed(short), &[]);
    }
}

/// Reports warnings; a starter that does not listen any more will find out otherwise.
fn warner(channel: &Channel) -> impl FnMut(Warning) {
    move |warning| drop(channel.send(&Report::Warned(warning), &[]))
}
