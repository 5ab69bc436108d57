//! Looking into images: which packages they have, and who brought them. Layers are read in place; nothing is unpacked or mounted.

pub mod advisories;
pub mod analyze;
mod aside;
pub mod attached;
mod attached_vex;
mod base;
pub mod compare;
pub mod distribute;
mod open;
pub mod secrets;
mod take;

use std::io::Read;
use std::path::PathBuf;

use wharfie_content::Observer;
use wharfie_oci::{DiffId, Digest, ImageId, Platform, Timestamp};
use wharfie_scan::sbom::{self, Stamp};
use wharfie_scan::{Inventory, content};

use wharfie_store::Store;

use crate::engine::Engine;
use crate::error::{Error, Result};

/// What to look into.
#[derive(Debug, Clone)]
pub enum Target {
    /// An image that is here, else on its registry; by name or id.
    Image(String),
    /// An image on its registry, whatever is here.
    Registry(String),
    /// A container: its image with its changes.
    Container(String),
    /// A directory that is a root file system.
    Directory(PathBuf),
    /// An archive, as `save` and others write them.
    Archive(PathBuf),
    /// The same, as a stream.
    Stream,
    /// A directory that is an OCI image layout.
    Layout(PathBuf),
    /// A document that says already what is in an image.
    Document(PathBuf),
}

/// What to look into, and which of several.
#[derive(Debug, Clone)]
pub struct Look {
    /// Where.
    pub target: Target,
    /// The platform, where a name has several; this machine's if not given.
    pub platform: Option<Platform>,
    /// Whether a document beside the image is believed, where there is one.
    pub beside: Beside,
}

/// What is done with documents beside an image that say what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// They are believed, and the layers are not looked into for packages.
    Believed,
    /// The layers are looked into.
    Ignored,
}

/// What was found in an image beside its packages.
#[derive(Debug, Clone)]
pub struct Examined {
    /// The packages.
    pub inventory: Inventory,
    /// Secrets in its layers and its configuration.
    pub leaks: Vec<secrets::Leaked>,
    /// What in its configuration is better otherwise.
    pub checks: Vec<wharfie_scan::check::Check>,
}

/// 32 MiB: what is read of a document at most.
const MAX_DOCUMENT: u64 = 32 << 20;

impl Engine {
    /// Finds the packages of what `look` names. `input` is read for [`Target::Stream`] alone. What an image lacks here is
    /// fetched for the time of the look, and told to `observer`; nothing of it stays.
    ///
    /// # Errors
    /// When there is no such thing, it cannot be read, or it cannot be fetched. What is damaged within an image is a warning in
    /// the inventory.
    pub fn inventory(&self, look: &Look, input: &mut (dyn Read + Send), observer: &dyn Observer) -> Result<Inventory> {
        if let Target::Document(path) = &look.target {
            return document(path);
        }
        if let Some(inventory) = self.believed(look)? {
            let base = self.base_of_layers(&inventory.layers, None, None)?;
            return Ok(Inventory { base, ..inventory });
        }
        let made = self.opened(look, input, observer, &mut |opened| {
            let base = self.base_of(&opened)?;
            Ok(Inventory { base, ..take::inventory(opened)? })
        });
        made.map_err(|why| why.of_work(observer))
    }

    /// As [`Self::inventory`], and looks for secrets in all layers and at the configuration. A document has only packages.
    ///
    /// # Errors
    /// As [`Self::inventory`].
    pub fn examine(&self, look: &Look, input: &mut (dyn Read + Send), observer: &dyn Observer) -> Result<Examined> {
        if let Target::Document(path) = &look.target {
            return Ok(Examined { inventory: document(path)?, leaks: Vec::new(), checks: Vec::new() });
        }
        let believed = self.believed(look)?;
        let made = self.opened(look, input, observer, &mut |mut opened| {
            let (leaks, set_id) = secrets::find(&mut opened)?;
            let config = opened.config.as_ref();
            let checks = config.map(|config| wharfie_scan::check::of_image(&opened.name, config, &set_id));
            let checks = checks.unwrap_or_default();
            let base = self.base_of(&opened)?;
            // A tag may have moved in between.
            let is_of = |believed: &&Inventory| believed.digest.is_none() || believed.digest == opened.digest;
            let inventory = match believed.as_ref().filter(is_of) {
                Some(believed) => take::beside(&opened, believed.clone()),
                None => take::inventory(opened)?,
            };
            Ok(Examined { leaks, checks, inventory: Inventory { base, ..inventory } })
        });
        made.map_err(|why| why.of_work(observer))
    }

    fn believed(&self, look: &Look) -> Result<Option<Inventory>> {
        match look.beside {
            Beside::Believed => self.attached(look),
            Beside::Ignored => Ok(None),
        }
    }

    /// The SPDX document of an image whose layers and configuration are in the store, whether or not it has a name or a row there.
    /// `version` is ours.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn spdx(&self, store: &Store, id: &ImageId, diff_ids: &[DiffId], version: &str) -> Result<String> {
        let inventory = take::inventory(self.held_image(store, id, diff_ids)?)?;
        sbom::spdx(&inventory, &self.stamp(&inventory, version)).map_err(Error::Document)
    }

    /// What makes a document about `inventory` one of its own: the same moment and content give the same.
    pub fn stamp(&self, inventory: &Inventory, version: &str) -> Stamp {
        let now = (self.config().store.clock)();
        let created = Timestamp { nanos: 0, ..now }.to_string();
        let text = format!("{}\n{:?}\n{created}", inventory.name, inventory.id);
        let digest = Digest::of(text.as_bytes());
        let mut serial = [0; 16];
        for (byte, hex) in serial.iter_mut().zip(digest.hex().as_bytes().chunks_exact(2)) {
            let hex = std::str::from_utf8(hex).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok());
            *byte = hex.unwrap_or_default();
        }
        Stamp { created, version: version.to_owned(), serial }
    }
}

fn document(path: &std::path::Path) -> Result<Inventory> {
    let failed = |source| Error::File { doing: "open", path: path.into(), source };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(MAX_DOCUMENT + 1).read_to_end(&mut bytes).map_err(failed)?;
    let of_file = |source| Error::Inventory { path: path.into(), source };
    if bytes.len() as u64 > MAX_DOCUMENT {
        return Err(of_file(content::Trouble::TooLarge(MAX_DOCUMENT >> 20)));
    }
    let found = sbom::read(&bytes).map_err(of_file)?;
    let mut found =
        found.ok_or_else(|| of_file(content::Trouble::Broken("is neither CycloneDX nor SPDX 2 in JSON")))?;
    if found.name.is_empty() {
        found.name = path.display().to_string();
    }
    Ok(found)
}
