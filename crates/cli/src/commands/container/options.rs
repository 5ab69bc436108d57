//! The flags of `run` and `create`, and what they ask for.

use std::collections::BTreeMap;

use wharfie_engine::container::Create;
use wharfie_engine::container::settings::{PortBinding, Restart, Settings};
use wharfie_oci::config::Healthcheck;
use wharfie_oci::duration;

use super::{checks, mount_flag, mounts};
use crate::context::Context;
use crate::env;
use crate::failure::{Failure, Result};
use crate::flags::Matches;

/// Every flag that `create` has; `run` adds its own.
macro_rules! create_flags {
    ($($more:expr),* $(,)?) => {
        &[
            Flag::list("add-host", "Add a custom host-to-IP mapping (host:ip)").check(checks::host),
            Flag::list("attach", "Attach to STDIN, STDOUT or STDERR").short('a').check(checks::stream),
            Flag::list("cap-add", "Add Linux capabilities"),
            Flag::list("cap-drop", "Drop Linux capabilities"),
            Flag::str("cgroup-parent", "Optional parent cgroup for the container"),
            Flag::str("cgroupns", "Cgroup namespace to use (host|private)"),
            Flag::str("cidfile", "Write the container ID to the file"),
            Flag::int("cpu-period", "Limit CPU CFS (Completely Fair Scheduler) period"),
            Flag::int("cpu-quota", "Limit CPU CFS (Completely Fair Scheduler) quota"),
            Flag::int("cpu-shares", "CPU shares (relative weight)").short('c'),
            Flag::str("cpus", "Number of CPUs").value_name("decimal").check(checks::cpus),
            Flag::str("cpuset-cpus", "CPUs in which to allow execution (0-3, 0,1)"),
            Flag::str("cpuset-mems", "MEMs in which to allow execution (0-3, 0,1)"),
            Flag::list("device", "Add a host device to the container").check(checks::device),
            Flag::bool("disable-content-trust", "Skip image verification").default("true"),
            Flag::list("dns", "Set custom DNS servers").check(checks::address),
            Flag::list("dns-option", "Set DNS options"),
            Flag::list("dns-opt", "Set DNS options").hidden().alias_of("dns-option"),
            Flag::list("dns-search", "Set custom DNS search domains"),
            Flag::str("domainname", "Container NIS domain name"),
            Flag::str("entrypoint", "Overwrite the default ENTRYPOINT of the image"),
            Flag::list("env", "Set environment variables").short('e').check(checks::env),
            Flag::list("env-file", "Read in a file of environment variables"),
            Flag::list("expose", "Expose a port or a range of ports"),
            Flag::list("group-add", "Add additional groups to join"),
            Flag::str("health-cmd", "Command to run to check health"),
            Flag::str("health-interval", "Time between running the check (ms|s|m|h)").value_name("duration").check(checks::duration),
            Flag::int("health-retries", "Consecutive failures needed to report unhealthy"),
            Flag::str("health-start-interval", "Time between running the check during the start period (ms|s|m|h)").value_name("duration").check(checks::duration),
            Flag::str("health-start-period", "Start period for the container to initialize before starting health-retries countdown (ms|s|m|h)").value_name("duration").check(checks::duration),
            Flag::str("health-timeout", "Maximum time to allow one check to run (ms|s|m|h)").value_name("duration").check(checks::duration),
            Flag::str("hostname", "Container host name").short('h'),
            Flag::bool("init", "Run an init inside the container that forwards signals and reaps processes"),
            Flag::bool("interactive", "Keep STDIN open even if not attached").short('i'),
            Flag::str("ip", "IPv4 address (e.g., 172.30.100.104)").value_name("ip").check(checks::address),
            Flag::str("ipc", "IPC mode to use"),
            Flag::list("label", "Set meta data on a container").short('l'),
            Flag::list("label-file", "Read in a line delimited file of labels"),
            Flag::str("log-driver", "Logging driver for the container (json-file, none)"),
            Flag::list("link", "Add link to another container"),
            Flag::list("log-opt", "Log driver options"),
            Flag::str("mac-address", "Container MAC address (e.g., 92:d0:c6:0a:29:33)"),
            Flag::str("memory", "Memory limit").short('m').value_name("bytes").check(checks::bytes),
            Flag::str("memory-reservation", "Memory soft limit").value_name("bytes").check(checks::bytes),
            Flag::str("memory-swap", "Swap limit equal to memory plus swap: '-1' to enable unlimited swap").value_name("bytes").check(checks::bytes),
            Flag::list("mount", "Attach a filesystem mount to the container").check(checks::mount),
            Flag::str("name", "Assign a name to the container"),
            Flag::str("network", "Connect a container to a network").value_name("network"),
            Flag::list("network-alias", "Add network-scoped alias for the container"),
            Flag::list("net-alias", "Add network-scoped alias for the container").hidden().alias_of("network-alias"),
            Flag::str("net", "Connect a container to a network").hidden().alias_of("network"),
            Flag::bool("no-healthcheck", "Disable any container-specified HEALTHCHECK"),
            Flag::int("oom-score-adj", "Tune host's OOM preferences (-1000 to 1000)"),
            Flag::str("pid", "PID namespace to use"),
            Flag::int("pids-limit", "Tune container pids limit (set -1 for unlimited)"),
            Flag::str("platform", "Set platform if server is multi-platform capable"),
            Flag::bool("privileged", "Give extended privileges to this container"),
            Flag::list("publish", "Publish a container's port(s) to the host").short('p'),
            Flag::bool("publish-all", "Publish all exposed ports to random ports").short('P'),
            Flag::str("pull", "Pull image before running (\"always\", \"missing\", \"never\")").default("missing"),
            Flag::bool("quiet", "Suppress the pull output").short('q'),
            Flag::bool("read-only", "Mount the container's root filesystem as read only"),
            Flag::str("restart", "Restart policy to apply when a container exits").default("no"),
            Flag::bool("rm", "Automatically remove the container when it exits"),
            Flag::str("runtime", "Runtime to use for this container (wharfie, runc, crun, youki)"),
            Flag::list("security-opt", "Security Options"),
            Flag::str("shm-size", "Size of /dev/shm").value_name("bytes").check(checks::bytes),
            Flag::str("stop-signal", "Signal to stop the container"),
            Flag::int("stop-timeout", "Timeout (in seconds) to stop a container"),
            Flag::list("sysctl", "Sysctl options").check(checks::sysctl),
            Flag::list("tmpfs", "Mount a tmpfs directory"),
            Flag::bool("tty", "Allocate a pseudo-TTY").short('t'),
            Flag::list("ulimit", "Ulimit options").check(checks::ulimit),
            Flag::str("user", "Username or UID (format: <name|uid>[:<group|gid>])").short('u'),
            Flag::str("userns", "User namespace to use"),
            Flag::str("uts", "UTS namespace to use"),
            Flag::list("volume", "Bind mount a volume").short('v'),
            Flag::list("volumes-from", "Mount volumes from the specified container(s)"),
            Flag::str("workdir", "Working directory inside the container").short('w'),
            // What docker has and we have not: accepted with a warning, so that scripts go on.
            Flag::list("annotation", "Not supported").hidden(),
            Flag::int("blkio-weight", "Not supported").hidden(),
            Flag::list("blkio-weight-device", "Not supported").hidden(),
            Flag::int("cpu-rt-period", "Not supported").hidden(),
            Flag::int("cpu-rt-runtime", "Not supported").hidden(),
            Flag::list("device-cgroup-rule", "Not supported").hidden(),
            Flag::list("device-read-bps", "Not supported").hidden(),
            Flag::list("device-read-iops", "Not supported").hidden(),
            Flag::list("device-write-bps", "Not supported").hidden(),
            Flag::list("device-write-iops", "Not supported").hidden(),
            Flag::str("gpus", "Not supported").hidden(),
            Flag::str("ip6", "Not supported").hidden(),
            Flag::str("isolation", "Not supported").hidden(),
            Flag::str("kernel-memory", "Not supported").hidden(),
            Flag::list("link-local-ip", "Not supported").hidden(),
            Flag::int("memory-swappiness", "Not supported").hidden(),
            Flag::bool("oom-kill-disable", "Not supported").hidden(),
            Flag::list("storage-opt", "Not supported").hidden(),
            Flag::str("volume-driver", "Not supported").hidden(),
            $($more),*
        ]
    };
}
pub(crate) use create_flags;

/// Flags of docker that change nothing here.
const UNSUPPORTED: &[&str] = &[
    "annotation",
    "blkio-weight",
    "blkio-weight-device",
    "cpu-rt-period",
    "cpu-rt-runtime",
    "device-cgroup-rule",
    "device-read-bps",
    "device-read-iops",
    "device-write-bps",
    "device-write-iops",
    "gpus",
    "ip6",
    "isolation",
    "kernel-memory",
    "link-local-ip",
    "log-opt",
    "memory-swappiness",
    "oom-kill-disable",
    "storage-opt",
    "volume-driver",
];

/// Says which of the given flags change nothing.
pub(crate) fn warn_of_unsupported(cx: &Context, matches: &Matches) {
    cx.warn_of_trust(matches);
    for name in UNSUPPORTED.iter().filter(|name| matches.is_set(name)) {
        cx.warn(&format!("WARNING: --{name} is not supported and changes nothing"));
    }
}

/// Reads everything that the flags and words of `run` and `create` ask for.
pub(crate) fn create(cx: &Context, matches: &Matches) -> Result<Create> {
    let invalid = |text: String| Failure::with_code(text, 125);
    let text = |name: &str| matches.value(name).unwrap_or_default().to_owned();
    let optional = |name: &str| matches.value(name).map(str::to_owned);
    let mut settings = Settings {
        hostname: text("hostname"),
        domainname: text("domainname"),
        tty: matches.flag("tty"),
        open_stdin: matches.flag("interactive"),
        auto_remove: matches.flag("rm"),
        network: match text("network").as_str() {
            "" => "default".to_owned(),
            other => other.to_owned(),
        },
        aliases: matches.values("network-alias").to_vec(),
        address: optional("ip").and_then(|text| text.trim().parse().ok()),
        mac_address: optional("mac-address"),
        publish_all: matches.flag("publish-all"),
        cap_add: matches.values("cap-add").to_vec(),
        cap_drop: matches.values("cap-drop").to_vec(),
        privileged: matches.flag("privileged"),
        security_opt: security_options(matches)?,
        read_only: matches.flag("read-only"),
        ulimits: matches.values("ulimit").to_vec(),
        init: matches.flag("init"),
        restart: Restart::parse(&text("restart")).map_err(invalid)?,
        log_driver: text("log-driver"),
        devices: matches.values("device").to_vec(),
        sysctls: pairs(matches.values("sysctl")).into_iter().collect(),
        shm_size: match optional("shm-size") {
            Some(size) => bytes(&size).ok_or_else(|| invalid(format!("invalid size: '{size}'")))?,
            None => 0,
        },
        pid_mode: text("pid"),
        ipc_mode: text("ipc"),
        uts_mode: text("uts"),
        cgroupns_mode: text("cgroupns"),
        extra_hosts: matches.values("add-host").to_vec(),
        dns: matches.values("dns").to_vec(),
        dns_search: matches.values("dns-search").to_vec(),
        dns_options: matches.values("dns-option").to_vec(),
        group_add: matches.values("group-add").to_vec(),
        cgroup_parent: text("cgroup-parent"),
        oom_score_adj: matches.is_set("oom-score-adj").then(|| matches.int("oom-score-adj") as i32),
        stop_timeout: matches.is_set("stop-timeout").then(|| matches.int("stop-timeout")),
        runtime: cx.runtime(matches.value("runtime")).map_err(invalid)?,
        ..Settings::default()
    };
    check_modes(matches).map_err(invalid)?;
    if let Some(text) = &settings.mac_address
        && wharfie_engine::container::links::parse_hardware_address(text).is_none()
    {
        return Err(invalid(format!("{text} is not a valid mac address")));
    }
    let is_shared = settings.network == "host" || settings.network.starts_with("container:");
    if settings.mac_address.is_some() && is_shared {
        return Err(invalid("conflicting options: mac-address and the network mode".to_owned()));
    }
    if settings.network == "host" && (!matches.values("publish").is_empty() || settings.publish_all) {
        cx.warn("WARNING: Published ports are discarded when using host network mode");
    }
    if settings.auto_remove && settings.restart != Restart::No {
        return Err(invalid("conflicting options: cannot specify both --restart and --rm".to_owned()));
    }
    if !matches!(settings.log_driver.as_str(), "" | "json-file" | "none" | "local") {
        return Err(invalid(format!("logger: no log driver named '{}' is registered", settings.log_driver)));
    }
    settings.resources = resources(matches).map_err(invalid)?;
    checks::limits(&settings.resources).map_err(invalid)?;
    for spec in matches.values("publish") {
        settings.ports.extend(ports(spec).map_err(invalid)?);
    }
    for spec in matches.values("tmpfs") {
        settings.mounts.push(mounts::tmpfs(spec).map_err(invalid)?);
    }
    let mut volumes = Vec::new();
    for spec in matches.values("volume") {
        match mounts::volume(spec).map_err(invalid)? {
            Some(mount) => settings.mounts.push(mount),
            None => volumes.push(spec.clone()),
        }
    }
    let mut volume_details = BTreeMap::new();
    for spec in matches.values("mount") {
        let (mount, details) = mount_flag::parse(spec).map_err(invalid)?;
        volume_details.insert(mount.target.clone(), details);
        settings.mounts.push(mount);
    }
    mounts::check_targets(&settings.mounts).map_err(invalid)?;
    for spec in matches.values("volumes-from") {
        mounts::volumes_from(spec).map_err(invalid)?;
    }
    // What is published is exposed.
    let published: Vec<String> =
        settings.ports.iter().map(|port| format!("{}/{}", port.container, port.protocol)).collect();
    Ok(Create {
        starts_at_once: false,
        volume_details,
        links: matches.values("link").to_vec(),
        image: matches.args()[0].clone(),
        name: optional("name"),
        command: matches.args()[1..].to_vec(),
        entrypoint: matches.is_set("entrypoint").then(|| text("entrypoint")),
        env: environment(matches)?,
        labels: labels(matches)?,
        user: optional("user"),
        working_dir: optional("workdir"),
        expose: matches.values("expose").iter().map(|port| with_protocol(port)).chain(published).collect(),
        volumes,
        volumes_from: matches.values("volumes-from").to_vec(),
        stop_signal: optional("stop-signal"),
        healthcheck: healthcheck(matches).map_err(invalid)?,
        platform: cx.platform(matches)?,
        settings,
    })
}

/// Refuses namespaces that are none. There are no user namespaces of our own, which is what `host` asks for.
fn check_modes(matches: &Matches) -> Result<(), String> {
    let cases: [(&str, &str, &[&str]); 4] = [
        ("pid", "PID", &["", "host"]),
        ("uts", "UTS", &["", "host"]),
        ("userns", "USER", &["", "host"]),
        ("cgroupns", "CGROUP", &["", "host", "private"]),
    ];
    for (flag, word, known) in cases {
        let mode = matches.value(flag).unwrap_or_default();
        let is_shared = flag == "pid" && mode.starts_with("container:");
        if !known.contains(&mode) && !is_shared {
            return Err(format!("--{flag}: invalid {word} mode"));
        }
    }
    Ok(())
}

fn with_protocol(port: &str) -> String {
    if port.contains('/') { port.to_owned() } else { format!("{port}/tcp") }
}

fn security_options(matches: &Matches) -> Result<Vec<String>> {
    let mut options = Vec::new();
    for option in matches.values("security-opt") {
        if !option.contains(['=', ':']) && option != "no-new-privileges" {
            return Err(Failure::with_code(format!("invalid --security-opt: {option:?}"), 125));
        }
        // A profile is a file of the caller's: its text travels, not its name.
        match option.strip_prefix("seccomp=").or_else(|| option.strip_prefix("seccomp:")) {
            Some(path) if path != "unconfined" => {
                let text = std::fs::read_to_string(path).map_err(|why| {
                    Failure::with_code(
                        format!("opening seccomp profile ({path}) failed: {}", crate::context::reason(&why)),
                        125,
                    )
                })?;
                options.push(format!("seccomp={text}"));
            }
            _ => options.push(option.clone()),
        }
    }
    Ok(options)
}

pub(crate) fn pairs(values: &[String]) -> Vec<(String, String)> {
    values
        .iter()
        .map(|text| text.split_once('=').map_or((text.clone(), String::new()), |(k, v)| (k.to_owned(), v.to_owned())))
        .collect()
}

/// `-e` and `--env-file`: a name alone is copied from us, and left out if we do not have it.
pub(crate) fn environment(matches: &Matches) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut add = |text: &str| match (text.contains('='), env::text(text)) {
        (true, _) => found.push(text.to_owned()),
        (false, Some(value)) => found.push(format!("{text}={value}")),
        (false, None) => {}
    };
    for path in matches.values("env-file") {
        let refused = |why: String| Failure::with_code(why, 125);
        let bytes =
            std::fs::read(path).map_err(|why| refused(format!("open {path}: {}", crate::context::reason(&why))))?;
        for line in env_lines(path, &bytes).map_err(refused)? {
            match line {
                Some(line) if line.starts_with('=') => {
                    return Err(refused(format!("invalid env file ({path}): no variable name on line '{line}'")));
                }
                Some(line) if line.split('=').next().is_some_and(|name| name.contains([' ', '\t'])) => {
                    let name = line.split('=').next().unwrap_or_default();
                    let text = format!("variable '{name}' contains whitespaces");
                    return Err(refused(format!("invalid env file ({path}): {text}")));
                }
                Some(line) => add(&line),
                None => {}
            }
        }
    }
    for text in matches.values("env") {
        add(text);
    }
    Ok(found)
}

/// The lines of a file of variables or labels, without blanks in front; `None` for empty lines and comments.
fn env_lines(path: &str, bytes: &[u8]) -> Result<Vec<Option<String>>, String> {
    // Editors of another system put it there; it is no part of the first name.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|_| format!("invalid env file ({path}): it is not valid UTF-8"))?;
    let lines = text.lines().map(str::trim_start);
    Ok(lines.map(|line| (!line.is_empty() && !line.starts_with('#')).then(|| line.to_owned())).collect())
}

fn labels(matches: &Matches) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for path in matches.values("label-file") {
        let text = std::fs::read_to_string(path)
            .map_err(|why| Failure::with_code(format!("open {path}: {}", crate::context::reason(&why)), 125))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        found.extend(pairs(&lines.map(str::to_owned).collect::<Vec<_>>()));
    }
    found.extend(pairs(matches.values("label")));
    Ok(found)
}

fn healthcheck(matches: &Matches) -> Result<Option<Healthcheck>, String> {
    let has_check = ["cmd", "interval", "timeout", "start-period", "start-interval", "retries"]
        .iter()
        .any(|name| matches.is_set(&format!("health-{name}")));
    if matches.flag("no-healthcheck") && has_check {
        return Err("--no-healthcheck conflicts with --health-* options".to_owned());
    }
    if matches.flag("no-healthcheck") {
        return Ok(Some(Healthcheck { test: Some(vec!["NONE".to_owned()]), ..Healthcheck::default() }));
    }
    let nanos = |name: &str| match matches.value(name) {
        Some(text) => duration::parse(text).ok_or_else(|| format!("time: invalid duration \"{text}\"")),
        None => Ok(0),
    };
    let check = Healthcheck {
        test: matches.value("health-cmd").map(|command| vec!["CMD-SHELL".to_owned(), command.to_owned()]),
        interval: nanos("health-interval")?,
        timeout: nanos("health-timeout")?,
        start_period: nanos("health-start-period")?,
        start_interval: nanos("health-start-interval")?,
        retries: matches.int("health-retries"),
    };
    Ok((check != Healthcheck::default()).then_some(check))
}

/// Thousandths of a CPU, by `--cpu-quota` in each `--cpu-period`, both in microseconds.
fn share_of_cpus(matches: &Matches) -> Option<u64> {
    let quota = u64::try_from(matches.int("cpu-quota")).ok().filter(|quota| *quota > 0)?;
    let period = u64::try_from(matches.int("cpu-period")).ok().filter(|period| *period > 0).unwrap_or(100_000);
    Some((quota.saturating_mul(1000) / period).max(1))
}

/// What a container may use; `None` for what was not said.
pub(crate) fn resources(matches: &Matches) -> Result<wharfie_runtime::Resources, String> {
    let size = |name: &str| match matches.value(name) {
        Some("-1") => Ok(Some(u64::MAX)),
        Some(text) => bytes(text).map(Some).ok_or_else(|| format!("invalid size: '{text}'")),
        None => Ok(None),
    };
    let milli_cpus = match matches.value("cpus") {
        Some(text) => {
            let cpus: f64 = text.parse().map_err(|_| format!("failed to parse {text} as a rational number"))?;
            Some((cpus * 1000.0) as u64).filter(|milli| *milli > 0)
        }
        None => share_of_cpus(matches),
    };
    let positive = |name: &str| u64::try_from(matches.int(name)).ok().filter(|value| *value > 0);
    Ok(wharfie_runtime::Resources {
        memory: size("memory")?.filter(|size| *size > 0),
        memory_swap: size("memory-swap")?,
        memory_reservation: size("memory-reservation")?,
        milli_cpus,
        cpu_shares: positive("cpu-shares"),
        cpuset_cpus: matches.value("cpuset-cpus").map(str::to_owned),
        cpuset_mems: matches.value("cpuset-mems").map(str::to_owned),
        pids: positive("pids-limit"),
        ..wharfie_runtime::Resources::default()
    })
}

/// A size in docker's notation: `64m`, `1g`, `512kb`, `1.5GiB`; powers of 1024.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let shift = match text[end..].trim().trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        _ => return None,
    };
    Some((number * (1_u64 << shift) as f64) as u64)
}

/// `[[ADDRESS:]HOST:]CONTAINER[/PROTOCOL]`, each port also as a range.
fn ports(spec: &str) -> Result<Vec<PortBinding>, String> {
    let invalid = |what: &str| format!("invalid containerPort: {what}");
    let (spec, protocol) = spec.rsplit_once('/').unwrap_or((spec, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !matches!(protocol.as_str(), "tcp" | "udp") {
        return Err(format!("invalid proto: {protocol}"));
    }
    let (rest, container) = spec.rsplit_once(':').unwrap_or(("", spec));
    let (address, host) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, host)) => (address.to_owned(), host.trim_start_matches(':').to_owned()),
        None => match rest.rsplit_once(':') {
            Some((address, host)) => (address.to_owned(), host.to_owned()),
            None if rest.contains('.') => (rest.to_owned(), String::new()),
            None => (String::new(), rest.to_owned()),
        },
    };
    let range = |text: &str| -> Option<(u16, u16)> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        (first <= last).then_some((first, last))
    };
    let (first, last) = range(container).ok_or_else(|| invalid(container))?;
    let host_first = match host.as_str() {
        "" => 0,
        text => {
            let (low, high) = range(text).ok_or_else(|| format!("invalid hostPort: {text}"))?;
            if high - low != last - first {
                return Err(format!("invalid ranges specified for container and host Ports: {container} and {text}"));
            }
            low
        }
    };
    let bindings = (first..=last).map(|container| PortBinding {
        container,
        protocol: protocol.clone(),
        address: address.clone(),
        host: if host_first == 0 { 0 } else { host_first + (container - first) },
    });
    Ok(bindings.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_understood() {
        fn check(spec: &str, expected: &[(&str, u16, u16, &str)]) {
            let found = ports(spec).unwrap();
            let found: Vec<_> =
                found.iter().map(|p| (p.address.as_str(), p.host, p.container, p.protocol.as_str())).collect();
            assert_eq!(found, expected, "{spec}");
        }
        check("80", &[("", 0, 80, "tcp")]);
        check("8080:80", &[("", 8080, 80, "tcp")]);
        check("127.0.0.1:8080:80/udp", &[("127.0.0.1", 8080, 80, "udp")]);
        check("127.0.0.1::80", &[("127.0.0.1", 0, 80, "tcp")]);
        check("[::1]:1:2", &[("::1", 1, 2, "tcp")]);
        check("7000-7001:8000-8001", &[("", 7000, 8000, "tcp"), ("", 7001, 8001, "tcp")]);
        for bad in ["x", "1:2:3:x", "99999:1", "1-2:3", "1/icmp", ""] {
            assert!(ports(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, expected) in
            [("64m", 64 << 20), ("1g", 1 << 30), ("512KB", 512 << 10), ("1.5GiB", 3 << 29), ("10", 10)]
        {
            assert_eq!(bytes(text), Some(expected), "{text}");
        }
        assert_eq!(bytes("much"), None);
    }
}
