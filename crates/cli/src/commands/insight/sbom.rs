//! `sbom`: what is in an image.

use wharfie_engine::insight::Beside;
use wharfie_engine::insight::attached::{Attach, CYCLONEDX, SPDX};
use wharfie_scan::{Inventory, Package, sbom, without_arguments};

use super::{
    ARGUMENTS, IMAGE, NO_ATTACHED, OUTPUT, PLATFORM, USAGE, beside, deliver, deliver_pieces, form, inventory, look,
};
use crate::commands::{PROGRESS, Run};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Example, Matches, Switch, Text};
use crate::render::pieces::Piece;
use crate::render::sanitise::{Layout, sanitise};
use crate::render::{ellipsis, table};

const FORMATS: &[&str] = &["table", "json", "cyclonedx-json", "spdx-json"];
const WORDS: &[&str] = &["table", "json", "cyclonedx", "cyclonedx-json", "spdx", "spdx-json"];
const FORMAT: Text = Text::new(
    "format",
    "Form of the output: \"table\", \"json\" (everything that is known), \"cyclonedx\" or \"cyclonedx-json\" (1.6), \"spdx\" or \"spdx-json\" (2.3)",
)
.complete(Complete::Words(WORDS))
.default("table");

const ATTACH: Switch = Switch::new(
    "attach",
    "Let the document lie with the image (CycloneDX, if no other form is given): it goes with every push and copy",
);

const DETACH: Switch = Switch::new("detach", "Take away the documents that lie with the image and say what is in it");

/// `PROG sbom`.
pub static COMMAND: Command<Run> = Command {
    about: "List the packages in an image, with the layer that brought each",
    usage: USAGE,
    arity: Arity::Exact(1),
    arguments: ARGUMENTS,
    flags: &[
        ATTACH.flag(),
        DETACH.flag(),
        FORMAT.flag(),
        IMAGE.flag(),
        NO_ATTACHED.flag(),
        OUTPUT.flag(),
        PLATFORM.flag(),
        PROGRESS.flag(),
    ],
    examples: &[
        Example { text: "List the packages of an image", command: "sbom web:1" },
        Example { text: "Write a document for other tools", command: "sbom --format spdx-json -o web.spdx.json web:1" },
        Example { text: "Look into an archive that nobody has loaded", command: "sbom ./web.tar" },
        Example { text: "Look into one of several images of an archive", command: "sbom --image web:1 ./all.tar" },
        Example { text: "Look into an image of an OCI layout", command: "sbom oci:layout:web-1" },
        Example {
            text: "Look into what a registry has, whatever is here",
            command: "sbom docker://registry.example/web:1",
        },
        Example { text: "Let the document go with the image", command: "sbom --attach web:1" },
        Example { text: "Take away what others said of it", command: "sbom --detach registry:registry.example/web:1" },
        Example { text: "Look into a container with its changes", command: "sbom container:web" },
    ],
    complete: Complete::Places,
    run: Some(run),
    ..Command::BASE
};

/// Columns of a layer's instruction.
const INSTRUCTION: usize = 40;

fn run(cx: &Context, matches: &Matches) -> Result {
    let format = form(matches.get(&FORMAT).unwrap_or_default(), FORMATS)?;
    if matches.get(&DETACH) {
        return detach(cx, matches);
    }
    if matches.get(&ATTACH) {
        return attach(cx, matches, format);
    }
    let inventory = inventory(cx, matches, &look(cx, matches, beside(matches))?)?;
    let unwritten = |why: serde_json::Error| wharfie_engine::Error::Document(why);
    let stamp = || Ok::<_, Failure>(cx.engine()?.stamp(&inventory, env!("CARGO_PKG_VERSION")));
    let text = match format {
        "json" => sbom::json(&inventory).map_err(unwritten)?,
        "cyclonedx-json" => sbom::cyclonedx(&inventory, &stamp()?).map_err(unwritten)?,
        "spdx-json" => sbom::spdx(&inventory, &stamp()?).map_err(unwritten)?,
        _ => return deliver_pieces(cx, matches, &[Piece::Table(lines(&inventory))]),
    };
    deliver(cx, matches, &text)
}

/// Writes the document to where the image is, and tells its digest.
fn attach(cx: &Context, matches: &Matches, format: &str) -> Result {
    let kind = match format {
        "spdx-json" => SPDX,
        "cyclonedx-json" => CYCLONEDX,
        _ if !matches.is_given(&FORMAT) => CYCLONEDX,
        _ => {
            return Err(Failure::new(format!("{format:?} is no form that others look for with an image"))
                .help(Some("attach `--format cyclonedx-json` or `--format spdx-json`".to_owned())));
        }
    };
    // What a document says that is there already is not said once more by us.
    let look = look(cx, matches, Beside::Ignored)?;
    let inventory = inventory(cx, matches, &look)?;
    let stamp = cx.engine()?.stamp(&inventory, env!("CARGO_PKG_VERSION"));
    let written = if kind == SPDX { sbom::spdx } else { sbom::cyclonedx };
    let text = written(&inventory, &stamp).map_err(wharfie_engine::Error::Document)?;
    if matches.is_given(&OUTPUT) {
        deliver(cx, matches, &text)?;
    }
    let attached = cx.engine()?.attach_document(&Attach { look: &look, inventory: &inventory, kind, text: &text })?;
    if attached.is_old {
        cx.warn("A document that says the same is there already");
    }
    cx.line(attached.digest.as_str())
}

/// Takes documents away from where the image is, and tells their digests.
fn detach(cx: &Context, matches: &Matches) -> Result {
    let is_written = matches.is_given(&FORMAT) || matches.is_given(&OUTPUT);
    if is_written || matches.get(&ATTACH) || matches.get(&NO_ATTACHED) {
        return Err(Failure::new("--detach writes no document".to_owned())
            .help(Some("of the other options it goes with `--platform`".to_owned())));
    }
    let detached = cx.engine()?.detach_documents(&look(cx, matches, Beside::Ignored)?)?;
    if detached.digests.is_empty() {
        cx.warn("There is no document with the image");
    }
    if detached.is_kept {
        return Err(Failure::new("the registry did not let all documents go".to_owned())
            .help(Some("whoever runs it has to allow removals; `--no-attached` looks into the layers".to_owned())));
    }
    detached.digests.iter().try_for_each(|digest| cx.line(digest.as_str()))
}

/// One line for each package and version, as people look for it; where it lies is in the other formats.
fn lines(inventory: &Inventory) -> String {
    let mut rows: Vec<[String; 5]> = Vec::new();
    let mut last: Option<&Package> = None;
    for package in &inventory.packages {
        if last.is_some_and(|last| last.is_same(package) && last.layer == package.layer) {
            continue;
        }
        last = Some(package);
        let kind = match &package.owner {
            Some(owner) => format!("{} (of {owner})", package.kind.word()),
            None => package.kind.word().to_owned(),
        };
        let layer = package.layer.and_then(|index| inventory.layers.get(index));
        let instruction = layer.map(|layer| instruction(&layer.created_by)).unwrap_or_default();
        let licences: Vec<&str> = package.licences.iter().map(|stated| inventory.licence_name(stated)).collect();
        let cells = [package.full_name(), package.version.clone(), kind, licences.join(", "), instruction];
        rows.push(cells.map(|cell| sanitise(&cell, Layout::OneLine).into_owned()));
    }
    for row in &mut rows {
        row[3] = ellipsis::fit(&row[3], INSTRUCTION).into_owned();
        row[4] = ellipsis::fit(&row[4], INSTRUCTION).into_owned();
    }
    table::rows(["NAME", "VERSION", "TYPE", "LICENCE", "BROUGHT BY"], &rows)
}

/// An instruction without the words that every one has.
pub(super) fn instruction(created_by: &str) -> String {
    let text = without_arguments(created_by);
    let (verb, text) = text.strip_prefix("RUN ").map_or(("", &*text), |text| ("RUN", text));
    let text = text.strip_prefix("/bin/sh -c ").unwrap_or(text);
    let text = text.strip_prefix("#(nop) ").unwrap_or(text).trim();
    let words = text.strip_suffix("# buildkit").unwrap_or(text).split_whitespace();
    Some(verb).filter(|verb| !verb.is_empty()).into_iter().chain(words).collect::<Vec<_>>().join(" ")
}
