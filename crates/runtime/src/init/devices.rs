//! `/dev`: a small file system in memory with the nodes that programs expect, and those the user asked for.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, major, makedev, minor};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, OpenTreeFlags, open_tree};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::beneath::{self, Missing};
use crate::cgroup::DeviceRule;
use crate::error::{Error, Result};
use crate::init::mounts::{attach, attach_plain, failed, filesystem, named, open_directory};
use crate::init::rootfs::{Root, copy_of_device, copy_of_mount};
use crate::init::{kernel_files, terminal};
use crate::spec::{Device, Share, Spec};

/// Copies of the host's nodes, for where no node can be made.
pub(super) struct HostDevices {
    usual: Vec<OwnedFd>,
    shm: Option<OwnedFd>,
    asked: Vec<(PathBuf, Node)>,
}

enum Node {
    /// Kind, number and permissions; made anew.
    Made(FileType, u64, u32),
    /// The host's own.
    Bound(OwnedFd),
}

/// What the devices controller has to be told for the user's devices.
pub(crate) fn rules(devices: &[Device]) -> Result<Vec<DeviceRule>> {
    let mut rules = Vec::new();
    for device in devices {
        for (path, _) in expand(device)? {
            let metadata = std::fs::metadata(&path).map_err(Error::system(format!("look at {}", path.display())))?;
            let kind = if metadata.file_type().is_block_device() { 'b' } else { 'c' };
            let number = metadata.rdev();
            let (major, minor) = (Some(major(number)), Some(minor(number)));
            rules.push(DeviceRule { kind, major, minor, access: device.access.clone() });
        }
    }
    Ok(rules)
}

/// A device and where it goes; a directory stands for all devices in it.
fn expand(device: &Device) -> Result<Vec<(PathBuf, PathBuf)>> {
    let Device { source, target, .. } = device;
    let refused = |reason: String| Error::Device { path: source.display().to_string(), reason };
    let invalid = || refused("not a device node".to_owned());
    let metadata = std::fs::metadata(source).map_err(|why| refused(crate::error::reason_of(&why)))?;
    if !metadata.is_dir() {
        let kind = metadata.file_type();
        let is_device = kind.is_char_device() || kind.is_block_device();
        return if is_device { Ok(vec![(source.clone(), target.clone())]) } else { Err(invalid()) };
    }
    let mut all = Vec::new();
    walk(source, target, &mut all);
    if all.is_empty() { Err(invalid()) } else { Ok(all) }
}

fn walk(source: &Path, target: &Path, all: &mut Vec<(PathBuf, PathBuf)>) {
    for entry in std::fs::read_dir(source).into_iter().flatten().flatten() {
        let (name, Ok(kind)) = (entry.file_name(), entry.file_type()) else { continue };
        let (path, inside) = (entry.path(), target.join(&name));
        if kind.is_dir() {
            // These are file systems of their own in every container.
            if !["pts", "shm", "mqueue", "fd", ".udev", ".lxc"].iter().any(|own| name == *own) {
                walk(&path, &inside, all);
            }
        } else if kind.is_char_device() || kind.is_block_device() {
            all.push((path, inside));
        }
    }
}

/// Devices besides the usual ones, and where they go: those asked for, and all of the host's for who is privileged.
fn wanted(spec: &Spec, must_bind: bool) -> Result<Vec<(PathBuf, PathBuf)>> {
    let mut wanted = Vec::new();
    if spec.security.privileged && !must_bind {
        walk(Path::new("/dev"), Path::new("/dev"), &mut wanted);
        wanted.retain(|(_, target)| !USUAL.iter().any(|(name, ..)| Path::new("/dev").join(name) == *target));
        wanted.retain(|(_, target)| target != Path::new("/dev/console") && target != Path::new("/dev/ptmx"));
    }
    for device in &spec.devices {
        wanted.extend(expand(device)?);
    }
    Ok(wanted)
}

/// A device node as another runtime is told of it.
pub(crate) struct NodeNumbers {
    pub(crate) target: PathBuf,
    pub(crate) kind: char,
    pub(crate) major: u32,
    pub(crate) minor: u32,
    pub(crate) mode: u32,
}

/// The nodes that a container has besides the usual ones.
pub(crate) fn nodes(spec: &Spec) -> Result<Vec<NodeNumbers>> {
    let mut nodes = Vec::new();
    for (source, target) in wanted(spec, false)? {
        let found = std::fs::metadata(&source).map_err(Error::system(format!("look at {}", source.display())))?;
        let kind = if found.file_type().is_block_device() { 'b' } else { 'c' };
        let (major, minor) = (major(found.rdev()), minor(found.rdev()));
        nodes.push(NodeNumbers { target, kind, major, minor, mode: found.mode() & 0o777 });
    }
    Ok(nodes)
}

/// Opens what of the host's `/dev` is needed, while the host's tree is there.
pub(super) fn open_host(spec: &Spec) -> Result<HostDevices> {
    let must_bind = spec.user_namespace.is_some();
    let mut usual = Vec::new();
    if must_bind {
        for (name, _, _) in USUAL {
            let path = Path::new("/dev").join(name);
            usual.push(copy_of_device(&path).map_err(failed(name, &path))?);
        }
    }
    let shm = match spec.sharing.ipc {
        Share::Host => copy_of_mount(Path::new("/dev/shm"), false).ok(),
        Share::Namespace(ref path) => shared_memory_of(path)?,
        Share::Private => None,
    };
    let mut asked = Vec::new();
    for (source, target) in wanted(spec, must_bind)? {
        let node = match must_bind {
            true => Node::Bound(copy_of_device(&source).map_err(failed(&source.to_string_lossy(), &target))?),
            false => {
                let found =
                    rustix::fs::stat(&source).map_err(Error::system(format!("look at {}", source.display())))?;
                Node::Made(FileType::from_raw_mode(found.st_mode), found.st_rdev, found.st_mode & 0o777)
            }
        };
        asked.push((target, node));
    }
    Ok(HostDevices { usual, shm, asked })
}

/// The memory that the processes of an IPC namespace share by files. It is where they see it, so this process looks for it
/// from there.
fn shared_memory_of(ipc: &Path) -> Result<Option<OwnedFd>> {
    let doing = "share the memory of another container";
    let open = |path: &Path| {
        rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(Error::system(doing))
    };
    let enter = |namespace: &OwnedFd| {
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Mount)).map_err(Error::system(doing))
    };
    let (ours, theirs) = (open(Path::new("/proc/self/ns/mnt"))?, open(&ipc.with_file_name("mnt"))?);
    enter(&theirs)?;
    let root = rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(Error::system(doing));
    let found = root.and_then(|root| match beneath::open_plain(root.as_fd(), Path::new("/dev/shm")) {
        Ok(place) => Ok(Some(place)),
        Err(Errno::NOENT) => Ok(None),
        Err(why) => Err(failed("shm", "/dev/shm")(why)),
    });
    let copied = found.and_then(|place| place.map(|place| copy_of_place(&place)).transpose());
    enter(&ours)?;
    copied
}

/// A copy of the mount that `place` is on, if that is memory and no more.
fn copy_of_place(place: &OwnedFd) -> Result<OwnedFd> {
    let failed = |why| failed("shm", "/dev/shm")(why);
    if rustix::fs::fstatfs(place).map_err(failed)?.f_type != TMPFS_MAGIC {
        return Err(Error::HostileTarget("/dev/shm".into()));
    }
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    open_tree(place, "", flags).map_err(failed)
}

/// From the kernel's `magic.h`.
const TMPFS_MAGIC: rustix::fs::FsWord = 0x0102_1994;

/// Mounts `/dev` and what belongs in it. Gives its terminals, which the user's mounts may cover later; `None` if the
/// whole of `/dev` is the user's.
pub(super) fn mount(root: &Root, spec: &Spec, host: HostDevices) -> Result<Option<OwnedFd>> {
    let HostDevices { usual, shm, asked } = host;
    let is_taken = |target: &str| spec.mounts.iter().any(|mount| mount.target == Path::new(target));
    if is_taken("/dev") {
        return Ok(None);
    }
    let doing = |name: &'static str| failed(name, "/dev");
    let dev = filesystem("tmpfs", &[("mode", "755"), ("size", "65536k")], MountAttrFlags::MOUNT_ATTR_NOSUID)
        .map_err(doing("tmpfs"))?;
    attach_plain(root, &dev, "/dev")?;
    let mut usual = usual.into_iter();
    for (name, high, low) in USUAL {
        match usual.next() {
            Some(node) => bind(&node, dev.as_fd(), name).map_err(doing(name))?,
            None => {
                let number = makedev(*high, *low);
                rustix::fs::mknodat(&dev, *name, FileType::CharacterDevice, Mode::from_raw_mode(0o666), number)
                    .map_err(doing(name))?;
            }
        }
    }
    for (name, target) in LINKS {
        // A kernel may be built without it.
        if *name == "core" && !Path::new(target).exists() {
            continue;
        }
        rustix::fs::symlinkat(*target, &dev, *name).map_err(doing(name))?;
    }
    let has_shm = spec.shm_size > 0 || is_taken("/dev/shm");
    for name in ["pts", "shm", "mqueue"].into_iter().filter(|name| *name != "shm" || has_shm) {
        rustix::fs::mkdirat(&dev, name, Mode::from_raw_mode(0o755)).map_err(doing(name))?;
    }
    let terminals = mount_in_dev(&dev, spec, shm)?;
    for (target, node) in asked {
        place(root, &target, node)?;
    }
    Ok(Some(terminals))
}

/// A new instance of the file system that terminals are in.
fn terminals() -> Result<OwnedFd> {
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let options = [("newinstance", ""), ("ptmxmode", "0666"), ("mode", "0620"), ("gid", "5")];
    // The group `tty` may not be mapped.
    let pts = filesystem("devpts", &options, attributes)
        .or_else(|why| if why == Errno::INVAL { filesystem("devpts", &options[..3], attributes) } else { Err(why) });
    pts.map_err(failed("devpts", "/dev/pts"))
}

/// The terminals where `/dev` is the user's: the host's if those are there, else new ones. Never what a link names.
pub(super) fn terminals_in_users_dev(root: &Root) -> Result<OwnedFd> {
    let path = "/dev/pts";
    let place = match beneath::open_plain(root.as_fd(), Path::new(path)) {
        Err(Errno::LOOP | Errno::NOTDIR) => return Err(Error::HostileTarget(path.into())),
        other => other.map_err(failed("devpts", path))?,
    };
    if terminal::is_terminals(&place)? {
        return Ok(place);
    }
    let pts = terminals()?;
    attach(&pts, &place).map_err(failed("devpts", path))?;
    Ok(pts)
}

fn mount_in_dev(dev: &OwnedFd, spec: &Spec, shm: Option<OwnedFd>) -> Result<OwnedFd> {
    let safe = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let put = |mount: &OwnedFd, name: &str| -> Result<()> {
        let place = beneath::open_plain(dev.as_fd(), Path::new(name)).map_err(failed(name, "/dev"))?;
        attach(mount, &place).map_err(failed(name, "/dev"))
    };
    let pts = terminals()?;
    put(&pts, "pts")?;
    let is_taken = |target: &str| spec.mounts.iter().any(|mount| mount.target == Path::new(target));
    if spec.shm_size > 0 && !is_taken("/dev/shm") {
        let size = spec.shm_size.to_string();
        let shm = match shm {
            Some(shm) => Ok(shm),
            None => named("tmpfs", "shm", &[("mode", "1777"), ("size", &size)], safe),
        };
        put(&shm.map_err(failed("tmpfs", "/dev/shm"))?, "shm")?;
    }
    if !is_taken("/dev/mqueue") {
        // A kernel may be built without message queues, and a shared namespace may belong to somebody else.
        match filesystem("mqueue", &[], safe) {
            Ok(mount) => put(&mount, "mqueue")?,
            Err(Errno::NODEV | Errno::PERM) => {}
            Err(why) => return Err(failed("mqueue", "/dev/mqueue")(why)),
        }
    }
    Ok(pts)
}

fn place(root: &Root, target: &Path, node: Node) -> Result<()> {
    let failed = |why| failed("a device", target)(why);
    match node {
        Node::Bound(node) => {
            let place = beneath::open_or_create(root.as_fd(), target, Missing::File).map_err(failed)?;
            kernel_files::allow(root, target, &place)?;
            attach(&node, &place).map_err(failed)
        }
        Node::Made(kind, number, mode) => {
            let (Some(above), Some(name)) = (target.parent(), target.file_name()) else {
                return Err(Error::invalid("device", target.display().to_string(), "not a path for a device"));
            };
            let above = beneath::open_or_create(root.as_fd(), above, Missing::Directory).map_err(failed)?;
            match rustix::fs::mknodat(&above, Path::new(name), kind, Mode::from_raw_mode(mode), number) {
                Err(Errno::EXIST) => {
                    rustix::fs::unlinkat(&above, Path::new(name), rustix::fs::AtFlags::empty()).map_err(failed)?;
                    rustix::fs::mknodat(&above, Path::new(name), kind, Mode::from_raw_mode(mode), number)
                        .map_err(failed)
                }
                other => other.map_err(failed),
            }
        }
    }
}

/// Mounts a node on an empty file.
fn bind(node: &OwnedFd, directory: std::os::fd::BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    drop(rustix::fs::openat(directory, name, flags, Mode::from_raw_mode(0o666))?);
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    attach(node, &rustix::fs::openat(directory, name, flags, Mode::empty())?)
}

/// Mounts the container's terminal on `/dev/console`, which a `/dev` of the user's may have already. A link there is
/// not followed.
pub(super) fn mount_console(root: &Root, terminal: &OwnedFd) -> Result<()> {
    let path = "/dev/console";
    let dev = open_directory(root, "/dev")?;
    match bind(terminal, dev.as_fd(), "console") {
        Err(Errno::EXIST) => {}
        other => return other.map_err(failed("console", path)),
    }
    let place = match beneath::open_plain(root.as_fd(), Path::new(path)) {
        Err(Errno::LOOP) => return Err(Error::HostileTarget(path.into())),
        other => other.map_err(failed("console", path))?,
    };
    attach(terminal, &place).map_err(failed("console", path))
}

/// Name, major and minor number. Source: runtime-spec, config-linux.md, "Default Devices".
const USUAL: &[(&str, u32, u32)] =
    &[("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];
const LINKS: &[(&str, &str)] = &[
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("core", "/proc/kcore"),
    ("ptmx", "pts/ptmx"),
];
