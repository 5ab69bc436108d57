//! The init's second half, inside: process 1 of the new namespaces, which makes the walls and becomes the command.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::process::DumpableBehavior;

use crate::beneath::{self, Missing};
use crate::channel::{Channel, Report};
use crate::error::{Error, Result};
use crate::init::become_command::{self, Walls};
use crate::init::maker::Go;
use crate::init::rootfs::Root;
use crate::init::{Inherited, devices, kernel_files, masks, mounts, reaper, rootfs, terminal, warner};
use crate::net;
use crate::spec::{Share, Spec};
use crate::sys;

/// What the maker knows of the outside.
pub(super) struct Context {
    /// A cgroup tells good from bad device nodes.
    pub(super) filters_devices: bool,
    /// Controllers of version 1 in whose hierarchies the container has a cgroup of its own: in the others it would see
    /// everybody's.
    pub(super) controllers: Vec<String>,
}

/// Becomes the command; returns why it could not.
pub(super) fn run(spec: &Spec, inherited: Inherited<'_>, maker: &Channel, context: &Context) -> Error {
    match try_run(spec, inherited, maker, context) {
        Err(why) => why,
        Ok(never) => match never {},
    }
}

fn try_run(
    spec: &Spec,
    inherited: Inherited<'_>,
    maker: &Channel,
    context: &Context,
) -> Result<std::convert::Infallible> {
    let Inherited { channel, lowers, stdio } = inherited;
    let mut warn = warner(channel);
    let has_user_namespace = spec.user_namespace.is_some();
    if has_user_namespace {
        // Ids mean nothing before they are mapped.
        wait_for(maker)?;
        become_root()?;
    }
    if matches!(spec.sharing.pid, Share::Namespace(_)) {
        // Its other processes must not look into this one while it holds files of the host.
        let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
    rustix::process::setsid().map_err(Error::system("start a session"))?;
    sys::new_session_keyring();
    rustix::process::umask(rustix::fs::Mode::empty());
    if let Some(score) = spec.process.oom_score_adj {
        std::fs::write("/proc/self/oom_score_adj", score.to_string()).map_err(Error::system("set the OOM score"))?;
    }

    let terminal = build(spec, lowers, context, channel)?;
    if spec.network.is_own() {
        net::loopback_up()?;
    }
    if !has_user_namespace {
        wait_for(maker)?;
    }
    spec.bridges().try_for_each(net::configure)?;
    match terminal {
        Some(slave) => terminal::take(&slave)?,
        None => become_command::use_streams(stdio)?,
    }
    if spec.init {
        reaper::stay_as_init(spec.die_with_parent, spec.process.capabilities)?;
    }
    let walls =
        Walls { security: &spec.security, die_with_parent: spec.die_with_parent && !spec.init, has_user_namespace };
    become_command::become_command(&spec.process, &walls, &mut warn)
}

/// Everything that needs the host's tree: afterwards the container's is all there is, and no descriptor of the
/// host's is left.
fn build(spec: &Spec, lowers: Vec<OwnedFd>, context: &Context, channel: &Channel) -> Result<Option<OwnedFd>> {
    kernel_files::allow_proc(spec)?;
    let hides = !spec.security.privileged && spec.security.mask_paths;
    let null = if hides { Some(masks::Null::of_host()?) } else { None };
    // Before the tree is made ours, so that shared mounts stay shared with the host.
    let binds = mounts::open_binds(spec)?;
    let host_devices = devices::open_host(spec)?;
    mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC).map_err(|why| match why {
        // In a chroot: then the root could not be changed either.
        rustix::io::Errno::INVAL => Error::RootIsNoMount,
        why => Error::system("separate the mounts")(why),
    })?;
    let root = Root::mount(&spec.rootfs, &lowers, spec.user_namespace.is_some(), context.filters_devices)?;
    rootfs::mark(&root)?;
    mounts::mount_kernel(&root, spec, &context.controllers, &mut warner(channel))?;
    let terminals = devices::mount(&root, spec, host_devices)?;
    mounts::mount_all(&root, spec, binds, &lowers)?;
    drop(lowers);
    let terminal = match spec.process.terminal {
        Some(size) => {
            let terminals = terminals.map_or_else(|| devices::terminals_in_users_dev(&root), Ok)?;
            let (master, slave) = terminal::open(&root, &terminals, size)?;
            channel.send(&Report::Terminal, &[master.as_fd()])?;
            Some(slave)
        }
        None => None,
    };
    let cwd = &spec.process.cwd;
    if cwd.starts_with('/') {
        // While the root can be written.
        let made = beneath::open_or_create(root.as_fd(), Path::new(cwd), Missing::Directory);
        made.map_err(Error::system(format!("make the working directory {cwd}")))?;
    }
    root.enter()?;
    if spec.sharing.uts == Share::Private {
        name(spec)?;
    }
    mounts::set_sysctls(&root, spec)?;
    if let Some(null) = null {
        masks::apply(&root, null)?;
    }
    if spec.readonly_root {
        rootfs::make_read_only(&root)?;
    }
    Ok(terminal)
}

fn name(spec: &Spec) -> Result<()> {
    if !spec.hostname.is_empty() {
        rustix::system::sethostname(spec.hostname.as_bytes()).map_err(Error::system("set the host name"))?;
    }
    if !spec.domainname.is_empty() {
        rustix::system::setdomainname(spec.domainname.as_bytes()).map_err(Error::system("set the domain name"))?;
    }
    Ok(())
}

fn wait_for(maker: &Channel) -> Result<()> {
    match maker.receive::<Go>()? {
        Some(_) => Ok(()),
        // The maker has said why.
        None => Err(Error::InitDied),
    }
}

/// The root of a new user namespace; until now the process was whoever asked.
pub(crate) fn become_root() -> Result<()> {
    use rustix::fs::{Gid, Uid};
    let failed = "become root of the user namespace";
    rustix::thread::set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT).map_err(Error::system(failed))?;
    rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).map_err(Error::system(failed))
}
