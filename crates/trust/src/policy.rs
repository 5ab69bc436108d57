//! The policy: whose signatures images of which repositories need. One file, which people write and `trust signer` edits.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use wharfie_oci::{Digest, Repository};

use crate::error::{Error, Result};
use crate::identity::{Identity, Mismatch, Wanted};
use crate::key::{KeyId, PublicKey};
use crate::notation::{Roots, Trusted};
use crate::pattern;
use crate::signature::Signature;
use crate::strict;

/// When a rule is enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// When content trust is on, as docker has it.
    #[default]
    Asked,
    /// Always.
    Enforce,
    /// Never, but what would be refused is told.
    Warn,
    /// Never.
    Off,
}

/// Who may sign images of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// When it is enforced.
    pub mode: Mode,
    /// How much of the name has to be signed.
    pub identity: Identity,
    /// How many signers have to agree.
    pub threshold: usize,
    /// Names of signers with their keys.
    pub signers: BTreeMap<String, Vec<PublicKey>>,
    /// The repository's own key, which signs where no signer does: docker's "Repo Admin".
    pub repository: Option<PublicKey>,
    /// Whose certificates count, if any do.
    pub notation: Option<Trusted>,
    /// The roots that those need. They lie in files, which whoever judges has read.
    pub roots: Roots,
}

impl Default for Rule {
    fn default() -> Self {
        let (mode, identity) = (Mode::default(), Identity::default());
        let (signers, roots) = (BTreeMap::new(), Roots::default());
        Self { mode, identity, threshold: 1, signers, repository: None, notation: None, roots }
    }
}

/// A signature that no longer counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// The repository, as references have it in full.
    pub repository: String,
    /// The tag; all of them if none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// What was signed.
    pub digest: Digest,
    /// Whose signature.
    pub key: String,
}

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// By their patterns as these are compared.
    rules: BTreeMap<String, Written>,
    revoked: Vec<Revocation>,
}

/// A rule with its pattern as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Written {
    pattern: String,
    rule: Rule,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    repositories: BTreeMap<String, Entry>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    revoked: Vec<Revocation>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(default, skip_serializing_if = "is_default")]
    mode: Mode,
    #[serde(default, skip_serializing_if = "is_default")]
    identity: Identity,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    threshold: usize,
    #[serde(default)]
    signers: BTreeMap<String, Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    repository: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    notation: Option<Trusted>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn one() -> usize {
    1
}

fn is_one(value: &usize) -> bool {
    *value == 1
}

/// What the repository's own key is called where signers are listed.
pub const ADMIN: &str = "Repo Admin";
/// A word that docker keeps for itself.
const RESERVED: &str = "releases";

/// True if a key or a signer may be called so: docker's rule.
pub fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    bytes.next().is_some_and(|first| first.is_ascii_lowercase() || first.is_ascii_digit()) && bytes.all(is_inner)
}

/// True for a name that no signer may have, although it is one.
pub fn is_reserved(name: &str) -> bool {
    name == RESERVED
}

/// Why the signatures of an image are not enough.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There are none.
    #[error("nobody signed it")]
    Unsigned,
    /// There are some, and the nearest miss.
    #[error("{0}")]
    Untrusted(String),
    /// Not enough signers agree.
    #[error("{have} of {need} signers signed it")]
    TooFew {
        /// Who signed.
        have: usize,
        /// Who has to.
        need: usize,
    },
}

impl Rule {
    /// The more, the less it lets through.
    fn strictness(&self) -> (u8, u8, usize) {
        let mode = match self.mode {
            Mode::Off => 0,
            Mode::Asked => 1,
            Mode::Warn => 2,
            Mode::Enforce => 3,
        };
        let identity = match self.identity {
            Identity::Digest => 0,
            Identity::Repository => 1,
            Identity::Exact => 2,
        };
        (mode, identity, self.threshold)
    }
}

impl Revocation {
    /// True if it is about the repository of this plain name, however that was spelled.
    fn is_of(&self, plain: &str) -> bool {
        plain_or(&self.repository) == plain
    }
}

/// A repository's plain name; of what is none the text.
fn plain_or(repository: &str) -> String {
    pattern::plain_text(repository).unwrap_or_else(|| repository.to_owned())
}

impl Policy {
    /// Reads the file. What is not known is refused: a word that was mistyped must not open a door.
    ///
    /// # Errors
    /// When it is not JSON of this shape, a key in it cannot be read, or a rule can be about no repository.
    pub fn parse(json: &[u8]) -> Result<Self> {
        let value = strict::parse(json)?;
        let document: Document = serde_json::from_value(value).map_err(|why| Error::Policy(why.to_string()))?;
        let mut rules = BTreeMap::new();
        for (pattern, entry) in document.repositories {
            let key = |pem: &String| {
                PublicKey::from_pem(pem).map_err(|why| Error::Policy(format!("a key of {pattern}: {why}")))
            };
            let mut signers = BTreeMap::new();
            for (name, keys) in &entry.signers {
                if !is_name(name) || is_reserved(name) {
                    return Err(Error::Policy(format!("{name:?} is no name of a signer")));
                }
                signers.insert(name.clone(), keys.iter().map(key).collect::<Result<Vec<_>>>()?);
            }
            if entry.threshold == 0 {
                return Err(Error::Policy(format!("the threshold of {pattern} is 0")));
            }
            let repository = entry.repository.as_ref().map(key).transpose()?;
            entry.notation.as_ref().map_or(Ok(()), Trusted::check)?;
            let Entry { mode, identity, threshold, notation, .. } = entry;
            let roots = Roots::default();
            let rule = Rule { mode, identity, threshold, signers, repository, notation, roots };
            let normal = pattern::normal(&pattern)
                .map_err(|why| Error::Policy(format!("the rule {pattern:?} means no repository: {why}")))?;
            if let Some(Written { pattern: other, .. }) =
                rules.insert(normal, Written { pattern: pattern.clone(), rule })
            {
                return Err(Error::Policy(format!("{other:?} and {pattern:?} are the same rule")));
            }
        }
        if let Some(odd) = document.revoked.iter().find(|known| pattern::plain_text(&known.repository).is_none()) {
            return Err(Error::Policy(format!(
                "{:?}, of which something is revoked, is no repository",
                odd.repository
            )));
        }
        Ok(Self { rules, revoked: document.revoked })
    }

    /// The file.
    pub fn to_json(&self) -> String {
        let entry = |rule: &Rule| Entry {
            mode: rule.mode,
            identity: rule.identity,
            threshold: rule.threshold,
            signers: rule
                .signers
                .iter()
                .map(|(name, keys)| (name.clone(), keys.iter().map(PublicKey::to_pem).collect()))
                .collect(),
            repository: rule.repository.as_ref().map(PublicKey::to_pem),
            notation: rule.notation.clone(),
        };
        let repositories = self.rules.values().map(|written| (written.pattern.clone(), entry(&written.rule))).collect();
        let document = Document { repositories, revoked: self.revoked.clone() };
        let mut text = serde_json::to_string_pretty(&document).expect("texts and numbers can be written");
        text.push('\n');
        text
    }

    /// The rule for a repository: that of its own name, else of the pattern that says most; of several that say as much the strictest.
    pub fn rule(&self, repository: &Repository) -> Option<&Rule> {
        let name = pattern::plain(repository);
        if let Some(own) = self.rules.get(&name) {
            return Some(&own.rule);
        }
        let fitting = self.rules.iter().filter(|(pattern, _)| pattern::fits(pattern, &name));
        let most = fitting.max_by_key(|(pattern, written)| (pattern::weight(pattern), written.rule.strictness()));
        most.map(|(_, written)| &written.rule)
    }

    /// The rule of a repository's own name, if it has one.
    pub fn own_rule(&self, repository: &Repository) -> Option<&Rule> {
        self.rules.get(&pattern::plain(repository)).map(|written| &written.rule)
    }

    /// The rule of a repository's own name, to be changed. One that has none begins with what decided about it until now, so that
    /// its patterns' signers stay.
    pub fn own_rule_mut(&mut self, repository: &Repository) -> &mut Rule {
        let before = self.rule(repository).cloned().unwrap_or_default();
        let new = || Written { pattern: repository.canonical(), rule: before };
        &mut self.rules.entry(pattern::plain(repository)).or_insert_with(new).rule
    }

    /// All rules, by repository or pattern.
    pub fn rules(&self) -> impl Iterator<Item = (&str, &Rule)> {
        self.rules.values().map(|written| (written.pattern.as_str(), &written.rule))
    }

    /// Lets `key` no longer be the own one of a repository, which goes if nothing else is said of it. Idempotent.
    pub fn forget_repository_key(&mut self, repository: &Repository, key: &PublicKey) {
        let name = pattern::plain(repository);
        let rule = self.rules.get_mut(&name).map(|written| &mut written.rule);
        let Some(rule) = rule.filter(|rule| rule.repository.as_ref() == Some(key)) else { return };
        rule.repository = None;
        if *rule == Rule::default() {
            self.rules.remove(&name);
        }
    }

    /// True if there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.revoked.is_empty()
    }

    /// Lets a signature count no longer. Idempotent.
    pub fn revoke(&mut self, revocation: Revocation) {
        if !self.revoked.contains(&revocation) {
            self.revoked.push(revocation);
        }
    }

    /// Lets it count again: the same key signed the same anew.
    pub fn forgive(&mut self, revocation: &Revocation) {
        self.revoked.retain(|known| {
            let is_of_tag = known.tag == revocation.tag || known.tag.is_none();
            let is_same = known.is_of(&plain_or(&revocation.repository)) && known.digest == revocation.digest;
            !(is_same && known.key == revocation.key && is_of_tag)
        });
    }

    /// True if somebody revoked what `key` signed as `wanted`.
    pub fn is_revoked(&self, signature: &Signature, key: &KeyId, wanted: &Wanted<'_>) -> bool {
        let repository = pattern::plain(wanted.reference.repository());
        self.revoked.iter().any(|known| {
            let is_same = known.is_of(&repository) && known.digest == *wanted.digest;
            let is_of_tag = known.tag.as_deref().is_none_or(|tag| match signature.claim.tag() {
                Some(claimed) => claimed == tag,
                // It is about all tags: without this one it is about none.
                None => wanted.reference.tag().is_none_or(|asked| asked == tag),
            });
            is_same && known.key == key.as_str() && is_of_tag
        })
    }

    /// Who signed `wanted` by `rule`: names of signers, [`ADMIN`] for the repository's key.
    ///
    /// # Errors
    /// When it is not enough, with the nearest miss.
    pub fn judge(&self, rule: &Rule, signatures: &[Signature], wanted: &Wanted<'_>) -> Result<Vec<String>, Refusal> {
        let mut agree = BTreeSet::new();
        let mut misses = Vec::new();
        for signature in signatures {
            match self.signer(rule, signature, wanted) {
                Ok(name) => drop(agree.insert(name)),
                Err(why) => misses.push(why),
            }
        }
        if agree.len() >= rule.threshold {
            return Ok(agree.into_iter().collect());
        }
        if !agree.is_empty() {
            return Err(Refusal::TooFew { have: agree.len(), need: rule.threshold });
        }
        // What came nearest to counting tells most.
        let nearest = misses.into_iter().max();
        Err(nearest.map_or(Refusal::Unsigned, |why| Refusal::Untrusted(why.to_string())))
    }

    /// Whose signature it is, if it counts.
    fn signer(&self, rule: &Rule, signature: &Signature, wanted: &Wanted<'_>) -> Result<String, Miss> {
        if signature.certified.is_some() {
            return self.certified(rule, signature, wanted);
        }
        let listed = rule.signers.iter().flat_map(|(name, keys)| keys.iter().map(move |key| (name.as_str(), key)));
        let mut keys = listed.chain(rule.repository.iter().map(|key| (ADMIN, key)));
        let (name, key) = keys.find(|(_, key)| signature.is_by(key)).ok_or(Miss::Unlisted)?;
        rule.identity.check(&signature.claim, wanted).map_err(Miss::Identity)?;
        if self.is_revoked(signature, &key.id(), wanted) {
            return Err(Miss::Revoked);
        }
        Ok(name.to_owned())
    }

    /// The same of a signature with a certificate. It names no repository: the pattern of the rule is what it counts for, as
    /// notation has it, unless the very tag has to be signed.
    fn certified(&self, rule: &Rule, signature: &Signature, wanted: &Wanted<'_>) -> Result<String, Miss> {
        let trusted = rule.notation.as_ref().ok_or(Miss::Unlisted)?;
        let signer = signature.certified_by(&rule.roots, trusted).map_err(Miss::Certificate)?;
        let identity = if rule.identity == Identity::Exact { Identity::Exact } else { Identity::Digest };
        identity.check(&signature.claim, wanted).map_err(Miss::Identity)?;
        if self.is_revoked(signature, &signer.id, wanted) {
            return Err(Miss::Revoked);
        }
        Ok(signer.name)
    }
}

/// Why a signature does not count; the later ones came nearer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
enum Miss {
    #[error("no signer that is trusted signed it")]
    Unlisted,
    #[error("a signature of notation's does not count: {0}")]
    Certificate(String),
    #[error("a signature does not count: {0}")]
    Identity(Mismatch),
    #[error("its signature was revoked")]
    Revoked,
}
