//! System call filters: docker's default profile and profiles in docker's format, as programs for the kernel.
//!
//! Compiled here rather than by a crate, because a profile needs what those do not offer: different answers per call
//! (`clone3` must say ENOSYS or libraries do not fall back to `clone`, which can be filtered), 32-bit programs on a
//! 64-bit kernel, and a start without parsing. The program is a decision tree over ranges of numbers, so that the
//! filter costs a handful of comparisons per call and a few microseconds to make.

mod bpf;
mod json;
mod oci;
mod profile;
mod table;

pub(crate) use oci::describe;

use crate::capability::Capabilities;
use crate::error::Result;
use crate::spec::Seccomp;
use crate::sys::Instruction;

/// The program for a container with these capabilities, or `None` when nothing is filtered.
///
/// # Errors
/// When a given profile cannot be understood.
pub(crate) fn compile(choice: &Seccomp, capabilities: Capabilities) -> Result<Option<Vec<Instruction>>> {
    let filter = match choice {
        Seccomp::Unconfined => return Ok(None),
        Seccomp::Default => profile::default(capabilities),
        Seccomp::Profile(text) => json::parse(text, capabilities)?,
    };
    Ok(Some(bpf::assemble(&filter)))
}

/// Checks a profile of docker's format without using it.
pub(crate) fn check(text: &str) -> Result<()> {
    json::parse(text, Capabilities::DEFAULT).map(drop)
}
