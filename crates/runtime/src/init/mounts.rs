//! Everything that is mounted in a container: the kernel's own file systems, memory, and what the user asked for.

use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree, unmount,
};

use crate::beneath::{self, Missing};
use crate::error::{Error, Result};
use crate::init::kernel_files;
use crate::init::rootfs::{Root, copy_of_mount};
use crate::spec::{Bind, Handed, Mount, MountKind, Propagation, Share, Spec, Tmpfs};
use crate::sys::{self, Reach};
use crate::warning::Warning;

/// A mount of the host's, copied before the container's tree was made its own.
pub(super) struct Source {
    mount: OwnedFd,
    is_directory: bool,
}

/// The sources of all binds, in the order of `spec.mounts` and then of `spec.files`.
pub(super) fn open_binds(spec: &Spec) -> Result<Vec<Source>> {
    all_mounts(spec).iter().filter_map(|mount| bind_of(mount)).map(open_bind).collect()
}

/// The user's mounts, shallow targets first, with the files that are mounts too.
pub(crate) fn all_mounts(spec: &Spec) -> Vec<Mount> {
    let files = [
        ("/etc/resolv.conf", &spec.files.resolv_conf),
        ("/etc/hostname", &spec.files.hostname),
        ("/etc/hosts", &spec.files.hosts),
    ];
    let is_taken = |target: &str| spec.mounts.iter().any(|mount| mount.target == Path::new(target));
    let files = files.into_iter().filter(|(target, _)| !is_taken(target)).filter_map(|(target, source)| {
        let kind = MountKind::Bind(Bind::new(source.as_ref()?));
        // Of a root that cannot be written they are a part.
        Some(Mount { target: target.into(), kind, read_only: spec.readonly_root })
    });
    let mut all: Vec<Mount> = files.chain(spec.mounts.iter().cloned()).collect();
    all.sort_by_key(|mount| mount.target.components().count());
    all
}

fn bind_of(mount: &Mount) -> Option<&Bind> {
    match &mount.kind {
        MountKind::Bind(bind) => Some(bind),
        MountKind::Tmpfs(_) | MountKind::Handed(_) => None,
    }
}

fn open_bind(bind: &Bind) -> Result<Source> {
    let mount = copy_of_mount(&bind.source, bind.recursive).map_err(|why| match why {
        Errno::NOENT | Errno::NOTDIR => Error::BindSource(bind.source.clone()),
        why => {
            Error::Mount { what: bind.source.display().to_string(), target: "the container".into(), source: why.into() }
        }
    })?;
    let is_directory = is_directory(&mount)?;
    Ok(Source { mount, is_directory })
}

fn is_directory(fd: impl AsFd) -> Result<bool> {
    let stat = rustix::fs::fstat(fd).map_err(Error::system("look at a mount"))?;
    Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

/// `/proc`, `/sys` and the cgroups, unless the user mounts something else there.
pub(super) fn mount_kernel(
    root: &Root,
    spec: &Spec,
    controllers: &[String],
    warn: &mut dyn FnMut(Warning),
) -> Result<()> {
    let is_taken = |target: &str| spec.mounts.iter().any(|mount| mount.target == Path::new(target));
    let safe = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    if !is_taken("/proc") {
        // The processes of the host can be shown by who owns their namespace; who does not shows what the host has.
        let proc = match filesystem("proc", &[], safe) {
            Err(Errno::PERM) if spec.sharing.pid == Share::Host => copy_of_mount(Path::new("/proc"), true),
            // Within a container that has parts of its own hidden the kernel gives nobody a whole one.
            Err(Errno::PERM) if spec.user_namespace.is_some() => {
                warn(Warning::OuterProc);
                copy_of_mount(Path::new("/proc"), true)
            }
            other => other,
        };
        attach_plain(root, &proc.map_err(failed("proc", "/proc"))?, "/proc")?;
    }
    if is_taken("/sys") {
        return Ok(());
    }
    let attributes = if spec.security.privileged { safe } else { safe | MountAttrFlags::MOUNT_ATTR_RDONLY };
    // It shows the network namespace; who does not own that may only see the host's, with what is mounted on it.
    let sys = match filesystem("sysfs", &[], attributes) {
        Err(Errno::PERM) => {
            let copy = copy_of_mount(Path::new("/sys"), true).map_err(failed("sysfs", "/sys"))?;
            sys::set_mount_attributes(&copy, Reach::Tree, attributes, libc::MS_SLAVE)
                .map_err(Error::system("protect /sys"))?;
            return attach_plain(root, &copy, "/sys");
        }
        other => other.map_err(failed("sysfs", "/sys"))?,
    };
    attach_plain(root, &sys, "/sys")?;
    if spec.sharing.cgroup == Share::Private {
        mount_cgroups(root, attributes, controllers)?;
    }
    Ok(())
}

/// The container's own part of the cgroups, as far as this machine has them where programs look.
fn mount_cgroups(root: &Root, attributes: MountAttrFlags, controllers: &[String]) -> Result<()> {
    let Ok(place) = beneath::open_plain(root.as_fd(), Path::new("/sys/fs/cgroup")) else { return Ok(()) };
    // Fails where version 1 rules, or the namespace may not: then there is nothing worth showing.
    if Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
        && let Ok(mount) = filesystem("cgroup2", &[], attributes)
    {
        attach(&mount, &place).map_err(failed("cgroup2", "/sys/fs/cgroup"))?;
        return Ok(());
    }
    let Ok(top) = filesystem("tmpfs", &[("mode", "755")], attributes.difference(MountAttrFlags::MOUNT_ATTR_RDONLY))
    else {
        return Ok(());
    };
    attach(&top, &place).map_err(failed("tmpfs", "/sys/fs/cgroup"))?;
    for controller in ["memory", "cpu", "cpuacct", "pids", "cpuset"] {
        let is_own = controllers.iter().any(|own| own == controller);
        if !is_own || !Path::new("/sys/fs/cgroup").join(controller).is_dir() {
            continue;
        }
        let fs = || -> Result<OwnedFd, Errno> {
            let fs = fsopen("cgroup", FsOpenFlags::FSOPEN_CLOEXEC)?;
            fsconfig_set_flag(&fs, controller)?;
            fsconfig_create(&fs)?;
            fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
        };
        if let Ok(mount) = fs()
            && rustix::fs::mkdirat(&top, controller, Mode::from_raw_mode(0o755)).is_ok()
            && let Ok(place) = beneath::open_plain(top.as_fd(), Path::new(controller))
        {
            attach(&mount, &place).map_err(failed("cgroup", "/sys/fs/cgroup"))?;
        }
    }
    sys::set_mount_attributes(&top, Reach::One, attributes, 0).map_err(Error::system("protect /sys/fs/cgroup"))
}

/// The user's mounts. `handed` are the descriptors of the starter.
pub(super) fn mount_all(root: &Root, spec: &Spec, sources: Vec<Source>, handed: &[OwnedFd]) -> Result<()> {
    let mut sources = sources.into_iter();
    for mount in all_mounts(spec) {
        let failed = |what: &str, why: Errno| failed(what, &mount.target)(why);
        match &mount.kind {
            MountKind::Bind(bind) => {
                let source = sources.next().ok_or(Error::InitDied)?;
                let missing = if source.is_directory { Missing::Directory } else { Missing::File };
                let what = bind.source.display().to_string();
                let place =
                    beneath::open_or_create(root.as_fd(), &mount.target, missing).map_err(|why| failed(&what, why))?;
                if mount.target != Path::new("/proc") {
                    kernel_files::allow(root, &mount.target, &place)?;
                }
                if source.is_directory != is_directory(&place)? {
                    return Err(failed(&what, if source.is_directory { Errno::NOTDIR } else { Errno::ISDIR }));
                }
                let set = if mount.read_only { MountAttrFlags::MOUNT_ATTR_RDONLY } else { MountAttrFlags::empty() };
                let propagation = match bind.propagation {
                    Propagation::Private => libc::MS_PRIVATE,
                    Propagation::Slave => libc::MS_SLAVE,
                    Propagation::Shared => 0,
                };
                let reach = if bind.recursive { Reach::Tree } else { Reach::One };
                sys::set_mount_attributes(&source.mount, reach, set, propagation)
                    .map_err(Error::system(format!("protect {what}")))?;
                attach(&source.mount, &place).map_err(|why| failed(&what, why))?;
            }
            MountKind::Tmpfs(tmpfs) => {
                let is_new = beneath::open(root.as_fd(), &mount.target).is_err();
                let place = beneath::open_or_create(root.as_fd(), &mount.target, Missing::Directory)
                    .map_err(|why| failed("tmpfs", why))?;
                kernel_files::allow(root, &mount.target, &place)?;
                mount_tmpfs(tmpfs, mount.read_only, &place, is_new)?.map_err(|why| failed("tmpfs", why))?;
            }
            MountKind::Handed(Handed { index, path }) => {
                let what = path.display().to_string();
                let tree = handed.get(*index).ok_or(Error::InitDied)?;
                let part = part_of(tree, path, &spec.rootfs.work).map_err(|why| failed(&what, why))?;
                let is_directory = is_directory(&part)?;
                let missing = if is_directory { Missing::Directory } else { Missing::File };
                let place =
                    beneath::open_or_create(root.as_fd(), &mount.target, missing).map_err(|why| failed(&what, why))?;
                kernel_files::allow(root, &mount.target, &place)?;
                let set = if mount.read_only { MountAttrFlags::MOUNT_ATTR_RDONLY } else { MountAttrFlags::empty() };
                sys::set_mount_attributes(&part, Reach::One, set, libc::MS_PRIVATE)
                    .map_err(Error::system(format!("protect {what}")))?;
                attach(&part, &place).map_err(|why| failed(&what, why))?;
            }
        }
    }
    Ok(())
}

/// A mount of a part of `tree`, which must be attached for that: `aside` is a directory nobody needs to see here.
fn part_of(tree: &OwnedFd, path: &Path, aside: &Path) -> Result<OwnedFd, Errno> {
    let aside = rustix::fs::open(aside, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    attach(tree, &aside)?;
    let part = beneath::open(tree.as_fd(), path).and_then(|found| {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
        open_tree(&found, "", flags)
    });
    // The descriptor of its root leads to the mount, wherever that is.
    let root = format!("/proc/self/fd/{}", tree.as_raw_fd());
    unmount(root.as_str(), UnmountFlags::DETACH)?;
    part
}

fn mount_tmpfs(tmpfs: &Tmpfs, read_only: bool, place: &OwnedFd, is_new: bool) -> Result<Result<(), Errno>> {
    let mut attributes =
        MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    attributes.set(MountAttrFlags::MOUNT_ATTR_RDONLY, read_only);
    let mut values: Vec<(&str, &str)> = Vec::new();
    for option in &tmpfs.options {
        let (flag, is_set) = match option.as_str() {
            "" | "defaults" | "async" | "diratime" | "atime" => continue,
            "ro" => (MountAttrFlags::MOUNT_ATTR_RDONLY, true),
            "rw" => (MountAttrFlags::MOUNT_ATTR_RDONLY, false),
            "nosuid" => (MountAttrFlags::MOUNT_ATTR_NOSUID, true),
            "suid" => (MountAttrFlags::MOUNT_ATTR_NOSUID, false),
            "nodev" => (MountAttrFlags::MOUNT_ATTR_NODEV, true),
            "dev" => (MountAttrFlags::MOUNT_ATTR_NODEV, false),
            "noexec" => (MountAttrFlags::MOUNT_ATTR_NOEXEC, true),
            "exec" => (MountAttrFlags::MOUNT_ATTR_NOEXEC, false),
            "noatime" => (MountAttrFlags::MOUNT_ATTR_NOATIME, true),
            "nodiratime" => (MountAttrFlags::MOUNT_ATTR_NODIRATIME, true),
            "relatime" => continue,
            other => match other.split_once('=') {
                Some(value) if TMPFS_VALUES.contains(&value.0) => {
                    values.push(value);
                    continue;
                }
                _ => return Err(Error::invalid("tmpfs option", other, "not known")),
            },
        };
        attributes.set(flag, is_set);
    }
    let mode = rustix::fs::fstat(place).map_err(Error::system("look at a mount"))?.st_mode & 0o7777;
    let mode = format!("{mode:o}");
    if !values.iter().any(|(name, _)| *name == "mode") {
        // A directory of the image keeps its mode, one just made gets what a temporary one has.
        values.push(("mode", if is_new { "1777" } else { &mode }));
    }
    Ok(filesystem("tmpfs", &values, attributes).and_then(|mount| attach(&mount, place)))
}

/// Writes the kernel parameters, of which only those of the container's own namespaces are accepted.
pub(super) fn set_sysctls(root: &Root, spec: &Spec) -> Result<()> {
    for (name, value) in &spec.sysctls {
        let is_own = match name.as_str() {
            name if name.starts_with("net.") => spec.network.is_own(),
            "kernel.domainname" | "kernel.hostname" => spec.sharing.uts == Share::Private,
            "kernel.msgmax"
            | "kernel.msgmnb"
            | "kernel.msgmni"
            | "kernel.sem"
            | "kernel.shmall"
            | "kernel.shmmax"
            | "kernel.shmmni"
            | "kernel.shm_rmid_forced" => spec.sharing.ipc == Share::Private,
            name => name.starts_with("fs.mqueue.") && spec.sharing.ipc == Share::Private,
        };
        if !is_own || name.contains('/') || name.contains("..") {
            return Err(Error::Sysctl(name.clone()));
        }
        let path = Path::new("/proc/sys").join(name.replace('.', "/"));
        let doing = || format!("set the sysctl {name}");
        let file = beneath::open_plain_to_write(root.as_fd(), &path).map_err(Error::system(doing()))?;
        // What a mount put in its place is not the kernel's.
        if !kernel_files::is_proc(&file) {
            return Err(Error::HostileTarget(path));
        }
        std::fs::File::from(file).write_all(value.as_bytes()).map_err(Error::system(doing()))?;
    }
    Ok(())
}

/// A new file system, attached nowhere yet.
pub(super) fn filesystem(kind: &str, options: &[(&str, &str)], attributes: MountAttrFlags) -> Result<OwnedFd, Errno> {
    named(kind, kind, options, attributes)
}

/// As [`filesystem`], called `source` in lists of mounts.
pub(super) fn named(
    kind: &str,
    source: &str,
    options: &[(&str, &str)],
    attributes: MountAttrFlags,
) -> Result<OwnedFd, Errno> {
    let fs = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&fs, "source", source)?;
    for (name, value) in options {
        match *value {
            "" => fsconfig_set_flag(&fs, *name)?,
            value => fsconfig_set_string(&fs, *name, value)?,
        }
    }
    fsconfig_create(&fs)?;
    fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// Attaches a mount on what `place` is open on.
pub(super) fn attach(mount: impl AsFd, place: impl AsFd) -> Result<(), Errno> {
    let both = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(mount, "", place, "", both)
}

/// Attaches one of the kernel's file systems, only on a directory that is really at that place.
pub(super) fn attach_plain(root: &Root, mount: &OwnedFd, target: &str) -> Result<()> {
    let path = Path::new(target);
    let place = match beneath::open_plain(root.as_fd(), path) {
        Err(Errno::NOENT) => beneath::open_or_create(root.as_fd(), path, Missing::Directory),
        other => other,
    };
    let place = match place {
        Ok(place) if is_directory(&place)? => place,
        Ok(_) | Err(Errno::LOOP | Errno::NOTDIR) => return Err(Error::HostileTarget(path.to_owned())),
        Err(why) => return Err(failed(target, target)(why)),
    };
    attach(mount, &place).map_err(failed(target, target))
}

pub(super) fn failed(what: &str, target: impl AsRef<Path>) -> impl FnOnce(Errno) -> Error {
    move |why| Error::Mount { what: what.to_owned(), target: target.as_ref().to_owned(), source: why.into() }
}

/// Opens a directory for making files in it.
pub(super) fn open_directory(root: &Root, path: &str) -> Result<OwnedFd> {
    let fd = beneath::open_plain(root.as_fd(), Path::new(path)).map_err(failed(path, path))?;
    rustix::fs::openat(&fd, ".", OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(failed(path, path))
}

/// What tmpfs(5) takes with a value and docker lets through.
const TMPFS_VALUES: &[&str] = &["size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"];
