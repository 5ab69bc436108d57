//! What can go wrong with signatures. The texts are docker's where docker has one.

use std::path::PathBuf;

use wharfie_oci::{Fault, Kind};

use crate::error::Error;

/// Why an image is not trusted, or cannot be signed.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// Nobody signed what a name stands for.
    #[error("No trust data for {tag}")]
    NoData {
        /// The tag, or the name with its digest.
        tag: String,
    },
    /// There are signatures, and none counts.
    #[error("No valid trust data for {tag}: {why}")]
    Untrusted {
        /// As above.
        tag: String,
        /// The nearest miss.
        why: String,
    },
    /// Podman's policy does not take it.
    #[error("{reference} is rejected by the policy in {path}: {why}")]
    Rejected {
        /// In full.
        reference: String,
        /// Of the policy.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// What is here may not be used, and its registry has nothing that may.
    #[error("{name} is here, but no signature of it counts: {why}; its registry was asked: {answer}")]
    Here {
        /// The image.
        name: String,
        /// Why what is here may not be used.
        why: Box<TrustError>,
        /// What came of asking the registry.
        answer: String,
    },
    /// Podman's policy is not there.
    #[error("there is no file {0}, which `containers-policy` in the settings names")]
    NoContainersPolicy(PathBuf),
    /// A key, a policy or a signature in a file is no good.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: wharfie_trust::Error,
    },
    /// A file of keys that others can read; docker's words.
    #[error("private key file {0} must not be readable or writable by others")]
    OpenToOthers(PathBuf),
    /// A policy that others can write.
    #[error("{0} can be changed by others: it is not used")]
    Writable(PathBuf),
    /// A policy of somebody who is neither the user nor root.
    #[error("{path} belongs to user {uid}: it is not used")]
    Foreign {
        /// Which.
        path: PathBuf,
        /// Whose.
        uid: u32,
    },
    /// No private key of that name here.
    #[error("no private key {0}")]
    NoKey(String),
    /// Several private keys of that name.
    #[error("several private keys are called {0}")]
    SeveralKeys(String),
    /// A key cannot be used.
    #[error(transparent)]
    Key(#[from] wharfie_trust::Error),
    /// Signing needs a tag.
    #[error("no tag specified for {0}")]
    NoTag(String),
    /// Signing needs a tag.
    #[error("cannot use a digest reference for IMAGE:TAG")]
    DigestReference,
    /// Nobody here may sign for the repository.
    #[error("failed to sign {0}: no valid signing keys for delegation roles")]
    NoSigningKey(String),
    /// Nothing is signed, as far as one can see.
    #[error("no signatures or cannot access {name}{}", why.as_ref().map(|why| format!("\n{why}")).unwrap_or_default())]
    NoSignatures {
        /// What was asked for.
        name: String,
        /// What kept the registry from being asked.
        why: Option<String>,
    },
    /// A name that no key can have.
    #[error(
        "{what} name \"{name}\" must start with lowercase alphanumeric characters and can include \"-\" or \"_\" after the first character"
    )]
    BadName {
        /// `key`, `signer`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A name that docker keeps for itself.
    #[error("releases is a reserved keyword, use a different signer name")]
    Reserved,
    /// No signer of that name.
    #[error("no signer {signer} for repository {repository}")]
    NoSigner {
        /// Who.
        signer: String,
        /// Where.
        repository: String,
    },
    /// The registry kept what was revoked.
    #[error("the registry may keep signatures of {0} that were revoked: they no longer count on this machine only")]
    Kept(String),
}

impl TrustError {
    /// True if it is about an image, and not about a policy or a key that cannot be used.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::NoData { .. } | Self::Untrusted { .. } | Self::Rejected { .. })
    }

    /// The same of an image that is here, after its registry was asked in vain.
    #[must_use]
    pub fn here(self, name: &str, answer: &Error) -> Self {
        Self::Here { name: name.to_owned(), why: Box::new(self), answer: all_of(answer) }
    }
}

/// An error with everything underneath it.
pub(super) fn all_of(why: &dyn std::error::Error) -> String {
    let mut text = why.to_string();
    let mut at = why.source();
    while let Some(why) = at {
        let words = why.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        at = why.source();
    }
    text
}

impl Fault for TrustError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoData { .. }
            | Self::Untrusted { .. }
            | Self::Rejected { .. }
            | Self::Here { .. }
            | Self::NoSigningKey(_) => Kind::Denied,
            Self::OpenToOthers(_) | Self::Writable(_) | Self::Foreign { .. } => Kind::Denied,
            Self::File { source, .. } | Self::Key(source) => source.kind(),
            Self::NoTag(_) | Self::DigestReference | Self::BadName { .. } | Self::Reserved | Self::SeveralKeys(_) => {
                Kind::Invalid
            }
            Self::NoSignatures { .. } | Self::NoSigner { .. } | Self::NoKey(_) | Self::NoContainersPolicy(_) => {
                Kind::NotFound
            }
            Self::Kept(_) => Kind::Unavailable,
        }
    }

    fn help(&self) -> Option<String> {
        let text = match self {
            Self::NoData { .. } => {
                "`wharfie trust sign` signs an image, `wharfie trust signer add` says whose signatures count; `--disable-content-trust` goes without"
            }
            Self::Untrusted { .. } => {
                "`wharfie trust inspect --pretty` shows whose signatures count; `--disable-content-trust` goes without"
            }
            Self::Rejected { .. } => {
                "`containers-policy` in wharfie's settings names the policy; `wharfie trust sign` signs"
            }
            Self::Here { why, .. } => return why.help(),
            Self::NoContainersPolicy(_) => {
                "write the policy, or take `containers-policy` out of the settings: no image is used without it"
            }
            Self::OpenToOthers(_) => "`chmod 600` closes it",
            Self::Writable(_) => "`chmod go-w` closes it",
            Self::Foreign { .. } => "a policy has to be root's or your own: `chown` gives it to you",
            Self::NoKey(_) => "`wharfie trust key ls` lists the keys that are here",
            Self::SeveralKeys(_) => "name it by its id: `wharfie trust key ls` lists them",
            Self::File { source, .. } | Self::Key(source) => return source.help(),
            Self::NoTag(_) | Self::DigestReference => "name a tag: NAME:TAG",
            Self::NoSigningKey(_) => {
                "`wharfie trust key load` takes the private key of one of the repository's signers"
            }
            Self::NoSignatures { .. } => {
                "`wharfie trust sign` signs an image, `wharfie trust signer add` says whose signatures count"
            }
            Self::NoSigner { .. } => "`wharfie trust inspect --pretty` lists the signers",
            Self::Kept(_) => "delete them there, or take the signer away with `wharfie trust signer remove`",
            Self::BadName { .. } | Self::Reserved => return None,
        };
        Some(text.to_owned())
    }
}
