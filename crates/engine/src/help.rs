//! What users can do about errors: the line below each text.

use wharfie_oci::Fault;

use crate::error::{Conflict, Error};

/// What can be done about it; `None` where its text says so, or there is nothing.
pub(crate) fn of(why: &Error) -> Option<String> {
    let text = match why {
        Error::Store(why) => return why.help(),
        Error::Archive(why) => return why.help(),
        Error::Runtime(why) => return why.help(),
        Error::Container(why) => return why.help(),
        Error::Trust(why) => return why.help(),
        Error::Build(why) => return why.help(),
        Error::Network(why) => return why.help(),
        Error::Volume(why) => return why.help(),
        Error::Remote(why) | Error::Pull { source: why, .. } => return why.help(),
        Error::Conflict(why) => return Some(why.help()),
        Error::UnknownFilter { known, .. } => return Some(format!("the filters here are {}", known.join(", "))),
        Error::NotKept(_) => "`wharfie image restore` without a name lists what can be brought back",
        Error::Config { .. } => "run `wharfie system fsck`, then pull or load the image again",
        Error::NoSuchImage(_) => "`wharfie images` lists the images that are here, `wharfie pull` gets others",
        Error::OtherPlatform { .. } => "`wharfie pull --platform` gets the image for another platform",
        Error::NoPlatform(_) => "`wharfie manifest inspect` shows which platforms there are",
        Error::NothingToPush(_) => "`wharfie images` lists what is here, `wharfie tag` gives it the name to push",
        Error::Reference(_) | Error::BadName(_) => {
            "an image is called [REGISTRY/]NAME[:TAG] or NAME@DIGEST, with a name in lower case"
        }
        Error::Platform(_) => "a platform is written OS/ARCHITECTURE[/VARIANT], as in linux/arm64",
        Error::DigestTarget | Error::PushDigest => "name a tag: NAME:TAG",
        Error::BadTime(_) => "a moment is written like 2026-11-29T10:00:00, a time before now like 90m, 24h or 7d",
        Error::Pattern => "in a pattern `*` and `?` stand for any text and any letter, `[a-z]` for one of several",
        Error::AmbiguousId => "give more digits of the id",
        Error::Inventory { .. } => "`wharfie sbom --format cyclonedx-json` writes a document that can be read",
        Error::NoLayers(_) => "name an image, an archive or a directory: `wharfie analyze IMAGE`",
        Error::Advisories { .. } => {
            "take OSV's zips (<ecosystem>/all.zip) or records, Debian's tracker, Alpine's secdb, CISA's KEV or EPSS; `wharfie scan db status` tells what is here"
        }
        Error::NotAdvisories(_) => {
            "give it a repository of its own: `wharfie scan db push registry.example/advisories`, and `scan db pull` there"
        }
        Error::NoAdvisories(_) => {
            "`wharfie scan db import DIR` takes OSV's zips (<ecosystem>/all.zip), `--db DIR` reads them where they are"
        }
        Error::NotAttachable(_) => {
            "`wharfie load` and `wharfie tag` give it a name; `-o FILE` writes the document to a file"
        }
        Error::SharedManifest { .. } => "name it by its digest, NAME@DIGEST, to remove it with all of its tags",
        Error::SeveralRoots(_) => "say which, as in `oci:DIRECTORY:NAME`, or copy all with `--all-tags`",
        Error::ForeignLayout(_) => "`skopeo copy dir:DIRECTORY oci:OTHER` makes a layout of it, which is read",
        Error::SeveralImages(_) => {
            "`--image NAME` of sbom, scan and analyze chooses one; `wharfie load` takes them all in"
        }
        // Their texts say what to do, or there is nothing.
        Error::InvalidFilter(_)
        | Error::SeveralUntil
        | Error::Scratch
        | Error::AlgorithmTarget
        | Error::BadWord(_)
        | Error::NoImage(_)
        | Error::LayerCount { .. }
        | Error::Nested
        | Error::TooLarge { .. }
        | Error::InvalidTag(_)
        | Error::ImportDigest
        | Error::System { .. }
        | Error::Cancelled
        | Error::NoSuchReference
        | Error::Change(_)
        | Error::History
        | Error::Document(_)
        | Error::File { .. }
        | Error::Output(_)
        | Error::Verification { .. } => return None,
    };
    Some(text.to_owned())
}

impl Conflict {
    /// What the user can do.
    fn help(&self) -> String {
        match self {
            Self::Children(_) => "remove the images that were made from it first".to_owned(),
            Self::References(_) => "remove its names one by one, or all with `-f`".to_owned(),
            Self::Reference { container, .. } | Self::StoppedContainer { container, .. } => {
                format!("`wharfie rm {container}` removes the container")
            }
            Self::RunningContainer { container, .. } => {
                format!("`wharfie rm -f {container}` stops and removes the container")
            }
            Self::Mounted { target, .. } => format!("`wharfie image unmount {target}` unmounts it"),
        }
    }
}
