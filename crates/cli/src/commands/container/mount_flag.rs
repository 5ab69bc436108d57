//! `--mount type=…,source=…,target=…`.

use std::collections::BTreeSet;

use wharfie_engine::container::settings::{MountKind, MountOrigin, MountPoint};
use wharfie_engine::container::volumes::VolumeDetails;
use wharfie_oci::size::{self, Units};

use super::mounts::{PROPAGATION, ROOT, is_root};
use crate::failure::{Failure, Result};

/// Reads one `--mount`.
///
/// # Errors
/// Docker's texts for what is unknown or missing.
pub(crate) fn fields(spec: &str) -> Result<(MountPoint, VolumeDetails)> {
    let mut details = VolumeDetails::default();
    let mut mount = MountPoint {
        kind: MountKind::Volume,
        source: String::new(),
        target: String::new(),
        read_only: false,
        options: Vec::new(),
        origin: MountOrigin::Mount,
    };
    // Which kinds of options were given, whatever they say.
    let mut families = BTreeSet::new();
    for field in spec.split(',') {
        let (key, value) = field.split_once('=').map_or((field, None), |(key, value)| (key, Some(value)));
        let need = || value.ok_or_else(|| format!("invalid field '{field}' must be a key=value pair"));
        let truth = || match value {
            None | Some("true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(other) => Err(format!("invalid value for {key}: {other}")),
        };
        let key = key.to_ascii_lowercase();
        families.extend(["volume-", "bind-", "tmpfs-"].into_iter().filter(|family| key.starts_with(family)));
        match key.as_str() {
            "type" => {
                mount.kind = match need()? {
                    "bind" => MountKind::Bind,
                    "volume" => MountKind::Volume,
                    "tmpfs" => MountKind::Tmpfs,
                    other => {
                        return Err(Failure::new(format!("invalid mount type \"{other}\"")));
                    }
                }
            }
            "source" | "src" => need()?.clone_into(&mut mount.source),
            "target" | "dst" | "destination" => need()?.clone_into(&mut mount.target),
            "readonly" | "ro" => mount.read_only = truth()?,
            "volume-nocopy" => {
                if truth()? {
                    mount.options.push("nocopy".to_owned());
                }
            }
            "bind-propagation" => mount.options.push(need()?.to_owned()),
            "tmpfs-size" => {
                let size = need()?;
                let bytes =
                    size::parse(size, Units::Binary).ok_or_else(|| format!("invalid value for {key}: {size}"))?;
                mount.options.push(format!("size={bytes}"));
            }
            "tmpfs-mode" => {
                let mode = need()?;
                let bits = u32::from_str_radix(mode, 8).map_err(|_| format!("invalid value for {key}: {mode}"))?;
                mount.options.push(format!("mode={bits:o}"));
            }
            "volume-label" => {
                let (name, value) = pair(need()?);
                details.labels.insert(name, value);
            }
            "volume-opt" => {
                let (name, value) = pair(need()?);
                details.options.insert(name, value);
            }
            "volume-driver" => {
                let driver = need()?;
                if driver != "local" {
                    let text = format!("error looking up volume plugin {driver}: plugin \"{driver}\" not found");
                    return Err(Failure::daemon(text));
                }
            }
            "consistency" => {
                need()?;
            }
            "bind-recursive" => match need()? {
                "enabled" => {}
                // Only a mount that is not to be written at all asks for more than we do anyway.
                "readonly" | "writable" | "disabled" => {
                    return Err(Failure::new(format!("bind-recursive={} is not supported", need()?)));
                }
                other => return Err(Failure::new(format!("invalid value for bind-recursive: {other}"))),
            },
            _ => return Err(Failure::new(format!("unexpected key '{key}' in '{field}'"))),
        }
    }
    if mount.target.is_empty() {
        return Err(Failure::new("target is required"));
    }
    let own = format!("{}-", mount.kind.as_str());
    if let Some(family) = families.into_iter().find(|family| *family != own) {
        return Err(Failure::new(format!("cannot mix '{family}*' options with mount type '{}'", mount.kind.as_str())));
    }
    Ok((mount, details))
}

fn pair(text: &str) -> (String, String) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    (name.to_owned(), value.to_owned())
}

/// Reads one `--mount` and judges it by what is on this machine.
///
/// # Errors
/// As [`fields`]; and docker's texts for a source that cannot be mounted.
pub(crate) fn parse(spec: &str) -> Result<(MountPoint, VolumeDetails)> {
    let (mut mount, details) = fields(spec)?;
    let refused = |why: String| {
        let kind = mount.kind.as_str();
        Err(Failure::daemon(format!("invalid mount config for type \"{kind}\": {why}")))
    };
    if !mount.target.starts_with('/') {
        return refused(format!("invalid mount path: '{}' mount path must be absolute", mount.target));
    }
    if is_root(&mount.target) {
        return refused(ROOT.to_owned());
    }
    let is_propagation = |option: &&String| PROPAGATION.contains(&option.as_str());
    match mount.kind {
        MountKind::Bind if !mount.options.iter().all(|option| is_propagation(&option)) => {
            let unknown = mount.options.iter().find(|option| !is_propagation(option)).cloned().unwrap_or_default();
            refused(format!("invalid propagation mode: {unknown}"))
        }
        MountKind::Tmpfs if !mount.source.is_empty() => refused("field Source must not be specified".to_owned()),
        MountKind::Bind if mount.source.is_empty() => refused("field Source must not be empty".to_owned()),
        MountKind::Bind if !mount.source.starts_with('/') => {
            refused(format!("invalid mount path: '{}' mount path must be absolute", mount.source))
        }
        MountKind::Bind if !std::path::Path::new(&mount.source).exists() => {
            refused(format!("bind source path does not exist: {}", mount.source))
        }
        MountKind::Volume if mount.source.is_empty() => {
            mount.source = anonymous().map_err(Failure::new)?;
            Ok((mount, details))
        }
        _ => Ok((mount, details)),
    }
}

/// A name for a volume that nobody named.
fn anonymous() -> Result<String, String> {
    let mut bytes = [0; 32];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).map_err(|why| why.to_string())?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_understood() {
        let (mount, _) = parse("type=bind,src=/,dst=/host,readonly").unwrap();
        assert_eq!((mount.kind, mount.source.as_str(), mount.target.as_str()), (MountKind::Bind, "/", "/host"));
        assert!(mount.read_only);
        assert_eq!(parse("type=tmpfs,target=/t,tmpfs-size=1m").unwrap().0.options, ["size=1048576"]);
        assert_eq!(parse("source=data,target=/d").unwrap().0.kind, MountKind::Volume);
        assert_eq!(parse("target=/d").unwrap().0.source.len(), 64);
        for bad in ["type=bind,source=/", "type=what,target=/x", "x", "type=bind,source=/no/such/path,target=/x"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
