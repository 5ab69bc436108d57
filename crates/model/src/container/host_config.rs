//! What the host does for a container.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::NilList;

/// Ports of a container, `80/tcp`, and where they are on the host.
pub type PortMap = BTreeMap<String, NilList<PortBinding>>;

/// What depends on the host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HostConfig {
    /// Short forms of mounts: `SOURCE:TARGET[:MODE]`.
    pub binds: NilList<String>,
    /// File that its id was written to.
    #[serde(rename = "ContainerIDFile")]
    pub container_id_file: String,
    /// What becomes of its output.
    pub log_config: LogConfig,
    /// `default`, `bridge`, `host`, `none`, `container:ID` or a network's name.
    pub network_mode: String,
    /// Ports that are to be published.
    pub port_bindings: PortMap,
    /// What happens when it ends.
    pub restart_policy: RestartPolicy,
    /// It goes when it ends.
    pub auto_remove: bool,
    /// What keeps its volumes.
    pub volume_driver: String,
    /// Containers whose mounts it has too.
    pub volumes_from: NilList<String>,
    /// Height and width of its terminal at first (Windows).
    pub console_size: [u32; 2],
    /// Capabilities added to the default ones.
    pub cap_add: NilList<String>,
    /// Capabilities taken from them.
    pub cap_drop: NilList<String>,
    /// `host`, `private`.
    pub cgroupns_mode: String,
    /// Name servers.
    pub dns: Vec<String>,
    /// Options of the resolver.
    pub dns_options: Vec<String>,
    /// Domains to search.
    pub dns_search: Vec<String>,
    /// `NAME:ADDRESS`.
    pub extra_hosts: NilList<String>,
    /// Groups besides the user's own.
    pub group_add: NilList<String>,
    /// Whose memory it shares.
    pub ipc_mode: String,
    /// Cgroup of another container.
    pub cgroup: String,
    /// `/OTHER:/NAME/ALIAS`.
    pub links: NilList<String>,
    /// The kernel's eagerness to kill it.
    pub oom_score_adj: i32,
    /// Whose processes it sees.
    pub pid_mode: String,
    /// As if there were no container.
    pub privileged: bool,
    /// Every exposed port is published.
    pub publish_all_ports: bool,
    /// Nothing but mounts can be written.
    pub readonly_rootfs: bool,
    /// What its processes must not, beyond capabilities.
    pub security_opt: NilList<String>,
    /// Memory that is mounted, and its options.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tmpfs: BTreeMap<String, String>,
    /// Whose host name it has.
    #[serde(rename = "UTSMode")]
    pub uts_mode: String,
    /// Whose users it has.
    pub userns_mode: String,
    /// Bytes of `/dev/shm`.
    pub shm_size: u64,
    /// Parameters of the kernel.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sysctls: BTreeMap<String, String>,
    /// Who runs it.
    pub runtime: String,
    /// How it is isolated (Windows).
    pub isolation: String,
    // What it may use; 0 is no limit.
    /// Weight against others.
    pub cpu_shares: u64,
    /// Bytes.
    pub memory: u64,
    /// Billionths of a processor.
    pub nano_cpus: u64,
    /// Directory of its cgroup.
    pub cgroup_parent: String,
    /// Weight of its disk traffic.
    pub blkio_weight: u16,
    /// The same by device.
    pub blkio_weight_device: Vec<String>,
    /// Bytes each second.
    pub blkio_device_read_bps: Vec<String>,
    /// Bytes each second.
    pub blkio_device_write_bps: Vec<String>,
    /// Requests each second.
    #[serde(rename = "BlkioDeviceReadIOps")]
    pub blkio_device_read_iops: Vec<String>,
    /// Requests each second.
    #[serde(rename = "BlkioDeviceWriteIOps")]
    pub blkio_device_write_iops: Vec<String>,
    /// Microseconds.
    pub cpu_period: u64,
    /// Microseconds of each period.
    pub cpu_quota: u64,
    /// Microseconds.
    pub cpu_realtime_period: u64,
    /// Microseconds of each period.
    pub cpu_realtime_runtime: u64,
    /// Which processors.
    pub cpuset_cpus: String,
    /// Which memory nodes.
    pub cpuset_mems: String,
    /// Devices of the host.
    pub devices: Vec<DeviceMapping>,
    /// Rules for devices that may come later.
    pub device_cgroup_rules: NilList<String>,
    /// Devices by what they can.
    pub device_requests: NilList<String>,
    /// Bytes above which its memory is the first to be shrunk.
    pub memory_reservation: u64,
    /// Bytes of memory and swap together; -1 is no limit.
    pub memory_swap: i64,
    /// The kernel's eagerness to swap.
    pub memory_swappiness: Option<i64>,
    /// It is not killed for want of memory.
    pub oom_kill_disable: Option<bool>,
    /// Processes and threads; -1 is no limit.
    pub pids_limit: Option<i64>,
    /// Limits of its processes.
    pub ulimits: NilList<Ulimit>,
    /// Processors (Windows).
    pub cpu_count: u64,
    /// Share of the processors (Windows).
    pub cpu_percent: u64,
    /// Requests each second (Windows).
    #[serde(rename = "IOMaximumIOps")]
    pub io_maximum_iops: u64,
    /// Bytes each second (Windows).
    #[serde(rename = "IOMaximumBandwidth")]
    pub io_maximum_bandwidth: u64,
    /// Long forms of mounts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<MountRequest>,
    /// What is hidden of `/proc` and `/sys`.
    pub masked_paths: NilList<String>,
    /// What cannot be written of them.
    pub readonly_paths: NilList<String>,
    /// A small init is its first process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<bool>,
}

/// What becomes of output.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct LogConfig {
    /// `json-file`, `local`, `none`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// Its options.
    pub config: BTreeMap<String, String>,
}

/// What happens when a container ends.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RestartPolicy {
    /// `no`, `always`, `unless-stopped`, `on-failure`.
    pub name: String,
    /// How often after a failure; 0 is always.
    pub maximum_retry_count: u32,
}

/// A port of the host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PortBinding {
    /// Its address; empty is every one.
    pub host_ip: String,
    /// Its number, or a range of which the first free one is taken; empty is any free one.
    pub host_port: String,
}

/// A device of the host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeviceMapping {
    /// Where it is on the host.
    pub path_on_host: String,
    /// Where it is inside.
    pub path_in_container: String,
    /// Some of `rwm`.
    pub cgroup_permissions: String,
}

/// A limit of processes; -1 is none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Ulimit {
    /// `nofile`, …
    pub name: String,
    /// What it can be raised to.
    pub hard: i64,
    /// What holds.
    pub soft: i64,
}

/// The long form of a mount.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct MountRequest {
    /// `bind`, `volume`, `tmpfs`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// Host path, or the volume's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// Where it is inside.
    pub target: String,
    /// It cannot be written through.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
}
