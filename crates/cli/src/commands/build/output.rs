//! `--output`, `--push`, `--load`, `--annotation`: what is to become of the result.

use std::collections::BTreeMap;
use std::os::fd::AsFd;

use wharfie_engine::build::output::{Annotations, Output};
use wharfie_engine::save;
use wharfie_oci::{Platform, Reference};

use super::fields::fields;
use super::flags;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::Matches;

/// What becomes of the result, and what that asks of the build besides.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    pub(super) outputs: Vec<Output>,
    pub(super) annotations: Annotations,
    pub(super) rewrites_timestamps: bool,
}

/// Reads the flags.
pub(super) fn outputs(cx: &Context, matches: &Matches, tags: &[Reference]) -> Result<Outputs> {
    let mut outputs = Outputs::default();
    for text in matches.get(&flags::ANNOTATION) {
        outputs.annotate(text)?;
    }
    outputs.rewrites_timestamps = matches.get(&flags::REWRITE_TIMESTAMP);
    let given = matches.get(&flags::OUTPUT);
    for text in given {
        outputs.add(cx, text, tags)?;
    }
    if matches.get(&flags::PUSH) {
        if tags.is_empty() {
            return Err(Failure::new("ERROR: tag is needed when pushing to registry"));
        }
        outputs.outputs.push(Output::Image { names: tags.to_vec(), push: true });
    }
    if matches.get(&flags::LOAD) || (given.is_empty() && !matches.get(&flags::PUSH)) {
        outputs.outputs.push(Output::Image { names: tags.to_vec(), push: false });
    }
    Ok(outputs)
}

impl Outputs {
    fn add(&mut self, cx: &Context, text: &str, tags: &[Reference]) -> Result {
        let listed = fields(text);
        // A bare word is a directory, and `-` is stdout.
        if let [(word, None)] = listed.as_slice() {
            self.outputs.push(match word.as_str() {
                "-" => Output::Tar(stdout(cx)?),
                directory => Output::Directory(directory.into()),
            });
            return Ok(());
        }
        let mut options = Options::read(text, listed)?;
        let kind = options.take("type").ok_or_else(|| Failure::new("ERROR: type is required for output"))?;
        let names = options.names(tags)?;
        let destination = options.take("dest");
        match kind.as_str() {
            "local" => {
                let directory = destination.ok_or_else(|| needs_destination("local"))?;
                self.outputs.push(Output::Directory(directory.into()));
            }
            "tar" => self.outputs.push(Output::Tar(to(cx, destination.as_deref())?)),
            "oci" | "docker" if options.switch("tar", true)? => match destination {
                // What has no place goes where `load` would bring it.
                None if kind == "docker" => self.outputs.push(Output::Image { names, push: false }),
                destination => self.outputs.push(Output::Archive { names, to: to(cx, destination.as_deref())? }),
            },
            "oci" | "docker" => {
                let directory = destination.ok_or_else(|| needs_destination(&kind))?;
                self.outputs.push(Output::Layout { names, to: directory.into() });
            }
            "image" | "registry" => {
                let push = kind == "registry" || options.switch("push", false)?;
                if push && names.is_empty() {
                    return Err(Failure::new("ERROR: tag is needed when pushing to registry"));
                }
                self.outputs.push(Output::Image { names, push });
            }
            "cacheonly" => {}
            other => {
                return Err(Failure::new(format!(
                    "ERROR: unsupported output type {other:?}: must be image, registry, docker, oci, tar, local or cacheonly"
                )));
            }
        }
        self.rewrites_timestamps |= options.switch("rewrite-timestamp", false)?;
        for (key, value) in std::mem::take(&mut options.fields) {
            match key.split_once('.') {
                Some(("annotation", name)) => self.annotations.manifest.push((None, name.to_owned(), value)),
                Some(("annotation-manifest", name)) => self.annotations.manifest.push((None, name.to_owned(), value)),
                Some(("annotation-manifest-descriptor", name)) => {
                    self.annotations.descriptor.push((None, name.to_owned(), value));
                }
                Some(("annotation-index", name)) => drop(self.annotations.index.insert(name.to_owned(), value)),
                _ => return Err(Failure::new(format!("ERROR: unknown option {key:?} of output {text:?}"))),
            }
        }
        Ok(())
    }

    /// `[TYPE[PLATFORM][,TYPE…]:]KEY=VALUE`, where a type is manifest, manifest-descriptor or index.
    fn annotate(&mut self, text: &str) -> Result {
        let bad = || Failure::new(format!("ERROR: invalid annotation {text:?}, expected key=value"));
        let (left, value) = text.split_once('=').ok_or_else(bad)?;
        let (kinds, key) = match left.rsplit_once(':') {
            // Keys have colons only behind a type.
            Some((kinds, key)) if kinds.starts_with("manifest") || kinds.starts_with("index") => (kinds, key),
            _ => ("manifest", left),
        };
        if key.is_empty() {
            return Err(bad());
        }
        for kind in kinds.split(',') {
            let (kind, platform) = match kind.strip_suffix(']').and_then(|kind| kind.split_once('[')) {
                Some((kind, platform)) => (kind, Some(platform.parse::<Platform>()?)),
                None => (kind, None),
            };
            let note = (platform, key.to_owned(), value.to_owned());
            match kind {
                "manifest" => self.annotations.manifest.push(note),
                "manifest-descriptor" => self.annotations.descriptor.push(note),
                "index" => drop(self.annotations.index.insert(note.1, note.2)),
                other => return Err(Failure::new(format!("ERROR: unknown annotation type {other:?}"))),
            }
        }
        Ok(())
    }
}

/// The options of one output.
struct Options {
    fields: BTreeMap<String, String>,
}

impl Options {
    fn read(text: &str, listed: Vec<(String, Option<String>)>) -> Result<Self> {
        let mut fields = BTreeMap::new();
        for (key, value) in listed {
            let value = value.ok_or_else(|| Failure::new(format!("ERROR: invalid value {key} of output {text:?}")))?;
            fields.insert(key, value);
        }
        Ok(Self { fields })
    }

    fn take(&mut self, key: &str) -> Option<String> {
        self.fields.remove(key).filter(|value| !value.is_empty())
    }

    fn switch(&mut self, key: &str, default: bool) -> Result<bool> {
        match self.take(key).as_deref() {
            None => Ok(default),
            Some("true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(other) => Err(Failure::new(format!("ERROR: invalid value {other:?} of {key}: must be true or false"))),
        }
    }

    /// The names in the option; else those of `--tag`.
    fn names(&mut self, tags: &[Reference]) -> Result<Vec<Reference>> {
        let Some(names) = self.take("name") else { return Ok(tags.to_vec()) };
        let read = |name: &str| match name.parse::<Reference>() {
            Ok(name) => Ok(name.or_latest()),
            Err(why) => Err(Failure::new(format!("ERROR: invalid name {name:?} of output: {why}"))),
        };
        names.split(',').map(|name| read(name.trim())).collect()
    }
}

fn needs_destination(kind: &str) -> Failure {
    Failure::new(format!("ERROR: dest is required for {kind} output"))
}

fn to(cx: &Context, destination: Option<&str>) -> Result<save::Output> {
    match destination {
        None | Some("-") => stdout(cx),
        Some(path) => Ok(save::Output::Path(path.into())),
    }
}

fn stdout(cx: &Context) -> Result<save::Output> {
    if cx.is_out_terminal() {
        return Err(Failure::new("ERROR: dest file is required for this output: refusing to write it to a terminal"));
    }
    let stdout = std::io::stdout().as_fd().try_clone_to_owned().map_err(|why| Failure::output(&why))?;
    Ok(save::Output::Open(stdout.into()))
}
