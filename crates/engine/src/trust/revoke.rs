//! Revoke: signatures of a tag go, here and on the registry, and are remembered as what does not count: others may have copies.

use wharfie_oci::{Descriptor, Digest, Fault, Kind, Reference};
use wharfie_store::images::Recording;
use wharfie_trust::policy::Revocation;
use wharfie_trust::{PublicKey, Rule, Signature};

use super::TrustError;
use super::evidence::{self, Evidence, about};
use super::sign::simple_manifest;
use super::travel::layers_under_tag;
use crate::engine::Engine;
use crate::error::Result;

/// What to revoke.
#[derive(Debug, Clone)]
pub struct Revoke {
    /// A repository, with a tag unless all of them are meant.
    pub reference: Reference,
}

/// What was revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// Tags that had signatures.
    pub tags: Vec<String>,
    /// The registry did not let all signatures go, or could not be asked.
    pub is_kept: bool,
}

impl Engine {
    /// Takes the signatures of a tag, or of all tags, away that the policy's signers made.
    ///
    /// # Errors
    /// When there are none, or neither the store nor the registry can be asked or changed.
    pub fn revoke(&self, revoke: &Revoke) -> Result<Revoked> {
        let asked = &revoke.reference;
        let nothing = || TrustError::NoSignatures { name: asked.familiar(), why: None };
        let policy = self.trust_policy()?;
        let rule = policy.rule(asked.repository()).ok_or_else(nothing)?;
        let mut names = self.local_names(asked)?;
        // Who cannot be reached cannot be changed: what is here still can.
        let (there, is_unreached) = match self.remote_names(asked) {
            Ok(there) => (there, false),
            Err(why) => (Vec::new(), why.kind() != Kind::NotFound),
        };
        names.extend(there.iter().cloned());
        names.sort_by_key(|(reference, digest)| (reference.canonical(), digest.clone()));
        names.dedup();
        let mut revoked = Revoked { tags: Vec::new(), is_kept: is_unreached };
        for (reference, digest) in names {
            let is_there = there.iter().any(|(_, known)| *known == digest);
            let (found, is_kept) = self.revoke_one(rule, &reference, &digest, is_there)?;
            if found && let Some(tag) = reference.tag() {
                revoked.tags.push(tag.to_owned());
            }
            revoked.is_kept |= is_kept;
        }
        revoked.tags.dedup();
        if revoked.tags.is_empty() { Err(nothing().into()) } else { Ok(revoked) }
    }

    /// Whether there was something, and whether something stayed.
    fn revoke_one(&self, rule: &Rule, name: &Reference, digest: &Digest, is_there: bool) -> Result<(bool, bool)> {
        let store = self.writer()?;
        let client = self.remote().repository(name.repository());
        let here = evidence::local(store, digest)?;
        let there = if is_there { evidence::remote(&client, digest)? } else { Evidence::default() };
        let goes = |signature: &Signature| goes(rule, signature, name);
        let all = here.clone().and(there.clone());
        let mut keys: Vec<&PublicKey> = all.signatures().iter().filter_map(goes).collect();
        if keys.is_empty() {
            return Ok((false, false));
        }
        keys.dedup();
        // What counts no longer is written down first: whatever goes wrong below, it does not count.
        self.change_policy(|policy| {
            for key in keys {
                policy.revoke(Revocation {
                    repository: name.repository().canonical(),
                    tag: name.tag().map(str::to_owned),
                    digest: digest.clone(),
                    key: key.id().to_string(),
                });
            }
            Ok(())
        })?;
        let is_gone = |layer: &Descriptor, evidence: &Evidence| {
            let mut entries = evidence.attached.iter().flat_map(|attached| &attached.entries);
            entries.any(|entry| {
                let is_this = entry.layer.digest == layer.digest && entry.layer.annotations == layer.annotations;
                is_this && entry.signatures.iter().any(|signature| goes(signature).is_some())
            })
        };
        let lease = store.lease()?;
        let mut old = Vec::new();
        for attached in &here.attached {
            let Some(manifest) = attached.manifest() else { continue };
            let left: Vec<Descriptor> =
                manifest.layers.iter().filter(|layer| !is_gone(layer, &here)).cloned().collect();
            if left.len() == manifest.layers.len() {
                continue;
            }
            old.push(attached.document.descriptor.digest.clone());
            if attached.is_simple() && !left.is_empty() {
                let document = simple_manifest(&lease, left)?;
                lease.record(&Recording { manifests: vec![about(&document, digest)], ..Recording::default() })?;
            }
        }
        store.forget_referrers(&old)?;
        if !is_there {
            return Ok((true, false));
        }
        let under_tag = layers_under_tag(&client, digest);
        let left: Vec<Descriptor> = under_tag.iter().filter(|layer| !is_gone(layer, &there)).cloned().collect();
        if left.len() < under_tag.len() {
            self.put_under_tag(&lease, &client, digest, left)?;
        }
        let bundles = there.attached.iter().filter(|attached| !attached.is_simple());
        let bundles = bundles.filter(|attached| attached.entries.iter().any(|entry| is_gone(&entry.layer, &there)));
        let bundles: Vec<Digest> = bundles.map(|attached| attached.document.descriptor.digest.clone()).collect();
        let are_gone = client.remove_referrers(digest, &bundles)?;
        Ok((true, !are_gone))
    }
}

/// The key of the policy that made a signature of this name, which is to go.
fn goes<'a>(rule: &'a Rule, signature: &Signature, name: &Reference) -> Option<&'a PublicKey> {
    let is_of_name = signature.claim.name.as_ref().is_none_or(|claimed| {
        let is_of_tag = claimed.tag().is_none_or(|tag| Some(tag) == name.tag());
        claimed.repository() == name.repository() && is_of_tag
    });
    let mut keys = rule.signers.values().flatten().chain(&rule.repository);
    keys.find(|key| is_of_name && signature.is_by(key))
}
