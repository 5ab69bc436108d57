//! Looking into images: which packages they have, and who brought them. Layers are read in place; nothing is unpacked or mounted.

pub mod advisories;
pub mod analyze;
mod aside;
pub mod attached;
mod attached_vex;
mod base;
pub mod compare;
pub mod detach;
pub mod distribute;
mod logged;
mod lying;
mod open;
mod owned;
mod places;
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
    /// Which image of an archive or a layout, if it has several: by its name there, or by the digest of its manifest.
    pub image: Option<String>,
}

/// What is done with documents beside an image that say what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// They are believed, and the layers are not looked into for packages.
    Believed,
    /// The layers are looked into.
    Ignored,
}

/// What to look for; nothing else is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wants {
    /// Packages.
    pub packages: bool,
    /// Secrets.
    pub leaks: bool,
    /// Settings, set-id files, and which system it is.
    pub checks: bool,
}

impl Wants {
    /// Packages alone.
    pub const PACKAGES: Self = Self { packages: true, leaks: false, checks: false };
}

/// What was found in an image.
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
        Ok(self.examine(look, Wants::PACKAGES, input, observer)?.inventory)
    }

    /// Finds what is wanted in what `look` names: the packages, secrets in all layers and in the configuration, and what in that is
    /// better otherwise. A document has only packages. What is not wanted is empty.
    ///
    /// # Errors
    /// As [`Self::inventory`].
    pub fn examine(
        &self,
        look: &Look,
        wants: Wants,
        input: &mut (dyn Read + Send),
        observer: &dyn Observer,
    ) -> Result<Examined> {
        let alone = |inventory| Examined { inventory, leaks: Vec::new(), checks: Vec::new() };
        if let Target::Document(path) = &look.target {
            return document(path).map(alone);
        }
        let believed = if wants.packages { self.believed(look)? } else { None };
        if let (Some(inventory), Wants::PACKAGES) = (&believed, wants) {
            // No layer is fetched.
            let base = self.base_of_layers(&inventory.layers, base::Said::default(), None)?;
            return Ok(alone(Inventory { base, ..inventory.clone() }));
        }
        let made = self.opened(look, input, observer, &mut |mut opened| {
            // A tag may have moved in between.
            let is_of = |believed: &&Inventory| believed.digest.is_none() || believed.digest == opened.digest;
            let believed = believed.as_ref().filter(is_of);
            let wants = Wants { packages: wants.packages && believed.is_none(), ..wants };
            let looked = take::look(&mut opened, wants)?;
            let config = opened.config.as_ref();
            let mut leaks = looked.leaks;
            leaks.extend(config.filter(|_| wants.leaks).map(secrets::of_config).unwrap_or_default());
            let checks = config
                .filter(|_| wants.checks)
                .map(|config| wharfie_scan::check::of_image(&opened.name, config, &looked.set_id));
            let inventory = match believed {
                Some(believed) => take::beside(&opened, believed.clone()),
                None => looked.inventory,
            };
            let base = self.base_of(&opened)?;
            Ok(Examined { leaks, checks: checks.unwrap_or_default(), inventory: Inventory { base, ..inventory } })
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
