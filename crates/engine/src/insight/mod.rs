//! Looking into images: which packages they have, and who brought them. Layers are read in place; nothing is unpacked or mounted.

pub mod advisories;
pub mod analyze;
mod aside;
pub mod attached;
mod attached_vex;
pub mod base;
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
use std::path::{Path, PathBuf};

use wharfie_content::Observer;
use wharfie_oci::{DiffId, Digest, ImageId, Platform, Timestamp};
use wharfie_scan::check::{self, Checked};
use wharfie_scan::sbom::{self, Stamp};
use wharfie_scan::{Inventory, content};

use wharfie_store::Store;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::names;

/// What to look into.
#[derive(Debug, Clone)]
pub enum Target {
    /// An image that is here, else on its registry; by name or id.
    Image(String),
    /// An image on its registry, whatever is here.
    Registry(String),
    /// An image that is here, whatever registries have; by name or id.
    Store(String),
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

impl Target {
    /// As it is told to users.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Image(name) | Self::Registry(name) | Self::Store(name) | Self::Container(name) => name.clone(),
            Self::Directory(path) | Self::Archive(path) | Self::Layout(path) | Self::Document(path) => {
                path.display().to_string()
            }
            Self::Stream => "-".to_owned(),
        }
    }
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
    pub checks: Vec<check::Check>,
}

/// 32 MiB: what is read of a document at most.
const MAX_DOCUMENT: u64 = 32 << 20;
/// 64 bytes say what a stream is.
const HEAD: u64 = 64;
/// What some editors put before a text in UTF-8.
const BYTE_ORDER: &[u8] = "\u{feff}".as_bytes();

impl Engine {
    /// What a name means: the name, and the image if it is here, or none if its registry is to be asked. `None` for what is no
    /// name.
    pub(super) fn named<'a>(&self, look: &'a Look) -> Result<Option<(&'a str, Option<names::Found>)>> {
        let find = |name: &str| names::find_for(self.reader()?, name, look.platform.as_ref());
        match &look.target {
            Target::Image(name) => match find(name) {
                Ok(found) => Ok(Some((name, Some(found)))),
                Err(Error::NoSuchImage(_)) => Ok(Some((name, None))),
                Err(why) => Err(why),
            },
            Target::Store(name) => Ok(Some((name, Some(find(name)?)))),
            Target::Registry(name) => Ok(Some((name, None))),
            _ => Ok(None),
        }
    }

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
            let file = advisories::open_given(path);
            let mut file = file.map_err(|source| Error::File { doing: "open", path: path.clone(), source })?;
            return document(path, &mut file).map(alone);
        }
        let mut head = Vec::new();
        if let Target::Stream = &look.target {
            head = peek(input)?;
            if begins_document(&head) {
                return document(Path::new("-"), &mut head.chain(input)).map(alone);
            }
        }
        let mut input = head.chain(input);
        let believed = if wants.packages { self.believed(look)? } else { None };
        if let (Some(inventory), Wants::PACKAGES) = (&believed, wants) {
            // No layer is fetched.
            let base = self.base_of_layers(&inventory.layers, base::Said::default(), None)?;
            return Ok(alone(Inventory { base, ..inventory.clone() }));
        }
        let made = self.opened(look, &mut input, observer, &mut |mut opened| {
            // A tag may have moved in between.
            let is_of = |believed: &&Inventory| believed.digest.is_none() || believed.digest == opened.digest;
            let believed = believed.as_ref().filter(is_of);
            let wants = Wants { packages: wants.packages && believed.is_none(), ..wants };
            let looked = take::look(&mut opened, wants)?;
            let inventory = match believed {
                Some(believed) => take::beside(&opened, believed.clone(), &looked.inventory),
                None => looked.inventory,
            };
            let inventory = Inventory { base: self.base_of(&opened)?, ..inventory };
            let Some(config) = &opened.config else {
                return Ok(Examined { inventory, leaks: looked.leaks, checks: Vec::new() });
            };
            let base = match &inventory.base {
                Some(base) if wants.leaks || wants.checks => Some(self.config_of_base(base, config)?),
                _ => None,
            };
            let mut leaks = looked.leaks;
            if wants.leaks {
                leaks.extend(secrets::of_config(config));
                let inherited = base.as_ref().map(secrets::of_config).unwrap_or_default();
                for leaked in &mut leaks {
                    leaked.is_of_base = inventory.is_of_base(leaked.layer)
                        || (leaked.path.is_empty() && inherited.iter().any(|known| known.leak == leaked.leak));
                }
            }
            let set_id: Vec<_> =
                looked.set_id.into_iter().map(|(path, layer)| (path, inventory.is_of_base(layer))).collect();
            let checked = Checked { name: &opened.name, config, set_id: &set_id, base: base.as_ref() };
            let checks = if wants.checks { check::of_image(&checked) } else { Vec::new() };
            Ok(Examined { inventory, leaks, checks })
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

/// The first bytes of a stream: as many as say what it is.
pub(super) fn peek(input: &mut dyn Read) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    let read = input.take(HEAD).read_to_end(&mut head);
    read.map_err(|source| Error::File { doing: "read", path: "-".into(), source })?;
    Ok(head)
}

/// True for how a document in JSON begins: no archive begins so.
pub fn begins_document(head: &[u8]) -> bool {
    let head = head.strip_prefix(BYTE_ORDER).unwrap_or(head);
    head.trim_ascii_start().starts_with(b"{")
}

fn document(path: &Path, input: &mut dyn Read) -> Result<Inventory> {
    let failed = |source| Error::File { doing: "read", path: path.into(), source };
    let mut bytes = Vec::new();
    input.take(MAX_DOCUMENT + 1).read_to_end(&mut bytes).map_err(failed)?;
    let of_file = |source| Error::Inventory { path: path.into(), source };
    if bytes.len() as u64 > MAX_DOCUMENT {
        return Err(of_file(content::Trouble::TooLarge(MAX_DOCUMENT >> 20)));
    }
    let text = bytes.strip_prefix(BYTE_ORDER).unwrap_or(&bytes);
    let found = sbom::read(text).map_err(of_file)?;
    let mut found =
        found.ok_or_else(|| of_file(content::Trouble::Broken("is neither CycloneDX nor SPDX 2 in JSON")))?;
    if found.name.is_empty() {
        found.name = path.display().to_string();
    }
    Ok(found)
}
