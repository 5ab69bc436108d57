//! An archive that was read, as the source of graphs: what its documents say is in memory, its layers were handed on as they
//! streamed past.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use wharfie_content::graph::Found;
use wharfie_content::place::BoxError;
use wharfie_content::{Document, Opened, Part, Source, Watch};
use wharfie_layer::compression::Decoder;
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Descriptor, DiffId, Digest, ImageConfig, ImageId, MediaType};

use crate::error::{Error, Result};
use crate::read::{Intake, Layer, Members, check_layers};
use crate::{docker, oci};

/// What `save`, or another tool, put into an archive.
pub struct Archive {
    members: Members,
    roots: Vec<Root>,
    /// Where the configurations of docker's images are, and what they call their layers, by the digest of the configuration.
    images: BTreeMap<Digest, docker::Image>,
}

/// One thing that an archive offers under names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// An index or manifest; of docker's archives the configuration of an image.
    pub descriptor: Descriptor,
    /// The names it is to get, as the archive spells them.
    pub names: Vec<String>,
    /// What a layout calls it: tags, or whole references.
    pub tags: Vec<String>,
    /// The id of the image it was made from, if the archive says so.
    pub parent: Option<ImageId>,
}

impl Archive {
    /// Reads a docker-archive or OCI layout, plain or compressed, and hands its layers to `intake`. What it says of images is
    /// only looked into when they are copied.
    ///
    /// # Errors
    /// When the stream is no such archive, is damaged, or `intake` fails.
    pub fn read(input: impl Read + Send, intake: &dyn Intake) -> Result<Self> {
        let (_, decoder) = Decoder::detect(input).map_err(Error::Tar)?;
        let members = Members::collect(decoder, intake)?;
        let (mut images, mut roots) = (BTreeMap::new(), Vec::new());
        // Both may be there.
        if members.document("manifest.json").is_some() && !oci::says_more(|name| members.document(name)) {
            for (image, root) in docker::images(&members)? {
                images.insert(root.descriptor.digest.clone(), image);
                roots.push(root);
            }
        } else if members.document("index.json").is_some() {
            roots = oci::roots(&members)?;
        } else {
            return Err(Error::NoManifest);
        }
        Ok(Self { members, roots, images })
    }

    /// What it offers, in its order.
    pub fn roots(&self) -> &[Root] {
        &self.roots
    }

    /// Checks that the layers of an image are those that its configuration names. Layers that `intake` has already may be
    /// missing from docker's archives: some only carry what changed.
    ///
    /// # Errors
    /// When one is nowhere, is no layer, or is another than the one that is named.
    pub fn check(&self, image: &Found<'_>, intake: &dyn Intake) -> Result<()> {
        let diff_ids = &image.config.rootfs.diff_ids;
        let names: Vec<String> = match image.manifest {
            Some(manifest) => manifest.layers.iter().map(|layer| oci::path(&layer.digest)).collect(),
            None => self.images.get(image.id.digest()).map(|image| image.layers.clone()).unwrap_or_default(),
        };
        let mut layers = Vec::with_capacity(names.len());
        for (name, diff_id) in names.iter().zip(diff_ids) {
            layers.push(self.members.layer(name, diff_id, intake)?);
        }
        check_layers(image.config, &layers)?;
        for (named, layer) in image.manifest.iter().flat_map(|manifest| &manifest.layers).zip(&layers) {
            match layer {
                Layer::Here(layer) if layer.blob != named.digest => {
                    return Err(Error::Digest(oci::path(&named.digest)));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn bytes(&self, digest: &Digest) -> Result<&[u8]> {
        match self.images.get(digest) {
            Some(image) => self.members.required(&image.config),
            None => oci::blob(&self.members, digest),
        }
    }
}

impl Source for Archive {
    fn document(&self, descriptor: &Descriptor, _is_root: bool) -> Result<Document, BoxError> {
        let bytes = self.bytes(&descriptor.digest)?;
        let content = AnyManifest::parse(bytes, &descriptor.media_type).map_err(Error::Manifest)?;
        let descriptor = Descriptor { size: bytes.len() as u64, ..descriptor.clone() };
        Ok(Document { descriptor, bytes: bytes.to_vec(), content })
    }

    /// Described as they are where they went: nobody reads them from here.
    fn layers(&self, image: &ImageId, config: &ImageConfig) -> Result<Vec<Descriptor>, BoxError> {
        let count = self.images.get(image.digest()).map_or(0, |image| image.layers.len());
        let diff_ids = &config.rootfs.diff_ids;
        if count != diff_ids.len() {
            return Err(Error::LayerCount { expected: count, actual: diff_ids.len() }.into());
        }
        let describe = |diff_id: &DiffId| Descriptor::new(MediaType::OCI_LAYER, diff_id.digest().clone(), 0);
        Ok(diff_ids.iter().map(describe).collect())
    }

    fn has(&self, member: &Descriptor) -> Result<bool, BoxError> {
        Ok(self.members.document(&oci::path(&member.digest)).is_some())
    }

    fn open<'a>(&'a self, part: &Part, _watch: Watch<'a>) -> Result<Box<dyn Opened + 'a>, BoxError> {
        Ok(Box::new(Cursor::new(self.bytes(&part.descriptor.digest)?)))
    }
}
