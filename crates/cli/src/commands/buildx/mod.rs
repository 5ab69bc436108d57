//! `buildx`: builds under their other name, and `imagetools`: manifests and lists on registries, put together without their
//! images passing through the store.

mod attest;
mod bake;
mod builders;
mod create;
mod inspect;

use wharfie_content::Document;
use wharfie_oci::Reference;
use wharfie_remote::RepositoryClient;

use crate::commands::Run;
use crate::failure::{Failure, Result};
use crate::flags::{Command, Entry};

/// `PROG buildx`.
pub static COMMAND: Command<Run> = Command {
    about: "Extended build capabilities, and images in registries",
    subcommands: &[
        Entry::new("bake", &bake::COMMAND),
        Entry::new("build", &super::build::COMMAND).aliases(&["b"]),
        Entry::new("du", &super::builder::DU),
        Entry::new("history", &super::builder::HISTORY),
        Entry::new("imagetools", &IMAGETOOLS),
        Entry::new("inspect", &builders::INSPECT),
        Entry::new("ls", &builders::LS),
        Entry::new("prune", &super::builder::PRUNE_BUILDX),
        Entry::new("version", &builders::VERSION_COMMAND),
    ],
    ..Command::BASE
};

static IMAGETOOLS: Command<Run> = Command {
    about: "Commands to work on images in registry",
    subcommands: &[Entry::new("create", &create::COMMAND), Entry::new("inspect", &inspect::COMMAND)],
    ..Command::BASE
};

/// The manifest or list that a registry has under this name, in buildx's words if it has none.
fn ask(client: &RepositoryClient, reference: &Reference) -> Result<Document> {
    let asked = reference.digest().map_or_else(|| reference.tag().unwrap_or_default(), |digest| digest.as_str());
    client.manifest(asked, None).map_err(|why| match why.status() {
        Some(404) => Failure::new(format!("ERROR: {}: not found", reference.canonical())),
        _ => Failure::because("ERROR: ", &why),
    })
}
