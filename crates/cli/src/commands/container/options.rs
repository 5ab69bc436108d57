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
use super::{create_flags, limits, mount_flag, mounts};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Matches, Text, Texts};

/// Reads everything that the flags and words of `run` and `create` ask for. Nothing is made or changed on the disk.
pub(crate) fn create(cx: &Context, matches: &Matches) -> Result<Create> {
    let refused = |why: &BadWord| Failure::with_code(why.to_string(), 125);
    let optional = |flag: &Text| matches.get(flag).map(str::to_owned);
    let mut settings = settings(cx, matches)?;
    let (volumes, volume_details) = mounts_of(matches, &mut settings)?;
    for text in matches.get(&create_flags::PUBLISH) {
        settings.ports.extend(words::publish(text).map_err(|why| refused(&why))?);
    }
    if settings.network == NetworkMode::Host && (!settings.ports.is_empty() || settings.publish_all) {
        cx.warn("WARNING: Published ports are discarded when using host network mode");
    }
    let mut expose = Vec::new();
    for text in matches.get(&create_flags::EXPOSE) {
        expose.extend(words::expose(text).map_err(|why| refused(&why))?);
    }
    // What is published is exposed.
    expose.extend(settings.ports.iter().map(PortBinding::inside));
    Ok(Create {
        starts_at_once: false,
        volume_details,
        links: matches.get(&create_flags::LINK).to_vec(),
        image: matches.args()[0].clone(),
        name: optional(&create_flags::NAME).filter(|name| !name.is_empty()),
        command: matches.args()[1..].to_vec(),
        entrypoint: matches
            .is_given(&create_flags::ENTRYPOINT)
            .then(|| optional(&create_flags::ENTRYPOINT).unwrap_or_default()),
        env: environment(matches)?,
        labels: labels(matches)?,
        user: optional(&create_flags::USER),
        working_dir: optional(&create_flags::WORKDIR),
        expose,
        volumes,
        volumes_from: matches.get(&create_flags::VOLUMES_FROM).to_vec(),
        stop_signal: optional(&create_flags::STOP_SIGNAL),
        healthcheck: healthcheck(matches).map_err(|text| Failure::with_code(text, 125))?,
        platform: cx.platform(matches.get(&create_flags::PLATFORM))?,
        settings,
    })
}

/// All but mounts and ports.
fn settings(cx: &Context, matches: &Matches) -> Result<Settings> {
    let invalid = |text: String| Failure::with_code(text, 125);
    let refused = |why: BadWord| invalid(why.to_string());
    let by_daemon = |why: BadWord| Failure::daemon(why).code(125);
    let text = |flag: &Text| matches.get(flag).unwrap_or_default();
    let owned = |flag: &Text| text(flag).to_owned();
    let capabilities = |flag: &Texts, name: &str| {
        all(matches.get(flag)).map_err(|why| Failure::daemon(format!("invalid {name}: {why}")).code(125))
    };
    let sysctls: Vec<Sysctl> = all(matches.get(&create_flags::SYSCTL)).map_err(refused)?;
    // Containers of root have no user namespace: nothing comes of what was asked for, so it is only judged.
    Namespace::user(text(&create_flags::USERNS)).map_err(refused)?;
    let settings = Settings {
        hostname: owned(&create_flags::HOSTNAME),
        domainname: owned(&create_flags::DOMAINNAME),
        tty: matches.get(&create_flags::TTY),
        open_stdin: matches.get(&create_flags::INTERACTIVE),
        auto_remove: matches.get(&create_flags::RM),
        network: text(&create_flags::NETWORK).parse().map_err(by_daemon)?,
        aliases: matches.get(&create_flags::NETWORK_ALIAS).to_vec(),
        address: text(&create_flags::IP).trim().parse().ok(),
        mac_address: matches.get(&create_flags::MAC_ADDRESS).map(str::parse).transpose().map_err(refused)?,
        publish_all: matches.get(&create_flags::PUBLISH_ALL),
        cap_add: capabilities(&create_flags::CAP_ADD, "CapAdd")?,
        cap_drop: capabilities(&create_flags::CAP_DROP, "CapDrop")?,
        privileged: matches.get(&create_flags::PRIVILEGED),
        security_opt: security_options(matches)?,
        read_only: matches.get(&create_flags::READ_ONLY),
        ulimits: all(matches.get(&create_flags::ULIMIT)).map_err(refused)?,
        init: matches.get(&create_flags::INIT),
        restart: restart(text(&create_flags::RESTART)).map_err(|why| why.code(125))?,
        log_driver: text(&create_flags::LOG_DRIVER).parse().map_err(refused)?,
        devices: all(matches.get(&create_flags::DEVICE)).map_err(refused)?,
        sysctls: sysctls.into_iter().map(|sysctl| (sysctl.name, sysctl.value)).collect(),
        shm_size: match matches.get(&create_flags::SHM_SIZE) {
            Some(size) => size::parse(size, Units::Binary).ok_or_else(|| invalid(format!("invalid size: '{size}'")))?,
            None => 0,
        },
        pid_mode: Namespace::pid(text(&create_flags::PID)).map_err(refused)?,
        ipc_mode: text(&create_flags::IPC).parse().map_err(by_daemon)?,
        uts_mode: Namespace::uts(text(&create_flags::UTS)).map_err(refused)?,
        cgroupns_mode: Namespace::cgroup(text(&create_flags::CGROUPNS)).map_err(refused)?,
        extra_hosts: all(matches.get(&create_flags::ADD_HOST)).map_err(refused)?,
        dns: matches.get(&create_flags::DNS).iter().filter_map(|text| text.trim().parse().ok()).collect(),
        dns_search: matches.get(&create_flags::DNS_SEARCH).to_vec(),
        dns_options: matches.get(&create_flags::DNS_OPTION).to_vec(),
        group_add: matches.get(&create_flags::GROUP_ADD).to_vec(),
        cgroup_parent: owned(&create_flags::CGROUP_PARENT),
        oom_score_adj: matches
            .is_given(&create_flags::OOM_SCORE_ADJ)
            .then(|| oom_score(matches.get(&create_flags::OOM_SCORE_ADJ)))
            .transpose()?,
        stop_timeout: matches.is_given(&create_flags::STOP_TIMEOUT).then(|| matches.get(&create_flags::STOP_TIMEOUT)),
        id_file: owned(&create_flags::CIDFILE),
        runtime: cx.runtime(matches.get(&create_flags::RUNTIME)).map_err(|why| why.code(125))?,
        resources: limits::resources(matches).map_err(invalid)?,
        ..Settings::default()
    };
    if settings.auto_remove && settings.restart != Restart::No {
        return Err(invalid("conflicting options: cannot specify both --restart and --rm".to_owned()));
    }
    if !settings.aliases.is_empty() && !matches!(settings.network, NetworkMode::Named(_)) {
        return Err(invalid("network-scoped aliases are only supported for user-defined networks".to_owned()));
    }
    Ok(settings)
}

/// A restart policy. Docker's client knows the form, its daemon the words.
pub(super) fn restart(text: &str) -> Result<Restart> {
    Restart::parse(text).map_err(|why| match why.starts_with("invalid restart policy: ") {
        true => Failure::daemon(why),
        false => Failure::new(why),
    })
}

/// What the kernel takes.
fn oom_score(score: i64) -> Result<i32> {
    let refused = || format!("Invalid value {score}, range for oom score adj is [-1000, 1000]");
    match i32::try_from(score) {
        Ok(score @ -1000..=1000) => Ok(score),
        _ => Err(Failure::daemon(refused()).code(125)),
    }
}

/// Every value of a flag that can be given several times.
fn all<T: FromStr<Err = BadWord>>(values: &[String]) -> Result<Vec<T>, BadWord> {
    values.iter().map(|text| text.parse()).collect()
}

/// `--tmpfs`, `-v` and `--mount`. Gives the anonymous volumes, and what `--mount` says of volumes that are to be made, by
/// the paths where they are mounted.
fn mounts_of(matches: &Matches, settings: &mut Settings) -> Result<(Vec<String>, BTreeMap<String, VolumeDetails>)> {
    let refused = |why: Failure| why.code(125);
    for spec in matches.get(&create_flags::TMPFS) {
        settings.mounts.push(mounts::tmpfs(spec).map_err(refused)?);
    }
    let mut volumes = Vec::new();
    for spec in matches.get(&create_flags::VOLUME) {
        match mounts::volume(spec).map_err(refused)? {
            Some(mount) => settings.mounts.push(mount),
            None => volumes.push(spec.clone()),
        }
    }
    let mut details = BTreeMap::new();
    for spec in matches.get(&create_flags::MOUNT) {
        let (mount, of_volume) = mount_flag::parse(spec).map_err(refused)?;
        details.insert(mount.target.clone(), of_volume);
        settings.mounts.push(mount);
    }
    mounts::check_targets(&settings.mounts).map_err(refused)?;
    for spec in matches.get(&create_flags::VOLUMES_FROM) {
        mounts::volumes_from(spec).map_err(refused)?;
    }
    Ok((volumes, details))
}

fn security_options(matches: &Matches) -> Result<Vec<SecurityOption>> {
    let refused = |text: String| Failure::with_code(text, 125);
    let mut options = Vec::new();
    for text in matches.get(&create_flags::SECURITY_OPT) {
        let option: SecurityOption = text.parse().map_err(|why: BadWord| match text.contains(['=', ':']) {
            // Docker's client knows the form, its daemon the words.
            true => Failure::daemon(why).code(125),
            false => refused(why.to_string()),
        })?;
        options.push(match option {
            // A profile is a file of the caller's: its text travels, not its name.
            SecurityOption::Seccomp(path) => {
                SecurityOption::Seccomp(std::fs::read_to_string(&path).map_err(|why| {
                    refused(format!(
                        "opening seccomp profile ({path}) failed: open {path}: {}",
                        crate::context::reason(&why)
                    ))
                })?)
            }
            option => option,
        });
    }
    Ok(options)
}

fn healthcheck(matches: &Matches) -> Result<Option<Healthcheck>, String> {
    let texts = [
        &create_flags::HEALTH_CMD,
        &create_flags::HEALTH_INTERVAL,
        &create_flags::HEALTH_TIMEOUT,
        &create_flags::HEALTH_START_PERIOD,
        &create_flags::HEALTH_START_INTERVAL,
    ];
    let has_check = texts.iter().any(|flag| matches.is_given(flag)) || matches.is_given(&create_flags::HEALTH_RETRIES);
    if matches.get(&create_flags::NO_HEALTHCHECK) && has_check {
        return Err("--no-healthcheck conflicts with --health-* options".to_owned());
    }
    if matches.get(&create_flags::NO_HEALTHCHECK) {
        return Ok(Some(Healthcheck { test: Some(vec!["NONE".to_owned()]), ..Healthcheck::default() }));
    }
    let nanos = |flag: &Text| match matches.get(flag).map(|text| (text, duration::parse(text))) {
        Some((_, Some(..0))) => Err(format!("--{} cannot be negative", flag.long())),
        Some((_, Some(nanos))) => Ok(nanos),
        Some((text, None)) => Err(format!("time: invalid duration \"{text}\"")),
        None => Ok(0),
    };
    if matches.get(&create_flags::HEALTH_RETRIES) < 0 {
        return Err("--health-retries cannot be negative".to_owned());
    }
    let check = Healthcheck {
        test: matches.get(&create_flags::HEALTH_CMD).map(|command| vec!["CMD-SHELL".to_owned(), command.to_owned()]),
        interval: nanos(&create_flags::HEALTH_INTERVAL)?,
        timeout: nanos(&create_flags::HEALTH_TIMEOUT)?,
        start_period: nanos(&create_flags::HEALTH_START_PERIOD)?,
        start_interval: nanos(&create_flags::HEALTH_START_INTERVAL)?,
        retries: matches.get(&create_flags::HEALTH_RETRIES),
    };
    Ok((check != Healthcheck::default()).then_some(check))
}
