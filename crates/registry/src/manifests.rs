//! Manifests: sent, taken, deleted. Source: distribution-spec, "Pulling manifests", "Pushing Manifests", "Deleting Manifests".

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{self, HeaderName};
use wharfie_oci::{Digest, Digester, MediaType};

use crate::answer::{Answer, Request, answer};
use crate::body::{Body, InboundError};
use crate::document::{self, Document};
use crate::key::{Folder, Key};
use crate::name::{Reference, RepositoryName, Tag};
use crate::record::{self, Head, Manifest, Tagged};
use crate::refusal::{Code, Refusal};
use crate::router::Registry;
use crate::uploads::interrupted;
use crate::webhooks::Happened;

/// `OCI-Subject`: the subject was understood, no tag need stand in for the list of referrers.
const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
/// `OCI-Tag`: a tag that a push by digest has set.
const TAG: HeaderName = HeaderName::from_static("oci-tag");
/// 100: digests that an answer tells to be missing.
const MAX_TOLD: usize = 100;

impl Registry {
    /// What a tag stands for.
    pub(crate) async fn tagged(&self, name: &RepositoryName, tag: &Tag) -> Result<Option<Tagged>, Refusal> {
        let key = Key::tag(name, tag);
        let Some(stored) = self.storage.get(&key).await? else { return Ok(None) };
        Ok(Some(record::parse(&stored.bytes, key.as_str())?))
    }

    /// A manifest of a repository.
    pub(crate) async fn manifest(&self, name: &RepositoryName, digest: &Digest) -> Result<Option<Manifest>, Refusal> {
        let key = Key::manifest(name, digest);
        let Some(stored) = self.storage.get(&key).await? else { return Ok(None) };
        let manifest = Manifest::read(&stored.bytes);
        manifest.map(Some).ok_or_else(|| Refusal::unavailable(&format!("{} is no manifest", key.as_str())))
    }

    /// The digest that a reference means now.
    async fn resolve(&self, name: &RepositoryName, reference: &Reference) -> Result<Option<Digest>, Refusal> {
        match reference {
            Reference::Digest(digest) => Ok(Some(digest.clone())),
            Reference::Tag(tag) => Ok(self.tagged(name, tag).await?.map(|tagged| tagged.digest)),
        }
    }

    pub(crate) async fn get_manifest(&self, name: &RepositoryName, reference: &Reference, request: &Request) -> Answer {
        let digest = self.resolve(name, reference).await?.ok_or_else(|| unknown(reference))?;
        let manifest = self.manifest(name, &digest).await?.ok_or_else(|| unknown(reference))?;
        if request.is_head() {
            self.holds(&Key::manifest(name, &digest)).await?;
        } else {
            self.note_pull(name, reference).await?;
        }
        if request.has_already(&digest) {
            return Ok(answer(StatusCode::NOT_MODIFIED).digest(&digest).empty());
        }
        let builder = answer(StatusCode::OK).digest(&digest);
        let response = builder.bytes(&manifest.head.media_type, manifest.bytes);
        Ok(if request.is_head() { response.map(|_| Body::empty()) } else { response })
    }

    pub(crate) async fn put_manifest(
        &self,
        name: &RepositoryName,
        reference: Reference,
        request: &mut Request,
    ) -> Answer {
        let bytes = request.body.whole(self.limits.manifest_bytes).await.map_err(|why| match why {
            InboundError::TooLarge(limit) => {
                let words = "the manifest is larger than this registry takes";
                Refusal::new(Code::SizeInvalid, words).with_status(413).with_detail(limit)
            }
            why => interrupted(&why),
        })?;
        let algorithm = match &reference {
            Reference::Digest(digest) => digest.algorithm(),
            Reference::Tag(_) => wharfie_oci::digest::Algorithm::Sha256,
        };
        let mut digester = Digester::new(algorithm);
        digester.update(&bytes);
        let digest = digester.finish();
        let (tags, by_query) = match reference {
            Reference::Tag(tag) => (vec![tag], false),
            Reference::Digest(expected) if expected == digest => (tags_of(request)?, true),
            Reference::Digest(expected) => {
                let told = serde_json::json!({ "expected": expected.as_str(), "received": digest.as_str() });
                return Err(Refusal::new(Code::DigestInvalid, "the manifest has another digest").with_detail(told));
            }
        };
        let announced = request.header(header::CONTENT_TYPE).map(MediaType::new).unwrap_or_default();
        let document = document::parse(&bytes, &announced)?;

        // Whoever may not move a tag must not come between looking at it and setting it.
        let is_alone = tags.iter().any(|tag| self.is_immutable(name, tag));
        let (_relied_on, _alone) = match is_alone {
            false => (Some(self.gate.read().await), None),
            true => (None, Some(self.gate.write().await)),
        };
        for tag in &tags {
            self.check_immutable(name, tag, Some(&digest)).await?;
        }
        self.check_named(name, &document).await?;
        let size = bytes.len() as u64;
        self.keep_manifest(name, &tags, &digest, &document, bytes).await?;
        // A server beside this one may have collected what was there a moment ago. It sees the manifest from now on; if it
        // did not, nothing was promised yet.
        if !self.storage.is_alone() {
            self.check_named(name, &document).await?;
        }
        self.keep_tags(name, &tags, (&digest, size), &document).await?;

        for tag in tags.iter().map(Some).chain(tags.is_empty().then_some(None)) {
            let manifest = Some((document.media_type.as_str(), size));
            self.tell(request, &Happened { action: "push", repository: name, tag, digest: Some(&digest), manifest })
                .await;
        }
        let location = format!("/v2/{name}/manifests/{digest}");
        let mut builder = answer(StatusCode::CREATED).header(header::LOCATION, &location).digest(&digest);
        if let Some(subject) = &document.subject {
            builder = builder.header(SUBJECT, subject.as_str());
        }
        for tag in tags.iter().filter(|_| by_query) {
            builder = builder.header(TAG, tag.as_str());
        }
        Ok(builder.empty())
    }

    /// Writes down a manifest that `tags` are to stand for, but not yet do.
    pub(crate) async fn keep_manifest(
        &self,
        name: &RepositoryName,
        tags: &[Tag],
        digest: &Digest,
        document: &Document,
        bytes: Bytes,
    ) -> Result<(), Refusal> {
        let media_type = document.media_type.as_str().to_owned();
        let head = Head { media_type, at: self.now(), subject: document.subject.clone() };
        self.mark(name).await?;
        // What collection asks for stands before what it asks about, names come last.
        for tag in tags {
            self.storage.put(Key::tagged(name, digest, tag), Vec::new()).await?;
        }
        for child in &document.children {
            self.storage.put(Key::child(name, child, digest), Vec::new()).await?;
        }
        let size = bytes.len() as u64;
        self.storage.put(Key::manifest(name, digest), Manifest { head, bytes }.write()).await?;
        if let Some(subject) = &document.subject {
            let referrer = record::bytes(&document.referrer(digest, size));
            self.storage.put(Key::referrer(name, subject, digest), referrer).await?;
        }
        Ok(())
    }

    /// Lets tags stand for a manifest, which is there, and which is so many bytes long.
    pub(crate) async fn keep_tags(
        &self,
        name: &RepositoryName,
        tags: &[Tag],
        (digest, size): (&Digest, u64),
        document: &Document,
    ) -> Result<(), Refusal> {
        let media_type = document.media_type.as_str().to_owned();
        let tagged = Tagged { digest: digest.clone(), media_type, size, at: self.now() };
        for tag in tags {
            self.storage.put(Key::tag(name, tag), record::bytes(&tagged)).await?;
        }
        Ok(())
    }

    /// A manifest is taken only with all that it names: nobody shall pull half of an image.
    async fn check_named(&self, name: &RepositoryName, document: &Document) -> Result<(), Refusal> {
        let mut missing = Vec::new();
        for digest in &document.blobs {
            if !self.holds(&Key::link(name, digest)).await? {
                missing.push(digest.as_str());
            }
        }
        for digest in &document.children {
            if !self.holds(&Key::manifest(name, digest)).await? {
                missing.push(digest.as_str());
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        missing.truncate(MAX_TOLD);
        let words = "the manifest names what the repository does not have: push that first";
        Err(Refusal::new(Code::ManifestBlobUnknown, words).with_detail(missing))
    }

    pub(crate) async fn delete_manifest(
        &self,
        name: &RepositoryName,
        reference: &Reference,
        request: &Request,
    ) -> Answer {
        match reference {
            Reference::Tag(tag) => {
                self.check_immutable(name, tag, None).await?;
                let key = Key::tag(name, tag);
                if self.storage.modified(&key).await?.is_none() {
                    return Err(unknown(reference));
                }
                self.storage.delete(key).await?;
            }
            Reference::Digest(digest) => {
                // A push of the same manifest comes before or after, not in between.
                let _alone = self.gate.write().await;
                let Some(manifest) = self.manifest(name, digest).await? else { return Err(unknown(reference)) };
                for tag in self.tags_for(name, digest).await? {
                    self.check_immutable(name, &tag, None).await?;
                }
                self.remove_manifest(name, digest, &manifest).await?;
            }
        }
        let (tag, digest) = match reference {
            Reference::Tag(tag) => (Some(tag), None),
            Reference::Digest(digest) => (None, Some(digest)),
        };
        self.tell(request, &Happened { action: "delete", repository: name, tag, digest, manifest: None }).await;
        Ok(answer(StatusCode::ACCEPTED).empty())
    }

    /// Removes a manifest, its tags first.
    pub(crate) async fn remove_manifest(
        &self,
        name: &RepositoryName,
        digest: &Digest,
        manifest: &Manifest,
    ) -> Result<(), Refusal> {
        for tag in self.tags_for(name, digest).await? {
            self.storage.delete(Key::tag(name, &tag)).await?;
        }
        self.storage.delete(Key::manifest(name, digest)).await?;
        for tag in self.all(&Folder::tagged(name, digest)).await? {
            if let Some(tag) = Tag::parse(&tag) {
                self.storage.delete(Key::tagged(name, digest, &tag)).await?;
            }
        }
        for index in self.all(&Folder::children(name, digest)).await? {
            if let Ok(index) = index.parse() {
                self.storage.delete(Key::child(name, digest, &index)).await?;
            }
        }
        if let Some(subject) = &manifest.head.subject {
            self.storage.delete(Key::referrer(name, subject, digest)).await?;
        }
        Ok(())
    }

    /// The tags that stand for a manifest now.
    async fn tags_for(&self, name: &RepositoryName, digest: &Digest) -> Result<Vec<Tag>, Refusal> {
        let mut tags = Vec::new();
        for text in self.all(&Folder::tagged(name, digest)).await? {
            let Some(tag) = Tag::parse(&text) else { continue };
            // It may stand for another manifest by now.
            if self.tagged(name, &tag).await?.is_some_and(|tagged| tagged.digest == *digest) {
                tags.push(tag);
            }
        }
        Ok(tags)
    }

    pub(crate) fn is_immutable(&self, name: &RepositoryName, tag: &Tag) -> bool {
        self.keeping.immutable.iter().any(|rule| rule.is_about(name.as_str(), tag.as_str()))
    }

    /// Refuses to take an immutable tag from the manifest that it stands for. `new` is what it would stand for.
    async fn check_immutable(&self, name: &RepositoryName, tag: &Tag, new: Option<&Digest>) -> Result<(), Refusal> {
        if !self.is_immutable(name, tag) {
            return Ok(());
        }
        match self.tagged(name, tag).await? {
            Some(tagged) if new != Some(&tagged.digest) => {
                Err(Refusal::new(Code::Denied, "the tag is immutable").with_detail(tag.as_str()))
            }
            _ => Ok(()),
        }
    }

    /// All names of a folder, whatever their number.
    pub(crate) async fn all(&self, folder: &Folder) -> Result<Vec<String>, Refusal> {
        let mut names: Vec<String> = Vec::new();
        loop {
            let page = self.storage.list(folder, names.last().map(String::as_str), PAGE).await?;
            names.extend(page.names);
            if !page.has_more {
                return Ok(names);
            }
        }
    }
}

/// Tags that a push by digest sets. Source: distribution-spec, "Pushing Manifests", `?tag=`.
fn tags_of(request: &Request) -> Result<Vec<Tag>, Refusal> {
    let parse = |text: &str| {
        Tag::parse(text)
            .ok_or_else(|| Refusal::new(Code::TagInvalid, "the query has a tag that is none").with_detail(text))
    };
    request.query.values("tag").map(parse).collect()
}

fn unknown(reference: &Reference) -> Refusal {
    Refusal::new(Code::ManifestUnknown, "the repository has no such manifest").with_detail(reference.to_string())
}

/// 1000: what object storage gives at once.
const PAGE: usize = 1000;
