//! What targets have to be allowed beyond what they were: networks, privileges, devices, and paths outside of the folder that
//! the user stands in.

mod paths;
mod prompt;

use std::collections::BTreeSet;

pub use paths::Files;
pub use prompt::{Prompt, Prompted};

use crate::csv;
use crate::error::{Error, Result};
use crate::path;
use crate::request::Bake;
use crate::select::Granted;
use crate::target::Target;

/// What is allowed, or has to be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entitlements {
    /// `network.host`: this machine's network.
    pub network_host: bool,
    /// `security.insecure`: steps that may change this machine.
    pub security_insecure: bool,
    /// `ssh`: the user's own agent.
    pub ssh: bool,
    /// `buildx.local.delete`: what an output does not have is deleted from its folder.
    pub local_delete: bool,
    /// `device`: all devices.
    pub all_devices: bool,
    /// `device=NAME`: some devices.
    pub devices: BTreeSet<String>,
    /// `fs.read=PATH`: what may be read; `*` for all.
    pub read: Vec<String>,
    /// `fs.write=PATH`: what may be written; `*` for all.
    pub write: Vec<String>,
    /// `image.push=NAME`.
    pub image_push: Vec<String>,
    /// `image.load=NAME`.
    pub image_load: Vec<String>,
}

impl Entitlements {
    /// Reads what `--allow` was given.
    ///
    /// # Errors
    /// With buildx's texts, when there is no such entitlement.
    pub fn parse(given: &[String]) -> Result<Self> {
        let mut made = Self::default();
        for one in given {
            let (key, value) = one.split_once('=').map_or((one.as_str(), None), |(key, value)| (key, Some(value)));
            let path = value.unwrap_or_default().to_owned();
            match (key, value) {
                ("network.host", None) => made.network_host = true,
                ("security.insecure", None) => made.security_insecure = true,
                ("ssh", None) => made.ssh = true,
                ("buildx.local.delete", None) => made.local_delete = true,
                ("buildx.local.delete", Some(_)) => {
                    return Err(Error::new("buildx.local.delete does not accept a value"));
                }
                ("device", None | Some("")) => made.all_devices = true,
                ("device", Some(device)) => drop(made.devices.insert(device_name(device)?)),
                ("fs.read", _) => made.read.push(path),
                ("fs.write", _) => made.write.push(path),
                ("fs", _) => {
                    made.read.push(path.clone());
                    made.write.push(path);
                }
                ("image.push", _) => made.image_push.push(path),
                ("image.load", _) => made.image_load.push(path),
                ("image", _) => {
                    made.image_push.push(path.clone());
                    made.image_load.push(path);
                }
                _ => return Err(Error::new(format!("unknown entitlement key \"{key}\""))),
            }
        }
        Ok(made)
    }

    /// Adds what `--set` allows by naming it, and the folder that the user stands in.
    pub fn grant(&mut self, granted: &Granted, working_directory: &str) {
        self.network_host |= granted.network_host;
        self.security_insecure |= granted.security_insecure;
        self.read.extend_from_slice(&granted.read);
        self.write.extend_from_slice(&granted.write);
        self.read.push(working_directory.to_owned());
        self.write.push(working_directory.to_owned());
    }

    /// What the targets need besides. Nothing is missing if it equals the default.
    ///
    /// # Errors
    /// When a path cannot be looked at, or an output's mode makes no sense.
    pub fn missing(&self, bake: &Bake, files: &Files<'_>) -> Result<Self> {
        let mut missing = Self::default();
        let (mut read, mut write) = (BTreeSet::new(), BTreeSet::new());
        for target in bake.targets.values() {
            self.capabilities(target, &mut missing)?;
            read.extend(read_by(target));
            write.extend(written_by(target));
        }
        missing.read = paths::missing(&self.read, &read, files)?;
        missing.write = paths::missing(&self.write, &write, files)?;
        Ok(missing)
    }

    fn capabilities(&self, target: &Target, missing: &mut Self) -> Result<()> {
        for one in &target.entitlements {
            match one.split_once('=').map_or((one.as_str(), ""), |(key, value)| (key, value)) {
                ("network.host", "") => missing.network_host |= !self.network_host,
                ("security.insecure", "") => missing.security_insecure |= !self.security_insecure,
                ("device", "") => missing.all_devices |= !self.all_devices,
                ("device", device) => {
                    let name = device_name(device)?;
                    if !self.all_devices && !self.devices.contains(&name) {
                        missing.devices.insert(name);
                    }
                }
                _ => {}
            }
        }
        for output in target.outputs.iter().flatten().filter(|output| output.kind == "local") {
            let mode = output.attributes.get("mode").map_or("", String::as_str);
            match mode.trim().to_lowercase().as_str() {
                "" | "copy" => {}
                "delete" => missing.local_delete |= !self.local_delete,
                _ => return Err(Error::new(format!("invalid local exporter mode \"{mode}\""))),
            }
        }
        missing.ssh |= !self.ssh && target.ssh.iter().any(|key| key.paths.is_empty());
        // A repository that is fetched over SSH needs the agent too.
        let context = target.context.as_deref().unwrap_or_default();
        missing.ssh |= !self.ssh && target.ssh.is_empty() && path::is_ssh(context);
        Ok(())
    }
}

fn device_name(line: &str) -> Result<String> {
    let fields =
        csv::fields(line).map_err(|why| Error::new(format!("failed to parse device entitlement \"{line}\": {why}")))?;
    Ok(fields.into_iter().next().unwrap_or_default())
}

/// The local paths that a target reads.
fn read_by(target: &Target) -> Vec<String> {
    let context = target.context.as_deref().unwrap_or(".");
    let dockerfile = target.dockerfile.as_deref().unwrap_or("Dockerfile");
    let mut found = Vec::new();
    let dockerfile = match dockerfile.strip_prefix("cwd://") {
        Some(own) => path::clean(own),
        None if path::is_remote(context) || dockerfile.starts_with('/') => path::clean(dockerfile),
        None => path::clean(&format!("{context}/{dockerfile}")),
    };
    for path in [context, &dockerfile].into_iter().chain(target.contexts.values().map(String::as_str)) {
        let is_other = path::is_remote(path) || path.starts_with("target:") || path.starts_with("docker-image:");
        if !is_other {
            found.push(path.strip_prefix("cwd://").unwrap_or(path).to_owned());
        }
    }
    let caches = target.cache_from.iter().filter(|cache| cache.kind == "local");
    found.extend(caches.filter_map(|cache| cache.attributes.get("src").cloned()));
    found.extend(target.secrets.iter().map(|secret| secret.source.clone()).filter(|path| !path.is_empty()));
    found.extend(target.ssh.iter().flat_map(|key| key.paths.clone()));
    found
}

/// The local paths that a target writes.
fn written_by(target: &Target) -> Vec<String> {
    let outputs = target.outputs.iter().flatten();
    let is_file = |kind: &str| matches!(kind, "local" | "tar" | "oci" | "docker");
    let outputs = outputs.filter(|output| is_file(&output.kind)).map(|output| output.destination.clone());
    let caches = target.cache_to.iter().flatten().filter(|cache| cache.kind == "local");
    let caches = caches.filter_map(|cache| cache.attributes.get("dest").cloned());
    outputs.filter(|path| !path.is_empty() && path != "-").chain(caches).collect()
}
