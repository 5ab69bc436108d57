//! A user's streams as a process in a container gets them: as they are, but never a terminal.
//!
//! Who holds the user's terminal reads what is typed next, changes its modes, and with `TIOCSTI` types by itself. So a terminal
//! is on our side of a pipe, as with docker; a container that wants one has `-t`, and then one of its own.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::error::{Error, Result};

/// One of the user's streams for a process to write to.
#[derive(Debug)]
pub struct Output {
    /// What the process gets.
    pub theirs: OwnedFd,
    /// What has to be copied, and where to, if that is not the user's stream itself.
    pub copied: Option<Copied>,
}

/// The end of a pipe that is ours, and the stream it goes to.
#[derive(Debug)]
pub struct Copied {
    from: OwnedFd,
    to: OwnedFd,
}

/// The user's input for a process. A terminal is read here from now on.
///
/// # Errors
/// When there is no descriptor left.
pub fn input(stdin: OwnedFd) -> Result<OwnedFd> {
    if !stdin.is_terminal() {
        return Ok(stdin);
    }
    let (theirs, ours) = io::pipe().map_err(Error::system("make a pipe"))?;
    // It may wait for a key for ever: nobody waits for it.
    std::thread::spawn(move || {
        let (mut buffer, mut stdin, mut ours) = ([0; 4096], File::from(stdin), File::from(OwnedFd::from(ours)));
        while let Ok(n @ 1..) = stdin.read(&mut buffer) {
            if ours.write_all(&buffer[..n]).is_err() {
                return;
            }
        }
    });
    Ok(theirs.into())
}

/// One of the user's outputs for a process.
///
/// # Errors
/// When there is no descriptor left.
pub fn output(stream: OwnedFd) -> Result<Output> {
    if !stream.is_terminal() {
        return Ok(Output { theirs: stream, copied: None });
    }
    let (from, theirs) = io::pipe().map_err(Error::system("make a pipe"))?;
    Ok(Output { theirs: theirs.into(), copied: Some(Copied { from: from.into(), to: stream }) })
}

/// Copies until the process behind `pidfd` has ended and nothing is left in the pipes. What it left running in the
/// background may hold them open, and is not waited for.
pub fn copy_until_end(mut streams: Vec<Copied>, pidfd: BorrowedFd<'_>) {
    let mut buffer = vec![0; 32 << 10];
    let mut has_ended = false;
    while !streams.is_empty() {
        let ready = {
            let mut polled: Vec<_> = streams.iter().map(|one| PollFd::new(&one.from, PollFlags::IN)).collect();
            if !has_ended {
                polled.push(PollFd::from_borrowed_fd(pidfd, PollFlags::IN));
            }
            let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
            match poll(&mut polled, has_ended.then_some(&now)) {
                Err(Errno::INTR) => continue,
                Err(_) | Ok(0) => return,
                Ok(_) => {}
            }
            polled.iter().map(|one| !one.revents().is_empty()).collect::<Vec<_>>()
        };
        has_ended |= ready.get(streams.len()) == Some(&true);
        let mut ready = ready.into_iter();
        streams.retain(|one| {
            if ready.next() != Some(true) {
                return true;
            }
            match rustix::io::read(&one.from, &mut buffer[..]) {
                Ok(0) | Err(_) => false,
                Ok(n) => write_all(one.to.as_fd(), &buffer[..n]),
            }
        });
    }
}

fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        match rustix::io::write(to, bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_terminal_is_handed_over_itself() {
        let (mut from, to) = io::pipe().unwrap();
        let output = output(to.into()).unwrap();
        assert!(output.copied.is_none());
        write_all(output.theirs.as_fd(), b"all");
        drop(output);
        let mut text = String::new();
        from.read_to_string(&mut text).unwrap();
        assert_eq!(text, "all");
    }

    #[test]
    fn a_terminal_stays_on_our_side_of_a_pipe() {
        let Ok(master) = rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY) else {
            return;
        };
        rustix::pty::grantpt(&master).and_then(|()| rustix::pty::unlockpt(&master)).unwrap();
        let name = rustix::pty::ptsname(&master, Vec::new()).unwrap();
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY;
        let terminal = rustix::fs::open(name.as_c_str(), flags, rustix::fs::Mode::empty()).unwrap();
        let shared = terminal.try_clone().unwrap();
        let output = output(terminal).unwrap();
        assert!(output.copied.is_some() && !output.theirs.is_terminal());
        assert!(!input(shared).unwrap().is_terminal());
    }
}
