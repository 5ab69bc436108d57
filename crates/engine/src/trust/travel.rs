//! Signatures, SBOMs and whatever else is about an image go with it to other registries.

use wharfie_content::{Document, Source, graph};
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Descriptor, Digest, Manifest, Reference};
use wharfie_remote::{Destination, RepositoryClient};
use wharfie_store::{Lease, StoreSource};

use super::evidence::{self, Attached, plain, tag_of};
use super::sign::{merged, simple_manifest};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::outgoing;

impl Engine {
    /// Sends all that the store has about `subject`, which the repository has already. What is there under cosign's tag stays
    /// beside what comes. Signatures that are of another repository stay here: they are worth nothing there, and tell names that
    /// nobody there need know.
    pub(crate) fn send_evidence(&self, client: &RepositoryClient, subject: &Descriptor) -> Result<()> {
        let store = self.writer()?;
        let mut simple = Vec::new();
        let foreign = evidence::local(store, &subject.digest)?.foreign(|name| is_of(client, name));
        for row in store.referrers(&subject.digest)? {
            if foreign.contains(&row.digest) {
                continue;
            }
            let Some(document) = outgoing::recorded(store, &row.digest)? else { continue };
            let attached = Attached { document, entries: Vec::new() };
            if attached.is_simple() && attached.manifest().is_some_and(|manifest| manifest.subject.is_none()) {
                simple.push(attached);
                continue;
            }
            self.send_referrer(client, &subject.digest, &attached.document)?;
        }
        if simple.is_empty() {
            return Ok(());
        }
        let lease = store.lease()?;
        let there = layers_under_tag(client, &subject.digest);
        let own = simple.iter().filter_map(Attached::manifest).flat_map(|manifest| &manifest.layers);
        let own = own.filter(|layer| !foreign.contains(&layer.digest));
        let all = merged(there.iter(), &own.cloned().collect::<Vec<_>>());
        if all.len() > there.len() {
            self.put_under_tag(&lease, client, &subject.digest, all)?;
        }
        Ok(())
    }

    /// Copies what one repository has about `subject` to another, which has that already. Nothing is an answer too; what the other
    /// has stays.
    pub(crate) fn carry_evidence(
        &self,
        from: &RepositoryClient,
        to: &RepositoryClient,
        subject: &Digest,
    ) -> Result<()> {
        let options = plain(self.config().jobs);
        let here = |_: &Digest| if from.host() == to.host() { vec![from.path().to_owned()] } else { Vec::new() };
        let destination = Destination::new(to, &here);
        if let Ok(document) = from.manifest(&tag_of(subject), None) {
            self.carry_tagged(from, (to, &destination), &tag_of(subject), &document)?;
        }
        for referrer in from.referrers(subject)? {
            graph::copy(from, &destination, &referrer, &options)?;
            to.refer(subject, &[referrer])?;
        }
        Ok(())
    }

    /// Copies a document that lies under a tag of cosign's to the same tag of another repository, whose own signatures stay.
    pub(crate) fn carry_tagged(
        &self,
        from: &dyn Source,
        (to, destination): (&RepositoryClient, &Destination<'_>),
        tag: &str,
        document: &Document,
    ) -> Result<()> {
        let AnyManifest::Manifest(manifest) = &document.content else { return Ok(()) };
        let there = layers_under(to, tag);
        graph::copy(from, destination, &document.descriptor, &plain(self.config().jobs))?;
        let layers = merged(there.iter(), &manifest.layers);
        let all = Manifest { layers, ..manifest.as_ref().clone() };
        let bytes = match there.is_empty() {
            true => document.bytes.clone(),
            false => serde_json::to_vec(&all).map_err(Error::Document)?,
        };
        to.put_manifest(tag, &document.descriptor.media_type, &bytes)?;
        Ok(())
    }

    /// Lets cosign's tag of `subject` have these layers, and no others.
    pub(super) fn put_under_tag(
        &self,
        lease: &Lease<'_>,
        client: &RepositoryClient,
        subject: &Digest,
        layers: Vec<Descriptor>,
    ) -> Result<()> {
        let document = simple_manifest(lease, layers)?;
        self.send_document(client, &document, Some(&tag_of(subject)))
    }

    /// Sends a document that is about `subject`, which is there, and whose parts are here; and has the registry list it.
    pub(crate) fn send_referrer(&self, client: &RepositoryClient, subject: &Digest, document: &Document) -> Result<()> {
        self.send_document(client, document, None)?;
        Ok(client.refer(subject, &[listed(document)])?)
    }

    fn send_document(&self, client: &RepositoryClient, document: &Document, tag: Option<&str>) -> Result<()> {
        let source = StoreSource::new(self.writer()?).with(document.clone());
        let destination = Destination::new(client, &|_| Vec::new());
        let destination = match tag {
            Some(tag) => destination.tagged(tag),
            None => destination,
        };
        graph::copy(&source, &destination, &document.descriptor, &plain(self.config().jobs))?;
        Ok(())
    }
}

/// True if a claim's name is of the repository of `client`.
fn is_of(client: &RepositoryClient, name: &Reference) -> bool {
    (name.repository().host(), name.repository().path()) == (client.host(), client.path())
}

/// The layers that lie under cosign's tag of `subject` on a registry; none if there is nothing to be read.
pub(super) fn layers_under_tag(client: &RepositoryClient, subject: &Digest) -> Vec<Descriptor> {
    layers_under(client, &tag_of(subject))
}

fn layers_under(client: &RepositoryClient, tag: &str) -> Vec<Descriptor> {
    match client.manifest(tag, None).map(|document| document.content) {
        Ok(AnyManifest::Manifest(manifest)) => manifest.layers,
        _ => Vec::new(),
    }
}

/// How a document stands in a list of what refers to something.
fn listed(document: &Document) -> Descriptor {
    let AnyManifest::Manifest(manifest) = &document.content else { return document.descriptor.clone() };
    let kind = manifest.artifact_type.clone().unwrap_or_else(|| manifest.config.media_type.to_string());
    Descriptor { artifact_type: Some(kind), annotations: manifest.annotations.clone(), ..document.descriptor.clone() }
}
