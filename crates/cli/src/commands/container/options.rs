//! What the flags and words of `run` and `create` ask for.

use std::collections::BTreeMap;
use std::str::FromStr;

use wharfie_engine::container::Create;
use wharfie_engine::container::settings::{Restart, Settings};
use wharfie_engine::container::volumes::VolumeDetails;
use wharfie_engine::container::words::{self, BadWord, Namespace, NetworkMode, PortBinding, SecurityOption, Sysctl};
use wharfie_oci::config::Healthcheck;
use wharfie_oci::duration;
use wharfie_oci::size::{self, Units};

use super::variables::{environment, labels};
use super::{limits, mount_flag, mounts};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::Matches;

/// Reads everything that the flags and words of `run` and `create` ask for. Nothing is made or changed on the disk.
pub(crate) fn create(cx: &Context, matches: &Matches) -> Result<Create> {
    let refused = |why: &BadWord| Failure::with_code(why.to_string(), 125);
    let optional = |name: &str| matches.value(name).map(str::to_owned);
    let mut settings = settings(cx, matches)?;
    let (volumes, volume_details) = mounts_of(matches, &mut settings)?;
    for text in matches.values("publish") {
        settings.ports.extend(words::publish(text).map_err(|why| refused(&why))?);
    }
    if settings.network == NetworkMode::Host && (!settings.ports.is_empty() || settings.publish_all) {
        cx.warn("WARNING: Published ports are discarded when using host network mode");
    }
    let mut expose = Vec::new();
    for text in matches.values("expose") {
        expose.extend(words::expose(text).map_err(|why| refused(&why))?);
    }
    // What is published is exposed.
    expose.extend(settings.ports.iter().map(PortBinding::inside));
    Ok(Create {
        starts_at_once: false,
        volume_details,
        links: matches.values("link").to_vec(),
        image: matches.args()[0].clone(),
        name: optional("name"),
        command: matches.args()[1..].to_vec(),
        entrypoint: matches.is_set("entrypoint").then(|| optional("entrypoint").unwrap_or_default()),
        env: environment(matches)?,
        labels: labels(matches)?,
        user: optional("user"),
        working_dir: optional("workdir"),
        expose,
        volumes,
        volumes_from: matches.values("volumes-from").to_vec(),
        stop_signal: optional("stop-signal"),
        healthcheck: healthcheck(matches).map_err(|text| Failure::with_code(text, 125))?,
        platform: cx.platform(matches.value("platform"))?,
        settings,
    })
}

/// All but mounts and ports.
fn settings(cx: &Context, matches: &Matches) -> Result<Settings> {
    let invalid = |text: String| Failure::with_code(text, 125);
    let refused = |why: BadWord| invalid(why.to_string());
    let by_daemon = |why: BadWord| Failure::daemon(why).code(125);
    let text = |name: &str| matches.value(name).unwrap_or_default();
    let owned = |name: &str| text(name).to_owned();
    let capabilities = |flag: &str, name: &str| {
        all(matches.values(flag)).map_err(|why| Failure::daemon(format!("invalid {name}: {why}")).code(125))
    };
    let sysctls: Vec<Sysctl> = all(matches.values("sysctl")).map_err(refused)?;
    // Containers of root have no user namespace: nothing comes of what was asked for, so it is only judged.
    Namespace::user(text("userns")).map_err(refused)?;
    let settings = Settings {
        hostname: owned("hostname"),
        domainname: owned("domainname"),
        tty: matches.flag("tty"),
        open_stdin: matches.flag("interactive"),
        auto_remove: matches.flag("rm"),
        network: text("network").parse().map_err(by_daemon)?,
        aliases: matches.values("network-alias").to_vec(),
        address: text("ip").trim().parse().ok(),
        mac_address: matches.value("mac-address").map(str::parse).transpose().map_err(refused)?,
        publish_all: matches.flag("publish-all"),
        cap_add: capabilities("cap-add", "CapAdd")?,
        cap_drop: capabilities("cap-drop", "CapDrop")?,
        privileged: matches.flag("privileged"),
        security_opt: security_options(matches)?,
        read_only: matches.flag("read-only"),
        ulimits: all(matches.values("ulimit")).map_err(refused)?,
        init: matches.flag("init"),
        restart: Restart::parse(text("restart")).map_err(invalid)?,
        log_driver: text("log-driver").parse().map_err(refused)?,
        devices: all(matches.values("device")).map_err(refused)?,
        sysctls: sysctls.into_iter().map(|sysctl| (sysctl.name, sysctl.value)).collect(),
        shm_size: match matches.value("shm-size") {
            Some(size) => size::parse(size, Units::Binary).ok_or_else(|| invalid(format!("invalid size: '{size}'")))?,
            None => 0,
        },
        pid_mode: Namespace::pid(text("pid")).map_err(refused)?,
        ipc_mode: text("ipc").parse().map_err(by_daemon)?,
        uts_mode: Namespace::uts(text("uts")).map_err(refused)?,
        cgroupns_mode: Namespace::cgroup(text("cgroupns")).map_err(refused)?,
        extra_hosts: all(matches.values("add-host")).map_err(refused)?,
        dns: matches.values("dns").iter().filter_map(|text| text.trim().parse().ok()).collect(),
        dns_search: matches.values("dns-search").to_vec(),
        dns_options: matches.values("dns-option").to_vec(),
        group_add: matches.values("group-add").to_vec(),
        cgroup_parent: owned("cgroup-parent"),
        oom_score_adj: matches.is_set("oom-score-adj").then(|| matches.int("oom-score-adj") as i32),
        stop_timeout: matches.is_set("stop-timeout").then(|| matches.int("stop-timeout")),
        id_file: owned("cidfile"),
        runtime: cx.runtime(matches.value("runtime")).map_err(|why| why.code(125))?,
        resources: limits::resources(matches).map_err(invalid)?,
        ..Settings::default()
    };
    if settings.auto_remove && settings.restart != Restart::No {
        return Err(invalid("conflicting options: cannot specify both --restart and --rm".to_owned()));
    }
    Ok(settings)
}

/// Every value of a flag that can be given several times.
fn all<T: FromStr<Err = BadWord>>(values: &[String]) -> Result<Vec<T>, BadWord> {
    values.iter().map(|text| text.parse()).collect()
}

/// `--tmpfs`, `-v` and `--mount`. Gives the anonymous volumes, and what `--mount` says of volumes that are to be made, by
/// the paths where they are mounted.
fn mounts_of(matches: &Matches, settings: &mut Settings) -> Result<(Vec<String>, BTreeMap<String, VolumeDetails>)> {
    let refused = |why: Failure| why.code(125);
    for spec in matches.values("tmpfs") {
        settings.mounts.push(mounts::tmpfs(spec).map_err(refused)?);
    }
    let mut volumes = Vec::new();
    for spec in matches.values("volume") {
        match mounts::volume(spec).map_err(refused)? {
            Some(mount) => settings.mounts.push(mount),
            None => volumes.push(spec.clone()),
        }
    }
    let mut details = BTreeMap::new();
    for spec in matches.values("mount") {
        let (mount, of_volume) = mount_flag::parse(spec).map_err(refused)?;
        details.insert(mount.target.clone(), of_volume);
        settings.mounts.push(mount);
    }
    mounts::check_targets(&settings.mounts).map_err(refused)?;
    for spec in matches.values("volumes-from") {
        mounts::volumes_from(spec).map_err(refused)?;
    }
    Ok((volumes, details))
}

fn security_options(matches: &Matches) -> Result<Vec<SecurityOption>> {
    let refused = |text: String| Failure::with_code(text, 125);
    let mut options = Vec::new();
    for text in matches.values("security-opt") {
        let option: SecurityOption = text.parse().map_err(|why: BadWord| match text.contains(['=', ':']) {
            // Docker's client knows the form, its daemon the words.
            true => Failure::daemon(why).code(125),
            false => refused(why.to_string()),
        })?;
        options.push(match option {
            // A profile is a file of the caller's: its text travels, not its name.
            SecurityOption::Seccomp(path) => {
                SecurityOption::Seccomp(std::fs::read_to_string(&path).map_err(|why| {
                    refused(format!("opening seccomp profile ({path}) failed: {}", crate::context::reason(&why)))
                })?)
            }
            option => option,
        });
    }
    Ok(options)
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
    let nanos = |name: &str| match matches.value(name).map(|text| (text, duration::parse(text))) {
        Some((_, Some(..0))) => Err(format!("--{name} cannot be negative")),
        Some((_, Some(nanos))) => Ok(nanos),
        Some((text, None)) => Err(format!("time: invalid duration \"{text}\"")),
        None => Ok(0),
    };
    if matches.int("health-retries") < 0 {
        return Err("--health-retries cannot be negative".to_owned());
    }
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
