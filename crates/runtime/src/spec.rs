//! Everything a container is, as data. A [`Spec`] is made by whoever knows images and options, and read by the init.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::capability::Capabilities;
use crate::net::{Bridge, Outlet};
use crate::rlimit::Rlimit;

/// One container. `Spec::default()` is a container of docker's defaults without a root file system or a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// Names the container's cgroups and network devices: letters, digits, `-`, `_` and `.` only.
    pub id: String,
    /// Name of the host inside; empty leaves the name as it is. Ignored when `sharing.uts` is not private.
    pub hostname: String,
    /// NIS domain inside; empty leaves it as it is.
    pub domainname: String,
    /// What `/` is made of.
    pub rootfs: Rootfs,
    /// Nothing can be written but mounts.
    pub readonly_root: bool,
    /// What runs.
    pub process: Process,
    /// What is mounted besides the usual. Deeper targets come later, whatever the order here.
    pub mounts: Vec<Mount>,
    /// Files of the host that are bound over the image's.
    pub files: Files,
    /// Device nodes besides the usual.
    pub devices: Vec<Device>,
    /// Where its packets go.
    pub network: Network,
    /// Bridges besides that of [`Network::Bridge`].
    pub more_bridges: Vec<Bridge>,
    /// Namespaces that are not its own.
    pub sharing: Sharing,
    /// Mapped ids; `None` runs with the caller's.
    pub user_namespace: Option<UserNamespace>,
    /// What it may use.
    pub resources: Resources,
    /// Directory, beneath each hierarchy's root, in which the container's cgroup is made; `None` is `wharfie`.
    pub cgroup_parent: Option<String>,
    /// What it must not.
    pub security: Security,
    /// Kernel parameters of its namespaces, `net.ipv4.ip_forward` → `1`.
    pub sysctls: BTreeMap<String, String>,
    /// Size of `/dev/shm` in bytes; with 0 there is none.
    pub shm_size: u64,
    /// A small init of our own is process 1, which passes signals on and buries orphans.
    pub init: bool,
    /// The container dies with the thread that started it. For foreground containers nobody else looks after.
    pub die_with_parent: bool,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            id: String::new(),
            hostname: String::new(),
            domainname: String::new(),
            rootfs: Rootfs::default(),
            readonly_root: false,
            process: Process::default(),
            mounts: Vec::new(),
            files: Files::default(),
            devices: Vec::new(),
            network: Network::None,
            more_bridges: Vec::new(),
            sharing: Sharing::default(),
            user_namespace: None,
            resources: Resources::default(),
            cgroup_parent: None,
            security: Security::default(),
            sysctls: BTreeMap::new(),
            shm_size: DEFAULT_SHM_BYTES,
            init: false,
            die_with_parent: false,
        }
    }
}

impl Spec {
    /// Every bridge that it is on, the first one first.
    pub fn bridges(&self) -> impl Iterator<Item = &Bridge> {
        let first = match &self.network {
            Network::Bridge(bridge) => Some(bridge),
            _ => None,
        };
        first.into_iter().chain(&self.more_bridges)
    }
}

/// 64 MiB: docker's.
const DEFAULT_SHM_BYTES: u64 = 64 << 20;

/// The layers and where changes go: one overlay, made by the init and gone with it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rootfs {
    /// Top first. Without any, `upper` itself is the root.
    pub lowers: Vec<Lower>,
    /// Existing directory that takes the changes.
    pub upper: PathBuf,
    /// Existing directory beside it, on the same file system, that overlayfs works in.
    pub work: PathBuf,
    /// Nothing is synced: the changes must not be used after a crash of the machine.
    pub volatile: bool,
}

/// One layer as overlayfs takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lower {
    /// The mount of that index among the descriptors passed to `start`.
    Fd(usize),
    /// An unpacked layer.
    Directory(PathBuf),
}

/// What is executed, as whom, with which rights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// The command and its arguments.
    pub args: Vec<String>,
    /// `NAME=value`. `PATH` is also where a command without `/` is looked for; `HOME` is added from the container's
    /// `/etc/passwd` if it is not here.
    pub env: Vec<String>,
    /// Where it starts; made if missing. Empty is `/`.
    pub cwd: String,
    /// `name`, `uid`, `name:group`, `uid:gid`: looked up in the container's own files. Empty is root.
    pub user: String,
    /// Groups besides the user's own, by name or number.
    pub groups: Vec<String>,
    /// A terminal of this size, whose other end `start` returns.
    pub terminal: Option<Size>,
    /// What root is allowed.
    pub capabilities: Capabilities,
    /// Executing a file never gives more rights.
    pub no_new_privileges: bool,
    /// Limits; those not named are the caller's.
    pub rlimits: Vec<Rlimit>,
    /// The kernel's eagerness to kill it when memory ends, -1000 to 1000.
    pub oom_score_adj: Option<i32>,
}

impl Default for Process {
    fn default() -> Self {
        Self {
            args: Vec::new(),
            env: Vec::new(),
            cwd: String::new(),
            user: String::new(),
            groups: Vec::new(),
            terminal: None,
            capabilities: Capabilities::DEFAULT,
            no_new_privileges: false,
            rlimits: Vec::new(),
            oom_score_adj: None,
        }
    }
}

/// Size of a terminal in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Size {
    /// Lines.
    pub rows: u16,
    /// Characters a line.
    pub columns: u16,
}

/// Something mounted into the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Absolute path inside; made if missing, always beneath the container's root, whatever links the image has.
    pub target: PathBuf,
    /// What.
    pub kind: MountKind,
    /// It cannot be written through.
    pub read_only: bool,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountKind {
    /// A file or directory of the host.
    Bind(Bind),
    /// Memory.
    Tmpfs(Tmpfs),
    /// A part of a mount that is attached nowhere and handed over by the starter.
    Handed(Handed),
}

/// A part of a mount that is attached nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handed {
    /// Which of the descriptors passed to `start` is its root.
    pub index: usize,
    /// The file or directory of it, seen from its root; links in it lead nowhere else.
    pub path: PathBuf,
}

/// A file or directory of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// Existing absolute path on the host.
    pub source: PathBuf,
    /// With what is mounted beneath it.
    pub recursive: bool,
    /// Who sees later mounts of whom.
    pub propagation: Propagation,
}

impl Bind {
    /// What `-v SOURCE:…` does.
    pub fn new(source: impl Into<PathBuf>) -> Self {
        Self { source: source.into(), recursive: true, propagation: Propagation::Private }
    }
}

/// Who sees later mounts of whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Propagation {
    /// Nobody.
    #[default]
    Private,
    /// The container sees the host's.
    Slave,
    /// Each sees the other's.
    Shared,
}

/// Memory as a file system.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tmpfs {
    /// As after `--tmpfs PATH:`, one each: `size=64m`, `mode=1777`, `exec`, `ro`. Docker's `noexec,nosuid,nodev` stand
    /// unless they are taken back.
    pub options: Vec<String>,
}

/// Files of the host that are bound over the image's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Files {
    /// For `/etc/hosts`.
    pub hosts: Option<PathBuf>,
    /// For `/etc/resolv.conf`.
    pub resolv_conf: Option<PathBuf>,
    /// For `/etc/hostname`.
    pub hostname: Option<PathBuf>,
}

/// A device node of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Path on the host; a directory stands for all devices in it.
    pub source: PathBuf,
    /// Path inside.
    pub target: PathBuf,
    /// Some of `rwm`: read, write, make nodes.
    pub access: String,
}

/// Where packets go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// The caller's network.
    Host,
    /// Nothing but `lo`.
    None,
    /// A cable to a bridge, [`crate::Subnet::allocate`] gives the place. Root only.
    Bridge(Bridge),
    /// One of its own with a way out through a program that needs no privileges.
    Outlet(Outlet),
    /// A network namespace that exists: `/proc/PID/ns/net`.
    Namespace(PathBuf),
}

impl Network {
    /// True if the container has a network namespace of its own.
    pub fn is_own(&self) -> bool {
        matches!(self, Self::None | Self::Bridge(_) | Self::Outlet(_))
    }
}

/// A namespace: whose?
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Share {
    /// The container's own.
    #[default]
    Private,
    /// The caller's.
    Host,
    /// One that exists: `/proc/PID/ns/ipc`.
    Namespace(PathBuf),
}

/// Namespaces that can be another's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sharing {
    /// Processes.
    pub pid: Share,
    /// Semaphores, message queues, shared memory, `/dev/shm`.
    pub ipc: Share,
    /// Host and domain name.
    pub uts: Share,
    /// The view of the cgroups.
    pub cgroup: Share,
    /// Ids: a namespace that exists, `/proc/PID/ns/user`, and has the mapping that `user_namespace` says. Namespaces of a
    /// container with mapped ids can be used to the full only from there.
    pub user: Option<PathBuf>,
}

/// How ids inside become ids outside.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UserNamespace {
    /// Users. More than one's own needs `newuidmap` and `/etc/subuid`, unless root asks.
    pub uids: Vec<IdMap>,
    /// Groups.
    pub gids: Vec<IdMap>,
}

/// A range of ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdMap {
    /// First one inside.
    pub inside: u32,
    /// First one outside.
    pub outside: u32,
    /// How many.
    pub count: u32,
}

/// What a container may use. `None` is unlimited.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Resources {
    /// Memory in bytes.
    pub memory: Option<u64>,
    /// Memory and swap together in bytes; `u64::MAX` is unlimited swap. `None` with `memory`: twice that, as docker.
    pub memory_swap: Option<u64>,
    /// Memory in bytes above which it is the first to be shrunk.
    pub memory_reservation: Option<u64>,
    /// Processors in thousandths: 1500 is one and a half.
    pub milli_cpus: Option<u64>,
    /// Microseconds of all processors together that it may use in each period, instead of `milli_cpus`.
    #[serde(default)]
    pub cpu_quota: Option<u64>,
    /// Microseconds that a period is long; a tenth of a second if not given.
    #[serde(default)]
    pub cpu_period: Option<u64>,
    /// Weight against others, 1024 is one share.
    pub cpu_shares: Option<u64>,
    /// Which processors, `0-2,4`.
    pub cpuset_cpus: Option<String>,
    /// Which memory nodes.
    pub cpuset_mems: Option<String>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// Weight of its disk traffic, 10 to 1000.
    pub blkio_weight: Option<u16>,
}

impl Resources {
    /// Microseconds in each period, and the period's, as the kernel is told them. Without the first there is no limit.
    pub(crate) fn cpu_time(&self) -> Option<(Option<u64>, u64)> {
        match self.milli_cpus {
            // A thousandth of a processor is 100 µs of every 100 ms.
            Some(milli) => Some((Some(milli.saturating_mul(CPU_PERIOD / 1000)), CPU_PERIOD)),
            None if self.cpu_quota.is_none() && self.cpu_period.is_none() => None,
            None => Some((self.cpu_quota, self.cpu_period.unwrap_or(CPU_PERIOD))),
        }
    }
}

/// The kernel's own, in microseconds.
const CPU_PERIOD: u64 = 100_000;

/// What a container must not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Security {
    /// As if there were no container: all devices, no masks, no filter. Capabilities are `process.capabilities`.
    pub privileged: bool,
    /// Which system calls.
    pub seccomp: Seccomp,
    /// Hide what docker hides of `/proc` and `/sys` (`systempaths=unconfined` turns it off).
    pub mask_paths: bool,
}

impl Default for Security {
    fn default() -> Self {
        Self { privileged: false, seccomp: Seccomp::Default, mask_paths: true }
    }
}

/// Which system calls a container may make.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Seccomp {
    /// Docker's default profile.
    #[default]
    Default,
    /// All.
    Unconfined,
    /// A profile of docker's format, as JSON text.
    Profile(String),
}
