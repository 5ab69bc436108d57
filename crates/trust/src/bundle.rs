//! Sigstore's bundles, as cosign attaches them to images: an in-toto statement in an envelope, with what helps to find the key. Source:
//! sigstore/protobuf-specs, sigstore_bundle.proto; in-toto/attestation, spec/v1/statement.md.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use wharfie_oci::{Digest, Reference};

use crate::dsse::{self, Envelope};
use crate::error::{Error, Result};
use crate::key::KeyId;
use crate::private::PrivateKey;
use crate::signature::{Claim, Form, Signature};

/// What bundles are; others have another version at the end.
pub const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// What all versions begin with.
pub const MEDIA_TYPES: &str = "application/vnd.dev.sigstore.bundle";
/// What statements are.
const STATEMENT: &str = "application/vnd.in-toto+json";
/// The statement that an image is good, and nothing else.
pub const SIGNED: &str = "https://sigstore.dev/cosign/sign/v1";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    media_type: String,
    #[serde(default)]
    verification_material: serde_json::Value,
    dsse_envelope: Option<Envelope>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    predicate_type: String,
}

#[derive(Serialize, Deserialize)]
struct Subject {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    digest: BTreeMap<String, String>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, serde_json::Value>>,
}

/// 4 images that one statement is about: real ones are about one.
const MAX_SUBJECTS: usize = 4;
/// The annotation with what a signer calls itself.
const SIGNER: &str = "signer";

/// Reads the signatures of images in a bundle. Nothing is verified. Statements about something else than whether an image is good
/// (SBOMs, provenance) are none.
///
/// # Errors
/// When it is no bundle, or something in it cannot be understood.
pub fn read(bytes: &[u8]) -> Result<Vec<Signature>> {
    let broken = |why: &dyn std::fmt::Display| Error::Document(why.to_string());
    let bundle: Bundle = serde_json::from_slice(bytes).map_err(|why| broken(&why))?;
    if !bundle.media_type.starts_with(MEDIA_TYPES) {
        return Err(Error::Document("it is no bundle of sigstore's".to_owned()));
    }
    let hint = bundle.verification_material["publicKey"]["hint"].as_str().and_then(key_id);
    let Some(envelope) = bundle.dsse_envelope else { return Ok(Vec::new()) };
    if envelope.payload_type != STATEMENT {
        return Ok(Vec::new());
    }
    let opened = envelope.open()?;
    let statement: Statement = serde_json::from_slice(&opened.payload).map_err(|why| broken(&why))?;
    if !statement.kind.starts_with("https://in-toto.io/Statement/") || statement.predicate_type != SIGNED {
        return Ok(Vec::new());
    }
    if statement.subject.len() > MAX_SUBJECTS {
        return Err(Error::Document(format!("it is about {} images", statement.subject.len())));
    }
    let mut found = Vec::new();
    for subject in statement.subject {
        let claim = subject.claim()?;
        found.extend(opened.signatures.iter().map(|signature| Signature {
            form: Form::Bundle,
            claim: claim.clone(),
            message: opened.message.clone(),
            bytes: signature.clone(),
            hint: hint.clone(),
            certified: None,
        }));
    }
    Ok(found)
}

impl Subject {
    fn claim(self) -> Result<Claim> {
        let broken = |why: &dyn std::fmt::Display| Error::Document(why.to_string());
        let hex = self.digest.get("sha256").ok_or_else(|| Error::Document("its subject has no sha256".to_owned()))?;
        let name = self.name.filter(|name| !name.is_empty()).map(|name| name.parse::<Reference>());
        let signer = self.annotations.and_then(|mut notes| notes.remove(SIGNER));
        Ok(Claim {
            digest: Digest::sha256(hex).map_err(|why| broken(&why))?,
            name: name.transpose().map_err(|why| broken(&why))?,
            signer: signer.and_then(|name| Some(name.as_str()?.to_owned())),
        })
    }
}

/// Signs that `name`, a repository with a tag, is `digest`; gives the bundle's bytes. Cosign reads the digest alone, and passes over
/// the name.
///
/// # Errors
/// When the key cannot sign.
pub fn sign(key: &PrivateKey, signer: &str, name: &Reference, digest: &Digest) -> Result<Vec<u8>> {
    let subject = Subject {
        name: Some(name.canonical()),
        digest: [(digest.algorithm().as_str().to_owned(), digest.hex().to_owned())].into(),
        annotations: Some([(SIGNER.to_owned(), signer.into())].into()),
    };
    let statement = serde_json::json!({
        "_type": "https://in-toto.io/Statement/v1", "subject": [subject], "predicateType": SIGNED, "predicate": {},
    });
    let payload = statement.to_string().into_bytes();
    let signature = key.sign(&dsse::message(STATEMENT, &payload))?;
    // The hint is the key's id, in the form that sigstore gives to it.
    let id = Digest::of(key.public().spki());
    let id: Vec<u8> = id.hex().as_bytes().chunks(2).filter_map(byte).collect();
    let bundle = serde_json::json!({
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": {"publicKey": {"hint": STANDARD.encode(id)}},
        "dsseEnvelope": Envelope::new(STATEMENT, &payload, &signature),
    });
    Ok(bundle.to_string().into_bytes())
}

/// The id of a key as [`sign`] gives it; others may write what they want there.
fn key_id(hint: &str) -> Option<KeyId> {
    let bytes = STANDARD.decode(hint).ok()?;
    KeyId::parse(&bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn byte(hex: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()
}
