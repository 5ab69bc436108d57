//! What is left of a container when nobody looked after it.

use crate::cgroup::Cgroup;
use crate::error::Result;
use crate::net::{self, Subnet};

/// Ends and removes everything that a container called `id` can have left on this machine: processes, cgroups, the
/// network device, its address in `subnet`. Idempotent, and harmless for a container that never was.
///
/// # Errors
/// When something cannot be removed; the rest is removed all the same.
pub fn cleanup(id: &str, cgroup_parent: Option<&str>, subnet: Option<&Subnet>) -> Result<()> {
    let cgroup = Cgroup::find(cgroup_parent, id);
    cgroup.kill();
    let removed = cgroup.remove();
    let disconnected = if subnet.is_some() { net::disconnect(id) } else { Ok(()) };
    let released = subnet.map_or(Ok(()), |subnet| subnet.release(id));
    removed.and(disconnected).and(released)
}
