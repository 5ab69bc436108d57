//! `--mount type=…,source=…,target=…`.

use wharfie_engine::container::settings::{MountKind, MountPoint};
use wharfie_engine::container::volumes::VolumeDetails;

/// Reads one `--mount`.
///
/// # Errors
/// Docker's texts for what is unknown or missing.
pub(crate) fn fields(spec: &str) -> Result<(MountPoint, VolumeDetails), String> {
    let mut details = VolumeDetails::default();
    let mut mount = MountPoint {
        kind: MountKind::Volume,
        source: String::new(),
        target: String::new(),
        read_only: false,
        options: Vec::new(),
    };
    for field in spec.split(',') {
        let (key, value) = field.split_once('=').map_or((field, None), |(key, value)| (key, Some(value)));
        let need = || value.ok_or_else(|| format!("invalid field '{field}' must be a key=value pair"));
        let truth = || match value {
            None | Some("true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(other) => Err(format!("invalid value for {key}: {other}")),
        };
        match key.to_ascii_lowercase().as_str() {
            "type" => {
                mount.kind = match need()? {
                    "bind" => MountKind::Bind,
                    "volume" => MountKind::Volume,
                    "tmpfs" => MountKind::Tmpfs,
                    other => {
                        return Err(format!("invalid mount type \"{other}\""));
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
            "tmpfs-size" => mount.options.push(format!("size={}", need()?)),
            "tmpfs-mode" => mount.options.push(format!("mode={}", need()?)),
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
                    return Err(format!("{}{text}", crate::compat::DAEMON));
                }
            }
            "consistency" => {
                need()?;
            }
            "bind-recursive" => match need()? {
                "enabled" => {}
                // Only a mount that is not to be written at all asks for more than we do anyway.
                "readonly" | "writable" | "disabled" => {
                    return Err(format!("bind-recursive={} is not supported", need()?));
                }
                other => return Err(format!("invalid value for bind-recursive: {other}")),
            },
            _ => return Err(format!("unexpected key '{key}' in '{field}'")),
        }
    }
    if mount.target.is_empty() {
        return Err("target is required".to_owned());
    }
    if mount.kind != MountKind::Volume && details != VolumeDetails::default() {
        return Err(format!("cannot mix 'volume-*' options with mount type '{}'", mount.kind.as_str()));
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
pub(crate) fn parse(spec: &str) -> Result<(MountPoint, VolumeDetails), String> {
    let (mut mount, details) = fields(spec)?;
    match mount.kind {
        MountKind::Bind if mount.source.is_empty() => {
            Err("invalid mount config for type \"bind\": field Source must not be empty".to_owned())
        }
        MountKind::Bind if !mount.source.starts_with('/') => Err(format!(
            "invalid mount config for type \"bind\": invalid mount path: '{}' mount path must be absolute",
            mount.source
        )),
        MountKind::Bind if !std::path::Path::new(&mount.source).exists() => Err(format!(
            "{}invalid mount config for type \"bind\": bind source path does not exist: {}",
            crate::compat::DAEMON,
            mount.source
        )),
        MountKind::Volume if mount.source.is_empty() => {
            mount.source = anonymous()?;
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
        assert_eq!(parse("type=tmpfs,target=/t,tmpfs-size=1m").unwrap().0.options, ["size=1m"]);
        assert_eq!(parse("source=data,target=/d").unwrap().0.kind, MountKind::Volume);
        assert_eq!(parse("target=/d").unwrap().0.source.len(), 64);
        for bad in ["type=bind,source=/", "type=what,target=/x", "x", "type=bind,source=/no/such/path,target=/x"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
