//! `manifest`: documents on registries, without their images, and lists of them.

mod draft;
mod edit;
mod list;

use wharfie_content::{Document, Observer};
use wharfie_engine::Engine;
use wharfie_oci::json::indented;
use wharfie_oci::manifest::{AnyManifest, MAX_MANIFEST_BYTES};
use wharfie_oci::{Descriptor, Platform, Reference};
use wharfie_remote::RepositoryClient;

use self::draft::{Draft, Drafts};

use crate::commands::Run;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Entry, Example, Matches, Switch};

const INSECURE: Switch = Switch::new("insecure", "Allow communication with an insecure registry");
const VERBOSE: Switch = Switch::new("verbose", "Output additional info including layers and platform").short('v');

/// `PROG manifest`.
pub static COMMAND: Command<Run> = Command {
    about: "Manage Docker image manifests and manifest lists",
    usage: "COMMAND",
    subcommands: &[
        Entry::new("annotate", &edit::ANNOTATE),
        Entry::new("create", &edit::CREATE),
        Entry::new("inspect", &INSPECT),
        Entry::new("push", &edit::PUSH),
        Entry::new("rm", &edit::RM),
    ],
    ..Command::BASE
};

/// `PROG manifest inspect`.
pub static INSPECT: Command<Run> = Command {
    about: "Display an image manifest, or manifest list",
    usage: "[OPTIONS] [MANIFEST_LIST] MANIFEST",
    arity: Arity::Range(1, 2),
    flags: &[INSECURE.flag(), VERBOSE.flag()],
    examples: &[
        Example { text: "What platforms an image is for", command: "manifest inspect alpine:3.20" },
        Example { text: "With the manifest of every platform", command: "manifest inspect -v alpine:3.20" },
    ],
    run: Some(inspect),
    ..Command::BASE
};

fn inspect(cx: &Context, matches: &Matches) -> Result {
    let is_verbose = matches.get(&VERBOSE);
    let drafts = Drafts::of(cx);
    if let [list, member] = matches.args() {
        let (list, member) = (named(list)?, named(member)?);
        let draft = drafts.member(&list, &member)?.ok_or_else(|| edit::unknown(&member))?;
        let text = if is_verbose { draft.to_json()? } else { String::from_utf8_lossy(&draft.bytes).into_owned() };
        return cx.line(&indented(&text, "\t"));
    }
    let reference = named(&matches.args()[0])?;
    if let Some(members) = drafts.list(&reference)? {
        if is_verbose {
            return print_members(cx, &members);
        }
        let bytes = list::document(&reference, &members)?.bytes;
        return cx.line(&String::from_utf8_lossy(&bytes));
    }
    let client = engine(cx, matches, &reference)?.remote().repository(reference.repository());
    let fetched = ask(&client, &reference)?;
    if !is_verbose {
        return print(cx, &fetched);
    }
    match &fetched.content {
        AnyManifest::Manifest(_) => {
            let platform = platform(&client, &fetched)?;
            let entry = draft(reference.canonical(), fetched, platform).to_json()?;
            cx.line(&indented(&entry, "\t"))
        }
        AnyManifest::Index(index) => {
            let mut members = Vec::with_capacity(index.manifests.len());
            for member in &index.manifests {
                let manifest = client.manifest(member.digest.as_str(), Some(member));
                let manifest = manifest.map_err(|why| Failure::because("", &why))?;
                let name = format!("{}@{}", reference.canonical(), member.digest);
                members.push(draft(name, manifest, member.platform.clone()));
            }
            print_members(cx, &members)
        }
    }
}

/// What a user typed, with the tag written out.
pub(crate) fn named(typed: &str) -> Result<Reference> {
    let reference: Reference = typed.parse().map_err(wharfie_engine::Error::from)?;
    Ok(reference.or_latest())
}

/// The engine, which trusts this reference's registry if the user says so.
fn engine<'a>(cx: &'a Context, matches: &Matches, reference: &Reference) -> Result<&'a Engine> {
    if matches.get(&INSECURE) { cx.engine_trusting(reference.repository().host()) } else { cx.engine() }
}

/// The name to ask its registry for: by digest, if somebody has to have signed what it stands for.
///
/// # Errors
/// When nobody did.
pub(crate) fn trusted(engine: &Engine, reference: &Reference, observer: &dyn Observer) -> Result<Reference> {
    let trusted = engine.trusted_source(reference, observer)?;
    Ok(trusted.map_or_else(
        || reference.clone(),
        |trusted| Reference::digested(reference.repository().clone(), trusted.digest().clone()),
    ))
}

/// The manifest or list that a registry has under this name.
pub(crate) fn ask(client: &RepositoryClient, reference: &Reference) -> Result<Document> {
    let asked = reference.digest().map_or_else(|| reference.tag().unwrap_or_default(), |digest| digest.as_str());
    client.manifest(asked, None).map_err(|why| match why.status() {
        Some(401 | 403 | 404) => Failure::new(format!("no such manifest: {}", reference.canonical())),
        _ => Failure::because("", &why),
    })
}

fn draft(reference: String, fetched: Document, platform: Option<Platform>) -> Draft {
    let descriptor = Descriptor { platform, ..fetched.descriptor };
    Draft { reference, descriptor, bytes: fetched.bytes }
}

fn print_members(cx: &Context, members: &[Draft]) -> Result {
    let entries = members.iter().map(Draft::to_json).collect::<Result<Vec<_>>>()?;
    cx.line(&indented(&format!("[{}]", entries.join(",")), "\t"))
}

/// A list as the registry has it, re-indented if it came on one line; a manifest with tabs.
fn print(cx: &Context, fetched: &Document) -> Result {
    let text = String::from_utf8_lossy(&fetched.bytes);
    match &fetched.content {
        AnyManifest::Index(_) if text.contains('\n') => cx.line(text.trim_end()),
        AnyManifest::Index(_) => cx.line(&indented(&text, "   ")),
        AnyManifest::Manifest(_) => cx.line(&indented(&text, "\t")),
    }
}

/// What a single manifest is for stands in its configuration.
pub(crate) fn platform(client: &RepositoryClient, fetched: &Document) -> Result<Option<Platform>> {
    let AnyManifest::Manifest(manifest) = &fetched.content else { return Ok(None) };
    if !manifest.config.media_type.is_config() || manifest.config.size > MAX_MANIFEST_BYTES {
        return Ok(None);
    }
    let bytes = document(client, &manifest.config)?;
    Ok(wharfie_oci::ImageConfig::parse(&bytes).ok().map(|config| config.platform()))
}

/// A blob that is small enough to be read at once.
pub(crate) fn document(client: &RepositoryClient, blob: &Descriptor) -> Result<Vec<u8>> {
    use std::io::Read;
    let fail = |why: &dyn std::fmt::Display| Failure::new(format!("cannot read {}: {why}", blob.digest));
    if blob.size > MAX_MANIFEST_BYTES {
        return Err(fail(&format_args!("its {} bytes are too many for a document", blob.size)));
    }
    let reader = client.blob(blob, wharfie_content::Watch::silent()).map_err(|why| fail(&why))?;
    let mut bytes = Vec::new();
    wharfie_content::Verified::new(reader, blob).read_to_end(&mut bytes).map_err(|why| fail(&why))?;
    Ok(bytes)
}
