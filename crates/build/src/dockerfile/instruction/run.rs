//! RUN, and the commands of CMD and ENTRYPOINT.

use super::fields::{fields, truth};
use super::flags::{Flags, Form};
use super::mount;
use crate::dockerfile::{Arguments, HereDocument, Node, nearest, quoted};
use crate::{Error, Result};

/// A command in either form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The words of the exec form, or the whole line.
    pub words: Vec<String>,
    /// Whether a shell reads it.
    pub is_shell: bool,
}

impl Command {
    pub(super) fn of(node: &Node) -> Self {
        match &node.arguments {
            Arguments::Json(words) => Self { words: words.clone(), is_shell: false },
            Arguments::Words(words) => Self { words: words.clone(), is_shell: true },
            _ => Self { words: Vec::new(), is_shell: true },
        }
    }
}

/// RUN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What is run.
    pub command: Command,
    /// The here-documents below it.
    pub documents: Vec<HereDocument>,
    /// `--mount`, as written.
    pub mounts: Vec<String>,
    /// What each mount says it is from; empty if it does not.
    pub origins: Vec<String>,
    /// `--network`.
    pub network: String,
    /// `--security`.
    pub security: String,
    /// Whether `--device` was given.
    pub has_devices: bool,
}

pub(super) fn parse(node: &Node) -> Result<Run> {
    let known = [("device", Form::Texts), ("mount", Form::Texts), ("network", Form::Text), ("security", Form::Text)];
    let flags = Flags::read(&node.flags, &known)?;
    let (devices, mounts) = (flags.texts("device"), flags.texts("mount"));
    devices.iter().try_for_each(|device| judge_device(device))?;
    let origins = mounts.iter().map(|mount| mount::origin(mount)).collect::<Result<_>>()?;
    let network = flags.text_or("network", "default");
    if !matches!(network.as_str(), "default" | "none" | "host") {
        return Err(Error::new(format!("invalid network mode {}", quoted(&network))));
    }
    let security = flags.text_or("security", "sandbox");
    if !matches!(security.as_str(), "sandbox" | "insecure") {
        return Err(Error::new(format!("security {} is not valid", quoted(&security))));
    }
    Ok(Run {
        command: Command::of(node),
        documents: node.documents.clone(),
        mounts,
        origins,
        network,
        security,
        has_devices: !devices.is_empty(),
    })
}

/// Refuses a `--device` that makes no sense. One that does is refused later, with docker.
fn judge_device(text: &str) -> Result<()> {
    let mut name = String::new();
    for field in fields(text).map_err(|why| Error::new(format!("failed to parse csv devices: {why}")))? {
        let (key, value) = field.split_once('=').map_or((&*field, None), |(key, value)| (key, Some(value)));
        match (key.to_lowercase().as_str(), value) {
            ("required", None) => {}
            ("name", Some(_)) if !name.is_empty() => {
                return Err(Error::new(format!("device name already set to {name}")));
            }
            ("name", Some(value)) => value.clone_into(&mut name),
            (key @ "required", Some(value)) => {
                truth(value).ok_or_else(|| Error::new(format!("invalid value for {key}: {value}")))?;
            }
            _ if name.is_empty() => name.clone_from(&field),
            (_, None) => return Err(Error::new(format!("invalid field '{field}' must be a key=value pair"))),
            (key, Some(_)) => {
                let meant = nearest(key, ["name", "required"], true);
                return Err(Error::new(format!("unexpected key '{key}' in '{field}'")).suggesting(meant));
            }
        }
    }
    Ok(())
}
