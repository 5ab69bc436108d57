//! `manifest`: documents on registries, without their images.

use std::fmt::Write as _;

use serde_json::value::RawValue;
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Descriptor, Platform, Reference};
use wharfie_remote::{FetchedManifest, RepositoryClient};

use crate::commands::Run;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Entry, Example, Flag, Matches};
use crate::render::json::{self, Html};

/// `PROG manifest`.
pub static COMMAND: Command<Run> = Command {
    about: "Manage Docker image manifests and manifest lists",
    subcommands: &[Entry::new("inspect", &INSPECT)],
    ..Command::BASE
};

/// `PROG manifest inspect`.
pub static INSPECT: Command<Run> = Command {
    about: "Display an image manifest, or manifest list",
    usage: "[OPTIONS] MANIFEST",
    arity: Arity::Exact(1),
    flags: &[
        Flag::bool("insecure", "Allow communication with an insecure registry"),
        Flag::bool("verbose", "Output additional info including layers and platform").short('v'),
    ],
    examples: &[
        Example { text: "What platforms an image is for", command: "manifest inspect alpine:3.20" },
        Example { text: "With the manifest of every platform", command: "manifest inspect -v alpine:3.20" },
    ],
    run: Some(inspect),
    ..Command::BASE
};

fn inspect(cx: &Context, matches: &Matches) -> Result {
    let typed = &matches.args()[0];
    let reference: Reference = typed.parse().map_err(wharfie_engine::Error::from)?;
    let reference = reference.or_latest();
    let engine =
        if matches.flag("insecure") { cx.engine_trusting(reference.repository().host())? } else { cx.engine()? };
    let client = engine.remote().repository(reference.repository());
    let asked = reference.digest().map_or_else(|| reference.tag().unwrap_or_default(), |digest| digest.as_str());
    let fetched = client.manifest(asked, None).map_err(|why| match why.status() {
        Some(401 | 403 | 404) => Failure::new(format!("no such manifest: {typed}")),
        _ => Failure::new(crate::compat::with_reasons(&why)),
    })?;
    if !matches.flag("verbose") {
        return print(cx, &fetched);
    }
    match &fetched.content {
        AnyManifest::Manifest(_) => {
            let platform = platform(&client, &fetched)?;
            let entry = entry(&reference.canonical(), &fetched, platform)?;
            cx.line(&json::reindent(&entry, "\t"))
        }
        AnyManifest::Index(index) => {
            let mut list = String::from("[");
            for (n, member) in index.manifests.iter().enumerate() {
                let manifest = client.manifest(member.digest.as_str(), Some(member));
                let manifest = manifest.map_err(|why| Failure::new(crate::compat::with_reasons(&why)))?;
                let name = format!("{}@{}", reference.canonical(), member.digest);
                if n > 0 {
                    list.push(',');
                }
                list.push_str(&entry(&name, &manifest, member.platform.clone())?);
            }
            list.push(']');
            cx.line(&json::reindent(&list, "\t"))
        }
    }
}

/// A list as the registry has it, re-indented if it came on one line; a manifest with tabs.
fn print(cx: &Context, fetched: &FetchedManifest) -> Result {
    let text = String::from_utf8_lossy(&fetched.bytes);
    match &fetched.content {
        AnyManifest::Index(_) if text.contains('\n') => cx.line(text.trim_end()),
        AnyManifest::Index(_) => cx.line(&json::reindent(&text, "   ")),
        AnyManifest::Manifest(_) => cx.line(&json::reindent(&text, "\t")),
    }
}

/// What a single manifest is for stands in its configuration.
fn platform(client: &RepositoryClient, fetched: &FetchedManifest) -> Result<Option<Platform>> {
    use std::io::Read;
    let AnyManifest::Manifest(manifest) = &fetched.content else { return Ok(None) };
    if !manifest.config.media_type.is_config() || manifest.config.size > wharfie_oci::manifest::MAX_MANIFEST_BYTES {
        return Ok(None);
    }
    let fail = |why: &dyn std::fmt::Display| Failure::new(format!("cannot read the image's configuration: {why}"));
    let blob = client.blob(&manifest.config, wharfie_remote::Watch::silent()).map_err(|why| fail(&why))?;
    let mut bytes = Vec::new();
    wharfie_content::Verified::new(blob, &manifest.config).read_to_end(&mut bytes).map_err(|why| fail(&why))?;
    Ok(wharfie_oci::ImageConfig::parse(&bytes).ok().map(|config| config.platform()))
}

/// One element of `-v`, on one line.
fn entry(name: &str, fetched: &FetchedManifest, platform: Option<Platform>) -> Result<String> {
    let descriptor = Descriptor { platform, ..fetched.descriptor.clone() };
    let key = if fetched.descriptor.media_type.is_docker() { "SchemaV2Manifest" } else { "OCIManifest" };
    let bad = |why: &dyn std::fmt::Display| Failure::new(format!("cannot print {name}: {why}"));
    let document: &RawValue = serde_json::from_slice(&fetched.bytes).map_err(|why| bad(&why))?;
    let mut out = String::from("{\"Ref\":");
    json::write_text(&mut out, name, Html::Plain);
    let described = serde_json::to_string(&descriptor).map_err(|why| bad(&why))?;
    let raw = crate::render::base64(&fetched.bytes);
    write!(out, ",\"Descriptor\":{described},\"Raw\":\"{raw}\",\"{key}\":{}}}", document.get())
        .expect("a string accepts every write");
    Ok(out)
}
