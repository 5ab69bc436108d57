//! `exec`: one more process in a container that runs.

use std::os::fd::AsFd;

use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::DumpableBehavior;
use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};

use crate::beneath;
use crate::channel::Report;
use crate::error::{Error, Result};
use crate::init::become_command::{self, Walls};
use crate::init::{Inherited, terminal, warner};
use crate::spec::Process;
use crate::sys::{self, Cloned};
use crate::target::Target;

/// Joins the container and becomes the command there.
pub(super) fn join(target: &Target, process: &Process, inherited: Inherited<'_>) -> Result<()> {
    let channel = inherited.channel;
    let pidfd = target.open()?;
    // Its processes must not look into this one, nor into its copy, before that is one of them.
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    // While the host's tree is still there: the container does not see its own directories.
    target.cgroup.join()?;
    if let Some(score) = process.oom_score_adj {
        // Passed on to the copy. The container's own /proc may be anything.
        std::fs::write("/proc/self/oom_score_adj", score.to_string()).map_err(Error::system("set the OOM score"))?;
    }
    let namespaces = foreign_namespaces(target);
    if !namespaces.is_empty() {
        move_into_thread_name_spaces(pidfd.as_fd(), namespaces).map_err(|why| match why {
            Errno::SRCH => Error::NotRunning,
            why => Error::system("join the container's namespaces")(why),
        })?;
    }
    drop(pidfd);
    match sys::clone_process(0, true, None).map_err(Error::system("start a process in the container"))? {
        Cloned::Child => {
            let why = match run(target, process, inherited) {
                Err(why) => why,
                Ok(never) => match never {},
            };
            super::report(channel, why);
            sys::leave(1)
        }
        Cloned::Parent(pid, pidfd) => {
            channel.send(&Report::Started { pid, cgroup: target.cgroup.clone() }, &[pidfd.as_fd()])
        }
    }
}

/// Those of the container's namespaces that are not this process's own already: the kernel refuses an ordinary user who
/// wants to join the machine's, even when that changes nothing.
fn foreign_namespaces(target: &Target) -> ThreadNameSpaceType {
    let kinds = [
        ("mnt", ThreadNameSpaceType::MOUNT),
        ("cgroup", ThreadNameSpaceType::CONTROL_GROUP),
        ("uts", ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME),
        ("ipc", ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION),
        ("net", ThreadNameSpaceType::NETWORK),
        ("pid", ThreadNameSpaceType::PROCESS_ID),
        ("user", ThreadNameSpaceType::USER),
    ];
    let of = |process: &str, name: &str| {
        let found = rustix::fs::stat(format!("/proc/{process}/ns/{name}")).ok()?;
        Some((found.st_dev, found.st_ino))
    };
    let pid = target.pid.to_string();
    let mut foreign = ThreadNameSpaceType::empty();
    for (name, kind) in kinds.into_iter().filter(|(name, _)| *name != "user" || target.has_user_namespace) {
        let theirs = of(&pid, name);
        // What cannot be seen is asked for: then the kernel says why not.
        if theirs.is_none() || theirs != of("self", name) {
            foreign |= kind;
        }
    }
    foreign
}

fn run(target: &Target, process: &Process, inherited: Inherited<'_>) -> Result<std::convert::Infallible> {
    let Inherited { channel, stdio, .. } = inherited;
    let mut warn = warner(channel);
    if target.has_user_namespace {
        super::container::become_root()?;
    }
    rustix::process::setsid().map_err(Error::system("start a session"))?;
    sys::new_session_keyring();
    match process.terminal {
        Some(size) => {
            let root = rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
                .map_err(Error::system("open /"))?;
            let pts = match beneath::open_plain(root.as_fd(), Path::new("/dev/pts")) {
                Err(Errno::LOOP) => return Err(Error::HostileTarget("/dev/pts".into())),
                other => other.map_err(Error::system("open /dev/pts"))?,
            };
            let (master, slave) = terminal::open_in(&pts, size)?;
            channel.send(&Report::Terminal, &[master.as_fd()])?;
            terminal::take(&slave)?;
        }
        None => become_command::use_streams(stdio)?,
    }
    let walls =
        Walls { security: &target.security, die_with_parent: false, has_user_namespace: target.has_user_namespace };
    become_command::become_command(process, &walls, &mut warn)
}
