//! The machine and the engine.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::NilList;
use crate::container::ContainerSummary;
use crate::image::ImageSummary;
use crate::volume::Volume;

/// What takes how much space: `GET /system/df`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DiskUsage {
    /// Bytes of the files in all layers, each counted once, those of removed images that are still kept included.
    pub layers_size: u64,
    /// All images, counted.
    pub images: Vec<ImageSummary>,
    /// All containers, counted.
    pub containers: Vec<ContainerSummary>,
    /// All volumes, counted.
    pub volumes: Vec<Volume>,
    /// What builds keep for the next ones.
    pub build_cache: Vec<CacheRecord>,
}

/// Something that builds keep.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CacheRecord {
    /// Its name.
    #[serde(rename = "ID")]
    pub id: String,
    /// What it was made from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<String>,
    /// `regular`, `source.local`, `exec.cachemount`, …
    #[serde(rename = "Type")]
    pub kind: String,
    /// What it is, for people.
    pub description: String,
    /// Whether a build has it now.
    pub in_use: bool,
    /// Whether an image has it as well.
    pub shared: bool,
    /// Bytes.
    pub size: u64,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub last_used_at: Option<String>,
    /// How many builds took it.
    pub usage_count: u64,
}

/// What the engine is and what it speaks: `GET /version`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Version {
    /// Whose engine.
    pub platform: ProductName,
    /// Its parts.
    pub components: Vec<Component>,
    /// Its version.
    pub version: String,
    /// The newest Engine API that it speaks.
    pub api_version: String,
    /// The oldest one.
    #[serde(rename = "MinAPIVersion")]
    pub min_api_version: String,
    /// The commit it was built from.
    pub git_commit: String,
    /// The version of Go it was built with.
    pub go_version: String,
    /// Operating system.
    pub os: String,
    /// CPU architecture.
    pub arch: String,
    /// The kernel's.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kernel_version: String,
    /// It can do what is not finished.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub experimental: bool,
    /// When it was built.
    pub build_time: String,
}

/// Whose engine it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ProductName {
    /// The product.
    pub name: String,
}

/// A part of the engine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Component {
    /// What it is called; scripts look for `Engine`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What else is known of it.
    pub details: BTreeMap<String, String>,
}

/// What `info` shows of the engine and the machine that it runs on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Info {
    /// The machine's.
    #[serde(rename = "ID")]
    pub id: String,
    /// All containers.
    pub containers: usize,
    /// Those that run.
    pub containers_running: usize,
    /// Those that are frozen.
    pub containers_paused: usize,
    /// The others.
    pub containers_stopped: usize,
    /// All images.
    pub images: usize,
    /// What keeps files.
    pub driver: String,
    /// What else is known of it: names and values.
    pub driver_status: Vec<[String; 2]>,
    /// What can be asked for by name.
    pub plugins: Plugins,
    /// Memory can be limited.
    pub memory_limit: bool,
    /// Memory and swap together can be.
    pub swap_limit: bool,
    /// Processor time can be.
    pub cpu_cfs_period: bool,
    /// Processor time can be.
    pub cpu_cfs_quota: bool,
    /// Processors can be shared by weight.
    #[serde(rename = "CPUShares")]
    pub cpu_shares: bool,
    /// Processors can be chosen.
    #[serde(rename = "CPUSet")]
    pub cpu_set: bool,
    /// Processes can be limited.
    pub pids_limit: bool,
    /// The machine forwards packets.
    #[serde(rename = "IPv4Forwarding")]
    pub ipv4_forwarding: bool,
    /// More is told than usual.
    pub debug: bool,
    /// The engine's open files.
    pub n_fd: usize,
    /// A container can be kept from being killed for want of memory.
    pub oom_kill_disable: bool,
    /// The engine's threads.
    pub n_goroutines: usize,
    /// The machine's time, RFC 3339.
    pub system_time: String,
    /// What becomes of output if nobody says.
    pub logging_driver: String,
    /// Who makes control groups.
    pub cgroup_driver: String,
    /// `1`, `2`.
    pub cgroup_version: String,
    /// Who listens for events.
    pub n_events_listener: usize,
    /// The kernel's.
    pub kernel_version: String,
    /// The distribution's name.
    pub operating_system: String,
    /// The distribution's version.
    #[serde(rename = "OSVersion")]
    pub os_version: String,
    /// `linux`.
    #[serde(rename = "OSType")]
    pub os_type: String,
    /// The processor's, as the kernel names it.
    pub architecture: String,
    /// Where names without a host lead.
    pub index_server_address: String,
    /// How registries are reached.
    pub registry_config: RegistryConfig,
    /// Processors.
    #[serde(rename = "NCPU")]
    pub n_cpu: usize,
    /// Bytes of memory.
    pub mem_total: u64,
    /// Devices by what they can.
    pub generic_resources: NilList<String>,
    /// Where the store is.
    pub docker_root_dir: String,
    /// Proxy for plain connections.
    pub http_proxy: String,
    /// Proxy for the others.
    pub https_proxy: String,
    /// Hosts that are reached without one.
    pub no_proxy: String,
    /// The machine's name.
    pub name: String,
    /// Labels of the engine.
    pub labels: Vec<String>,
    /// It can do what is not finished.
    pub experimental_build: bool,
    /// The engine's version.
    pub server_version: String,
    /// Runtimes by their names.
    pub runtimes: BTreeMap<String, Runtime>,
    /// The one that is taken if nobody says.
    pub default_runtime: String,
    /// There is no swarm.
    pub swarm: Swarm,
    /// Containers outlive the engine's restart.
    pub live_restore_enabled: bool,
    /// How containers are isolated (Windows).
    pub isolation: String,
    /// The small init.
    pub init_binary: String,
    /// `name=…` of what keeps containers in.
    pub security_options: Vec<String>,
    /// What the user should know.
    pub warnings: NilList<String>,
}

/// What can be asked for by name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Plugins {
    /// For volumes.
    pub volume: Vec<String>,
    /// For networks.
    pub network: Vec<String>,
    /// For rights.
    pub authorization: NilList<String>,
    /// For output.
    pub log: Vec<String>,
}

/// How registries are reached.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RegistryConfig {
    /// Networks whose registries are not proven to be who they are.
    #[serde(rename = "InsecureRegistryCIDRs")]
    pub insecure_registry_cidrs: Vec<String>,
    /// Registries with settings of their own, by name.
    pub index_configs: BTreeMap<String, IndexConfig>,
    /// Mirrors of the default one.
    pub mirrors: Vec<String>,
}

/// One registry.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct IndexConfig {
    /// Its host.
    pub name: String,
    /// Its mirrors.
    pub mirrors: Vec<String>,
    /// It must prove who it is.
    pub secure: bool,
    /// It is the default one.
    pub official: bool,
}

/// A runtime.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Runtime {
    /// Its program.
    pub path: String,
}

/// What is told of a swarm where there is none: scripts ask before they do something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Swarm {
    /// This machine's id in it.
    #[serde(rename = "NodeID")]
    pub node_id: String,
    /// This machine's address in it.
    pub node_addr: String,
    /// `inactive`.
    pub local_node_state: String,
    /// It decides.
    pub control_available: bool,
    /// Why it does not work.
    pub error: String,
    /// Who decides.
    pub remote_managers: NilList<String>,
}

impl Default for Swarm {
    fn default() -> Self {
        Self {
            node_id: String::new(),
            node_addr: String::new(),
            local_node_state: "inactive".to_owned(),
            control_available: false,
            error: String::new(),
            remote_managers: NilList::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(document: &impl Serialize, expected: &str) {
        assert_eq!(serde_json::to_string(document).unwrap(), expected);
    }

    #[test]
    fn json_is_dockers() {
        check(
            &DiskUsage { layers_size: 7, ..DiskUsage::default() },
            r#"{"LayersSize":7,"Images":[],"Containers":[],"Volumes":[],"BuildCache":[]}"#,
        );
        let component = Component { name: "Engine".to_owned(), version: "1".to_owned(), ..Component::default() };
        check(
            &Version { components: vec![component], version: "1".to_owned(), ..Version::default() },
            concat!(
                r#"{"Platform":{"Name":""},"Components":[{"Name":"Engine","Version":"1","Details":{}}],"#,
                r#""Version":"1","ApiVersion":"","MinAPIVersion":"","GitCommit":"","GoVersion":"","Os":"","Arch":"","#,
                r#""BuildTime":""}"#
            ),
        );
    }
}
