//! `manifest create`, `annotate`, `push` and `rm`: a list is drafted on this machine and pushed when it is complete.

use wharfie_content::Document;
use wharfie_engine::publish::Publish;
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Platform, Reference};

use super::draft::{Draft, Drafts};
use super::{ask, engine, list, named, platform, trusted};
use crate::commands::Run;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Example, Matches, Switch, Text, Texts};
use crate::render::progress::Style;

const AMEND: Switch = Switch::new("amend", "Amend an existing manifest list").short('a');
const CREATE_INSECURE: Switch = Switch::new("insecure", "Allow communication with an insecure registry");
const PUSH_INSECURE: Switch = Switch::new("insecure", "Allow push to an insecure registry");
const ARCHITECTURE: Text = Text::new("arch", "Set architecture");
const OS: Text = Text::new("os", "Set operating system");
const OS_VERSION: Text = Text::new("os-version", "Set operating system version");
const VARIANT: Text = Text::new("variant", "Set architecture variant");
const OS_FEATURES: Texts = Texts::of_commas("os-features", "Set operating system feature");
const PURGE: Switch = Switch::new("purge", "Remove the local manifest list after push").short('p');

/// `PROG manifest create`.
pub(super) static CREATE: Command<Run> = Command {
    about: "Create a local manifest list for annotating and pushing to a registry",
    usage: "MANIFEST_LIST MANIFEST [MANIFEST...]",
    arity: Arity::AtLeast(2),
    flags: &[AMEND.flag(), CREATE_INSECURE.flag()],
    examples: &[Example {
        text: "Begin a list of two images that have been pushed",
        command: "manifest create registry.example/app:2 registry.example/app:2-amd64 registry.example/app:2-arm64",
    }],
    run: Some(create),
    ..Command::BASE
};

/// `PROG manifest annotate`.
pub(super) static ANNOTATE: Command<Run> = Command {
    about: "Add additional information to a local image manifest",
    usage: "[OPTIONS] MANIFEST_LIST MANIFEST",
    arity: Arity::Exact(2),
    flags: &[ARCHITECTURE.flag(), OS.flag(), OS_FEATURES.flag(), OS_VERSION.flag(), VARIANT.flag()],
    examples: &[Example {
        text: "Say which processors an image is for",
        command: "manifest annotate --arch arm --variant v7 registry.example/app:2 registry.example/app:2-arm",
    }],
    run: Some(annotate),
    ..Command::BASE
};

/// `PROG manifest push`.
pub(super) static PUSH: Command<Run> = Command {
    about: "Push a manifest list to a repository",
    usage: "[OPTIONS] MANIFEST_LIST",
    arity: Arity::Exact(1),
    flags: &[PUSH_INSECURE.flag(), PURGE.flag()],
    examples: &[Example {
        text: "Publish a list and forget its draft",
        command: "manifest push -p registry.example/app:2",
    }],
    run: Some(push),
    ..Command::BASE
};

/// `PROG manifest rm`.
pub(super) static RM: Command<Run> = Command {
    about: "Delete one or more manifest lists from local storage",
    usage: "MANIFEST_LIST [MANIFEST_LIST...]",
    arity: Arity::AtLeast(1),
    examples: &[Example { text: "Forget a draft", command: "manifest rm registry.example/app:2" }],
    run: Some(rm),
    ..Command::BASE
};

fn create(cx: &Context, matches: &Matches) -> Result {
    let (target, sources) = matches.args().split_first().expect("there are at least two");
    let list = named(target)
        .map_err(|why| Failure::new(format!("error parsing name for manifest list {target}: {}", why.text)))?;
    let drafts = Drafts::of(cx);
    if !matches.get(&AMEND) && drafts.list(&list)?.is_some() {
        return Err(Failure::new("refusing to amend an existing manifest list with no --amend flag"));
    }
    // All are looked up before the first is kept: a draft that lacks some would be pushed as if it were whole.
    let mut members = Vec::with_capacity(sources.len());
    for source in sources {
        let source = named(source)?;
        let member = match drafts.member(&list, &source)? {
            Some(known) => known,
            None => fetch(cx, matches, &source)?,
        };
        members.push((source, member));
    }
    for (source, member) in &members {
        drafts.save(&list, source, member)?;
    }
    cx.line(&format!("Created manifest list {}", list.canonical()))
}

fn fetch(cx: &Context, matches: &Matches, source: &Reference) -> Result<Draft> {
    let engine = engine(cx, matches, source)?;
    let client = engine.remote().repository(source.repository());
    let fetched = ask(&client, &trusted(engine, source, &*cx.progress_on_stderr(Style::Plain))?)?;
    if matches!(fetched.content, AnyManifest::Index(_)) {
        return Err(Failure::new(format!("{} is a manifest list", source.canonical())));
    }
    let platform = platform(&client, &fetched)?;
    let mut descriptor = fetched.descriptor;
    descriptor.platform = platform;
    Ok(Draft { reference: source.canonical(), descriptor, bytes: fetched.bytes })
}

fn annotate(cx: &Context, matches: &Matches) -> Result {
    let [target, image] = matches.args() else { unreachable!("the arity is exactly two") };
    let bad = |what: &str, name: &str, why: &Failure| {
        Failure::new(format!("annotate: error parsing name for {what} {name}: {}", why.text))
    };
    let list = named(target).map_err(|why| bad("manifest list", target, &why))?;
    let member = named(image).map_err(|why| bad("manifest", image, &why))?;
    let drafts = Drafts::of(cx);
    let Some(mut draft) = drafts.member(&list, &member)? else {
        return Err(Failure::new(format!("manifest for image {image} does not exist in {target}")));
    };
    let given = |flag: &Text| matches.get(flag).filter(|text| !text.is_empty());
    let mut platform = draft.descriptor.platform.take().unwrap_or_default();
    if let Some(os) = given(&OS) {
        os.clone_into(&mut platform.os);
    }
    if let Some(architecture) = given(&ARCHITECTURE) {
        architecture.clone_into(&mut platform.architecture);
    }
    for feature in matches.get(&OS_FEATURES) {
        let features = platform.os_features.get_or_insert_default();
        if !features.contains(feature) {
            features.push(feature.clone());
        }
    }
    platform.variant = given(&VARIANT).map(str::to_owned).or(platform.variant);
    platform.os_version = given(&OS_VERSION).map(str::to_owned).or(platform.os_version);
    if !is_known(&platform) {
        let [os, architecture] = [&OS, &ARCHITECTURE].map(|flag| matches.get(flag).unwrap_or_default());
        return Err(Failure::new(format!(
            "manifest entry for image has unsupported os/arch combination: {os}/{architecture}"
        )));
    }
    draft.descriptor.platform = Some(platform);
    drafts.save(&list, &member, &draft)
}

/// True for the pairs that docker lets into a list.
fn is_known(platform: &Platform) -> bool {
    let architectures: &[&str] = match platform.os.as_str() {
        "darwin" => &["386", "amd64", "arm", "arm64"],
        "dragonfly" | "solaris" => &["amd64"],
        "freebsd" | "netbsd" | "openbsd" => &["386", "amd64", "arm"],
        "linux" => &["386", "amd64", "arm", "arm64", "loong64", "mips64", "mips64le", "ppc64le", "riscv64", "s390x"],
        "plan9" => &["386", "amd64"],
        "windows" => &["386", "amd64", "arm", "arm64"],
        _ => &[],
    };
    architectures.contains(&platform.architecture.as_str())
}

fn push(cx: &Context, matches: &Matches) -> Result {
    let target = named(&matches.args()[0])?;
    let drafts = Drafts::of(cx);
    let members = drafts.list(&target)?.ok_or_else(|| unknown(&target))?;
    if members.is_empty() {
        return Err(Failure::new(format!("{} not found", target.canonical())));
    }
    let list = list::document(&target, &members)?;
    let engine = engine(cx, matches, &target)?;
    let mut publish = Publish { root: list, members: Vec::new(), known: Vec::new(), to: target.clone() };
    for member in members {
        let damaged = |why: &dyn std::fmt::Display| {
            Failure::new(format!("the draft of {} is damaged: {why}; create it again", member.reference))
        };
        let content = AnyManifest::parse(&member.bytes, &member.descriptor.media_type).map_err(|why| damaged(&why))?;
        let from: Reference = member.reference.parse().map_err(|why| damaged(&why))?;
        publish.members.push((from.repository().clone(), member.descriptor.digest.clone()));
        publish.known.push(Document { descriptor: member.descriptor, bytes: member.bytes, content });
    }
    engine.publish(&publish)?;
    cx.line(publish.root.descriptor.digest.as_str())?;
    if matches.get(&PURGE) {
        drafts.remove(&target)?;
    }
    Ok(())
}

fn rm(cx: &Context, matches: &Matches) -> Result {
    let drafts = Drafts::of(cx);
    let mut failures = Vec::new();
    for target in matches.args() {
        let removed = named(target).and_then(|list| match drafts.remove(&list)? {
            true => Ok(()),
            false => Err(unknown(&list)),
        });
        failures.extend(removed.err().map(|why| why.text));
    }
    if failures.is_empty() { Ok(()) } else { Err(Failure::new(failures.join("\n"))) }
}

/// No draft of that name.
pub(super) fn unknown(reference: &Reference) -> Failure {
    Failure::new(format!("No such manifest: {}", reference.canonical()))
}
