//! `--runtime NAME`: a container as an OCI bundle, for runc, crun or youki to run instead of us.
//! Source: runtime-spec 1.0.2, config.md and config-linux.md.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::mount::UnmountFlags;
use serde_json::{Map, Value, json};

use crate::accounts::{self, Identity};
use crate::error::{Error, Result};
use crate::init::{devices, masks, mounts, rootfs};
use crate::seccomp;
use crate::spec::{Bind, MountKind, Network, Process, Propagation, Resources, Share, Spec, Tmpfs};
use crate::warning::Warning;

/// A bundle on disk, its root mounted.
#[derive(Debug)]
pub struct Bundle {
    /// The directory to give to the runtime.
    pub directory: PathBuf,
    /// What will not be as asked.
    pub warnings: Vec<Warning>,
}

impl Bundle {
    /// Unmounts the root and removes the bundle's files; the layers and the changes stay. Idempotent.
    ///
    /// # Errors
    /// When the root is in use.
    pub fn remove(directory: &Path) -> Result<()> {
        let root = directory.join(ROOT);
        unmount(directory)?;
        for path in [&root, &directory.to_owned()] {
            let _ = std::fs::remove_file(directory.join(CONFIG));
            match std::fs::remove_dir(path) {
                Err(why) if why.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::system(format!("remove {}", path.display()))(why));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Unmounts the root, which stays what it is for the containers that have it. Idempotent.
pub(crate) fn unmount(directory: &Path) -> Result<()> {
    let root = directory.join(ROOT);
    match rustix::mount::unmount(&root, UnmountFlags::DETACH) {
        Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => Ok(()),
        Err(why) => Err(Error::system(format!("unmount {}", root.display()))(why)),
    }
}

/// Writes `config.json` into `directory`, which is made, and mounts the root beside it. A container on a bridge gets a
/// network of its own with nothing but `lo`: the cable is laid once there is one.
///
/// # Errors
/// When the root cannot be mounted, the user is unknown in it, or the container needs what only our own runtime does:
/// an ordinary user's way out.
pub fn write(spec: &Spec, lowers: &[OwnedFd], directory: &Path) -> Result<Bundle> {
    if let Network::Outlet(outlet) = &spec.network {
        let name = outlet.helper.name();
        return Err(Error::invalid("network", name, "other runtimes know none, host, and existing ones"));
    }
    if let Some(mount) = spec.mounts.iter().find(|mount| matches!(mount.kind, MountKind::Handed(_))) {
        let target = mount.target.display().to_string();
        return Err(Error::invalid("mount", target, "other runtimes mount only what has a path"));
    }
    let root = directory.join(ROOT);
    std::fs::create_dir_all(&root).map_err(Error::system(format!("make {}", root.display())))?;
    let mount = rootfs::mount_on(&spec.rootfs, lowers, spec.user_namespace.is_some(), &root)?;
    let written = accounts::look_up(mount.as_fd(), &spec.process.user, &spec.process.groups)
        .and_then(|identity| config(spec, &identity))
        .and_then(|(config, warnings)| {
            let path = directory.join(CONFIG);
            std::fs::write(&path, config.to_string()).map_err(Error::system(format!("write {}", path.display())))?;
            Ok(Bundle { directory: directory.to_owned(), warnings })
        });
    if written.is_err() {
        let _ = Bundle::remove(directory);
    }
    written
}

fn config(spec: &Spec, identity: &Identity) -> Result<(Value, Vec<Warning>)> {
    let mut warnings = Vec::new();
    let mut config = json!({
        "ociVersion": "1.0.2",
        "process": process(&spec.process, identity, &mut warnings)?,
        "root": { "path": ROOT, "readonly": spec.readonly_root },
        "mounts": all_mounts(spec),
        "linux": linux(spec)?,
    });
    if spec.sharing.uts == Share::Private && !spec.hostname.is_empty() {
        config["hostname"] = json!(spec.hostname);
    }
    Ok((config, warnings))
}

/// A process as the runtime's `exec` takes it as well.
pub(crate) fn process(process: &Process, identity: &Identity, warnings: &mut Vec<Warning>) -> Result<Value> {
    let mut env = process.env.clone();
    if !env.iter().any(|one| one.starts_with("HOME=")) {
        env.push(format!("HOME={}", identity.home));
    }
    let held = rustix::thread::capabilities(None).map_err(Error::system("read the capabilities"))?;
    let may_raise = held.effective.contains(rustix::thread::CapabilitySet::SYS_RESOURCE);
    let mut limits = Vec::new();
    for limit in &process.rlimits {
        let (actual, warning) = limit.clamped(may_raise)?;
        warnings.extend(warning);
        let name = format!("RLIMIT_{}", actual.name.to_ascii_uppercase());
        limits.push(json!({ "type": name, "soft": actual.soft, "hard": actual.hard }));
    }
    // Of those that this process has: nobody can give more.
    let own: Vec<String> = process.capabilities.held_by(held.permitted.bits()).names().collect();
    let mut value = json!({
        "terminal": process.terminal.is_some(),
        "user": { "uid": identity.uid, "gid": identity.gid, "additionalGids": identity.groups },
        "args": process.args,
        "env": env,
        "cwd": if process.cwd.is_empty() { "/" } else { &process.cwd },
        "capabilities": { "bounding": own, "effective": own, "permitted": own },
        "rlimits": limits,
        "noNewPrivileges": process.no_new_privileges,
    });
    if let Some(size) = process.terminal {
        value["consoleSize"] = json!({ "height": size.rows, "width": size.columns });
    }
    if let Some(score) = process.oom_score_adj {
        value["oomScoreAdj"] = json!(score);
    }
    Ok(value)
}

fn all_mounts(spec: &Spec) -> Vec<Value> {
    let mount = |target: &str, kind: &str, source: &str, options: &[&str]| json!({ "destination": target, "type": kind, "source": source, "options": options });
    let access = if spec.security.privileged { "rw" } else { "ro" };
    let shm = format!("size={}", spec.shm_size);
    let safe = ["nosuid", "noexec", "nodev"];
    let with = |more: &[&'static str]| [&safe[..], more].concat();
    let usual = [
        mount("/proc", "proc", "proc", &safe),
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount(
            "/dev/pts",
            "devpts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
        mount("/sys", "sysfs", "sysfs", &with(&[access])),
        mount("/sys/fs/cgroup", "cgroup", "cgroup", &with(&[access])),
        match spec.sharing.ipc {
            // It belongs to a namespace that is not the container's.
            Share::Host => mount("/dev/mqueue", "bind", "/dev/mqueue", &["bind", "rprivate"]),
            _ => mount("/dev/mqueue", "mqueue", "mqueue", &safe),
        },
        match spec.sharing.ipc {
            Share::Host => mount("/dev/shm", "bind", "/dev/shm", &["bind", "rprivate"]),
            _ => mount("/dev/shm", "tmpfs", "shm", &[&safe[..], &["mode=1777", &shm]].concat()),
        },
    ];
    let own = mounts::all_mounts(spec);
    let is_taken = |usual: &Value| {
        (spec.shm_size == 0 && usual["destination"] == "/dev/shm")
            || own.iter().any(|one| usual["destination"] == *one.target.to_string_lossy())
    };
    let mut all: Vec<Value> = usual.into_iter().filter(|one| !is_taken(one)).collect();
    for one in &own {
        let target = one.target.to_string_lossy();
        let access = if one.read_only { "ro" } else { "rw" };
        all.push(match &one.kind {
            MountKind::Bind(Bind { source, recursive, propagation }) => {
                let bind = if *recursive { "rbind" } else { "bind" };
                let propagation = match propagation {
                    Propagation::Private => "rprivate",
                    Propagation::Slave => "rslave",
                    Propagation::Shared => "rshared",
                };
                mount(&target, "bind", &source.to_string_lossy(), &[bind, access, propagation])
            }
            MountKind::Tmpfs(Tmpfs { options }) => {
                let options = options.iter().map(String::as_str);
                let options: Vec<&str> = safe.iter().copied().chain([access]).chain(options).collect();
                mount(&target, "tmpfs", "tmpfs", &options)
            }
            // Refused before.
            MountKind::Handed(_) => continue,
        });
    }
    all
}

fn linux(spec: &Spec) -> Result<Value> {
    let mut namespaces = vec![json!({ "type": "mount" })];
    let shares = [
        ("pid", &spec.sharing.pid),
        ("ipc", &spec.sharing.ipc),
        ("uts", &spec.sharing.uts),
        ("cgroup", &spec.sharing.cgroup),
    ];
    for (name, share) in shares {
        match share {
            Share::Private => namespaces.push(json!({ "type": name })),
            Share::Host => {}
            Share::Namespace(path) => namespaces.push(json!({ "type": name, "path": path })),
        }
    }
    match &spec.network {
        Network::None | Network::Bridge(_) | Network::Outlet(_) => namespaces.push(json!({ "type": "network" })),
        Network::Namespace(path) => namespaces.push(json!({ "type": "network", "path": path })),
        Network::Host => {}
    }
    let parent = spec.cgroup_parent.as_deref().unwrap_or("wharfie");
    let mut sysctls = spec.sysctls.clone();
    if !spec.domainname.is_empty() && spec.sharing.uts == Share::Private {
        // Version 1.0 has no word for it.
        sysctls.entry("kernel.domainname".to_owned()).or_insert_with(|| spec.domainname.clone());
    }
    let nodes = devices::nodes(spec)?.into_iter().map(|node| {
        let kind = node.kind.to_string();
        json!({
            "path": node.target, "type": kind, "major": node.major, "minor": node.minor, "fileMode": node.mode,
            "uid": 0, "gid": 0,
        })
    });
    let mut linux = json!({
        "cgroupsPath": format!("/{}/{}", parent.trim_matches('/'), spec.id),
        "resources": resources(spec)?,
        "sysctl": sysctls,
        "devices": nodes.collect::<Vec<_>>(),
    });
    if let Some(path) = &spec.sharing.user {
        namespaces.push(json!({ "type": "user", "path": path }));
    } else if let Some(ids) = &spec.user_namespace {
        namespaces.push(json!({ "type": "user" }));
        let maps = |maps: &[crate::IdMap]| {
            let one =
                |map: &crate::IdMap| json!({ "containerID": map.inside, "hostID": map.outside, "size": map.count });
            Value::from(maps.iter().map(one).collect::<Vec<_>>())
        };
        linux["uidMappings"] = maps(&ids.uids);
        linux["gidMappings"] = maps(&ids.gids);
    }
    linux["namespaces"] = json!(namespaces);
    if !spec.security.privileged && spec.security.mask_paths {
        linux["maskedPaths"] = json!(masks::HIDDEN_PATHS);
        linux["readonlyPaths"] = json!(masks::READ_ONLY_PATHS);
    }
    if !spec.security.privileged
        && let Some(filter) = seccomp::describe(&spec.security.seccomp, spec.process.capabilities)?
    {
        linux["seccomp"] = filter;
    }
    Ok(linux)
}

fn resources(spec: &Spec) -> Result<Value> {
    let Resources { memory, memory_swap, memory_reservation, cpu_shares, .. } = &spec.resources;
    let cpu_time = spec.resources.cpu_time();
    let object = |members: Vec<(&str, Option<Value>)>| {
        let set = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        set.collect::<Map<String, Value>>()
    };
    let mut all = json!({
        "memory": object(vec![
            ("limit", memory.map(Value::from)),
            ("swap", memory_swap.map(|swap| if swap == u64::MAX { json!(-1) } else { json!(swap) })),
            ("reservation", memory_reservation.map(Value::from)),
        ]),
        "cpu": object(vec![
            ("shares", cpu_shares.map(Value::from)),
            ("period", cpu_time.map(|(_, period)| json!(period))),
            ("quota", cpu_time.and_then(|(quota, _)| quota).map(Value::from)),
            ("cpus", spec.resources.cpuset_cpus.clone().map(Value::from)),
            ("mems", spec.resources.cpuset_mems.clone().map(Value::from)),
        ]),
    });
    if let Some(pids) = spec.resources.pids {
        all["pids"] = json!({ "limit": i64::try_from(pids).unwrap_or(-1) });
    }
    if spec.security.privileged {
        all["devices"] = json!([{ "allow": true, "access": "rwm" }]);
    } else {
        // Runtimes add the usual devices themselves.
        let mut rules = vec![json!({ "allow": false, "access": "rwm" })];
        for rule in devices::rules(&spec.devices)? {
            let kind = rule.kind.to_string();
            rules.push(
                json!({ "allow": true, "type": kind, "major": rule.major, "minor": rule.minor, "access": rule.access }),
            );
        }
        all["devices"] = json!(rules);
    }
    Ok(all)
}

const CONFIG: &str = "config.json";
const ROOT: &str = "rootfs";
