//! An ordinary user's way to ids and mounts: this very process moves into a user namespace in which it is root.
//!
//! It stays the same process, with its streams, its terminal, its signals and its parent: only what it may do changes.
//! Containers are made in namespaces beneath. Whoever looks after a container is in such a namespace as long as that
//! runs; later commands join it, since only from there (or from outside) the container's processes can be reached.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use rustix::process::{WaitId, WaitIdOptions};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde::{Deserialize, Serialize};

use crate::channel::Channel;
use crate::error::{Error, Result};
use crate::idmap;
use crate::init::become_root;
use crate::spec::{IdMap, UserNamespace};
use crate::sys::{self, Cloned, Unshared};
use crate::warning::Warning;

/// What this process may do, by the kernel's word and not by its user's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Root of the machine, or of a container that was given all its rights.
    Root,
    /// Root of a user namespace: it may mount, but overlays, files and cgroups are those of an ordinary user.
    RootOfNamespace,
    /// Somebody who may not mount, also root without that right: only a user namespace of its own gives it.
    User,
}

/// Asks the kernel. Without `/proc` user 0 is taken for root; what it may not do says so by itself then.
pub fn standing() -> Standing {
    if !rustix::process::geteuid().is_root() {
        return Standing::User;
    }
    let rights = rustix::thread::capabilities(None);
    if rights.is_ok_and(|sets| !sets.effective.contains(rustix::thread::CapabilitySet::SYS_ADMIN)) {
        return Standing::User;
    }
    match UserNamespace::of_process("self") {
        Ok(ids) if ids.uids != [IdMap { inside: 0, outside: 0, count: u32::MAX }] => Standing::RootOfNamespace,
        _ => Standing::Root,
    }
}

/// For root of a user namespace that others made: its mounts become its own, so that it may change them.
///
/// # Errors
/// When the kernel does not let it.
pub fn own_mounts() -> Result<()> {
    sys::unshare(Unshared::Mounts).map_err(Error::system("separate the mounts"))
}

/// Moves this process, which must have one thread, into a user namespace of `wanted` ids and a mount namespace of its
/// own, and makes it root there. The namespace above the first of the `beside` containers that has these ids is joined,
/// else one is made. When the system does not give the ids there is one, and a warning.
///
/// # Errors
/// When this machine lets ordinary users have no namespaces. This process is as it was, unless it was halfway in.
pub fn enter(wanted: &UserNamespace, beside: &[u32]) -> Result<Option<Warning>> {
    for pid in beside {
        // One that ends meanwhile, or is another's, is none to join.
        if join(*pid, wanted).unwrap_or(false) {
            sys::unshare(Unshared::Mounts).map_err(Error::system("separate the mounts"))?;
            return become_root().map(|()| None);
        }
    }
    let warning = make(wanted)?;
    become_root()?;
    Ok(warning)
}

/// Joins the namespace in which the one of the container's process `pid` was made. False if it has other ids or is none
/// of [`enter`]'s.
fn join(pid: u32, wanted: &UserNamespace) -> Result<bool> {
    if UserNamespace::of_process(&pid.to_string())? != *wanted {
        return Ok(false);
    }
    let open = |pid: &str| File::open(format!("/proc/{pid}/ns/user")).map_err(Error::system("look for a namespace"));
    let theirs = open(&pid.to_string())?;
    let above = sys::parent_of_user_namespace(theirs.as_fd()).map_err(Error::system("look for a namespace"))?;
    let (above, ours) = (File::from(above), open("self")?);
    let inode = |file: &File| file.metadata().map(|found| (found.dev(), found.ino()));
    if inode(&above).ok() == inode(&ours).ok() {
        return Ok(false);
    }
    move_into_link_name_space(above.as_fd(), Some(LinkNameSpaceType::User))
        .map_err(Error::system("join a user namespace"))?;
    Ok(true)
}

fn make(wanted: &UserNamespace) -> Result<Option<Warning>> {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let doing = "make a user namespace";
    if !wanted.has_others() {
        sys::unshare(Unshared::UserAndMounts).map_err(Error::system(doing))?;
        return idmap::apply_single(uid, gid).map(|()| None);
    }
    // The system's programs map the ids of others only, so a copy of this process stays outside and calls them.
    let us = std::process::id();
    let (ours, theirs) = Channel::pair()?;
    let copy = match sys::clone_process(0, false, None).map_err(Error::system("start a process"))? {
        Cloned::Child => {
            drop(ours);
            if let Ok(Some((Go, _))) = theirs.receive() {
                let mapped = idmap::apply(us, wanted).err();
                let _ = theirs.send(&Mapped(mapped), &[]);
            }
            sys::leave(0)
        }
        Cloned::Parent(_, copy) => copy,
    };
    drop(theirs);
    let mapped = sys::unshare(Unshared::UserAndMounts).map_err(Error::system(doing)).and_then(|()| {
        ours.send(&Go, &[])?;
        ours.receive::<Mapped>()
    });
    drop(ours);
    let _ = rustix::process::waitid(WaitId::PidFd(copy.as_fd()), WaitIdOptions::EXITED);
    let why = match mapped?.map(|(Mapped(why), _)| why) {
        Some(None) => return Ok(None),
        Some(Some(why)) => why.to_string(),
        None => "the process that maps them ended".to_owned(),
    };
    idmap::apply_single(uid, gid)?;
    Ok(Some(Warning::SingleId { reason: why }))
}

/// The word to the copy that there is something to map.
#[derive(Debug, Serialize, Deserialize)]
struct Go;

/// Its answer: what went wrong.
#[derive(Debug, Serialize, Deserialize)]
struct Mapped(Option<Error>);
