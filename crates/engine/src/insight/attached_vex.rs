//! VEX documents that lie beside an image: as artifacts, or as statements in cosign's bundles. They are taken only if somebody asks
//! for them: whoever can push can say that nothing matters.

use wharfie_content::{Document, Source};
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Digest, Reference};
use wharfie_store::StoreSource;

use super::Look;
use super::attached::{Doubt, bytes, is_bundle, payload_of};
use crate::engine::Engine;
use crate::error::{Error, Result};

/// OpenVEX, as artifacts have it.
const KINDS: [&str; 2] = ["application/vnd.openvex+json", "application/openvex+json"];
/// 32 MiB of all documents of one image.
const MAX_BYTES: u64 = 32 << 20;
/// What predicates of OpenVEX begin with.
const PREDICATE: &str = "https://openvex.dev/ns";

impl Engine {
    /// Calls `take` with each OpenVEX document beside the image and the manifest that holds it, one after the other; those about its
    /// index as well. Gives how many were left out, as they are more than is read for one image. Of an image that
    /// is here only the store is asked, of another one its registry. None of images that need signatures, by whatever name they are asked for: nobody
    /// verified these.
    ///
    /// # Errors
    /// When there is no such image, or its registry cannot be asked.
    pub fn attached_vex(&self, look: &Look, take: &mut dyn FnMut(Digest, &[u8])) -> Result<usize> {
        let mut said = Said { left: MAX_BYTES, left_out: 0, take };
        match self.named(look)? {
            Some((_, Some(found))) => {
                if self.doubt(&found)? != Doubt::None {
                    return Ok(0);
                }
                let source = StoreSource::new(self.reader()?);
                for subject in self.digests_here(&found)? {
                    let documents = self.referring_here(&subject)?;
                    documents.iter().for_each(|document| said.add(&source, document, &subject));
                }
            }
            Some((name, None)) => {
                let reference = name.parse::<Reference>().map_err(Error::BadName)?.without_redundant_tag().or_latest();
                if !self.wanting([&reference])?.is_empty() {
                    return Ok(0);
                }
                let client = self.remote().repository(reference.repository());
                for subject in self.digests_there(&client, &reference, look.platform.as_ref())? {
                    let is_wanted = |kind: &str| KINDS.contains(&kind) || is_bundle(kind);
                    let documents = super::attached::referring_there(&client, &subject, is_wanted)?;
                    documents.iter().for_each(|document| said.add(&client, document, &subject));
                }
            }
            None => {}
        }
        Ok(said.left_out)
    }
}

/// What is said beside an image, and how much more of it is read.
struct Said<'a> {
    left: u64,
    left_out: usize,
    take: &'a mut dyn FnMut(Digest, &[u8]),
}

impl Said<'_> {
    /// Reads the VEX document of a manifest that is about `subject`.
    fn add(&mut self, source: &dyn Source, document: &Document, subject: &Digest) {
        let AnyManifest::Manifest(manifest) = &document.content else { return };
        if manifest.subject.as_ref().is_none_or(|of| of.digest != *subject) {
            return;
        }
        let is_kind = |kind: &str| KINDS.contains(&kind) || is_bundle(kind);
        let Some(layer) = manifest.layers.iter().find(|layer| is_kind(layer.media_type.as_str())) else { return };
        let Some(left) = self.left.checked_sub(layer.size) else {
            self.left_out += 1;
            return;
        };
        self.left = left;
        let Some(bytes) = bytes(source, layer) else { return };
        let digest = document.descriptor.digest.clone();
        match is_bundle(layer.media_type.as_str()) {
            true => {
                let said = payload_of(&bytes, subject, |kind| kind.starts_with(PREDICATE));
                said.iter().for_each(|text| (self.take)(digest.clone(), text));
            }
            false => (self.take)(digest, &bytes),
        }
    }
}
