//! One run of a container's health check.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use wharfie_runtime::{Io, Process, Started, Target};

/// Exit code and output.
pub(super) type Said = (i32, String);

/// Runs the test. One that takes too long is killed.
pub(super) fn run(target: &Target, process: &Process, program: &Path, timeout: Duration) -> Said {
    match try_run(target, process, program, timeout) {
        Ok(said) => said,
        Err(why) => (NO_CODE, why),
    }
}

fn try_run(target: &Target, process: &Process, program: &Path, timeout: Duration) -> Result<Said, String> {
    let text = |why: io::Error| why.to_string();
    let (reads, writes) = pipe_with(PipeFlags::CLOEXEC).map_err(|why| text(why.into()))?;
    let both = writes.try_clone().map_err(text)?;
    let io = Io { stdin: None, stdout: Some(writes), stderr: Some(both) };
    let started = target.runtime(program).exec(target, process, io).map_err(|why| why.to_string())?;
    let mut output = Vec::new();
    let is_over = listen(&started, &reads, &mut output, timeout).map_err(text)?;
    if !is_over {
        let _ = rustix::process::pidfd_send_signal(&started.pidfd, rustix::process::Signal::KILL);
        let _ = started.wait();
        return Err(format!("Health check exceeded timeout ({timeout:?})"));
    }
    let exit = started.wait().map_err(|why| why.to_string())?;
    Ok((exit.code().into(), String::from_utf8_lossy(&output).into_owned()))
}

/// Collects what it prints until it ends; false if it does not in time. What it started and left behind is not waited for.
fn listen(started: &Started, reads: &OwnedFd, output: &mut Vec<u8>, timeout: Duration) -> io::Result<bool> {
    let deadline = Instant::now() + timeout;
    let mut is_open = true;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let limit = Timespec::try_from(left).ok();
        let mut watched = vec![PollFd::new(&started.pidfd, PollFlags::IN)];
        if is_open {
            watched.push(PollFd::from_borrowed_fd(reads.as_fd(), PollFlags::IN));
        }
        if poll(&mut watched, limit.as_ref())? == 0 {
            return Ok(false);
        }
        let has_ended = !watched[0].revents().is_empty();
        if watched.get(1).is_some_and(|pipe| !pipe.revents().is_empty()) {
            // What is too much is read all the same: nobody is to wait for us.
            let mut buffer = [0; MAX_OUTPUT];
            let length = rustix::io::read(reads, &mut buffer)?;
            let room = MAX_OUTPUT - output.len();
            output.extend_from_slice(&buffer[..length.min(room)]);
            is_open = length > 0;
        } else if has_ended {
            return Ok(true);
        }
    }
}

/// Bytes of output that docker keeps.
const MAX_OUTPUT: usize = 4096;
/// For a test that has no exit code.
const NO_CODE: i32 = -1;
