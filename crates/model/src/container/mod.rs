//! Containers.

mod config;
mod host_config;
mod network_settings;
pub mod stats;
mod summary;

use serde::Serialize;

pub use config::{Config, Empty, Healthcheck};
pub use host_config::{
    DeviceMapping, HostConfig, LogConfig, MountRequest, PortBinding, PortMap, RestartPolicy, Ulimit,
};
pub use network_settings::{EndpointSettings, IpamConfig, NetworkSettings};
pub use summary::{ContainerSummary, Port, SummaryHostConfig, SummaryNetworks};

use crate::{Moment, NilList, NilMap};

/// A container as `inspect` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerInspect {
    /// 64 hexadecimal digits.
    pub id: String,
    /// When it was made, RFC 3339.
    pub created: String,
    /// The program that it runs.
    pub path: String,
    /// The program's arguments.
    pub args: Vec<String>,
    /// How it is.
    pub state: State,
    /// The image's id.
    pub image: String,
    /// Where its `/etc/resolv.conf` is on the host.
    pub resolv_conf_path: String,
    /// Where its `/etc/hostname` is on the host.
    pub hostname_path: String,
    /// Where its `/etc/hosts` is on the host.
    pub hosts_path: String,
    /// Where its log is on the host.
    pub log_path: String,
    /// Its name behind a slash.
    pub name: String,
    /// How often its restart policy started it again.
    pub restart_count: u32,
    /// What keeps its files.
    pub driver: String,
    /// Its operating system.
    pub platform: String,
    /// Label of mandatory access control for its mounts.
    pub mount_label: String,
    /// Label of mandatory access control for its processes.
    pub process_label: String,
    /// Profile of mandatory access control.
    pub app_armor_profile: String,
    /// Commands that were started in it besides its own.
    #[serde(rename = "ExecIDs")]
    pub exec_ids: NilList<String>,
    /// What the host does for it.
    pub host_config: HostConfig,
    /// How its files are kept.
    pub graph_driver: GraphDriver,
    /// Bytes that it wrote, if they were counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_rw: Option<u64>,
    /// Bytes of its whole root file system, if they were counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_root_fs: Option<u64>,
    /// What is mounted into it.
    pub mounts: Vec<MountPoint>,
    /// What runs in it and how.
    pub config: Config,
    /// Where its packets go.
    pub network_settings: NetworkSettings,
}

/// How a container is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct State {
    /// `created`, `running`, `paused`, `restarting`, `exited`.
    pub status: String,
    /// Its process lives, frozen or not.
    pub running: bool,
    /// Its processes are frozen.
    pub paused: bool,
    /// It is about to be started again.
    pub restarting: bool,
    /// The kernel ended it for want of memory.
    #[serde(rename = "OOMKilled")]
    pub oom_killed: bool,
    /// It could not be removed whole.
    pub dead: bool,
    /// Its first process, as the host numbers it; 0 while it does not run.
    pub pid: u32,
    /// How it ended last.
    pub exit_code: i32,
    /// Why it could not be started.
    pub error: String,
    /// When it was started last, RFC 3339; year 1 if never.
    pub started_at: String,
    /// When it ended last, RFC 3339; year 1 if never.
    pub finished_at: String,
    /// How it says it is, if it is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
}

/// How a container says it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Health {
    /// `starting`, `healthy`, `unhealthy`.
    pub status: String,
    /// How many probes failed one after the other.
    pub failing_streak: u32,
    /// The last probes, oldest first.
    pub log: Vec<HealthProbe>,
}

/// One probe of a container's health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HealthProbe {
    /// When it began.
    pub start: Moment,
    /// When it ended.
    pub end: Moment,
    /// 0 is well.
    pub exit_code: i32,
    /// What it printed.
    pub output: String,
}

/// How files are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GraphDriver {
    /// Directories, where there are any of its own.
    pub data: NilMap<String>,
    /// The driver's name.
    pub name: String,
}

/// Something mounted into a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct MountPoint {
    /// `bind`, `volume`, `tmpfs`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// The volume's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Where it is on the host.
    pub source: String,
    /// Where it is inside.
    pub destination: String,
    /// What keeps the volume.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub driver: String,
    /// Its options as they were given.
    pub mode: String,
    /// It can be written through.
    #[serde(rename = "RW")]
    pub rw: bool,
    /// Whether mounts beneath it, made later, are seen on the other side.
    pub propagation: String,
}
