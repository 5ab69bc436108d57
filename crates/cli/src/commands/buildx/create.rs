//! `buildx imagetools create`: a list of images that are on registries already.

use std::collections::BTreeMap;

use serde::Serialize;
use wharfie_content::event::{Subject, task};
use wharfie_content::{Document, Observer, Outcome};
use wharfie_engine::Engine;
use wharfie_engine::publish::Publish;
use wharfie_oci::json::indented;
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Descriptor, MediaType, Platform, Reference, Repository};

use super::ask;
use crate::commands::manifest::{named, platform, trusted};
use crate::commands::{PROGRESS, Run, choices, style};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Example, Matches, Switch, Text, Texts};
use crate::interrupt::Interruptible;

const ANNOTATION: Texts = Texts::new("annotation", "Add annotation to the image");
const APPEND: Switch = Switch::new("append", "Append to existing manifest");
const DRY_RUN: Switch = Switch::new("dry-run", "Show final image instead of pushing");
const FILE: Texts = Texts::new("file", "Read source descriptor from file").short('f');
const METADATA_FILE: Text = Text::new("metadata-file", "Write create result metadata to a file");
const PLATFORM: Texts =
    Texts::of_commas("platform", "Filter specified platforms of target image").complete(choices::PLATFORMS).short('p');
const PREFER_INDEX: Switch = Switch::new("prefer-index", "When only a single source is specified, prefer outputting an image index or manifest list instead of performing a carbon copy").default("true");
const TAG: Texts = Texts::new("tag", "Set reference for new image").short('t');

/// `PROG buildx imagetools create`.
pub(super) static COMMAND: Command<Run> = Command {
    about: "Create a new image based on source images",
    usage: "[OPTIONS] [SOURCE...]",
    arity: Arity::Any,
    flags: &[
        ANNOTATION.flag(),
        APPEND.flag(),
        DRY_RUN.flag(),
        FILE.flag(),
        METADATA_FILE.flag(),
        PLATFORM.flag(),
        PREFER_INDEX.flag(),
        PROGRESS.flag(),
        TAG.flag(),
    ],
    examples: &[Example {
        text: "One name for two images",
        command: "buildx imagetools create -t registry.example/app:2 registry.example/app:2-amd64 registry.example/app:2-arm64",
    }],
    run: Some(run),
    ..Command::BASE
};

/// What was named on the command line, with where it is.
struct Source {
    repository: Repository,
    fetched: Document,
    /// For a single manifest: what it is for.
    platform: Option<Platform>,
    /// What a descriptor from a file says about it.
    annotations: Option<BTreeMap<String, String>>,
}

/// A member of the new list, with where it is.
struct Member {
    repository: Repository,
    descriptor: Descriptor,
}

fn run(cx: &Context, matches: &Matches) -> Result {
    let is_dry = matches.get(&DRY_RUN);
    let tags = matches.get(&TAG).iter().map(|tag| named(tag)).collect::<Result<Vec<_>>>()?;
    if matches.args().is_empty() && matches.get(&FILE).is_empty() {
        return Err(Failure::new("ERROR: no sources specified"));
    }
    if tags.is_empty() && !is_dry {
        return Err(Failure::new("ERROR: can't push with no tags specified, please set --tag or --dry-run"));
    }
    if matches.get(&APPEND) && tags.is_empty() {
        return Err(Failure::new("ERROR: can't append with no tags specified, please set --tag"));
    }
    let style = style(matches, cx.is_err_terminal(), false)?;
    let progress = Interruptible::new(cx.progress_on_stderr(style));
    let sources = sources(cx, matches, &tags, &progress)?;
    let (combined, members) = combine(matches, &sources)?;
    if is_dry {
        return cx.line(&String::from_utf8_lossy(&combined.bytes));
    }
    for tag in &tags {
        push(cx.engine()?, tag, &combined, &members, &progress)?;
    }
    let Some(path) = matches.get(&METADATA_FILE) else { return Ok(()) };
    let names: Vec<String> = tags.iter().map(Reference::canonical).collect();
    let metadata = serde_json::json!({
        "containerimage.descriptor": combined.descriptor,
        "image.name": names.join(","),
    });
    let text = indented(&metadata.to_string(), "  ");
    std::fs::write(path, text)
        .map_err(|why| Failure::new(format!("ERROR: cannot write {path}: {}", crate::context::reason(&why))))
}

fn sources(cx: &Context, matches: &Matches, tags: &[Reference], observer: &dyn Observer) -> Result<Vec<Source>> {
    let mut wanted: Vec<(Reference, Option<Descriptor>)> = Vec::new();
    if matches.get(&APPEND) {
        wanted.extend(tags.first().map(|tag| (tag.clone(), None)));
    }
    for path in matches.get(&FILE) {
        let bad = |why: &dyn std::fmt::Display| Failure::new(format!("ERROR: cannot read {path}: {why}"));
        let bytes = std::fs::read(path).map_err(|why| bad(&crate::context::reason(&why)))?;
        let descriptor: Descriptor = serde_json::from_slice(&bytes).map_err(|why| bad(&why))?;
        // A descriptor says what, not where: it is where the list is to be.
        let tag = tags.first().ok_or_else(|| bad(&"a descriptor needs --tag, to say where it is"))?;
        wanted.push((Reference::digested(tag.repository().clone(), descriptor.digest.clone()), Some(descriptor)));
    }
    for name in matches.args() {
        wanted.push((named(name)?, None));
    }
    let mut sources = Vec::with_capacity(wanted.len());
    for (reference, descriptor) in wanted {
        let client = cx.engine()?.remote().repository(reference.repository());
        let fetched = ask(&client, &trusted(cx.engine()?, &reference, observer)?)?;
        let (said, annotations) = descriptor.map_or((None, None), |d| (d.platform, d.annotations));
        let platform = match said {
            Some(platform) => Some(platform),
            None => platform(&client, &fetched)?,
        };
        sources.push(Source { repository: reference.repository().clone(), fetched, platform, annotations });
    }
    Ok(sources)
}

/// The document that stands for all sources, and what it names. A single list is taken as it is, so that it keeps its digest.
fn combine(matches: &Matches, sources: &[Source]) -> Result<(Document, Vec<Member>)> {
    let platforms = matches.get(&PLATFORM).iter().map(|text| text.parse()).collect::<Result<Vec<Platform>, _>>()?;
    let (notes, member_notes) = annotations(matches.get(&ANNOTATION))?;
    if let [only] = sources
        && platforms.is_empty()
        && notes.is_empty()
        && member_notes.is_empty()
        && (matches!(only.fetched.content, AnyManifest::Index(_)) || !matches.get(&PREFER_INDEX))
    {
        let Source { repository, fetched, .. } = only;
        let descriptor = fetched.descriptor.clone();
        return Ok((fetched.clone(), vec![Member { repository: repository.clone(), descriptor }]));
    }
    let mut members: Vec<Member> = Vec::new();
    for Source { repository, fetched, platform, annotations } in sources {
        let found = match &fetched.content {
            AnyManifest::Index(index) => index.manifests.clone(),
            AnyManifest::Manifest(_) => {
                let (platform, annotations) = (platform.clone(), annotations.clone());
                vec![Descriptor { platform, annotations, ..fetched.descriptor.clone() }]
            }
        };
        for descriptor in found {
            match members.iter_mut().find(|member| member.descriptor.digest == descriptor.digest) {
                Some(known) => known.descriptor = descriptor,
                None => members.push(Member { repository: repository.clone(), descriptor }),
            }
        }
    }
    let is_wanted = |descriptor: &Descriptor| {
        platforms.is_empty()
            || descriptor.platform.as_ref().is_some_and(|p| platforms.iter().any(|w| w.distance(p) == Some(0)))
    };
    members.retain(|member| is_wanted(&member.descriptor));
    if members.is_empty() {
        return Err(Failure::new("ERROR: no source is for one of the platforms"));
    }
    for member in &mut members {
        if !member_notes.is_empty() && !member.descriptor.is_attestation() {
            member.descriptor.annotations.get_or_insert_default().extend(member_notes.clone());
        }
    }
    let is_docker = notes.is_empty()
        && members.iter().all(|m| m.descriptor.media_type.is_docker() && m.descriptor.annotations.is_none());
    let media_type = if is_docker { MediaType::DOCKER_LIST } else { MediaType::OCI_INDEX };
    let bytes = document(&media_type, &members, &notes)?;
    let content = AnyManifest::parse(&bytes, &media_type)
        .map_err(|why| Failure::new(format!("ERROR: cannot make the list: {why}")))?;
    Ok((Document { descriptor: Descriptor::of(media_type, &bytes), bytes, content }, members))
}

/// Notes on the list and on each of its members: `[index:|manifest-descriptor:]KEY=VALUE`.
fn annotations(given: &[String]) -> Result<(BTreeMap<String, String>, BTreeMap<String, String>)> {
    let (mut notes, mut member_notes) = (BTreeMap::new(), BTreeMap::new());
    for text in given {
        let bad = || Failure::new(format!("ERROR: invalid annotation {text:?}, expected key=value"));
        let (key, value) = text.split_once('=').ok_or_else(bad)?;
        match key.split_once(':') {
            None | Some(("index", _)) => notes.insert(key.trim_start_matches("index:").to_owned(), value.to_owned()),
            Some(("manifest-descriptor", key)) => member_notes.insert(key.to_owned(), value.to_owned()),
            Some((kind, _)) => {
                return Err(Failure::new(format!(
                    "ERROR: {kind:?} annotations are not supported: use index or manifest-descriptor"
                )));
            }
        };
    }
    Ok((notes, member_notes))
}

fn document(media_type: &MediaType, members: &[Member], notes: &BTreeMap<String, String>) -> Result<Vec<u8>> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Index<'a> {
        media_type: &'a MediaType,
        schema_version: u32,
        manifests: Vec<&'a Descriptor>,
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        annotations: &'a BTreeMap<String, String>,
    }
    let manifests = members.iter().map(|member| &member.descriptor).collect();
    let text = serde_json::to_string(&Index { media_type, schema_version: 2, manifests, annotations: notes });
    let text = text.map_err(|why| Failure::new(format!("ERROR: cannot write the list: {why}")))?;
    Ok(indented(&text, "  ").into_bytes())
}

/// Children before the list, and the name last.
fn push(engine: &Engine, tag: &Reference, combined: &Document, members: &[Member], observer: &dyn Observer) -> Result {
    let members = members.iter().map(|member| (member.repository.clone(), member.descriptor.digest.clone())).collect();
    let publish = Publish { root: combined.clone(), members, known: Vec::new(), to: tag.clone() };
    let Descriptor { digest, size, .. } = combined.descriptor.clone();
    task(observer, Subject::Tag(tag.clone()), |_| {
        let fail = |why: wharfie_engine::Error| Failure::because("ERROR: ", &why);
        engine.publish(&publish).map_err(fail)?;
        Ok(((), Outcome::Manifest { digest, size }))
    })
}
