//! How a process ended.

use rustix::process::WaitIdStatus;
use serde::{Deserialize, Serialize};

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// By itself, with this code.
    Code(u8),
    /// By a signal of this number.
    Signal(u8),
}

impl Exit {
    /// The code a shell would see: 128 + n for signals.
    pub fn code(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }

    /// True if it ended by itself with 0.
    pub fn is_success(self) -> bool {
        self == Self::Code(0)
    }

    pub(crate) fn from_wait(status: &WaitIdStatus) -> Self {
        // Both are a byte by the kernel's definition; signals end at 64.
        match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Self::Code(u8::try_from(code & 0xff).unwrap_or(u8::MAX)),
            (None, signal) => Self::Signal(u8::try_from(signal.unwrap_or(0) & 0x7f).unwrap_or(0)),
        }
    }
}
