//! `--set target.key=value`.

use std::collections::BTreeMap;

use crate::csv;
use crate::error::{Error, Result};
use crate::path;
use crate::select::Granted;
use crate::target::entries::{from_lines, merged};
use crate::target::{Attest, CacheEntry, Export, Secret, SshKey, Target};

/// What `--set` says of each target, in the order it was said.
#[derive(Debug, Default)]
pub(crate) struct Overrides(BTreeMap<String, Vec<Override>>);

/// One key of one target.
#[derive(Debug, Clone)]
struct Override {
    /// Behind the target's name: `args.A`, `tags`.
    key: String,
    /// All values that were given, one after the other.
    values: Vec<String>,
    /// True if they are added to what there is.
    is_added: bool,
}

/// Keys whose values add up; of all others, the last one counts.
const LISTS: [&str; 12] = [
    "output",
    "cache-to",
    "cache-from",
    "tags",
    "platform",
    "secrets",
    "ssh",
    "attest",
    "entitlements",
    "annotations",
    "policy",
    "no-cache-filter",
];

impl Overrides {
    /// Reads what `--set` was given; patterns are looked up among `targets`.
    pub(crate) fn parse(
        given: &[String],
        targets: &[Target],
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let mut all = Self::default();
        for one in given {
            let (left, value) = one.split_once('=').map_or((one.as_str(), None), |(left, value)| (left, Some(value)));
            let key = left.strip_suffix('+').unwrap_or(left);
            let is_added = key.len() < left.len();
            let mut names = key.splitn(3, '.');
            let (Some(pattern), Some(kind), name) = (names.next(), names.next(), names.next()) else {
                return Err(Error::new(format!("invalid override key {key}, expected target.name")));
            };
            if value.is_none() && kind != "args" {
                return Err(Error::new(format!("invalid override {one}, expected target.name=value")));
            }
            let meant = expand(pattern, targets)?;
            match kind {
                "args" | "contexts" | "resources" | "secret" if name.is_none() => {
                    return Err(Error::new(format!("invalid key {left}, {kind} requires name")));
                }
                "resources" | "secret" if is_added => {
                    return Err(Error::new(format!("invalid key {left}, {kind} does not support append")));
                }
                _ => {}
            }
            // An argument without a value has that of the environment, or is left alone.
            let value = value.map(str::to_owned).or_else(|| environment(name.unwrap_or_default()));
            let Some(value) = value else { continue };
            let key = name.map_or_else(|| kind.to_owned(), |name| format!("{kind}.{name}"));
            meant.into_iter().for_each(|target| all.add(target, &key, kind, value.clone(), is_added));
        }
        Ok(all)
    }

    fn add(&mut self, target: String, key: &str, kind: &str, value: String, is_added: bool) {
        let overrides = self.0.entry(target).or_default();
        match overrides.iter_mut().find(|known| known.key == key) {
            Some(known) => {
                if !LISTS.contains(&kind) && kind != "ulimits" {
                    known.values.clear();
                }
                known.values.push(value);
                known.is_added = is_added;
            }
            None => overrides.push(Override { key: key.to_owned(), values: vec![value], is_added }),
        }
    }

    /// Changes a target as it was said, and notes what is allowed by having been said.
    pub(crate) fn apply(&self, name: &str, target: &mut Target, granted: &mut Granted) -> Result<()> {
        let Some(overrides) = self.0.get(name) else { return Ok(()) };
        let mut named_secrets: Vec<String> = Vec::new();
        for one in overrides {
            one.apply(target, granted, &mut named_secrets)?;
        }
        // The secrets themselves may be set after what changes one of them.
        for one in overrides {
            if let Some(id) = one.key.strip_prefix("secret.") {
                update_secret(target, id, one.value())?;
                named_secrets.push(id.to_owned());
            }
        }
        let meant = target.secrets.iter().filter(|one| named_secrets.contains(&one.id) && !one.source.is_empty());
        granted.read.extend(meant.map(|one| one.source.clone()));
        Ok(())
    }
}

/// The targets whose names fit a pattern.
fn expand(pattern: &str, targets: &[Target]) -> Result<Vec<String>> {
    if targets.iter().any(|target| target.name == pattern) {
        return Ok(vec![pattern.to_owned()]);
    }
    let mut names = Vec::new();
    for target in targets {
        match path::matches(pattern, &target.name) {
            Ok(true) => names.push(target.name.clone()),
            Ok(false) => {}
            Err(why) => return Err(Error::new(format!("could not match targets with '{pattern}': {why}"))),
        }
    }
    match names.is_empty() {
        true => Err(Error::missing(format!("could not find any target matching '{pattern}'"))),
        false => Ok(names),
    }
}

impl Override {
    fn value(&self) -> &str {
        self.values.last().map_or("", String::as_str)
    }

    fn truth(&self) -> Result<bool> {
        csv::truth(self.value())
            .ok_or_else(|| Error::new(format!("invalid value {} for boolean key {}", self.value(), self.key)))
    }

    fn apply(&self, target: &mut Target, granted: &mut Granted, named_secrets: &mut Vec<String>) -> Result<()> {
        let (kind, name) =
            self.key.split_once('.').map_or((self.key.as_str(), None), |(kind, name)| (kind, Some(name)));
        let value = || self.value().to_owned();
        let named = |what: &str| {
            let text = format!("invalid format for {kind}, expecting {kind}.{what}");
            name.map(str::to_owned).ok_or_else(|| Error::new(text))
        };
        let under = |what: &'static str| move |why: String| Error::new(format!("{what}: {why}"));
        match kind {
            "context" => target.context = Some(value()),
            "dockerfile" => target.dockerfile = Some(value()),
            "args" => drop(target.args.insert(named("<name>=<value>")?, value())),
            "contexts" => drop(target.contexts.insert(named("<name>=<value>")?, value())),
            "labels" => drop(target.labels.insert(named("<name>=<value>")?, value())),
            "extra-hosts" => drop(target.extra_hosts.insert(named("<hostname>=<ip>")?, value())),
            "tags" => self.list(target.tags.get_or_insert_default()),
            "platform" => self.list(target.platforms.get_or_insert_default()),
            "no-cache-filter" => self.list(&mut target.no_cache_filter),
            "ulimits" => self.list(&mut target.ulimits),
            "annotations" => target.annotations.extend_from_slice(&self.values),
            "policy" => {
                let policies = from_lines(&self.values).map_err(Error::new)?;
                if !self.is_added {
                    target.policy.clear();
                }
                target.policy.extend(policies);
            }
            "cache-from" => {
                let entries: Vec<CacheEntry> = from_lines(&self.values).map_err(Error::new)?;
                target.cache_from = self.merged(std::mem::take(&mut target.cache_from), entries);
                granted.read.extend(local(&target.cache_from, "src"));
            }
            "cache-to" => {
                let entries: Vec<CacheEntry> = from_lines(&self.values).map_err(Error::new)?;
                let entries = self.merged(target.cache_to.take().unwrap_or_default(), entries);
                granted.write.extend(local(&entries, "dest"));
                target.cache_to = Some(entries);
            }
            "output" => {
                let entries: Vec<Export> = from_lines(&self.values).map_err(under("invalid value for outputs"))?;
                let entries = self.merged(target.outputs.take().unwrap_or_default(), entries);
                let written = entries.iter().map(|one| one.destination.clone()).filter(|one| !one.is_empty());
                granted.write.extend(written);
                target.outputs = Some(entries);
            }
            "secrets" => {
                let secrets: Vec<Secret> = from_lines(&self.values).map_err(under("invalid value for outputs"))?;
                named_secrets.extend(secrets.iter().map(|one| one.id.clone()));
                self.replace_or_add(&mut target.secrets, secrets);
            }
            "ssh" => {
                let keys: Vec<SshKey> = from_lines(&self.values).map_err(under("invalid value for outputs"))?;
                self.replace_or_add(&mut target.ssh, keys);
                granted.read.extend(target.ssh.iter().flat_map(|one| one.paths.clone()));
            }
            "attest" => {
                let attests: Vec<Attest> = from_lines(&self.values).map_err(under("invalid value for attest"))?;
                target.attest.extend(attests);
            }
            "entitlements" => {
                target.entitlements.extend_from_slice(&self.values);
                granted.network_host |= self.values.iter().any(|one| one == "network.host");
                granted.security_insecure |= self.values.iter().any(|one| one == "security.insecure");
            }
            "target" => target.target = Some(value()),
            "call" => target.call = Some(value()),
            "shm-size" => target.shm_size = Some(value()),
            "network" => target.network = Some(value()),
            "no-cache" => target.no_cache = Some(self.truth()?),
            "pull" => target.pull = Some(self.truth()?),
            "push" => set_push(target.outputs.get_or_insert_default(), self.truth()?),
            "load" => set_load(target.outputs.get_or_insert_default(), self.truth()?),
            "resources" => {
                let limits = target.resources.get_or_insert_default();
                limits.set(&named("<name>=<value>")?, value()).map_err(Error::new)?;
            }
            // After all others.
            "secret" => {}
            _ => return Err(Error::new(format!("unknown key: {kind}"))),
        }
        Ok(())
    }

    fn list(&self, list: &mut Vec<String>) {
        self.replace_or_add(list, self.values.clone());
    }

    fn replace_or_add<E>(&self, list: &mut Vec<E>, entries: Vec<E>) {
        if !self.is_added {
            list.clear();
        }
        list.extend(entries);
    }

    fn merged<E: Clone + PartialEq>(&self, own: Vec<E>, entries: Vec<E>) -> Vec<E> {
        if self.is_added { merged(own, &entries) } else { entries }
    }
}

/// The folders of local caches.
fn local(entries: &[CacheEntry], attribute: &str) -> Vec<String> {
    let local = entries.iter().filter(|one| one.kind == "local");
    local.filter_map(|one| one.attributes.get(attribute).cloned()).collect()
}

fn update_secret(target: &mut Target, id: &str, value: &str) -> Result<()> {
    if id.is_empty() {
        return Err(Error::new("invalid format for secret, expecting secret.<id>=<value>"));
    }
    let Some(secret) = target.secrets.iter_mut().find(|one| one.id == id) else {
        return Err(Error::new(format!("secret \"{id}\" must be declared before it can be overridden")));
    };
    let new = Secret::of_line(value).map_err(Error::new)?;
    if !new.id.is_empty() && new.id != id {
        let text = format!("secret override id \"{}\" does not match declared secret \"{id}\"", new.id);
        return Err(Error::new(text));
    }
    (secret.environment, secret.source) = (new.environment, new.source);
    Ok(())
}

/// `--push`: what can be pushed is; if nothing else becomes of the result, an image is made and pushed.
fn set_push(outputs: &mut Vec<Export>, is_wanted: bool) {
    let push = |export: &mut Export, truth: &str| drop(export.attributes.insert("push".to_owned(), truth.to_owned()));
    if !is_wanted {
        let mut at = 0;
        while at < outputs.len() {
            match outputs[at].kind.as_str() {
                "registry" => drop(outputs.swap_remove(at)),
                kind => {
                    if kind == "image" {
                        push(&mut outputs[at], "false");
                    }
                    at += 1;
                }
            }
        }
        return;
    }
    let needs_one = outputs.iter().all(|output| output.kind == "docker");
    outputs.iter_mut().filter(|output| output.kind == "image").for_each(|output| push(output, "true"));
    if needs_one {
        let mut image = Export { kind: "image".to_owned(), ..Export::default() };
        push(&mut image, "true");
        outputs.push(image);
    }
}

/// `--load`: the image is kept here too, unless what becomes of the result is no image.
fn set_load(outputs: &mut Vec<Export>, is_wanted: bool) {
    let is_other = |output: &Export| !matches!(output.kind.as_str(), "docker" | "image" | "registry" | "oci");
    let is_loaded = |output: &Export| output.kind == "docker" && output.destination.is_empty();
    if is_wanted && !outputs.iter().any(|output| is_other(output) || is_loaded(output)) {
        outputs.push(Export { kind: "docker".to_owned(), ..Export::default() });
    }
}
