//! Commands about images.

pub mod history;
pub mod import;
pub mod inspect;
pub mod load;
pub mod ls;
pub mod mount;
pub mod prune;
pub mod pull;
pub mod push;
pub mod restore;
pub mod retain;
pub mod rm;
pub mod save;
pub mod tag;
mod tree;

use wharfie_oci::Platform;

use crate::failure::Result;
use crate::flags::{Command, Entry};

use super::Run;

/// `PROG image`.
pub static COMMAND: Command<Run> = Command {
    about: "Manage images",
    subcommands: &[
        Entry::new("analyze", &super::insight::analyze::COMMAND),
        Entry::new("build", &super::build::COMMAND),
        Entry::new("history", &history::COMMAND),
        Entry::new("import", &import::COMMAND),
        Entry::new("inspect", &inspect::COMMAND),
        Entry::new("load", &load::COMMAND),
        Entry::new("ls", &ls::COMMAND).aliases(&["list"]),
        Entry::new("mount", &mount::MOUNT),
        Entry::new("prune", &prune::COMMAND),
        Entry::new("pull", &pull::COMMAND),
        Entry::new("push", &push::COMMAND),
        Entry::new("restore", &restore::COMMAND),
        Entry::new("retain", &retain::COMMAND),
        Entry::new("rm", &rm::COMMAND).aliases(&["remove"]),
        Entry::new("rmi", &rm::COMMAND).hidden(),
        Entry::new("save", &save::COMMAND),
        Entry::new("sbom", &super::insight::sbom::COMMAND),
        Entry::new("scan", &super::insight::scan::COMMAND),
        Entry::new("tag", &tag::COMMAND),
        Entry::new("unmount", &mount::UNMOUNT).aliases(&["umount"]),
    ],
    ..Command::BASE
};

/// The platforms of `--platform`, where several can be given.
pub(crate) fn platforms(asked: &[String]) -> Result<Vec<Platform>> {
    asked.iter().map(|text| Ok(text.parse()?)).collect()
}
