//! What `/proc` says of a process.

use crate::error::{Error, Result};

/// When a process started, in the kernel's ticks since boot. With the id it names a process for good: ids come again,
/// this pair does not before the next boot.
///
/// # Errors
/// When there is no such process.
pub(crate) fn start_time(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/stat");
    let text = std::fs::read_to_string(&path).map_err(|_| Error::NotRunning)?;
    // The second field is the command in parentheses and may hold anything, parentheses and blanks too.
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let field = fields.split_ascii_whitespace().nth(FIELDS_BETWEEN_COMMAND_AND_START);
    field.and_then(|text| text.parse().ok()).ok_or(Error::NotRunning)
}

/// `starttime` is field 22 of proc_pid_stat(5), the command is field 2.
const FIELDS_BETWEEN_COMMAND_AND_START: usize = 19;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_living_process_has_a_start_and_keeps_it() {
        let own = std::process::id();
        assert_eq!(start_time(own).unwrap(), start_time(own).unwrap());
        assert!(matches!(start_time(u32::MAX), Err(Error::NotRunning)));
    }
}
