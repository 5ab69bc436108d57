//! What is left of a container when nobody looked after it.

use crate::cgroup::Cgroup;
use crate::error::Result;
use crate::net::{self, MAX_DEVICE_NUMBER, Subnet};

/// Ends and removes everything that a container called `id` can have left on this machine: processes, cgroups, the
/// network devices, its addresses in `subnets`. Idempotent, and harmless for a container that never was.
///
/// # Errors
/// When something cannot be removed; the rest is removed all the same.
pub fn cleanup(id: &str, cgroup_parent: Option<&str>, subnets: &[Subnet]) -> Result<()> {
    let cgroup = Cgroup::find(cgroup_parent, id);
    let was_running = !cgroup.processes().is_empty();
    cgroup.kill();
    let removed = cgroup.remove();
    // The kernel removes the cable of a container that has ended by itself, a moment later; to wait for it costs more
    // than all the rest of a container's life.
    let cables = if was_running && !subnets.is_empty() { MAX_DEVICE_NUMBER } else { 0 };
    let disconnected: Vec<Result<()>> = (0..cables).map(|number| net::disconnect(id, number)).collect();
    let released: Vec<Result<()>> = subnets.iter().map(|subnet| subnet.release(id)).collect();
    removed.and(disconnected.into_iter().chain(released).collect())
}
