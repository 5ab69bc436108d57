//! A container's document: what was asked for and how it is, in docker's fields.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use wharfie_model::container::{
    Config, ContainerInspect, DeviceMapping, Empty, EndpointSettings, GraphDriver, Health as HealthNow, HealthProbe,
    HostConfig, IpamConfig, LogConfig, MountPoint, MountRequest, NetworkSettings, PortBinding as HostPort, PortMap,
    RestartPolicy, State, Ulimit,
};
use wharfie_model::{Moment, NilList, NilMap};
use wharfie_oci::{ContainerId, Digest, Timestamp, config};
use wharfie_runtime::{HIDDEN_PATHS, READ_ONLY_PATHS};
use wharfie_store::containers::{ContainerRow, Health, Status};

use super::network::open_ports;
use super::settings::{Attachment, MountKind, MountOrigin, OWN_RUNTIME, Restart, Settings};
use super::summary::has_ports_of_its_own;
use super::words::{MacAddress, Namespace, NetworkMode, PortBinding, SecurityOption};
use super::{health, is_alive, readable_settings};
use crate::engine::Engine;
use crate::error::Result;
use crate::inspect::health_document;
use crate::networks::{builtin_id, is_builtin};

impl Engine {
    /// A container's document; `with_size` counts its bytes, which takes a look at all its files.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn inspect_container(&self, row: &ContainerRow, with_size: bool) -> Result<ContainerInspect> {
        let settings = readable_settings(row);
        let mut command = settings.command().into_iter();
        let directory = self.container_place(row)?;
        let path = |name: &str| directory.join(name).display().to_string();
        let sizes = if with_size { Some(self.container_sizes(row)?) } else { None };
        Ok(ContainerInspect {
            id: row.id.to_string(),
            created: row.created.to_string(),
            path: command.next().unwrap_or_default(),
            args: command.collect(),
            state: state(row, &self.health(row)?),
            image: row.image.as_str().to_owned(),
            resolv_conf_path: path("resolv.conf"),
            hostname_path: path("hostname"),
            hosts_path: path("hosts"),
            log_path: path("log.json"),
            name: format!("/{}", row.name),
            restart_count: row.state.restarts,
            driver: "overlay2".to_owned(),
            platform: "linux".to_owned(),
            mount_label: String::new(),
            process_label: String::new(),
            app_armor_profile: String::new(),
            exec_ids: NilList::default(),
            host_config: self.host_config(row, &settings),
            graph_driver: GraphDriver { data: NilMap::default(), name: "overlay2".to_owned() },
            size_rw: sizes.map(|(own, _)| own),
            size_root_fs: sizes.map(|(_, whole)| whole),
            mounts: self.mount_points(&settings)?,
            config: config(&settings),
            network_settings: self.network_settings(row, &settings)?,
        })
    }

    fn host_config(&self, row: &ContainerRow, settings: &Settings) -> HostConfig {
        let is_open = settings.privileged || settings.security_opt.contains(&SecurityOption::SystemPathsUnconfined);
        let paths = |list: &[&str]| if is_open { NilList::default() } else { texts(list) };
        let asked = |origin: MountOrigin| settings.mounts.iter().filter(move |mount| mount.origin == origin);
        let of = &settings.resources;
        let signed = |number: u64| i64::try_from(number).unwrap_or(-1);
        let other = |id: &ContainerId| self.container(id).map_or_else(|_| id.to_string(), |other| other.name.into());
        HostConfig {
            binds: asked(MountOrigin::Bind)
                .map(|mount| match mount.options.as_slice() {
                    [] => format!("{}:{}", mount.source, mount.target),
                    options => format!("{}:{}:{}", mount.source, mount.target, options.join(",")),
                })
                .collect(),
            container_id_file: settings.id_file.clone(),
            log_config: LogConfig { kind: settings.log_driver.to_string(), config: BTreeMap::new() },
            network_mode: settings.network.to_string(),
            port_bindings: port_map(&settings.ports),
            restart_policy: RestartPolicy {
                name: settings.restart.name().to_owned(),
                maximum_retry_count: if let Restart::OnFailure(count) = settings.restart { count } else { 0 },
            },
            auto_remove: settings.auto_remove,
            volumes_from: texts(&settings.volumes_from),
            cap_add: texts(&settings.cap_add),
            cap_drop: texts(&settings.cap_drop),
            cgroupns_mode: or_private(&settings.cgroupns_mode),
            dns: texts(&settings.dns).0,
            dns_options: settings.dns_options.clone(),
            dns_search: settings.dns_search.clone(),
            extra_hosts: texts(&settings.extra_hosts),
            group_add: texts(&settings.group_add),
            ipc_mode: or_private(&settings.ipc_mode),
            links: settings.links.iter().map(|(id, alias)| format!("/{}:/{}/{alias}", other(id), row.name)).collect(),
            oom_score_adj: settings.oom_score_adj.unwrap_or_default(),
            pid_mode: settings.pid_mode.to_string(),
            privileged: settings.privileged,
            publish_all_ports: settings.publish_all,
            readonly_rootfs: settings.read_only,
            security_opt: texts(&settings.security_opt),
            tmpfs: asked(MountOrigin::Tmpfs).map(|mount| (mount.target.clone(), mount.options.join(","))).collect(),
            uts_mode: settings.uts_mode.to_string(),
            shm_size: if settings.shm_size > 0 { settings.shm_size } else { wharfie_runtime::Spec::default().shm_size },
            sysctls: settings.sysctls.clone(),
            runtime: settings.runtime.as_ref().map_or(OWN_RUNTIME, |runtime| &runtime.name).to_owned(),
            cpu_shares: of.cpu_shares.unwrap_or_default(),
            memory: of.memory.unwrap_or_default(),
            nano_cpus: of.milli_cpus.unwrap_or_default() * 1_000_000,
            cgroup_parent: settings.cgroup_parent.clone(),
            blkio_weight: of.blkio_weight.unwrap_or_default(),
            cpu_period: of.cpu_period.unwrap_or_default(),
            cpu_quota: of.cpu_quota.unwrap_or_default(),
            cpuset_cpus: of.cpuset_cpus.clone().unwrap_or_default(),
            cpuset_mems: of.cpuset_mems.clone().unwrap_or_default(),
            devices: settings
                .devices
                .iter()
                .map(|device| DeviceMapping {
                    path_on_host: device.source.clone(),
                    path_in_container: device.target.clone(),
                    cgroup_permissions: device.access.clone(),
                })
                .collect(),
            memory_reservation: of.memory_reservation.unwrap_or_default(),
            // Twice the memory, unless something else was asked for.
            memory_swap: of.memory_swap.or(of.memory.map(|memory| memory.saturating_mul(2))).map_or(0, signed),
            oom_kill_disable: Some(false),
            pids_limit: of.pids.map(signed),
            ulimits: settings
                .ulimits
                .iter()
                .map(|limit| Ulimit { name: limit.name.clone(), hard: limit.hard, soft: limit.soft })
                .collect(),
            mounts: asked(MountOrigin::Mount)
                .map(|mount| MountRequest {
                    kind: mount.kind.as_str().to_owned(),
                    source: mount.source.clone(),
                    target: mount.target.clone(),
                    read_only: mount.read_only,
                })
                .collect(),
            masked_paths: paths(HIDDEN_PATHS),
            readonly_paths: paths(READ_ONLY_PATHS),
            init: settings.init.then_some(true),
            ..HostConfig::default()
        }
    }

    pub(super) fn mount_points(&self, settings: &Settings) -> Result<Vec<MountPoint>> {
        let shown = settings.mounts.iter().filter(|mount| mount.origin != MountOrigin::Tmpfs);
        let point = |mount: &super::settings::MountPoint| {
            let is_volume = mount.kind == MountKind::Volume;
            let propagation = mount.options.iter().find(|option| option.contains("shared") || option.contains("slave"));
            let source = match mount.kind {
                MountKind::Volume => mount.volume().map_or(Ok(String::new()), |name| self.volume_place(&name))?,
                MountKind::Bind => mount.source.clone(),
                MountKind::Tmpfs => String::new(),
            };
            Ok(MountPoint {
                kind: mount.kind.as_str().to_owned(),
                name: if is_volume { mount.source.clone() } else { String::new() },
                source,
                destination: mount.target.clone(),
                driver: if is_volume { "local".to_owned() } else { String::new() },
                mode: mount.options.join(","),
                rw: !mount.read_only,
                propagation: match (mount.kind, propagation) {
                    (MountKind::Bind, Some(asked)) => asked.clone(),
                    (MountKind::Bind, None) => "rprivate".to_owned(),
                    _ => String::new(),
                },
            })
        };
        shown.map(point).collect()
    }

    pub(super) fn network_settings(&self, row: &ContainerRow, settings: &Settings) -> Result<NetworkSettings> {
        let mut networks = BTreeMap::new();
        for (at, attachment) in settings.attachments().iter().enumerate() {
            let endpoint = self.endpoint(row, settings, attachment, at == 0)?;
            networks.insert(attachment.network.clone(), endpoint);
        }
        if networks.is_empty() && !matches!(settings.network, NetworkMode::Container(_)) {
            let name = settings.network.to_string();
            let network_id = if is_builtin(&name) { builtin_id(&name).into() } else { String::new() };
            networks.insert(name, EndpointSettings { network_id, ..EndpointSettings::default() });
        }
        let mut ports = port_map(&open_ports(row));
        if has_ports_of_its_own(row, settings) {
            for port in settings.config.exposed_ports.iter().flatten().map(|(port, _)| port) {
                ports.entry(port.clone()).or_default();
            }
        }
        let default: EndpointSettings = networks.get("bridge").cloned().unwrap_or_default();
        let namespace =
            row.state.process().filter(|_| is_alive(row)).map(|process| format!("/proc/{}/ns/net", process.pid));
        Ok(NetworkSettings {
            sandbox_id: namespace.as_ref().map(|_| name_of("sandbox", &[&row.id])).unwrap_or_default(),
            sandbox_key: namespace.unwrap_or_default(),
            ports,
            endpoint_id: default.endpoint_id,
            gateway: default.gateway,
            ip_address: default.ip_address,
            ip_prefix_len: default.ip_prefix_len,
            mac_address: default.mac_address,
            networks,
            ..NetworkSettings::default()
        })
    }

    fn endpoint(
        &self,
        row: &ContainerRow,
        settings: &Settings,
        attachment: &Attachment,
        is_first: bool,
    ) -> Result<EndpointSettings> {
        let name = &attachment.network;
        // An ordinary user's container is on no bridge and has an address all the same.
        let alone = row.state.running().filter(|now| is_first && now.addresses.is_empty());
        let alone = alone.map_or("", |now| now.address.as_str());
        let address = row.state.address_on(name).map_or(alone, |(address, _)| address.as_str());
        let (network_id, gateway, prefix, is_own) = match self.network(name) {
            Ok(network) => (network.id, network.gateway, network.prefix, true),
            Err(_) => {
                let bridge = super::network::subnet(self);
                (builtin_id(name), bridge.gateway, bridge.prefix, false)
            }
        };
        let mut endpoint = EndpointSettings {
            ipam_config: attachment.address.map(|address| IpamConfig { ipv4_address: address.to_string() }),
            aliases: texts(&attachment.aliases),
            dns_names: match is_own {
                true => {
                    let names = [row.name.as_str()].into_iter().chain(attachment.aliases.iter().map(String::as_str));
                    texts(&names.chain([row.id.short()]).collect::<Vec<_>>())
                }
                false => NilList::default(),
            },
            network_id: network_id.into(),
            ..EndpointSettings::default()
        };
        let Ok(ip) = address.parse::<Ipv4Addr>() else { return Ok(endpoint) };
        endpoint.endpoint_id = name_of("endpoint", &[&row.id, &endpoint.network_id]);
        endpoint.ip_address = address.to_owned();
        endpoint.gateway = gateway.to_string();
        endpoint.ip_prefix_len = prefix;
        endpoint.mac_address = settings.mac_address.filter(|_| is_first).unwrap_or(MacAddress::of(ip)).to_string();
        Ok(endpoint)
    }
}

/// The hardware address of a container's device on a network; empty if it is not on it now.
pub(crate) fn hardware_address(row: &ContainerRow, network: &str) -> Result<String> {
    let settings = readable_settings(row);
    let is_first = settings.attachments().first().is_some_and(|first| first.network == network);
    let address = row.state.address_on(network).and_then(|(address, _)| address.parse().ok());
    let own = settings.mac_address.filter(|_| is_first).or(address.map(MacAddress::of));
    Ok(own.map(|address| address.to_string()).unwrap_or_default())
}

/// A name that is the same each time and nothing else's: where docker makes up a random one and keeps it.
pub(crate) fn name_of(kind: &str, parts: &[&str]) -> String {
    Digest::of(format!("{kind} {}", parts.join(" ")).as_bytes()).hex().to_owned()
}

fn texts<T: ToString>(list: &[T]) -> NilList<String> {
    list.iter().map(ToString::to_string).collect()
}

fn or_private(mode: &Namespace) -> String {
    if *mode == Namespace::Default { "private".to_owned() } else { mode.to_string() }
}

fn port_map(bindings: &[PortBinding]) -> PortMap {
    let mut map = PortMap::new();
    for binding in bindings {
        let host = HostPort { host_ip: binding.address_text(), host_port: binding.host.to_string() };
        map.entry(binding.inside()).or_default().0.push(host);
    }
    map
}

fn state(row: &ContainerRow, record: &health::Record) -> State {
    let state = &row.state;
    let is = |status: Status| state.status() == status;
    let time = |nanos: Option<i64>| nanos.map_or(Timestamp::ZERO, Timestamp::from_nanos).to_string();
    let probe = |probe: &health::Probe| HealthProbe {
        start: Moment(time(Some(probe.start))),
        end: Moment(time(Some(probe.end))),
        exit_code: probe.exit_code,
        output: probe.output.clone(),
    };
    State {
        status: state.status().as_str().to_owned(),
        running: is(Status::Running) || is(Status::Paused),
        paused: is(Status::Paused),
        restarting: is(Status::Restarting),
        oom_killed: state.oom_killed,
        dead: false,
        pid: state.process().map(|process| process.pid).unwrap_or_default(),
        exit_code: state.exit_code,
        error: state.error.clone(),
        started_at: time(state.started_at),
        finished_at: time(state.finished_at),
        health: (state.health != Health::Unchecked).then(|| HealthNow {
            status: state.health.as_str().to_owned(),
            failing_streak: record.failing_streak,
            log: record.probes.iter().map(probe).collect(),
        }),
    }
}

fn config(settings: &Settings) -> Config {
    let of = &settings.config;
    let set = |set: &Option<BTreeMap<String, config::Empty>>| -> BTreeMap<String, Empty> {
        set.iter().flatten().map(|(key, _)| (key.clone(), Empty {})).collect()
    };
    let list = |list: &Option<Vec<String>>| NilList(list.clone().unwrap_or_default());
    Config {
        hostname: settings.hostname.clone(),
        domainname: settings.domainname.clone(),
        user: of.user.clone(),
        attach_stdin: settings.open_stdin,
        attach_stdout: true,
        attach_stderr: true,
        exposed_ports: set(&of.exposed_ports),
        tty: settings.tty,
        open_stdin: settings.open_stdin,
        stdin_once: false,
        env: list(&of.env),
        cmd: list(&of.cmd),
        healthcheck: of.healthcheck.as_ref().map(health_document),
        args_escaped: of.args_escaped,
        image: settings.image_name.clone(),
        volumes: NilMap(set(&of.volumes)),
        working_dir: of.working_dir.clone(),
        entrypoint: list(&of.entrypoint),
        on_build: list(&of.on_build),
        labels: settings.labels(),
        stop_signal: of.stop_signal.clone().unwrap_or_default(),
        stop_timeout: settings.stop_timeout,
        shell: of.shell.clone().unwrap_or_default(),
    }
}
