//! From settings to what the runtime starts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use wharfie_oci::ContainerId;
use wharfie_runtime::{
    Bind, Capabilities, Device, Files, Mount, MountKind as RuntimeMount, Network, Outlet, Process, Propagation, Rootfs,
    Seccomp, Security, Share, Sharing, Size, Spec, Tmpfs, UserNamespace,
};
use wharfie_store::Store;
use wharfie_store::containers::ContainerRow;

use super::ContainerError;
use super::is_alive;
use super::neighbours::OWN_HOSTS;
use super::settings::{MountKind, MountPoint, Settings};
use super::volumes::parse_name;
use super::words::{DeviceMapping, HostAddress, Namespace, NetworkMode, SecurityOption, Ulimit};
use crate::error::{Error, Result};

/// The runtime's description of a container's start.
pub(crate) fn spec(
    store: &Store,
    row: &ContainerRow,
    settings: &Settings,
    rootfs: Rootfs,
    network: Network,
    size: Option<Size>,
) -> Result<Spec> {
    // Who has another's network is another's host, too: its name and its files.
    let donor = donor(store, settings)?;
    let named = donor.as_ref().map(|(_, theirs)| Settings {
        hostname: theirs.hostname.clone(),
        domainname: theirs.domainname.clone(),
        ..settings.clone()
    });
    let settings = named.as_ref().unwrap_or(settings);
    let linked = super::links::linked(store, row, settings)?;
    let mut process = process(settings, size)?;
    super::links::add_variables(&mut process.env, linked.env);
    let uts = share(store, &settings.uts_mode, "uts")?;
    let hostname = if uts == Share::Private { settings.hostname.clone() } else { String::new() };
    Ok(Spec {
        id: row.id.to_string(),
        domainname: settings.domainname.clone(),
        rootfs,
        readonly_root: settings.read_only,
        process,
        mounts: mounts(store, settings)?,
        files: match &donor {
            Some((id, _)) => files_of(store, id),
            None => files(store, row, settings, &network, &linked.hosts)?,
        },
        devices: settings.devices.iter().map(device).collect(),
        sysctls: sysctls(settings, &network),
        network,
        sharing: Sharing {
            pid: share(store, &settings.pid_mode, "pid")?,
            ipc: share(store, &settings.ipc_mode, "ipc")?,
            uts,
            cgroup: share(store, &settings.cgroupns_mode, "cgroup")?,
            user: None,
        },
        resources: settings.resources.clone(),
        cgroup_parent: Some(settings.cgroup_parent.clone()).filter(|parent| !parent.is_empty()),
        security: security(settings),
        shm_size: match settings.shm_size {
            // A namespace of its own that nothing can be shared through.
            _ if settings.ipc_mode == Namespace::None => 0,
            0 => Spec::default().shm_size,
            size => size,
        },
        init: settings.init,
        hostname,
        ..Spec::default()
    })
}

/// The ids of an ordinary user's container. With namespaces of another container's it gets that one's ids, which are the
/// same.
pub(super) fn map_ids(spec: &mut Spec, settings: &Settings) -> Result<()> {
    spec.user_namespace = Some(UserNamespace::for_container()?);
    if !settings.sysctls.contains_key(PING_GROUPS) {
        // Most of the range is not mapped.
        spec.sysctls.remove(PING_GROUPS);
    }
    let Sharing { pid, ipc, uts, cgroup, .. } = &spec.sharing;
    let shared = [pid, ipc, uts, cgroup].into_iter().find_map(|share| match share {
        Share::Namespace(path) => Some(path),
        Share::Private | Share::Host => None,
    });
    let network = if let Network::Namespace(path) = &spec.network { Some(path) } else { None };
    spec.sharing.user = shared.or(network).map(|path| path.with_file_name("user"));
    Ok(())
}

/// What was asked for, on top of docker's: in a network of its own every user may open low ports and send pings.
fn sysctls(settings: &Settings, network: &Network) -> BTreeMap<String, String> {
    let mut all = settings.sysctls.clone();
    for (name, value) in [(LOW_PORTS, "0"), (PING_GROUPS, "0 2147483647")] {
        if network.is_own() && Path::new("/proc/sys").join(name.replace('.', "/")).exists() {
            all.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
    }
    all
}

const LOW_PORTS: &str = "net.ipv4.ip_unprivileged_port_start";
const PING_GROUPS: &str = "net.ipv4.ping_group_range";

/// The container's first process. Every other one in it has the same rights, limits and surroundings.
pub(super) fn process(settings: &Settings, size: Option<Size>) -> Result<Process> {
    let mut env = settings.environment();
    let mut add = |name: &str, value: &str| {
        if !env.iter().any(|pair| pair.split('=').next() == Some(name)) {
            env.push(format!("{name}={value}"));
        }
    };
    if !settings.hostname.is_empty() {
        add("HOSTNAME", &settings.hostname);
    }
    if settings.tty {
        add("TERM", "xterm");
    }
    let capabilities = match settings.privileged {
        true => Capabilities::ALL,
        false => Capabilities::DEFAULT.adjust(&settings.cap_add, &settings.cap_drop)?,
    };
    Ok(Process {
        args: settings.command(),
        env,
        cwd: settings.config.working_dir.clone(),
        user: settings.config.user.clone(),
        groups: settings.group_add.clone(),
        terminal: settings.tty.then(|| size.unwrap_or_default()),
        capabilities,
        no_new_privileges: settings.security_opt.contains(&SecurityOption::NoNewPrivileges(true)),
        rlimits: settings.ulimits.iter().map(Ulimit::to_runtime).collect(),
        oom_score_adj: settings.oom_score_adj,
    })
}

fn security(settings: &Settings) -> Security {
    let mut security = Security { privileged: settings.privileged, ..Security::default() };
    for option in &settings.security_opt {
        match option {
            SecurityOption::SeccompUnconfined => security.seccomp = Seccomp::Unconfined,
            SecurityOption::SeccompBuiltin => security.seccomp = Seccomp::Default,
            SecurityOption::Seccomp(profile) => security.seccomp = Seccomp::Profile(profile.clone()),
            SecurityOption::SystemPathsUnconfined => security.mask_paths = false,
            // The first is the process's; for the others there is nothing to label here.
            SecurityOption::NoNewPrivileges(_) | SecurityOption::Label(_) | SecurityOption::AppArmor(_) => {}
        }
    }
    security
}

fn mounts(store: &Store, settings: &Settings) -> Result<Vec<Mount>> {
    let mut mounts = Vec::with_capacity(settings.mounts.len());
    for mount in &settings.mounts {
        let kind = match mount.kind {
            MountKind::Tmpfs => RuntimeMount::Tmpfs(Tmpfs { options: mount.options.clone() }),
            MountKind::Volume => RuntimeMount::Bind(Bind::new(store.volume_directory(&parse_name(&mount.source)?))),
            MountKind::Bind => RuntimeMount::Bind(bind(mount)),
        };
        mounts.push(Mount { target: PathBuf::from(&mount.target), kind, read_only: mount.read_only });
    }
    Ok(mounts)
}

fn bind(mount: &MountPoint) -> Bind {
    let has = |name: &str| mount.options.iter().any(|option| option == name);
    let propagation = match () {
        () if has("rshared") || has("shared") => Propagation::Shared,
        () if has("rslave") || has("slave") => Propagation::Slave,
        () => Propagation::Private,
    };
    Bind { propagation, ..Bind::new(&mount.source) }
}

fn device(mapping: &DeviceMapping) -> Device {
    let DeviceMapping { source, target, access } = mapping;
    Device { source: source.into(), target: target.into(), access: access.clone() }
}

fn share(store: &Store, mode: &Namespace, namespace: &str) -> Result<Share> {
    match mode {
        Namespace::Default | Namespace::Private | Namespace::Shareable | Namespace::None => Ok(Share::Private),
        Namespace::Host => Ok(Share::Host),
        Namespace::Container(name) => {
            if namespace == "ipc" {
                check_shareable(store, name)?;
            }
            Ok(Share::Namespace(namespace_of(store, name, namespace)?))
        }
    }
}

/// A container's memory is its own unless it offers it, as with docker.
fn check_shareable(store: &Store, name: &str) -> Result<()> {
    let row = store.find_container(name)?.ok_or_else(|| ContainerError::NoSuch(name.to_owned()))?;
    match super::settings_of(&row)?.ipc_mode {
        Namespace::Default | Namespace::Private | Namespace::None => Err(ContainerError::NotShareable(row.id).into()),
        _ => Ok(()),
    }
}

pub(super) fn namespace_of(store: &Store, name: &str, namespace: &str) -> Result<PathBuf> {
    let row = store.find_container(name)?.ok_or_else(|| ContainerError::NoSuch(name.to_owned()))?;
    match row.state.process().filter(|_| is_alive(&row)).map(|process| process.pid) {
        Some(pid) => Ok(PathBuf::from(format!("/proc/{pid}/ns/{namespace}"))),
        None => Err(ContainerError::NotRunning(row.id).into()),
    }
}

/// Id and settings of the container whose network this one has.
fn donor(store: &Store, settings: &Settings) -> Result<Option<(ContainerId, Settings)>> {
    let NetworkMode::Container(name) = &settings.network else { return Ok(None) };
    let row = store.find_container(name)?.ok_or_else(|| ContainerError::NoSuch(name.to_owned()))?;
    let theirs = super::settings_of(&row)?;
    Ok(Some((row.id, theirs)))
}

/// The small files of a container that runs.
fn files_of(store: &Store, id: &ContainerId) -> Files {
    let directory = store.container_directory(id);
    let of = |name: &str| Some(directory.join(name)).filter(|path| path.exists());
    Files { hosts: of("hosts"), resolv_conf: of("resolv.conf"), hostname: of("hostname") }
}

/// Writes the small files that are bound over the image's. They are new files each time: who shares the network of the last
/// run may still have the old ones, and hold them.
fn files(store: &Store, row: &ContainerRow, settings: &Settings, network: &Network, linked: &str) -> Result<Files> {
    let directory = store.container_directory(&row.id);
    let write = |name: &str, text: &str| -> Result<Option<PathBuf>> {
        let (aside, path) = (directory.join("new"), directory.join(name));
        let written = std::fs::write(&aside, text).and_then(|()| std::fs::rename(&aside, &path));
        written.map_err(|source| Error::File { doing: "write", path: path.clone(), source })?;
        Ok(Some(path))
    };
    let hosts = hosts_of(settings, network, linked);
    let hostname = match settings.hostname.as_str() {
        "" => of_host("/etc/hostname"),
        name => format!("{name}\n"),
    };
    write(OWN_HOSTS, &hosts)?;
    Ok(Files {
        hosts: write("hosts", &hosts)?,
        resolv_conf: write("resolv.conf", &resolver_of(settings, network))?,
        hostname: write("hostname", &hostname)?,
    })
}

/// A file of this machine; nothing if there is none.
fn of_host(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// What a container's `/etc/resolv.conf` says.
pub(crate) fn resolver_of(settings: &Settings, network: &Network) -> String {
    resolver(settings, &hosts_servers(&of_host("/etc/resolv.conf"), &of_host(RESOLVED), network), network)
}

/// What a container's `/etc/hosts` says, with the lines of those that it is linked to.
pub(crate) fn hosts_of(settings: &Settings, network: &Network, linked: &str) -> String {
    let is_host = matches!(network, Network::Host);
    let mut hosts = match is_host {
        true => of_host("/etc/hosts"),
        false => "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\n\
                  ff00::0\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n"
            .to_owned(),
    };
    for extra in &settings.extra_hosts {
        let address = match (extra.address, network) {
            (HostAddress::Ip(address), _) => address,
            (HostAddress::Gateway, Network::Bridge(place)) => place.gateway.into(),
            (HostAddress::Gateway, Network::Outlet(_)) => super::network::host_address(),
            (HostAddress::Gateway, _) => Ipv4Addr::LOCALHOST.into(),
        };
        writeln!(hosts, "{address}\t{}", extra.name).expect("a string accepts every write");
    }
    if let Some(address) = super::network::address(network) {
        let names = match settings.domainname.as_str() {
            "" => settings.hostname.clone(),
            domain => format!("{0}.{domain} {0}", settings.hostname),
        };
        writeln!(hosts, "{address}\t{names}").expect("a string accepts every write");
    }
    hosts.push_str(linked);
    hosts
}

/// The host's resolver settings as a container can use them. One that asks only itself has a service that knows where the
/// answers come from; without that there are the public servers that docker takes.
fn hosts_servers(own: &str, of_service: &str, network: &Network) -> String {
    let servers = |text: &str| text.lines().filter_map(server).filter(|address| is_reachable(address)).count();
    let is_own = matches!(network, Network::Bridge(_) | Network::None);
    let has_any = own.lines().filter_map(server).next().is_some();
    if !is_own || servers(own) > 0 || !has_any {
        return own.to_owned();
    }
    if servers(of_service) > 0 {
        return of_service.to_owned();
    }
    let mut text: String = PUBLIC_SERVERS.iter().map(|address| format!("nameserver {address}\n")).collect();
    text.push_str(own);
    text
}

/// The address in a line that names a server.
fn server(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    if words.next() == Some("nameserver") { words.next() } else { None }
}

/// False for addresses that mean something else inside: the host's loopback, and those of one of its devices.
fn is_reachable(address: &str) -> bool {
    match address.parse::<std::net::IpAddr>() {
        Ok(address) => !address.is_loopback() && !address.is_unspecified(),
        Err(_) => false,
    }
}

/// Of a service that answers at 127.0.0.53: where it gets its answers from.
const RESOLVED: &str = "/run/systemd/resolve/resolv.conf";
const PUBLIC_SERVERS: [&str; 2] = ["8.8.8.8", "8.8.4.4"];

/// The host's resolver settings with what was asked for instead. Name servers on the host's loopback cannot be reached
/// from a network of the container's own, unless its way out answers for them.
fn resolver(settings: &Settings, host: &str, network: &Network) -> String {
    let is_host = matches!(network, Network::Host);
    let mut servers: Vec<String> = settings.dns.iter().map(ToString::to_string).collect();
    if servers.is_empty() && matches!(network, Network::Outlet(_)) {
        servers.push(Outlet::NAME_SERVER.to_string());
    }
    let mut text = String::new();
    let mut line = |key: &str, value: &str| writeln!(text, "{key} {value}").expect("a string accepts every write");
    for server in &servers {
        line("nameserver", server);
    }
    // A dot alone says that nothing is searched.
    if !settings.dns_search.is_empty() && settings.dns_search != ["."] {
        line("search", &settings.dns_search.join(" "));
    }
    if !settings.dns_options.is_empty() {
        line("options", &settings.dns_options.join(" "));
    }
    for kept in host.lines() {
        let is_replaced = match kept.split_whitespace().next() {
            Some("nameserver") => !servers.is_empty() || (!is_host && !server(kept).is_some_and(is_reachable)),
            Some("search" | "domain") => !settings.dns_search.is_empty(),
            Some("options") => !settings.dns_options.is_empty(),
            _ => true,
        };
        if !is_replaced {
            text.push_str(kept);
            text.push('\n');
        }
    }
    text
}

/// Where a container's small files and log are.
pub(crate) fn log_path(store: &Store, id: &ContainerId) -> PathBuf {
    store.container_directory(id).join(Path::new("log.json"))
}
