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
/// What predicates of OpenVEX begin with.
const PREDICATE: &str = "https://openvex.dev/ns";

impl Engine {
    /// The OpenVEX documents beside the image, each with the manifest that holds it; those about its index as well. Of an image that
    /// is here only the store is asked, of another one its registry. None of images that need signatures, by whatever name they are asked for: nobody
    /// verified these.
    ///
    /// # Errors
    /// When there is no such image, or its registry cannot be asked.
    pub fn attached_vex(&self, look: &Look) -> Result<Vec<(Digest, Vec<u8>)>> {
        match self.named(look)? {
            Some((_, Some(found))) => {
                if self.doubt(&found)? != Doubt::None {
                    return Ok(Vec::new());
                }
                let mut all = Vec::new();
                let source = StoreSource::new(self.reader()?);
                for subject in self.digests_here(&found)? {
                    let documents = self.referring_here(&subject)?;
                    all.extend(documents.iter().filter_map(|document| said(&source, document, &subject)));
                }
                Ok(all)
            }
            Some((name, None)) => {
                let reference = name.parse::<Reference>().map_err(Error::BadName)?.without_redundant_tag().or_latest();
                if !self.wanting([&reference])?.is_empty() {
                    return Ok(Vec::new());
                }
                let client = self.remote().repository(reference.repository());
                let mut all = Vec::new();
                for subject in self.digests_there(&client, &reference, look.platform.as_ref())? {
                    let is_wanted = |kind: &str| KINDS.contains(&kind) || is_bundle(kind);
                    let documents = super::attached::referring_there(&client, &subject, is_wanted)?;
                    all.extend(documents.iter().filter_map(|document| said(&client, document, &subject)));
                }
                Ok(all)
            }
            None => Ok(Vec::new()),
        }
    }
}

/// The VEX document of a manifest that is about `subject`.
fn said(source: &dyn Source, document: &Document, subject: &Digest) -> Option<(Digest, Vec<u8>)> {
    let AnyManifest::Manifest(manifest) = &document.content else { return None };
    if manifest.subject.as_ref().is_none_or(|of| of.digest != *subject) {
        return None;
    }
    let is_kind = |kind: &str| KINDS.contains(&kind) || is_bundle(kind);
    let layer = manifest.layers.iter().find(|layer| is_kind(layer.media_type.as_str()))?;
    let bytes = bytes(source, layer)?;
    let text = match is_bundle(layer.media_type.as_str()) {
        true => payload_of(&bytes, subject, |kind| kind.starts_with(PREDICATE))?,
        false => bytes,
    };
    Some((document.descriptor.digest.clone(), text))
}
