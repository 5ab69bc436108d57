//! `-v`, `--tmpfs` and `--volumes-from`: the short forms, judged as docker judges them.

use wharfie_engine::container::settings::{MountKind, MountOrigin, MountPoint};

use crate::failure::{Failure, Result};

/// Reads `[SOURCE:]TARGET[:MODE]`; `None` for a target alone, which asks for an anonymous volume. Nothing is made or looked at
/// on the disk.
///
/// # Errors
/// Docker's texts: its client's for a malformed text, its daemon's for what makes no sense.
pub(crate) fn volume(spec: &str) -> Result<Option<MountPoint>> {
    if spec.is_empty() {
        return Err(Failure::new("invalid empty volume spec"));
    }
    let parts: Vec<&str> = spec.split(':').collect();
    if parts.len() > 1 && parts.iter().any(|part| part.is_empty()) {
        return Err(Failure::new(format!("invalid spec: {spec}: empty section between colons")));
    }
    let (source, target, mode) = match parts.as_slice() {
        [target] if target.starts_with('/') => {
            return if is_root(target) { Err(refused(spec, "volume", ROOT)) } else { Ok(None) };
        }
        [source, target] => (*source, *target, ""),
        [source, target, mode] => (*source, *target, *mode),
        _ => return Err(Failure::daemon(format!("invalid volume specification: '{spec}'"))),
    };
    let kind = if source.starts_with(['/', '.']) { MountKind::Bind } else { MountKind::Volume };
    let word = kind.as_str();
    if !target.starts_with('/') {
        return Err(refused(spec, word, &format!("invalid mount path: '{target}' mount path must be absolute")));
    }
    if is_root(target) {
        return Err(refused(spec, word, ROOT));
    }
    let options = modes(mode).ok_or_else(|| Failure::daemon(format!("invalid mode: {mode}")))?;
    let has = |wanted: &[&str]| options.iter().any(|option| wanted.contains(&option.as_str()));
    match kind {
        MountKind::Bind if has(COPY) => return Err(refused(spec, word, "field VolumeOptions must not be specified")),
        MountKind::Volume if has(PROPAGATION) => {
            return Err(refused(spec, word, "field BindOptions must not be specified"));
        }
        MountKind::Volume => {
            wharfie_engine::container::volumes::parse_name(source)?;
        }
        _ => {}
    }
    let source = match kind {
        MountKind::Bind if !source.starts_with('/') => absolute(source)?,
        _ => source.to_owned(),
    };
    let (target, read_only, origin) = (target.to_owned(), has(&["ro"]), MountOrigin::Bind);
    Ok(Some(MountPoint { kind, source, target, read_only, options, origin }))
}

pub(super) const ROOT: &str = "invalid specification: destination can't be '/'";

pub(super) fn is_root(target: &str) -> bool {
    target.split('/').all(|part| part.is_empty() || part == ".")
}

fn refused(spec: &str, kind: &str, why: &str) -> Failure {
    Failure::daemon(format!("invalid volume specification: '{spec}': invalid mount config for type \"{kind}\": {why}"))
}

const COPY: &[&str] = &["nocopy"];
pub(super) const PROPAGATION: &[&str] = &["private", "rprivate", "shared", "rshared", "slave", "rslave"];
/// What a mode may say, each of these once.
const MODES: &[&[&str]] =
    &[&["rw", "ro"], &["z", "Z"], PROPAGATION, COPY, &["consistent", "cached", "delegated", "default"]];

/// The words of a mode; `None` if one is unknown, or two contradict or repeat each other.
fn modes(mode: &str) -> Option<Vec<String>> {
    if mode.is_empty() {
        return Some(Vec::new());
    }
    let words: Vec<&str> = mode.split(',').collect();
    let is_known = words.iter().all(|word| MODES.iter().any(|group| group.contains(word)));
    let is_said_once = MODES.iter().all(|group| words.iter().filter(|word| group.contains(word)).count() < 2);
    (is_known && is_said_once).then(|| words.into_iter().map(str::to_owned).collect())
}

fn absolute(source: &str) -> Result<String> {
    let whole = std::path::absolute(source).map_err(|why| Failure::new(format!("cannot find {source}: {why}")))?;
    Ok(whole.to_string_lossy().into_owned())
}

/// Reads `TARGET[:OPTIONS]` of `--tmpfs`.
///
/// # Errors
/// Docker's text for a target that is not absolute.
pub(crate) fn tmpfs(spec: &str) -> Result<MountPoint> {
    let (target, options) = spec.split_once(':').unwrap_or((spec, ""));
    if !target.starts_with('/') {
        return Err(Failure::daemon(format!("invalid mount path: '{target}' mount path must be absolute")));
    }
    let options: Vec<String> = options.split(',').filter(|text| !text.is_empty()).map(str::to_owned).collect();
    Ok(MountPoint {
        kind: MountKind::Tmpfs,
        source: String::new(),
        target: target.to_owned(),
        read_only: options.iter().any(|option| option == "ro"),
        options,
        origin: MountOrigin::Tmpfs,
    })
}

/// Judges `CONTAINER[:MODE]` of `--volumes-from`.
///
/// # Errors
/// Docker's text for a mode that is none.
pub(crate) fn volumes_from(spec: &str) -> Result<()> {
    match spec.split_once(':') {
        Some((_, mode)) if !matches!(modes(mode).as_deref(), Some([mode]) if mode != "nocopy") => {
            Err(Failure::daemon(format!("invalid mode: {mode}")))
        }
        _ => Ok(()),
    }
}

/// Refuses two mounts on one place.
///
/// # Errors
/// Docker's text.
pub(crate) fn check_targets(mounts: &[MountPoint]) -> Result<()> {
    let clean = |target: &str| -> Vec<String> {
        target.split('/').filter(|part| !part.is_empty() && *part != ".").map(str::to_owned).collect()
    };
    for (at, mount) in mounts.iter().enumerate() {
        if mounts[..at].iter().any(|other| clean(&other.target) == clean(&mount.target)) {
            return Err(Failure::daemon(format!("Duplicate mount point: {}", mount.target)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_are_understood() {
        let mount = volume("/a:/b:ro,rslave").unwrap().unwrap();
        assert_eq!((mount.kind, mount.read_only, mount.options.len()), (MountKind::Bind, true, 2));
        let mount = volume("data:/b:nocopy").unwrap().unwrap();
        assert_eq!((mount.kind, mount.source.as_str(), mount.read_only), (MountKind::Volume, "data", false));
        assert_eq!(volume("/only"), Ok(None));
        assert!(volume("./x:/b").unwrap().unwrap().source.starts_with('/'));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (spec, why) in [
            ("/a:/b:r0", "invalid mode: r0"),
            ("/a:/b:RO", "invalid mode: RO"),
            ("/a:/b:ro,", "invalid mode: ro,"),
            ("/a:/b:rw,ro", "invalid mode: rw,ro"),
            ("/a:/b:", "invalid spec: /a:/b:: empty section between colons"),
            ("/a:/b:nocopy", "field VolumeOptions must not be specified"),
            ("data:/b:rslave", "field BindOptions must not be specified"),
            ("data:/b:noexec", "invalid mode: noexec"),
            ("data:/", "destination can't be '/'"),
            ("/a://", "destination can't be '/'"),
            ("data:b", "mount path must be absolute"),
            ("~/x:/m", "includes invalid characters for a local volume name"),
            ("d:/m", "volume name is too short"),
            ("/a:/b:ro:ro", "invalid volume specification: '/a:/b:ro:ro'"),
        ] {
            let text = volume(spec).unwrap_err();
            assert!(text.text.contains(why), "{spec}: {text:?}");
        }
        assert!(volumes_from("web:bogus").is_err() && volumes_from("web:ro").is_ok() && volumes_from("web").is_ok());
    }
}
