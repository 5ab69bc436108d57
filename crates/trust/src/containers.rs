//! Podman's policy: `policy.json` of containers/image, as far as signatures that can be verified without a service go. What is not
//! understood is refused. Source: containers/image, containers-policy.json.5.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value};
use wharfie_oci::{Reference, Repository};

use crate::error::{Error, Result};
use crate::identity::Wanted;
use crate::key::PublicKey;
use crate::policy::Refusal;
use crate::signature::{Claim, Form, Signature};
use crate::strict;

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContainersPolicy {
    default: Vec<Requirement>,
    #[serde(default)]
    transports: BTreeMap<String, BTreeMap<String, Vec<Requirement>>>,
}

/// What has to be so; all of a list have to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Requirement {
    /// Everything is taken.
    InsecureAcceptAnything,
    /// Nothing is.
    Reject,
    /// A signature that cosign or wharfie made.
    SigstoreSigned(SigstoreSigned),
    /// Anything else, which nobody here can verify.
    #[serde(other)]
    Unknown,
}

/// A signature by one of some keys.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SigstoreSigned {
    #[serde(default)]
    key_path: Option<String>,
    #[serde(default)]
    key_paths: Vec<String>,
    #[serde(default)]
    key_data: Option<String>,
    #[serde(default)]
    key_datas: Vec<String>,
    #[serde(default)]
    signed_identity: SignedIdentity,
}

/// Which name has to be in a signature.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum SignedIdentity {
    /// The very name.
    MatchExact,
    /// The same; of a name with a digest the repository.
    #[default]
    MatchRepoDigestOrExact,
    /// The repository.
    MatchRepository,
    /// Another name.
    ExactReference {
        /// Which.
        docker_reference: String,
    },
    /// Another repository.
    ExactRepository {
        /// Which.
        docker_repository: String,
    },
    /// As by default, after a prefix was exchanged.
    RemapIdentity {
        /// What names begin with.
        prefix: String,
        /// What signed names begin with instead.
        signed_prefix: String,
    },
}

impl ContainersPolicy {
    /// Reads the file. As podman does, names that stand twice and names that are not known are refused: a word that was mistyped
    /// must not open a door.
    ///
    /// # Errors
    /// When it is not JSON of this shape.
    pub fn parse(json: &[u8]) -> Result<Self> {
        let value = strict::parse(json)?;
        let lists = value.get("transports").and_then(Value::as_object).into_iter().flat_map(Map::values);
        let lists = lists.filter_map(Value::as_object).flat_map(Map::values).chain(value.get("default"));
        for requirement in lists.filter_map(Value::as_array).flatten().filter_map(Value::as_object) {
            check(requirement)?;
        }
        serde_json::from_value(value).map_err(|why| Error::Policy(why.to_string()))
    }

    /// What has to be so for a name: of the scope that says most about it.
    pub fn requirements(&self, reference: &Reference) -> &[Requirement] {
        let Some(scopes) = self.transports.get("docker") else { return &self.default };
        let found = scopes_of(reference).into_iter().find_map(|scope| scopes.get(&scope));
        found.or_else(|| scopes.get("")).unwrap_or(&self.default)
    }
}

/// Refuses names that a requirement of its type does not have. What else a type has that nobody here verifies is of no interest.
fn check(requirement: &Map<String, Value>) -> Result<()> {
    match requirement.get("type").and_then(Value::as_str) {
        Some("insecureAcceptAnything" | "reject") => strict::only(requirement, &["type"]),
        Some("sigstoreSigned") => {
            let keys = ["keyPath", "keyPaths", "keyData", "keyDatas"];
            if keys.iter().filter(|key| requirement.contains_key(**key)).count() > 1 {
                return Err(Error::Policy(format!("sigstoreSigned has more than one of {}", keys.join(", "))));
            }
            let Some(identity) = requirement.get("signedIdentity").and_then(Value::as_object) else { return Ok(()) };
            match identity.get("type").and_then(Value::as_str) {
                Some("exactReference") => strict::only(identity, &["type", "dockerReference"]),
                Some("exactRepository") => strict::only(identity, &["type", "dockerRepository"]),
                Some("remapIdentity") => strict::only(identity, &["type", "prefix", "signedPrefix"]),
                _ => strict::only(identity, &["type"]),
            }
        }
        _ => Ok(()),
    }
}

/// Scopes that a name is in, the one that says most first.
fn scopes_of(reference: &Reference) -> Vec<String> {
    let written = reference.repository().canonical();
    let mut scope = crate::pattern::plain(reference.repository());
    let rest = reference.canonical().split_off(written.len());
    let mut scopes = vec![format!("{scope}{rest}"), scope.clone()];
    while let Some((above, _)) = scope.rsplit_once('/') {
        scope = above.to_owned();
        scopes.push(scope.clone());
    }
    let mut host = scope.as_str();
    while let Some((_, domain)) = host.split_once('.') {
        scopes.push(format!("*.{domain}"));
        host = domain;
    }
    scopes
}

impl SigstoreSigned {
    /// The keys. `file` reads the PEM that a path names.
    ///
    /// # Errors
    /// When a key cannot be read, or there is none.
    pub fn keys<E: From<Error>>(&self, mut file: impl FnMut(&str) -> Result<String, E>) -> Result<Vec<PublicKey>, E> {
        let mut keys = Vec::new();
        for path in self.key_path.iter().chain(&self.key_paths) {
            keys.push(PublicKey::from_pem(&file(path)?)?);
        }
        for data in self.key_data.iter().chain(&self.key_datas) {
            let bytes = STANDARD.decode(data).map_err(|_| Error::Policy("keyData is no base64".to_owned()))?;
            keys.push(PublicKey::from_pem(&String::from_utf8_lossy(&bytes))?);
        }
        if keys.is_empty() {
            return Err(Error::Policy("sigstoreSigned has no key".to_owned()).into());
        }
        Ok(keys)
    }

    /// Looks for one signature that is enough. As with podman only simple signing counts.
    ///
    /// # Errors
    /// When there is none.
    pub fn judge(&self, keys: &[PublicKey], signatures: &[Signature], wanted: &Wanted<'_>) -> Result<(), Refusal> {
        let mut nearest = Refusal::Unsigned;
        for signature in signatures.iter().filter(|signature| signature.form == Form::Simple) {
            if !keys.iter().any(|key| signature.is_by(key)) {
                if nearest == Refusal::Unsigned {
                    nearest = Refusal::Untrusted("no key of the policy signed it".to_owned());
                }
                continue;
            }
            if signature.claim.digest == *wanted.digest && self.signed_identity.fits(&signature.claim, wanted.reference)
            {
                return Ok(());
            }
            let name = signature.claim.name.as_ref().map(Reference::canonical).unwrap_or_default();
            nearest = Refusal::Untrusted(format!("what is signed is {name}@{}", signature.claim.digest));
        }
        Err(nearest)
    }
}

impl SignedIdentity {
    /// True if what was signed is the name that is wanted.
    fn fits(&self, claim: &Claim, wanted: &Reference) -> bool {
        let Some(name) = &claim.name else { return false };
        let is_same = |wanted: &Reference| match (wanted.digest(), wanted.tag()) {
            (None, Some(_)) => name.canonical() == wanted.canonical(),
            _ => name.repository() == wanted.repository(),
        };
        match self {
            Self::MatchExact => wanted.digest().is_none() && name.canonical() == wanted.canonical(),
            Self::MatchRepoDigestOrExact => is_same(wanted),
            Self::MatchRepository => name.repository() == wanted.repository(),
            Self::ExactReference { docker_reference } => {
                docker_reference.parse::<Reference>().is_ok_and(|other| other.canonical() == name.canonical())
            }
            Self::ExactRepository { docker_repository } => {
                docker_repository.parse::<Reference>().is_ok_and(|other| other.repository() == name.repository())
            }
            Self::RemapIdentity { prefix, signed_prefix } => {
                let full = wanted.canonical();
                let moved = match begins(wanted.repository(), prefix) {
                    true => format!("{signed_prefix}{}", &full[prefix.len()..]),
                    false => full,
                };
                moved.parse::<Reference>().is_ok_and(|moved| is_same(&moved))
            }
        }
    }
}

/// True if a repository begins with whole components of `prefix`.
fn begins(repository: &Repository, prefix: &str) -> bool {
    let name = repository.canonical();
    name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
