//! The init's first half, outside: cgroups, namespaces, and the copy of itself that becomes the container.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::thread::LinkNameSpaceType;

use crate::cgroup::Cgroup;
use crate::channel::{Channel, Report};
use crate::error::{Error, NAMESPACES, Result};
use crate::init::{Inherited, container, devices, warner};
use crate::net::outlet::Guard;
use crate::spec::{Network, Share, Spec};
use crate::sys::{self, Cloned};
use crate::{idmap, net};

/// Makes the container. Returns in the maker once the container can go on alone.
pub(super) fn make(spec: &Spec, inherited: Inherited<'_>) -> Result<()> {
    let channel = inherited.channel;
    let mut warn = warner(channel);
    let guard = match &spec.network {
        Network::Outlet(outlet) => Some(Guard::start(outlet)?),
        _ => None,
    };
    let cgroup = Cgroup::create(spec, &mut warn)?;
    cgroup.join()?;
    let device_rules = devices::rules(&spec.devices)?;
    let filters_devices = spec.security.privileged || cgroup.allow_devices(&device_rules)?;
    let namespaces = namespaces(spec)?;
    let (ours, theirs) = Channel::pair()?;
    let context = container::Context { filters_devices, controllers: own_controllers(&spec.id) };
    match sys::clone_process(namespaces, true, None).map_err(Error::system(NAMESPACES))? {
        Cloned::Child => {
            drop(ours);
            match container::run(spec, inherited, &theirs, &context) {
                // The maker has failed, and has said why.
                Error::InitDied => {}
                why => super::report(channel, why),
            }
            sys::leave(1)
        }
        Cloned::Parent(pid, pidfd) => {
            drop(theirs);
            // Said first: from now on the starter buries the child, whatever happens.
            channel.send(&Report::Started { pid, cgroup: cgroup.clone() }, &[pidfd.as_fd()])?;
            if let Some(namespace) = &spec.user_namespace
                && spec.sharing.user.is_none()
            {
                idmap::apply(pid, namespace)?;
            }
            cgroup.limit(&spec.resources)?;
            spec.bridges().try_for_each(|bridge| net::connect(bridge, &spec.id, pid))?;
            if let Some(guard) = guard {
                guard.connect(pid, &pidfd)?;
            }
            if !filters_devices && spec.user_namespace.is_none() {
                warn(crate::Warning::NoDeviceFilter);
            }
            ours.send(&Go, &[])
        }
    }
}

/// The controllers of version 1 in whose hierarchies this process, and so the container, is in a cgroup called `id`.
fn own_controllers(id: &str) -> Vec<String> {
    let text = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mut found = Vec::new();
    for line in text.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        if path.rsplit('/').next().is_some_and(|last| last.contains(id)) {
            found.extend(controllers.split(',').filter(|name| !name.is_empty()).map(str::to_owned));
        }
    }
    found
}

/// The maker's word to the container that the outside is done.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Go;

/// Enters the namespaces that are another's and says which ones are to be new.
fn namespaces(spec: &Spec) -> Result<u64> {
    let mut new = libc::CLONE_NEWNS;
    match &spec.sharing.user {
        // First: the others are its.
        Some(path) => enter(path, LinkNameSpaceType::User)?,
        None if spec.user_namespace.is_some() => new |= libc::CLONE_NEWUSER,
        None => {}
    }
    let shares = [
        (&spec.sharing.ipc, libc::CLONE_NEWIPC, LinkNameSpaceType::InterProcessCommunication),
        (&spec.sharing.uts, libc::CLONE_NEWUTS, LinkNameSpaceType::HostNameAndNISDomainName),
        (&spec.sharing.cgroup, libc::CLONE_NEWCGROUP, LinkNameSpaceType::ControlGroup),
        (&spec.sharing.pid, libc::CLONE_NEWPID, LinkNameSpaceType::ProcessID),
    ];
    for (share, flag, kind) in shares {
        match share {
            Share::Private => new |= flag,
            Share::Host => {}
            Share::Namespace(path) => enter(path, kind)?,
        }
    }
    match &spec.network {
        Network::Namespace(path) => enter(path, LinkNameSpaceType::Network)?,
        network if network.is_own() => new |= libc::CLONE_NEWNET,
        _ => {}
    }
    // The flags are bits of a C int, CLONE_NEWUSER and CLONE_NEWNET among the high ones.
    Ok(u64::from(new.cast_unsigned()))
}

fn enter(path: &Path, kind: LinkNameSpaceType) -> Result<()> {
    let doing = || format!("join the namespace {}", path.display());
    let link = File::open(path).map_err(Error::system(doing()))?;
    rustix::thread::move_into_link_name_space(link.as_fd(), Some(kind)).map_err(Error::system(doing()))
}
