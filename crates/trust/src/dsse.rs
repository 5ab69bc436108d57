//! Envelopes: a payload with signatures that also cover its type. Source: DSSE, protocol.md and envelope.md, version 1.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// An envelope, as it stands in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// The payload in base64.
    pub payload: String,
    /// What the payload is.
    pub payload_type: String,
    /// Who signed it.
    pub signatures: Vec<Signed>,
}

/// A signature of an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// The signature in base64.
    pub sig: String,
    /// What may help to find the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyid: Option<String>,
}

/// An envelope whose texts were decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// What is in it.
    pub payload: Vec<u8>,
    /// What the signatures are over.
    pub message: Vec<u8>,
    /// The signatures.
    pub signatures: Vec<Vec<u8>>,
}

/// 4 signatures of one envelope: real ones have one.
const MAX_SIGNATURES: usize = 4;

impl Envelope {
    /// Decodes it. Nothing is verified.
    ///
    /// # Errors
    /// When something is no base64, or nobody or too many signed.
    pub fn open(&self) -> Result<Opened> {
        let decode = |text: &str| STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text));
        let broken = |_| Error::Document("its bytes are no base64".to_owned());
        if self.signatures.is_empty() || self.signatures.len() > MAX_SIGNATURES {
            return Err(Error::Document(format!("it has {} signatures", self.signatures.len())));
        }
        let payload = decode(&self.payload).map_err(broken)?;
        let signatures = self.signatures.iter().map(|one| decode(&one.sig).map_err(broken));
        Ok(Opened {
            message: message(&self.payload_type, &payload),
            signatures: signatures.collect::<Result<_>>()?,
            payload,
        })
    }

    /// An envelope of `payload` with one signature over [`message`].
    pub fn new(payload_type: &str, payload: &[u8], signature: &[u8]) -> Self {
        Self {
            payload: STANDARD.encode(payload),
            payload_type: payload_type.to_owned(),
            signatures: vec![Signed { sig: STANDARD.encode(signature), keyid: None }],
        }
    }
}

/// What is signed: the pre-authentication encoding of a payload and its type.
pub fn message(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_as_the_specification_has_it() {
        let expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world";
        assert_eq!(message("http://example.com/HelloWorld", b"hello world"), expected);
    }
}
