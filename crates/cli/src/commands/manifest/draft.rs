//! Drafts of manifest lists: a folder each in docker's configuration folder, with one file for every member, in the very
//! form docker keeps them, so that a list begun with one program can be finished with the other.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::value::RawValue;
use wharfie_oci::manifest::MAX_MANIFEST_BYTES;
use wharfie_oci::{Descriptor, Reference};

use crate::context::{Context, reason};
use crate::failure::{Failure, Result};
use crate::render::json::{self, Html};

/// A manifest with the name it goes by and what is said about it.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    /// The reference it was looked up by, written out.
    pub reference: String,
    /// Type, digest, size, and the platform that the list will name.
    pub descriptor: Descriptor,
    /// The document, byte for byte.
    pub bytes: Vec<u8>,
}

/// A member's file.
#[derive(Deserialize)]
struct File {
    #[serde(rename = "Ref")]
    reference: String,
    #[serde(rename = "Descriptor")]
    descriptor: Descriptor,
    #[serde(rename = "Raw")]
    raw: String,
}

impl Draft {
    /// `Ref`, `Descriptor`, `Raw` and the document itself, on one line: what `-v` shows and what is kept.
    pub(super) fn to_json(&self) -> Result<String> {
        let bad = |why: &dyn std::fmt::Display| Failure::new(format!("cannot print {}: {why}", self.reference));
        let key = if self.descriptor.media_type.is_docker() { "SchemaV2Manifest" } else { "OCIManifest" };
        let document: &RawValue = serde_json::from_slice(&self.bytes).map_err(|why| bad(&why))?;
        let described = serde_json::to_string(&self.descriptor).map_err(|why| bad(&why))?;
        let mut reference = String::new();
        json::write_text(&mut reference, &self.reference, Html::Plain);
        let raw = crate::render::base64(&self.bytes);
        let document = document.get();
        Ok(format!(r#"{{"Ref":{reference},"Descriptor":{described},"Raw":"{raw}","{key}":{document}}}"#))
    }

    fn parse(text: &[u8]) -> Option<Self> {
        use base64::Engine as _;
        let file: File = serde_json::from_slice(text).ok()?;
        let bytes = base64::engine::general_purpose::STANDARD.decode(&file.raw).ok()?;
        Some(Self { reference: file.reference, descriptor: file.descriptor, bytes })
    }
}

/// All drafts of a user.
pub(super) struct Drafts {
    folder: PathBuf,
}

impl Drafts {
    pub(super) fn of(cx: &Context) -> Self {
        Self { folder: cx.docker_config().join("manifests") }
    }

    /// The members of a list, in the order of their files' names; `None` if there is no such draft.
    pub(super) fn list(&self, list: &Reference) -> Result<Option<Vec<Draft>>> {
        let folder = self.folder.join(file_name(list));
        let entries = match fs::read_dir(&folder) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
            entries => entries.map_err(|why| unreadable(&folder, &why))?,
        };
        let mut paths = Vec::new();
        for entry in entries {
            paths.push(entry.map_err(|why| unreadable(&folder, &why))?.path());
        }
        paths.sort();
        let mut members = Vec::with_capacity(paths.len());
        for path in paths {
            members.extend(read(&path)?);
        }
        Ok(Some(members))
    }

    /// One member of a list.
    pub(super) fn member(&self, list: &Reference, member: &Reference) -> Result<Option<Draft>> {
        read(&self.folder.join(file_name(list)).join(file_name(member)))
    }

    /// Keeps a member of a list, in place of one of the same name.
    pub(super) fn save(&self, list: &Reference, member: &Reference, draft: &Draft) -> Result {
        let folder = self.folder.join(file_name(list));
        let path = folder.join(file_name(member));
        // Beside the list, not in it: whoever reads the list takes every file for a member.
        let aside = self.folder.join(format!(".{}.{}", file_name(member), std::process::id()));
        let text = draft.to_json()?;
        let kept =
            fs::create_dir_all(&folder).and_then(|()| fs::write(&aside, text)).and_then(|()| fs::rename(&aside, &path));
        kept.map_err(|why| {
            // It may never have been made; the failure at hand is the one to tell of.
            let _ = fs::remove_file(&aside);
            Failure::new(format!("cannot write {}: {}", path.display(), reason(&why)))
        })
    }

    /// Forgets a list; false if there is none.
    pub(super) fn remove(&self, list: &Reference) -> Result<bool> {
        let folder = self.folder.join(file_name(list));
        match fs::remove_dir_all(&folder) {
            Ok(()) => Ok(true),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(why) => Err(Failure::new(format!("cannot remove {}: {}", folder.display(), reason(&why)))),
        }
    }
}

/// A reference as a file's name.
fn file_name(reference: &Reference) -> String {
    reference.canonical().replace(':', "-").replace('/', "_")
}

fn read(path: &Path) -> Result<Option<Draft>> {
    // The document stands in the file twice, once as base64.
    const LONGEST: u64 = 4 * MAX_MANIFEST_BYTES;
    match fs::metadata(path) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
        Ok(file) if file.len() <= LONGEST => {}
        Ok(_) => return Err(Failure::new(format!("{} is too large for a manifest", path.display()))),
        Err(why) => return Err(unreadable(path, &why)),
    }
    let text = fs::read(path).map_err(|why| unreadable(path, &why))?;
    let draft = Draft::parse(&text).ok_or_else(|| {
        Failure::new(format!("{} is not a draft of a manifest list; remove it and begin again", path.display()))
    })?;
    Ok(Some(draft))
}

fn unreadable(path: &Path, why: &io::Error) -> Failure {
    Failure::new(format!("cannot read {}: {}", path.display(), reason(why)))
}
