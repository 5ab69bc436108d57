//! `system fsck`: is the store what it says?

use wharfie_engine::fsck::Finding;
use wharfie_oci::Reference;

use crate::commands::Run;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Command, Example, Matches, Switch};

const REBUILD: Switch = Switch::new("rebuild", "Make the metadata anew from layers and blobs; names are lost");

/// `PROG system fsck`.
pub static COMMAND: Command<Run> = Command {
    about: "Check every digest of the store and mend what can be mended",
    usage: "[OPTIONS]",
    flags: &[REBUILD.flag()],
    examples: &[
        Example { text: "Check the store", command: "system fsck" },
        Example { text: "Save what a damaged database leaves", command: "system fsck --rebuild" },
    ],
    run: Some(run),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    let report = if matches.get(&REBUILD) { cx.engine()?.rebuild()? } else { cx.engine()?.fsck(&|_| ())? };
    for finding in &report.findings {
        cx.line(&text(finding))?;
    }
    let count = |n: u64, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    cx.line(&format!(
        "Checked {}, {} and {}: {}",
        count(report.blobs, "blob"),
        count(report.layers, "layer"),
        count(report.images, "image"),
        match report.findings.len() {
            0 => "no faults".to_owned(),
            n => count(n as u64, "fault"),
        }
    ))?;
    if report.is_broken() {
        let help = "pull or load them again; what is whole is shared with them and kept".to_owned();
        return Err(Failure::new("some images are damaged").help(Some(help)));
    }
    Ok(())
}

fn text(finding: &Finding) -> String {
    match finding {
        Finding::MetadataRebuilt { images } => {
            format!("Rebuilt the metadata: {images} images, without names; the old file is kept as metadata.db.damaged")
        }
        Finding::DamagedBlob(digest) => format!("Deleted damaged blob {digest}"),
        Finding::MissingBlob(digest) => format!("Missing blob {digest}"),
        Finding::DamagedLayer(diff_id) => format!("Deleted damaged layer {diff_id}"),
        Finding::MissingLayer(diff_id) => format!("Missing layer {diff_id}"),
        Finding::Leftover(path) => format!("Deleted leftover {path}"),
        Finding::Stuck { path, why } => format!("Cannot delete leftover {path}: {why}"),
        Finding::RestoredLayer(diff_id) => format!("Restored layer {diff_id} from its blob"),
        Finding::BrokenImage { image, names } => {
            let names: Vec<String> = names
                .iter()
                .map(|name| name.parse::<Reference>().map_or_else(|_| name.clone(), |known| known.familiar()))
                .collect();
            format!("Broken image {image} ({})", if names.is_empty() { "<none>".to_owned() } else { names.join(", ") })
        }
        Finding::DanglingReference(name) => format!("Deleted reference {name} to an image that is not there"),
        other => format!("{other:?}"),
    }
}
