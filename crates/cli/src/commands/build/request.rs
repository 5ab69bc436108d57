//! The words of the command line as a build.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use wharfie_engine::build::Resources;
use wharfie_engine::build::stream::{Address, address};
use wharfie_engine::build::{
    AgentSource, Allowed, Build, Context as Files, HistoryStyle, NoCache, SecretSource, StepNetwork, Terminal,
};
use wharfie_engine::container::words::BadWord;
use wharfie_oci::Reference;
use wharfie_oci::size::{self, Units};

use super::cache;
use super::fields::fields;
use super::flags;
use super::output::outputs;
use super::source::Source;
use crate::commands::container::create_flags;
use crate::context::Context;
use crate::env;
use crate::failure::{Failure, Result};
use crate::flags::{Matches, Number, Text};

/// What is asked for.
pub(super) fn build(cx: &Context, matches: &Matches, source: Source) -> Result<Build> {
    let tags = tags(matches)?;
    let outputs = outputs(cx, matches, &tags)?;
    let refused = |why: BadWord| Failure::new(why.to_string());
    let build_args = build_args(matches);
    let epoch = epoch(&build_args)?;
    let Source { files, definition, dockerfile_name, ignore } = source;
    let cache_from = matches.get(&flags::CACHE_FROM).iter().map(|text| cache::from(text));
    let cache_from = cache_from.collect::<Result<Vec<_>>>()?;
    Ok(Build {
        definition,
        dockerfile_name,
        ignore,
        context: files,
        contexts: contexts(matches)?,
        build_args,
        target: matches.get(&flags::TARGET).map(str::to_owned),
        platforms: platforms(cx, matches)?,
        labels: labels(matches),
        no_cache: match (matches.get(&flags::NO_CACHE), matches.get(&flags::NO_CACHE_FILTER)) {
            (true, _) => NoCache::Everywhere,
            (false, []) => NoCache::Nowhere,
            (false, stages) => NoCache::Stages(stages.to_vec()),
        },
        pull: matches.get(&flags::PULL),
        secrets: matches.get(&flags::SECRET).iter().map(|text| secret(text)).collect::<Result<_>>()?,
        agents: matches.get(&flags::SSH).iter().map(|text| agent(text)).collect::<Result<_>>()?,
        network: network(matches.get(&flags::NETWORK).unwrap_or_default())?,
        extra_hosts: all(matches.get(&create_flags::ADD_HOST)).map_err(refused)?,
        shm_size: bytes(matches, &create_flags::SHM_SIZE)?.unwrap_or(0),
        ulimits: all(matches.get(&create_flags::ULIMIT)).map_err(refused)?,
        resources: resources(matches)?,
        cgroup_parent: matches.get(&create_flags::CGROUP_PARENT).map(str::to_owned),
        allowed: allowed(cx, matches)?,
        jobs: match usize::try_from(matches.get(&flags::JOBS)) {
            Ok(0) => std::thread::available_parallelism().map_or(1, usize::from),
            Ok(jobs) => jobs,
            Err(_) => return Err(Failure::new("invalid number of jobs: it must be at least 1")),
        },
        epoch,
        rewrite_timestamps: outputs.rewrites_timestamps,
        shell_on_error: terminal(cx, matches)?,
        cache_from: cache_from.into_iter().flatten().collect(),
        cache_to: matches.get(&flags::CACHE_TO).iter().map(|text| cache::to(text)).collect::<Result<_>>()?,
        measures_context: false,
        history: HistoryStyle::BuildKit,
        explain: matches.get(&flags::EXPLAIN),
        provenance: super::attest::provenance(matches),
        sbom: super::attest::sbom(matches),
        annotations: outputs.annotations,
        outputs: outputs.outputs,
    })
}

/// Where a shell is opened in a step that failed.
fn terminal(cx: &Context, matches: &Matches) -> Result<Option<Terminal>> {
    if matches.get(&flags::ON_ERROR).is_none() {
        return Ok(None);
    }
    if !cx.is_in_terminal() {
        return Err(Failure::new("ERROR: --on-error=shell needs a terminal to type in"));
    }
    let cloned = |fd: std::io::Result<std::os::fd::OwnedFd>| fd.map_err(|why| Failure::output(&why));
    let stdin = cloned(std::io::stdin().as_fd().try_clone_to_owned())?;
    let stdout = cloned(std::io::stderr().as_fd().try_clone_to_owned())?;
    Ok(Some(Terminal { stdin, stdout }))
}

fn tags(matches: &Matches) -> Result<Vec<Reference>> {
    let mut tags: Vec<Reference> = Vec::new();
    for text in matches.get(&flags::TAG) {
        let tag = text.parse::<Reference>().map_err(|why| Failure::new(why.to_string()))?;
        if tag.digest().is_some() {
            return Err(Failure::new(format!("refusing to create a tag with a digest reference: {text}")));
        }
        if tag.repository().familiar() == "sha256" {
            return Err(wharfie_engine::Error::AlgorithmTarget.into());
        }
        let tag = tag.or_latest();
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    Ok(tags)
}

/// `NAME=VALUE`, or the name of a variable of ours.
fn build_args(matches: &Matches) -> BTreeMap<String, String> {
    let mut arguments = BTreeMap::new();
    if let Some(epoch) = env::nonempty(EPOCH) {
        arguments.insert(EPOCH.to_owned(), epoch);
    }
    for text in matches.get(&flags::BUILD_ARG) {
        match text.split_once('=') {
            Some((name, value)) => drop(arguments.insert(name.to_owned(), value.to_owned())),
            None => arguments.extend(env::text(text).map(|value| (text.clone(), value))),
        }
    }
    arguments
}

/// The variable that fixes all times; see reproducible-builds.org.
const EPOCH: &str = "SOURCE_DATE_EPOCH";

fn epoch(build_args: &BTreeMap<String, String>) -> Result<Option<i64>> {
    let Some(text) = build_args.get(EPOCH).filter(|text| !text.is_empty()) else { return Ok(None) };
    let seconds = text.parse::<i64>().ok().filter(|seconds| *seconds >= 0);
    let seconds =
        seconds.ok_or_else(|| Failure::new(format!("ERROR: invalid {EPOCH}: {text:?}: it must be seconds since 1970")));
    seconds.map(Some)
}

fn labels(matches: &Matches) -> BTreeMap<String, String> {
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) => (name.to_owned(), value.to_owned()),
        None => (text.clone(), String::new()),
    };
    matches.get(&flags::LABEL).iter().map(pair).collect()
}

fn platforms(cx: &Context, matches: &Matches) -> Result<Vec<wharfie_oci::Platform>> {
    let mut platforms = Vec::new();
    for text in matches.get(&flags::PLATFORM) {
        let platform = match text.trim() {
            "local" => continue,
            text => text.parse()?,
        };
        if !platforms.contains(&platform) {
            platforms.push(platform);
        }
    }
    if !matches.is_given(&flags::PLATFORM) {
        platforms.extend(cx.platform(None)?);
    }
    Ok(platforms)
}

fn contexts(matches: &Matches) -> Result<BTreeMap<String, Files>> {
    let mut contexts = BTreeMap::new();
    for text in matches.get(&flags::BUILD_CONTEXT) {
        // Checked while it was parsed.
        let Some((name, value)) = text.split_once('=') else { continue };
        contexts.insert(name.to_lowercase(), context(name, value)?);
    }
    Ok(contexts)
}

/// What a value of `--build-context` means.
fn context(name: &str, value: &str) -> Result<Files> {
    if let Some(image) = value.strip_prefix("docker-image://") {
        return Ok(Files::Image(image.to_owned()));
    }
    if let Some(layout) = value.strip_prefix("oci-layout://") {
        let (path, wanted) = match (layout.split_once('@'), layout.rsplit_once(':')) {
            (Some((path, digest)), _) => (path, Some(digest)),
            (None, Some((path, tag))) if !tag.contains('/') => (path, Some(tag)),
            _ => (layout, None),
        };
        return Ok(Files::Layout(path.into(), wanted.map(str::to_owned)));
    }
    match address(value) {
        Address::Git(url) => Ok(Files::Git(url)),
        Address::Web(url) => Ok(Files::Url(url)),
        Address::Path => {
            let path = Path::new(value);
            match path.is_dir() {
                true => Ok(Files::Directory(path.to_owned())),
                false => Err(Failure::new(format!(
                    "ERROR: failed to get build context {name}: stat {value}: no such file or directory"
                ))),
            }
        }
    }
}

/// `id=NAME[,src=FILE|,env=VARIABLE]`: without a place, a variable or a file of that name.
fn secret(text: &str) -> Result<(String, SecretSource)> {
    let bad = |why: String| Failure::new(format!("ERROR: invalid secret {text:?}: {why}"));
    let (mut id, mut file, mut variable, mut kind) = (None, None, None, None);
    for (key, value) in fields(text) {
        let value = value.ok_or_else(|| bad(format!("invalid field '{key}' must be a key=value pair")))?;
        match key.as_str() {
            "id" => id = Some(value),
            "src" | "source" => file = Some(value),
            "env" => variable = Some(value),
            "type" if value == "file" || value == "env" => kind = Some(value),
            "type" => return Err(bad(format!("unsupported secret type {value:?}"))),
            _ => return Err(bad(format!("unexpected key '{key}' in '{key}={value}'"))),
        }
    }
    let id = id.filter(|id| !id.is_empty()).ok_or_else(|| bad("id is missing".to_owned()))?;
    let (file, variable) = match kind.as_deref() {
        Some("env") => (None, Some(variable.or(file).unwrap_or_else(|| id.clone()))),
        Some(_) => (Some(file.unwrap_or_else(|| id.clone())), None),
        None if file.is_none() && variable.is_none() => match env::text(&id) {
            Some(_) => (None, Some(id.clone())),
            None => (Some(id.clone()), None),
        },
        None => (file, variable),
    };
    if let Some(variable) = variable {
        let value = env::text(&variable).ok_or_else(|| bad(format!("the variable {variable} is not set")))?;
        return Ok((id, SecretSource::Value(value.into_bytes())));
    }
    let file = PathBuf::from(file.unwrap_or_default());
    match file.metadata() {
        Ok(found) if found.len() > MAX_SECRET => Err(bad(format!("{} is larger than 500 kB", file.display()))),
        Ok(_) => Ok((id, SecretSource::File(file))),
        Err(why) => Err(bad(format!("failed to stat {}: {}", file.display(), crate::context::reason(&why)))),
    }
}

/// 500 kB, as BuildKit has it.
const MAX_SECRET: u64 = 500 * 1024;

/// `ID[=SOCKET|KEY[,KEY...]]`: without any the socket of `SSH_AUTH_SOCK`.
fn agent(text: &str) -> Result<(String, AgentSource)> {
    let (id, given) = match text.split_once('=') {
        Some((id, given)) if !given.is_empty() => (id, given.to_owned()),
        _ => {
            let given = env::nonempty("SSH_AUTH_SOCK").ok_or_else(|| {
                Failure::new(format!(
                    "ERROR: invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set, or say --ssh {text}=SOCKET"
                ))
            })?;
            (text.trim_end_matches('='), given)
        }
    };
    use std::os::unix::fs::FileTypeExt;
    let mut keys = Vec::new();
    for path in given.split(',') {
        let failed = |why| Failure::new(format!("ERROR: failed to stat {path}: {}", crate::context::reason(&why)));
        let kind = std::fs::metadata(path).map_err(failed)?.file_type();
        if kind.is_socket() && path == given {
            return Ok((id.to_owned(), AgentSource::Socket(path.into())));
        }
        if !kind.is_file() {
            let what =
                if kind.is_socket() { "a socket, and an agent has but one" } else { "neither a socket nor a key" };
            return Err(Failure::new(format!("ERROR: --ssh {id}: {path} is {what}")));
        }
        keys.push(std::path::absolute(path).map_err(failed)?);
    }
    Ok((id.to_owned(), AgentSource::Keys(keys)))
}

fn network(text: &str) -> Result<StepNetwork> {
    match text {
        "" | "default" | "bridge" => Ok(StepNetwork::Default),
        "none" => Ok(StepNetwork::None),
        "host" => Ok(StepNetwork::Host),
        other => Err(Failure::new(format!("ERROR: network mode {other:?} not supported by buildkit"))
            .help(Some("builds know the networks \"default\", \"none\" and \"host\"".to_owned()))),
    }
}

fn allowed(cx: &Context, matches: &Matches) -> Result<Allowed> {
    let mut allowed = Allowed::default();
    for text in matches.get(&flags::ALLOW) {
        match text.as_str() {
            "network.host" => allowed.network_host = true,
            "security.insecure" => allowed.security_insecure = true,
            "platform.mismatch" => cx.warn("--allow platform.mismatch is not needed: any platform can be built for"),
            other => return Err(Failure::new(format!("ERROR: invalid entitlement: {other}"))),
        }
    }
    Ok(allowed)
}

fn bytes(matches: &Matches, flag: &Text) -> Result<Option<u64>> {
    match matches.get(flag) {
        Some("-1") => Ok(Some(u64::MAX)),
        Some(text) => match size::parse(text, Units::Binary) {
            Some(bytes) => Ok(Some(bytes)),
            None => Err(Failure::new(format!("invalid size: '{text}'"))),
        },
        None => Ok(None),
    }
}

fn resources(matches: &Matches) -> Result<Resources> {
    let positive = |flag: &Number| u64::try_from(matches.get(flag)).ok().filter(|value| *value > 0);
    Ok(Resources {
        memory: bytes(matches, &create_flags::MEMORY)?.filter(|size| *size > 0),
        memory_swap: bytes(matches, &create_flags::MEMORY_SWAP)?,
        cpu_quota: positive(&create_flags::CPU_QUOTA),
        cpu_period: positive(&create_flags::CPU_PERIOD),
        cpu_shares: positive(&create_flags::CPU_SHARES),
        cpuset_cpus: matches.get(&create_flags::CPUSET_CPUS).map(str::to_owned),
        cpuset_mems: matches.get(&create_flags::CPUSET_MEMS).map(str::to_owned),
        ..Resources::default()
    })
}

fn all<T: FromStr<Err = BadWord>>(values: &[String]) -> std::result::Result<Vec<T>, BadWord> {
    values.iter().map(|text| text.parse()).collect()
}
