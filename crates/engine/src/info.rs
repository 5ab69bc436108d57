//! Info: the engine, its store and the machine that they are on.

use std::path::{Path, PathBuf};

use wharfie_model::system::{IndexConfig, Info, Plugins, RegistryConfig, Runtime};
use wharfie_store::containers::Status;

use crate::container::stats::machine_memory;
use crate::engine::Engine;
use crate::error::Result;
use crate::version::VERSION;

/// What the engine's user knows and the engine does not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Surroundings {
    /// Networks and registries that need not prove who they are.
    pub insecure_registries: Vec<String>,
    /// Mirrors of the default registry.
    pub mirrors: Vec<String>,
    /// Runtimes by their names.
    pub runtimes: Vec<(String, PathBuf)>,
    /// The one that is taken if nobody says.
    pub default_runtime: String,
}

impl Engine {
    /// What is known of the machine and the store.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn info(&self, surroundings: &Surroundings) -> Result<Info> {
        let store = self.reader()?;
        let uname = rustix::system::uname();
        let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
        let containers = self.containers()?;
        let count = |status: Status| containers.iter().filter(|row| row.state.status() == status).count();
        let (running, paused) = (count(Status::Running), count(Status::Paused));
        // An ordinary user's containers have no control groups.
        let has_limits = !self.config().is_rootless;
        let mut insecure = words(&["::1/128", "127.0.0.0/8"]);
        insecure.extend(surroundings.insecure_registries.iter().cloned());
        let mirrors = surroundings.mirrors.clone();
        let official =
            IndexConfig { name: "docker.io".to_owned(), mirrors: mirrors.clone(), secure: true, official: true };
        let runtime = |(name, path): &(String, PathBuf)| (name.clone(), Runtime { path: path.display().to_string() });
        Ok(Info {
            id: file("/etc/machine-id").trim().to_owned(),
            containers: containers.len(),
            containers_running: running,
            containers_paused: paused,
            containers_stopped: containers.len() - running - paused,
            images: store.images()?.len(),
            driver: "overlay2".to_owned(),
            driver_status: vec![[
                "Snapshots".to_owned(),
                store.known_snapshot_kind()?.map_or("not chosen yet", |kind| kind.as_str()).to_owned(),
            ]],
            plugins: Plugins {
                volume: words(&["local"]),
                network: words(&["bridge", "host", "null"]),
                log: words(&["json-file", "local"]),
                ..Plugins::default()
            },
            memory_limit: has_limits,
            swap_limit: has_limits,
            cpu_cfs_period: has_limits,
            cpu_cfs_quota: has_limits,
            cpu_shares: has_limits,
            cpu_set: has_limits,
            pids_limit: has_limits,
            ipv4_forwarding: file("/proc/sys/net/ipv4/ip_forward").starts_with('1'),
            system_time: store.now().to_string(),
            logging_driver: "json-file".to_owned(),
            cgroup_driver: "cgroupfs".to_owned(),
            cgroup_version: match Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
                true => "2".to_owned(),
                false => "1".to_owned(),
            },
            kernel_version: text(uname.release()),
            operating_system: os_release("PRETTY_NAME").unwrap_or_else(|| "Linux".to_owned()),
            os_version: os_release("VERSION_ID").unwrap_or_default(),
            os_type: "linux".to_owned(),
            architecture: std::env::consts::ARCH.to_owned(),
            index_server_address: "https://index.docker.io/v1/".to_owned(),
            registry_config: RegistryConfig {
                insecure_registry_cidrs: insecure,
                index_configs: [(official.name.clone(), official)].into(),
                mirrors,
            },
            n_cpu: std::thread::available_parallelism().map_or(1, Into::into),
            mem_total: machine_memory(),
            docker_root_dir: self.config().root.display().to_string(),
            name: text(uname.nodename()),
            server_version: VERSION.to_owned(),
            runtimes: surroundings.runtimes.iter().map(runtime).collect(),
            default_runtime: surroundings.default_runtime.clone(),
            init_binary: "wharfie".to_owned(),
            security_options: std::iter::once("name=seccomp,profile=builtin")
                .chain(self.config().is_rootless.then_some("name=rootless"))
                .map(str::to_owned)
                .collect(),
            ..Info::default()
        })
    }
}

/// A file of the machine; empty if it cannot be read.
fn file(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// What the distribution says of itself.
fn os_release(key: &str) -> Option<String> {
    let file = file("/etc/os-release");
    let value = file.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    value.map(|value| value.trim_matches('"').to_owned())
}
