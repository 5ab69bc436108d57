//! Cables of containers that exist already.

use std::os::fd::AsFd;

use rustix::fs::{Mode, OFlags};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::error::{Error, Result};
use crate::net::{Bridge, configure, connect, disconnect, loopback_up};
use crate::target::Target;

/// Connects a running container, called `id`, to a bridge.
///
/// # Errors
/// [`Error::NotRunning`], and when the kernel refuses; no cable is left then.
pub fn plug(target: &Target, id: &str, bridge: &Bridge) -> Result<()> {
    target.check()?;
    connect(bridge, id, target.pid)?;
    configure_in(target.pid, std::slice::from_ref(bridge)).inspect_err(|_| {
        let _ = disconnect(id, bridge.device_number);
    })
}

/// Takes away a cable of the container called `id`. Idempotent.
///
/// # Errors
/// When the kernel refuses.
pub fn unplug(id: &str, device_number: u8) -> Result<()> {
    disconnect(id, device_number)
}

/// Makes a bridge, to which a running container is connected, its way out if it has none (any more).
///
/// # Errors
/// As [`plug`].
pub fn lead_out(target: &Target, bridge: &Bridge) -> Result<()> {
    target.check()?;
    inside(target.pid, || crate::net::lead_out_from(bridge))
}

/// The container's ends of its cables, from a thread that is in the network of process `pid` for that long.
pub(crate) fn configure_in(pid: u32, bridges: &[Bridge]) -> Result<()> {
    inside(pid, || {
        loopback_up()?;
        bridges.iter().try_for_each(configure)
    })
}

fn inside(pid: u32, work: impl FnOnce() -> Result<()> + Send) -> Result<()> {
    let path = format!("/proc/{pid}/ns/net");
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let namespace = rustix::fs::open(&path, flags, Mode::empty()).map_err(Error::system(format!("open {path}")))?;
    let enter = || {
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(Error::system("enter the container's network"))?;
        work()
    };
    std::thread::scope(|scope| scope.spawn(enter).join()).unwrap_or(Err(Error::InitDied))
}
