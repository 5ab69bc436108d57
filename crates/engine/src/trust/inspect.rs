//! What is signed in a repository and by whom, as far as the policy knows the signers. The store is looked at first: what is here
//! is told without a registry.

use wharfie_oci::{Digest, Reference};
use wharfie_trust::{KeyId, Policy, Rule, Wanted};

use super::{TrustError, evidence};
use crate::engine::Engine;
use crate::error::Result;

/// A tag with valid signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedTag {
    /// The tag.
    pub tag: String,
    /// What it stands for.
    pub digest: Digest,
    /// Who signed it, by name.
    pub signers: Vec<String>,
}

/// What is known of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustReport {
    /// Tags that somebody signed whose word counts, in the order of their names.
    pub tags: Vec<SignedTag>,
    /// Whose word counts, with the ids of their keys.
    pub signers: Vec<(String, Vec<KeyId>)>,
    /// The repository's own key.
    pub repository_key: Option<KeyId>,
}

/// 1,000 tags of a repository are asked for on a registry.
const MAX_TAGS: usize = 1000;

impl Engine {
    /// Looks for valid signatures of one tag, or of all tags of a repository.
    ///
    /// # Errors
    /// When the policy knows nobody who may sign there, or neither the store nor the registry has an image of the name.
    pub fn trust_report(&self, reference: &Reference) -> Result<TrustReport> {
        let policy = self.trust_policy()?;
        let nothing = || TrustError::NoSignatures(reference.familiar());
        let rule = policy.rule(reference.repository()).ok_or_else(nothing)?;
        // One signer is enough to be shown.
        let lenient = self.with_roots(Rule { threshold: 1, ..rule.clone() })?;
        let mut tags = self.local_tags(&policy, &lenient, reference)?;
        // Of a repository there may be more on its registry; without that, what is here is told.
        if tags.is_empty() || reference.tag().is_none() {
            for tag in self.remote_tags(&policy, &lenient, reference).unwrap_or_default() {
                if !tags.iter().any(|known| known.tag == tag.tag) {
                    tags.push(tag);
                }
            }
            tags.sort_by(|a, b| a.tag.cmp(&b.tag));
        }
        let ids = |keys: &Vec<wharfie_trust::PublicKey>| keys.iter().map(wharfie_trust::PublicKey::id).collect();
        Ok(TrustReport {
            tags,
            signers: rule.signers.iter().map(|(name, keys)| (name.clone(), ids(keys))).collect(),
            repository_key: rule.repository.as_ref().map(wharfie_trust::PublicKey::id),
        })
    }

    fn local_tags(&self, policy: &Policy, rule: &Rule, asked: &Reference) -> Result<Vec<SignedTag>> {
        let store = self.reader()?;
        let mut found = Vec::new();
        for (reference, digest) in self.local_names(asked)? {
            let signatures = evidence::local(store, &digest)?.signatures();
            found.extend(signed(policy, rule, &reference, digest, &signatures));
        }
        Ok(found)
    }

    /// The tags that are here of what was asked for, with what they stand for.
    pub(super) fn local_names(&self, asked: &Reference) -> Result<Vec<(Reference, Digest)>> {
        let store = self.reader()?;
        if asked.tag().is_some() {
            let target = store.target(&asked.canonical())?;
            return Ok(target.map(|digest| (asked.clone(), digest)).into_iter().collect());
        }
        let rows = store.references_beginning(&format!("{}:", asked.repository().canonical()))?;
        let named = rows.into_iter().filter(|row| !row.is_digest);
        named.map(|row| Ok((crate::names::reference(&row)?, row.target))).collect()
    }

    fn remote_tags(&self, policy: &Policy, rule: &Rule, asked: &Reference) -> Result<Vec<SignedTag>> {
        let client = self.remote().repository(asked.repository());
        let mut found = Vec::new();
        for (reference, digest) in self.remote_names(asked)? {
            let signatures = evidence::remote(&client, &digest)?.signatures();
            found.extend(signed(policy, rule, &reference, digest, &signatures));
        }
        Ok(found)
    }

    /// The same of the registry.
    pub(super) fn remote_names(&self, asked: &Reference) -> Result<Vec<(Reference, Digest)>> {
        let client = self.remote().repository(asked.repository());
        let tags = match asked.tag() {
            Some(tag) => vec![tag.to_owned()],
            None => client.tags()?,
        };
        let images = tags.into_iter().filter(|tag| !evidence::is_signature_tag(tag));
        let mut found = Vec::new();
        for tag in images.take(MAX_TAGS) {
            let digest = client.resolve(&tag)?.digest;
            found.push((Reference::tagged(asked.repository().clone(), &tag)?, digest));
        }
        Ok(found)
    }
}

fn signed(
    policy: &Policy,
    rule: &Rule,
    reference: &Reference,
    digest: Digest,
    signatures: &[wharfie_trust::Signature],
) -> Option<SignedTag> {
    let wanted = Wanted { digest: &digest, reference };
    let signers = policy.judge(rule, signatures, &wanted).ok()?;
    Some(SignedTag { tag: reference.tag()?.to_owned(), digest, signers })
}
