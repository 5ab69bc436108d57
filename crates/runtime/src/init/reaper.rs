//! `--init`: process 1 stays ours, passes signals on, buries orphans, and ends as the command ends.

use rustix::io::Errno;
use rustix::process::{Signal, WaitOptions, set_parent_process_death_signal, wait};

use crate::capability::{Capabilities, bits};
use crate::error::{Error, Result};
use crate::init::become_command;
use crate::sys::{self, Cloned};

/// Splits in two: returns in the command's process, never in the init. That keeps the container's `capabilities` and
/// what it needs to pass signals on to whoever the command runs as.
pub(super) fn stay_as_init(die_with_parent: bool, capabilities: Capabilities) -> Result<()> {
    // Before there is a child, so that none of its signals is missed.
    sys::block_signals();
    match sys::clone_process(0, false, None).map_err(Error::system("start the command beneath the init"))? {
        Cloned::Child => {
            // A session of its own: the terminal's signals go to the command, not to the init.
            let _ = rustix::process::setpgid(None, None);
            if rustix::termios::isatty(std::io::stdin()) {
                let _ = rustix::termios::tcsetpgrp(std::io::stdin(), rustix::process::getpgrp());
            }
            Ok(())
        }
        Cloned::Parent(child, _) => {
            if die_with_parent {
                let _ = set_parent_process_death_signal(Some(Signal::KILL));
            }
            let _ = become_command::keep_capabilities(capabilities.with(bits::KILL));
            let _ = rustix::thread::set_no_new_privs(true);
            // The channel must close when the command executes, so this copy of it goes now.
            let _ = sys::close_all(3);
            let child = i32::try_from(child).unwrap_or(0);
            loop {
                match sys::next_signal() {
                    libc::SIGCHLD => bury(child),
                    // These come from this process's own doings with the terminal.
                    libc::SIGTTIN | libc::SIGTTOU => {}
                    signal => drop(sys::kill(child, signal)),
                }
            }
        }
    }
}

/// Takes every process that has ended; with the command this process ends too.
fn bury(child: i32) {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid.as_raw_nonzero().get() == child => {
                let signal = status.terminating_signal().map(|signal| 128 + signal);
                sys::leave(status.exit_status().or(signal).unwrap_or(255))
            }
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) | Err(_) => return,
        }
    }
}
