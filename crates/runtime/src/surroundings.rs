//! What a caller leaves to its children without meaning to: open files, and what becomes of signals.

use crate::sys;

/// To be called at the very start of the program. Open files of the caller's beyond the three streams reach no process that
/// we start: a container would keep a pipe open or a lock held for as long as it lives. And children are waited for whatever
/// the caller did with its own: many supervisors ignore their ends, and then there is no exit status to get.
pub fn keep_from_children() {
    // Kernels before 5.9 cannot; then it is as it was.
    let _ = sys::close_on_exec(3);
    sys::wait_for_children();
}

/// To be called by a process that lives on when its caller is gone: signals do what they do by default, whatever the caller
/// ignores or blocks. A closed pipe stays an error and no end.
pub fn forget_ignored_signals() {
    sys::reset_signals();
    sys::ignore_broken_pipes();
}
