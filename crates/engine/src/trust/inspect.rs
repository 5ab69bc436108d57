//! What is signed in a repository and by whom, as far as the policy knows the signers. The store is looked at first: what is here
//! is told without a registry.

use std::collections::BTreeSet;

use wharfie_oci::{Digest, Reference};
use wharfie_trust::{KeyId, Policy, Rule, Signature, Wanted};

use super::error::all_of;
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

/// A tag with signatures by keys that do not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UntrustedTag {
    /// The tag.
    pub tag: String,
    /// What it stands for.
    pub digest: Digest,
    /// The keys, by what the signatures say of them; none if they say nothing.
    pub keys: Vec<KeyId>,
}

/// What is known of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrustReport {
    /// Tags that somebody signed whose word counts, in the order of their names.
    pub tags: Vec<SignedTag>,
    /// Tags that somebody signed of whom the policy knows nothing.
    pub untrusted: Vec<UntrustedTag>,
    /// What kept the registry from being asked, if nothing was found that counts.
    pub unreached: Option<String>,
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
    /// When the policy knows nobody who may sign there, and nobody did as far as the store and the registry can tell.
    pub fn trust_report(&self, reference: &Reference) -> Result<TrustReport> {
        let policy = self.trust_policy()?;
        let rule = policy.rule(reference.repository()).cloned();
        // One signer is enough to be shown.
        let lenient = rule.clone().map(|rule| self.with_roots(Rule { threshold: 1, ..rule })).transpose()?;
        let mut seen = Seen { policy: &policy, rule: lenient.as_ref(), report: TrustReport::default() };
        let store = self.reader()?;
        for (reference, digest) in self.local_names(reference)? {
            seen.add(&reference, digest.clone(), &evidence::local(store, &digest)?.signatures());
        }
        // Of a repository there may be more on its registry; without that, what is here is told.
        let mut unreached = None;
        if seen.report.tags.is_empty() || reference.tag().is_none() {
            let found = self.remote_signatures(reference);
            unreached = found.as_ref().err().map(|why| all_of(why));
            for (reference, digest, signatures) in found.unwrap_or_default() {
                seen.add(&reference, digest, &signatures);
            }
        }
        let mut report = seen.report;
        report.tags.sort_by(|a, b| a.tag.cmp(&b.tag));
        report.untrusted.sort_by(|a, b| a.tag.cmp(&b.tag));
        let Some(rule) = rule else {
            return match report.untrusted.is_empty() {
                true => Err(TrustError::NoSignatures { name: reference.familiar(), why: unreached }.into()),
                false => Ok(report),
            };
        };
        let ids = |keys: &Vec<wharfie_trust::PublicKey>| keys.iter().map(wharfie_trust::PublicKey::id).collect();
        report.signers = rule.signers.iter().map(|(name, keys)| (name.clone(), ids(keys))).collect();
        report.repository_key = rule.repository.as_ref().map(wharfie_trust::PublicKey::id);
        report.unreached = unreached.filter(|_| report.tags.is_empty());
        Ok(report)
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

    fn remote_signatures(&self, asked: &Reference) -> Result<Vec<(Reference, Digest, Vec<Signature>)>> {
        let client = self.remote().repository(asked.repository());
        let mut found = Vec::new();
        for (reference, digest) in self.remote_names(asked)? {
            let signatures = evidence::remote(&client, &digest)?.signatures();
            found.push((reference, digest, signatures));
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

/// What was seen so far.
struct Seen<'a> {
    policy: &'a Policy,
    /// Who counts; nobody if the policy knows nothing of the repository.
    rule: Option<&'a Rule>,
    report: TrustReport,
}

impl Seen<'_> {
    /// Adds what a tag's signatures say. What was found of a tag first stays.
    fn add(&mut self, reference: &Reference, digest: Digest, signatures: &[Signature]) {
        let Some(tag) = reference.tag().map(str::to_owned) else { return };
        let wanted = Wanted { digest: &digest, reference };
        let signers = self.rule.and_then(|rule| self.policy.judge(rule, signatures, &wanted).ok());
        let is_known = |signature: &&Signature| {
            let keys = self.rule.into_iter().flat_map(|rule| rule.signers.values().flatten().chain(&rule.repository));
            signature.certified.is_some() || keys.into_iter().any(|key| signature.is_by(key))
        };
        let strange = signatures.iter().filter(|one| one.claim.digest == digest && !is_known(one));
        // A signer may leave the same signature in several forms, of which not all say whose it is.
        let strange: Vec<&Option<KeyId>> = strange.map(|signature| &signature.hint).collect();
        let keys: BTreeSet<KeyId> = strange.iter().filter_map(|hint| (*hint).clone()).collect();
        if !strange.is_empty() && !self.report.untrusted.iter().any(|known| known.tag == tag) {
            let (tag, digest) = (tag.clone(), digest.clone());
            self.report.untrusted.push(UntrustedTag { tag, digest, keys: keys.into_iter().collect() });
        }
        if let Some(signers) = signers
            && !self.report.tags.iter().any(|known| known.tag == tag)
        {
            self.report.tags.push(SignedTag { tag, digest, signers });
        }
    }
}
