//! What a service becomes, and what it has to be.

use std::collections::BTreeMap;

use super::yaml::{Mapping, Yaml};
use super::{Composer, Project, dotenv, fields, merge};
use crate::csv;
use crate::path;
use crate::select::sanitized;
use crate::sizes;
use crate::target::entries::{from_lines, last_of_each, merged};
use crate::target::{Attest, CacheEntry, Secret, SshKey, Target};

/// What `build` may have, besides extensions.
const BUILD: [&str; 25] = [
    "additional_contexts",
    "args",
    "cache_from",
    "cache_to",
    "context",
    "dockerfile",
    "dockerfile_inline",
    "entitlements",
    "extra_hosts",
    "isolation",
    "labels",
    "network",
    "no_cache",
    "no_cache_filter",
    "platforms",
    "privileged",
    "provenance",
    "pull",
    "sbom",
    "secrets",
    "shm_size",
    "ssh",
    "tags",
    "target",
    "ulimits",
];

/// Refuses what no compose file has.
pub(super) fn check_fields(project: &Project) -> Result<(), String> {
    for (name, service) in &project.services {
        let Some(build) = service.mapping().and_then(|service| service.get("build")) else { continue };
        let at = format!("services.{name}.build");
        let Yaml::Map(build) = build else {
            match build {
                Yaml::Text(_) | Yaml::Null => continue,
                _ => return Err(format!("{at} must be a string")),
            }
        };
        for (field, value) in build {
            if !BUILD.contains(&field.as_str()) && !field.starts_with("x-") {
                return Err(format!("{at} additional properties '{field}' not allowed"));
            }
            let is_fine = match (field.as_str(), value) {
                (_, Yaml::Null) => true,
                ("context" | "dockerfile" | "dockerfile_inline" | "network" | "target", value) => {
                    matches!(value, Yaml::Text(_))
                }
                ("cache_from" | "cache_to" | "tags" | "platforms" | "secrets", value) => matches!(value, Yaml::List(_)),
                ("args" | "labels" | "additional_contexts" | "extra_hosts", value) => {
                    matches!(value, Yaml::List(_) | Yaml::Map(_))
                }
                ("ulimits", value) => matches!(value, Yaml::Map(_)),
                _ => true,
            };
            if !is_fine {
                let wanted = match field.as_str() {
                    "cache_from" | "cache_to" | "tags" | "platforms" | "secrets" => "array",
                    "args" | "labels" | "additional_contexts" | "extra_hosts" => "array or mapping",
                    "ulimits" => "mapping",
                    _ => "string",
                };
                return Err(format!("{at}.{field} must be a {wanted}"));
            }
        }
    }
    for (name, secret) in &project.secrets {
        let Some(secret) = secret.mapping() else {
            return Err(format!("secrets.{name} must be a mapping, not {}", secret.kind()));
        };
        let given = ["file", "environment"].iter().filter(|field| secret.contains_key(**field)).count();
        match given {
            0 if !secret.contains_key("external") && !secret.contains_key("driver") => {
                return Err(format!("secrets.{name}: one of file|environment must be set"));
            }
            2 => return Err(format!("secrets.{name}: file|environment attributes are mutually exclusive")),
            _ => {}
        }
    }
    Ok(())
}

/// Refuses services that do not fit together.
pub(super) fn check(project: &Project) -> Result<(), String> {
    const INVALID: &str = "invalid compose project";
    for (name, service) in &project.services {
        let empty = Mapping::new();
        let service = service.mapping().unwrap_or(&empty);
        let Some(build) = service.get("build").filter(|build| **build != Yaml::Null) else {
            if fields::text(service, "image").is_none() && !service.contains_key("provider") {
                return Err(format!(
                    "service \"{name}\" has neither an image nor a build context specified: {INVALID}"
                ));
            }
            continue;
        };
        let build = merge::as_build(build.clone());
        if fields::text(&build, "dockerfile_inline").is_some() && fields::text(&build, "dockerfile").is_some() {
            return Err(format!(
                "service \"{name}\" declares mutualy exclusive dockerfile and dockerfile_inline: {INVALID}"
            ));
        }
        for (context, value) in fields::pairs(&build, "additional_contexts") {
            let Some(other) = value.as_deref().and_then(|value| value.strip_prefix("service:")) else { continue };
            let is_built = |other: &Yaml| other.mapping().is_some_and(|other| other.contains_key("build"));
            let what = match project.services.get(other) {
                None => "unknown",
                Some(other) if !is_built(other) => "non-buildable",
                Some(_) => continue,
            };
            return Err(format!(
                "service \"{name}\" declares {what} service \"{other}\" as additional contexts {context}"
            ));
        }
        if let Some(secret) = secret_names(&build).into_iter().find(|secret| !project.secrets.contains_key(secret)) {
            return Err(format!("service \"{name}\" refers to undefined build secret {secret}: {INVALID}"));
        }
    }
    Ok(())
}

/// The target that a service is; none if nothing is built.
pub(super) fn target(
    composer: &Composer<'_>,
    project: &Project,
    name: &str,
    service: &Yaml,
) -> Result<Option<Target>, String> {
    let Some(service) = service.mapping() else { return Ok(None) };
    let Some(build) = service.get("build").filter(|build| **build != Yaml::Null) else { return Ok(None) };
    let build = &merge::as_build(build.clone());
    let truth = |name: &str| fields::truth(build, name).then_some(true);
    let context = fields::text(build, "context").unwrap_or_else(|| ".".to_owned());
    let contexts = fields::pairs(build, "additional_contexts");
    let contexts = contexts.into_iter().map(|(name, value)| (name, local_path(&value.unwrap_or_default())));
    let cache = |name: &str| from_lines::<CacheEntry>(&fields::texts(build, name));
    let labels = fields::pairs(build, "labels").into_iter().map(|(name, value)| (name, value.unwrap_or_default()));
    let tags = fields::texts(build, "tags");
    let platforms = fields::texts(build, "platforms");
    let cache_to = cache("cache_to")?;
    let mut made = Target {
        name: sanitized(name),
        context: Some(local_path(&context)),
        contexts: named_contexts(contexts.collect()),
        dockerfile: fields::text(build, "dockerfile"),
        dockerfile_inline: fields::text(build, "dockerfile_inline"),
        args: arguments(composer, service, build)?,
        labels: labels.collect(),
        tags: match (tags.is_empty(), fields::text(service, "image")) {
            (false, _) => Some(tags),
            (true, image) => image.map(|image| vec![image]),
        },
        cache_from: cache("cache_from")?,
        cache_to: (!cache_to.is_empty()).then_some(cache_to),
        target: fields::text(build, "target"),
        network: fields::text(build, "network"),
        platforms: (!platforms.is_empty()).then_some(platforms),
        ssh: ssh(build)?,
        secrets: secrets(project, build)?,
        shm_size: match fields::text(build, "shm_size") {
            None => None,
            Some(size) => Some(sizes::parse(&size)?).filter(|size| *size > 0).map(sizes::shown),
        },
        ulimits: ulimits(build)?,
        extra_hosts: fields::hosts(build, "extra_hosts")?,
        attest: attests(build)?,
        no_cache: truth("no_cache"),
        pull: truth("pull"),
        ..Target::default()
    };
    if let Some(Yaml::Map(extension)) = build.get("x-bake") {
        extend(&mut made, extension)?;
    }
    Ok(Some(made))
}

/// A context's path in its shortest form; addresses and references to other things stay as they are.
fn local_path(context: &str) -> String {
    let is_other = context.contains("://")
        || context.starts_with("service:")
        || context.starts_with("target:")
        || path::is_remote(context)
        || context.starts_with('/')
        || context.is_empty();
    if is_other { context.to_owned() } else { path::clean(context) }
}

/// Contexts that are other services are other targets.
fn named_contexts(contexts: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let renamed = |context: String| match context.split_once(':') {
        Some(("service" | "target", other)) => format!("target:{}", sanitized(other)),
        _ => context,
    };
    contexts.into_iter().map(|(name, context)| (name, renamed(context))).collect()
}

/// Arguments; those without a value have that of the service's environment, or of the user's.
fn arguments(composer: &Composer<'_>, service: &Mapping, build: &Mapping) -> Result<BTreeMap<String, String>, String> {
    let given = fields::pairs(build, "args");
    let mut environment = BTreeMap::new();
    if given.values().any(Option::is_none) {
        environment = service_environment(composer, service)?;
    }
    let value = |(name, value): (String, Option<String>)| {
        let found = value.or_else(|| environment.get(&name).cloned()).or_else(|| composer.value(&name));
        found.map(|value| (name, value))
    };
    Ok(given.into_iter().filter_map(value).collect())
}

fn service_environment(composer: &Composer<'_>, service: &Mapping) -> Result<BTreeMap<String, String>, String> {
    let mut environment = BTreeMap::new();
    let files = match service.get("env_file") {
        Some(Yaml::List(files)) => files.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    };
    for file in files {
        let (path, is_required) = match &file {
            Yaml::Map(fields) => (fields::text(fields, "path"), fields.get("required") != Some(&Yaml::Bool(false))),
            other => (other.text(), true),
        };
        let Some(path) = path else { continue };
        match (composer.neighbours)(&path) {
            Some(bytes) => {
                let text = super::text_of(&path, &bytes).map_err(|why| why.to_string())?;
                environment.extend(dotenv::parse(&text, &|name| composer.value(name))?);
            }
            None if is_required => {
                return Err(format!("env file {path} not found: stat {path}: no such file or directory"));
            }
            None => {}
        }
    }
    for (name, value) in fields::pairs(service, "environment") {
        environment.extend(value.or_else(|| composer.value(&name)).map(|value| (name, value)));
    }
    Ok(environment)
}

fn ssh(build: &Mapping) -> Result<Vec<SshKey>, String> {
    if let Some(Yaml::List(keys)) = build.get("ssh") {
        let is_wrong = |key: &String| key != "default" && !key.contains('=');
        if let Some(key) = keys.iter().filter_map(Yaml::text).find(is_wrong) {
            return Err(format!("invalid ssh key \"{key}\""));
        }
    }
    let key = |(id, path): (String, Option<String>)| SshKey {
        id,
        paths: path.filter(|path| !path.is_empty()).map(|path| local_path(&path)).into_iter().collect(),
    };
    // By their names.
    Ok(fields::pairs(build, "ssh").into_iter().map(key).collect())
}

fn secret_names(build: &Mapping) -> Vec<String> {
    let Some(Yaml::List(secrets)) = build.get("secrets") else { return Vec::new() };
    let name = |secret: &Yaml| secret.mapping().map_or_else(|| secret.text(), |fields| fields::text(fields, "source"));
    secrets.iter().filter_map(name).collect()
}

fn secrets(project: &Project, build: &Mapping) -> Result<Vec<Secret>, String> {
    let secret = |id: String| {
        let empty = Mapping::new();
        let secret = project.secrets.get(&id).and_then(Yaml::mapping).unwrap_or(&empty);
        if !matches!(secret.get("external"), None | Some(Yaml::Null | Yaml::Bool(false))) {
            let name = fields::text(secret, "name").unwrap_or(id);
            return Err(format!("unsupported external secret {name}"));
        }
        let source = fields::text(secret, "file").map(|path| local_path(&path)).unwrap_or_default();
        Ok(Secret { id, source, environment: fields::text(secret, "environment").unwrap_or_default() })
    };
    secret_names(build).into_iter().map(secret).collect()
}

fn ulimits(build: &Mapping) -> Result<Vec<String>, String> {
    let Some(Yaml::Map(limits)) = build.get("ulimits") else { return Ok(Vec::new()) };
    let limit = |(name, value): (&String, &Yaml)| {
        let (soft, hard) = match value {
            Yaml::Map(both) => (fields::text(both, "soft"), fields::text(both, "hard")),
            one => (one.text(), one.text()),
        };
        let number = |text: Option<String>| text.unwrap_or_else(|| "0".to_owned()).parse::<i64>();
        match (number(soft), number(hard)) {
            (Ok(soft), Ok(hard)) if soft <= hard || hard == -1 => Ok(format!("{name}={soft}:{hard}")),
            (Ok(soft), Ok(hard)) => {
                Err(format!("ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"))
            }
            _ => Err(format!("invalid ulimit {name}")),
        }
    };
    limits.iter().map(limit).collect()
}

fn attests(build: &Mapping) -> Result<Vec<Attest>, String> {
    let line = |kind: &str| {
        fields::text(build, kind).map(|value| match csv::truth(&value) {
            Some(truth) => format!("type={kind},disabled={}", !truth),
            None => format!("type={kind},{value}"),
        })
    };
    from_lines(&["sbom", "provenance"].into_iter().filter_map(line).collect::<Vec<_>>())
}

/// `x-bake`: what compose itself has no words for.
fn extend(target: &mut Target, extension: &Mapping) -> Result<(), String> {
    let words = |name: &str| fields::words(extension, name);
    let add = |list: &mut Option<Vec<String>>, more: Vec<String>| {
        if !more.is_empty() {
            let list = list.get_or_insert_default();
            list.extend(more);
            last_of_each(list, String::clone);
        }
    };
    add(&mut target.tags, words("tags"));
    add(&mut target.platforms, words("platforms"));
    target.no_cache_filter.extend(words("no-cache-filter"));
    target.cache_from = merged(std::mem::take(&mut target.cache_from), &from_lines(&words("cache-from"))?);
    let cache_to = from_lines(&words("cache-to"))?;
    if !cache_to.is_empty() {
        target.cache_to = Some(merged(target.cache_to.take().unwrap_or_default(), &cache_to));
    }
    let outputs = from_lines(&words("output"))?;
    if !outputs.is_empty() {
        target.outputs = Some(outputs);
    }
    target.secrets.extend(from_lines::<Secret>(&words("secret"))?);
    last_of_each(&mut target.secrets, |one| one.id.clone());
    target.ssh.extend(from_lines::<SshKey>(&words("ssh"))?);
    last_of_each(&mut target.ssh, |one| one.id.clone());
    target.ssh.sort_by(|a, b| (&a.id, &a.paths).cmp(&(&b.id, &b.paths)));
    for (name, own) in [("pull", &mut target.pull), ("no-cache", &mut target.no_cache)] {
        if extension.contains_key(name) {
            *own = Some(fields::truth(extension, name));
        }
    }
    let contexts = fields::pairs(extension, "contexts");
    let contexts = contexts.into_iter().map(|(name, value)| (name, value.unwrap_or_default())).collect();
    for (name, context) in named_contexts(contexts) {
        target.contexts.entry(name).or_insert(context);
    }
    Ok(())
}
