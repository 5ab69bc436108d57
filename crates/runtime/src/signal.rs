//! Signals by number, also those that have no name in any crate.

use std::io;
use std::os::fd::BorrowedFd;

use crate::sys;

/// Sends a signal to the process behind a descriptor.
///
/// # Errors
/// The kernel's: `ESRCH` when it is gone, `EINVAL` for a number that is none.
pub fn signal(process: BorrowedFd<'_>, number: u8) -> io::Result<()> {
    sys::send_signal(process, i32::from(number))
}
