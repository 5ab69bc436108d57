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
    let was_running = !cgroup.processes().is_empty();
    cgroup.kill();
    let removed = cgroup.remove();
    // The kernel removes the cable of a container that has ended by itself, a moment later; to wait for it costs more
    // than all the rest of a container's life.
    let disconnected = if was_running && subnet.is_some() { net::disconnect(id) } else { Ok(()) };
    let released = subnet.map_or(Ok(()), |subnet| subnet.release(id));
    removed.and(disconnected).and(released)
}
