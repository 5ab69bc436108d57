//! `RUN --mount`: fields that are read twice, before expansion for the stage they name, and after it for everything.

use wharfie_oci::size::{self, Units};

use super::fields::{fields, truth};
use crate::dockerfile::{nearest, quoted};
use crate::{Error, Result};

/// A mount as its fields say it, expanded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct MountFields {
    pub(crate) kind: MountKind,
    pub(crate) from: String,
    pub(crate) source: String,
    pub(crate) target: String,
    pub(crate) is_readonly: bool,
    pub(crate) size: u64,
    pub(crate) id: String,
    pub(crate) sharing: Option<String>,
    pub(crate) is_required: bool,
    pub(crate) variable: Option<String>,
    pub(crate) mode: Option<u32>,
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
}

/// What is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum MountKind {
    #[default]
    Bind,
    Cache,
    Tmpfs,
    Secret,
    Ssh,
}

impl MountKind {
    const ALL: [Self; 5] = [Self::Bind, Self::Cache, Self::Tmpfs, Self::Secret, Self::Ssh];

    fn name(self) -> &'static str {
        match self {
            Self::Bind => "bind",
            Self::Cache => "cache",
            Self::Tmpfs => "tmpfs",
            Self::Secret => "secret",
            Self::Ssh => "ssh",
        }
    }
}

const KEYS: [&str; 19] = [
    "type",
    "from",
    "source",
    "target",
    "readonly",
    "id",
    "sharing",
    "required",
    "size",
    "mode",
    "uid",
    "gid",
    "src",
    "dst",
    "destination",
    "ro",
    "rw",
    "readwrite",
    "env",
];

fn split(text: &str) -> Result<Vec<String>> {
    fields(text).map_err(|why| Error::new(format!("failed to parse csv mounts: {why}")))
}

/// Where a mount is from, before anything is expanded; empty if it does not say.
pub(super) fn origin(text: &str) -> Result<String> {
    let mut from = String::new();
    for field in split(text)? {
        let Some((key, value)) = field.split_once('=') else { continue };
        if !key.eq_ignore_ascii_case("from") {
            continue;
        }
        if value.find('$').is_some_and(|at| at + 1 != value.len()) {
            let text =
                format!("'{}' doesn't support variable expansion, define alias stage instead", key.to_lowercase());
            return Err(Error::new(text));
        }
        value.clone_into(&mut from);
    }
    Ok(from)
}

impl MountFields {
    /// Reads the fields of `text`, each value expanded.
    pub(crate) fn parse(text: &str, expand: &mut dyn FnMut(&str) -> Result<String>) -> Result<Self> {
        let mut mount = Self::default();
        let mut readonly = None;
        for field in split(text)? {
            match field.split_once('=') {
                Some((key, value)) => {
                    let value = expand(value)?;
                    mount.set(&key.to_lowercase(), &value, &field, &mut readonly)?;
                }
                None => mount.switch(&field, &mut readonly)?,
            }
        }
        mount.judge()?;
        let is_own = matches!(mount.kind, MountKind::Cache | MountKind::Tmpfs);
        mount.is_readonly = readonly.unwrap_or(!is_own);
        Ok(mount)
    }

    /// A field without a value.
    fn switch(&mut self, field: &str, readonly: &mut Option<bool>) -> Result<()> {
        match field.to_lowercase().as_str() {
            "readonly" | "ro" => *readonly = Some(true),
            "readwrite" | "rw" => *readonly = Some(false),
            key @ "required" => {
                self.only(key, &[MountKind::Secret, MountKind::Ssh])?;
                self.is_required = true;
            }
            _ => return Err(Error::new(format!("invalid field '{field}' must be a key=value pair"))),
        }
        Ok(())
    }

    fn set(&mut self, key: &str, value: &str, field: &str, readonly: &mut Option<bool>) -> Result<()> {
        let invalid = || Error::new(format!("invalid value for {key}: {value}"));
        let number = |radix: u32| {
            let is_number = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
            let number = u32::from_str_radix(value, radix).ok().filter(|_| is_number);
            number.ok_or_else(|| Error::new(format!("invalid value {value} for {key}")))
        };
        match key {
            "type" => {
                let kind = MountKind::ALL.into_iter().find(|kind| kind.name() == value.to_lowercase());
                self.kind = kind.ok_or_else(|| {
                    let meant = nearest(value, MountKind::ALL.map(MountKind::name), true);
                    Error::new(format!("unsupported mount type {}", quoted(value))).suggesting(meant)
                })?;
            }
            "from" => value.clone_into(&mut self.from),
            "source" | "src" => value.clone_into(&mut self.source),
            "target" | "dst" | "destination" => value.clone_into(&mut self.target),
            "readonly" | "ro" => *readonly = Some(truth(value).ok_or_else(invalid)?),
            "readwrite" | "rw" => *readonly = Some(!truth(value).ok_or_else(invalid)?),
            "required" => {
                self.only(key, &[MountKind::Secret, MountKind::Ssh])?;
                self.is_required = truth(value).ok_or_else(invalid)?;
            }
            "size" => {
                self.only(key, &[MountKind::Tmpfs])?;
                self.size = size::parse(value, Units::Binary).ok_or_else(invalid)?;
            }
            "id" => value.clone_into(&mut self.id),
            "sharing" => {
                let word = value.to_lowercase();
                let known = ["shared", "private", "locked"];
                if !known.contains(&word.as_str()) {
                    let meant = nearest(value, known, true);
                    return Err(Error::new(format!("unsupported sharing value {}", quoted(value))).suggesting(meant));
                }
                self.sharing = Some(word);
            }
            "mode" => self.mode = Some(number(8)?),
            "uid" => self.uid = Some(number(10)?),
            "gid" => self.gid = Some(number(10)?),
            "env" => self.variable = Some(value.to_owned()),
            _ => {
                let meant = nearest(key, KEYS, true);
                return Err(Error::new(format!("unexpected key '{key}' in '{field}'")).suggesting(meant));
            }
        }
        Ok(())
    }

    fn only(&self, key: &str, kinds: &[MountKind]) -> Result<()> {
        match kinds.contains(&self.kind) {
            true => Ok(()),
            false => Err(Error::new(format!("unexpected key '{key}' for mount type '{}'", self.kind.name()))),
        }
    }

    /// What contradicts only as a whole.
    fn judge(&self) -> Result<()> {
        let kind = self.kind.name();
        if matches!(self.kind, MountKind::Bind | MountKind::Tmpfs) {
            for (name, is_given) in
                [("mode", self.mode.is_some()), ("uid", self.uid.is_some()), ("gid", self.gid.is_some())]
            {
                if is_given {
                    return Err(Error::new(format!("{name} not allowed for \"{kind}\" type mounts")));
                }
            }
        }
        if self.kind == MountKind::Secret {
            let fault = match () {
                () if !self.from.is_empty() => Some("secret mount should not have a from"),
                () if self.sharing.is_some() => Some("secret mount should not define sharing"),
                () if self.source.is_empty() && self.target.is_empty() && self.id.is_empty() => {
                    Some("invalid secret mount. one of source, target required")
                }
                () if !self.source.is_empty() && !self.id.is_empty() => Some("both source and id can't be set"),
                () => None,
            };
            if let Some(fault) = fault {
                return Err(Error::new(fault));
            }
        }
        if self.sharing.is_some() && self.kind != MountKind::Cache {
            return Err(Error::new(format!("invalid cache sharing set for {kind} mount")));
        }
        Ok(())
    }
}
