//! Tokens that this registry gives and takes: JSON web tokens with an HMAC, for itself only.
//! Source: distribution's token authentication specification; RFC 7519.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::{Deserialize, Serialize};

use super::Actions;

/// Signs tokens and knows its own.
pub(crate) struct Signer(hmac::Key);

/// 32 bytes that nobody can guess.
pub(crate) fn random_key() -> Option<[u8; 32]> {
    let mut key = [0; 32];
    let filled = rustix::rand::getrandom(&mut key, rustix::rand::GetRandomFlags::empty()).ok()?;
    (filled == key.len()).then_some(key)
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    /// The user; empty for nobody in particular.
    pub(crate) sub: String,
    /// Seconds since 1970 from which on it is void.
    pub(crate) exp: i64,
    /// What it allows.
    pub(crate) access: Vec<Access>,
}

/// What a token allows on one repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Access {
    pub(crate) r#type: String,
    pub(crate) name: String,
    pub(crate) actions: Vec<String>,
}

impl Access {
    pub(crate) fn allows(&self, repository: &str, actions: Actions) -> bool {
        self.r#type == "repository" && self.name == repository && Actions::of(&self.actions).contains(actions)
    }
}

/// `{"alg":"HS256","typ":"JWT"}`: the only head that is written, and the only one that is read.
const HEAD: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

impl Signer {
    pub(crate) fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    pub(crate) fn sign(&self, claims: &Claims) -> String {
        let body = URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims).expect("claims are JSON"));
        let signed = format!("{HEAD}.{body}");
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// What a token says, if it is one of ours and not void.
    pub(crate) fn verify(&self, token: &str, now: i64) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (head, body) = signed.split_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        hmac::verify(&self.0, signed.as_bytes(), &signature).ok()?;
        if head != HEAD {
            return None;
        }
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()?;
        (now < claims.exp).then_some(claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_tokens_count_and_only_for_a_time() {
        let signer = Signer::new(b"key");
        let claims = Claims { sub: "ada".to_owned(), exp: 100, access: Vec::new() };
        let token = signer.sign(&claims);
        assert_eq!(signer.verify(&token, 99), Some(claims));
        assert_eq!(signer.verify(&token, 100), None);
        assert_eq!(Signer::new(b"other").verify(&token, 99), None);
        let (head, rest) = token.split_once('.').unwrap();
        let none = URL_SAFE_NO_PAD.encode("{\"alg\":\"none\"}");
        for bad in
            [format!("{none}.{rest}"), format!("{head}.{head}.{head}"), head.to_owned(), String::new(), "..".into()]
        {
            assert_eq!(signer.verify(&bad, 99), None, "{bad}");
        }
        assert_eq!(URL_SAFE_NO_PAD.decode(HEAD).unwrap(), b"{\"alg\":\"HS256\",\"typ\":\"JWT\"}");
    }
}
