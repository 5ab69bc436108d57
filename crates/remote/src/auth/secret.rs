//! Secrets, in types that do not print them.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ureq::http::HeaderValue;

/// A password or token. Prints as `***`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(Box<str>);

impl Secret {
    /// Takes it in.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// Gives it out: to whoever it is meant for.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// True for the empty text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What a registry or its token server is shown.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Credentials {
    /// User name and password.
    Password {
        /// Who.
        username: String,
        /// The password.
        password: Secret,
    },
    /// A refresh token that a login brought.
    IdentityToken {
        /// Who logged in; may be empty.
        username: String,
        /// The token.
        token: Secret,
    },
    /// A bearer token to be used as it is.
    RegistryToken(Secret),
}

impl Credentials {
    /// User name and password.
    pub fn password(username: &str, password: &str) -> Self {
        Self::Password { username: username.to_owned(), password: Secret::new(password) }
    }

    /// Who, as far as known.
    pub fn username(&self) -> Option<&str> {
        match self {
            Self::Password { username, .. } => Some(username),
            Self::IdentityToken { username, .. } => Some(username).filter(|name| !name.is_empty()).map(String::as_str),
            Self::RegistryToken(_) => None,
        }
    }
}

/// `Basic …`.
pub(crate) fn basic(username: &str, password: &Secret) -> HeaderValue {
    header(&format!("Basic {}", BASE64_STANDARD.encode(format!("{username}:{}", password.expose()))))
}

/// `Bearer …`; `None` if the token has characters that no header may have.
pub(crate) fn bearer(token: &Secret) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn header(text: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(text).expect("base64 is ASCII");
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_print() {
        let credentials = Credentials::password("alice", "hunter2");
        assert!(!format!("{credentials:?}").contains("hunter2"));
        assert_eq!(Secret::new("hunter2").to_string(), "***");
        assert!(!format!("{:?}", basic("alice", &Secret::new("hunter2"))).contains("Basic"));
    }
}
