//! Simple signing: the payload that cosign puts into layers of `sha256-….sig`. Source: containers/image, containers-signature.5;
//! sigstore/cosign, specs/SIGNATURE_SPEC.md.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use wharfie_oci::{Digest, Reference};

use crate::error::{Error, Result};
use crate::private::PrivateKey;
use crate::signature::{Claim, Form, Signature};

/// What such layers are.
pub const MEDIA_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The layer's annotation that has the signature.
pub const ANNOTATION: &str = "dev.cosignproject.cosign/signature";
/// What says that cosign's readers are meant.
const TYPE: &str = "cosign container image signature";

#[derive(Serialize, Deserialize)]
struct Payload {
    critical: Critical,
    #[serde(default)]
    optional: Option<Optional>,
}

/// Whatever is in here decides: what is not known is refused.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Critical {
    identity: Identity,
    image: Image,
    r#type: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Identity {
    docker_reference: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Image {
    docker_manifest_digest: Digest,
}

#[derive(Serialize, Deserialize, Default)]
struct Optional {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    creator: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signer: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timestamp: Option<serde_json::Value>,
}

/// Reads a layer's bytes with the value of its annotation. Nothing is verified.
///
/// # Errors
/// When the payload is of another kind, or something in it cannot be understood.
pub fn read(payload: &[u8], annotation: &str) -> Result<Signature> {
    let broken = |why: &dyn std::fmt::Display| Error::Document(why.to_string());
    let document: Payload = serde_json::from_slice(payload).map_err(|why| broken(&why))?;
    let Critical { identity, image, r#type } = document.critical;
    if r#type != TYPE {
        return Err(Error::Document("its type is another one".to_owned()));
    }
    let name = match identity.docker_reference.as_str() {
        "" => None,
        text => Some(text.parse::<Reference>().map_err(|why| broken(&why))?),
    };
    let signer = document.optional.and_then(|notes| Some(notes.signer?.as_str()?.to_owned()));
    let bytes = STANDARD.decode(annotation).map_err(|_| Error::Document("the signature is no base64".to_owned()))?;
    let claim = Claim { digest: image.docker_manifest_digest, name, signer };
    Ok(Signature { form: Form::Simple, claim, message: payload.to_vec(), bytes, hint: None, certified: None })
}

/// Signs that `name`, a repository with a tag, is `digest`. `created` is in seconds since 1970.
///
/// # Errors
/// When the key cannot sign.
pub fn sign(key: &PrivateKey, signer: &str, name: &Reference, digest: &Digest, created: i64) -> Result<Signature> {
    let payload = Payload {
        critical: Critical {
            identity: Identity { docker_reference: name.canonical() },
            image: Image { docker_manifest_digest: digest.clone() },
            r#type: TYPE.to_owned(),
        },
        optional: Some(Optional {
            creator: Some(CREATOR.into()),
            signer: Some(signer.into()),
            timestamp: Some(created.into()),
        }),
    };
    let message = serde_json::to_vec(&payload).expect("texts and numbers can be written");
    let bytes = key.sign(&message)?;
    let claim = Claim { digest: digest.clone(), name: Some(name.clone()), signer: Some(signer.to_owned()) };
    Ok(Signature { form: Form::Simple, claim, message, bytes, hint: None, certified: None })
}

impl Signature {
    /// The value of a layer's annotation.
    pub fn annotation(&self) -> String {
        STANDARD.encode(&self.bytes)
    }
}

/// Who made it, as containers/image has it.
const CREATOR: &str = "wharfie";
