//! Login: credentials that a registry has accepted, kept for later.

use wharfie_oci::{Fault, Kind};
use wharfie_remote::{Credentials, Secret, Stored};

use crate::engine::Engine;

/// What became of a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedIn {
    /// Where the credentials are kept.
    pub stored: Stored,
}

/// Why a login came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The registry does not accept the credentials, or cannot be asked.
    #[error(transparent)]
    Refused(wharfie_remote::Error),
    /// It does, but they cannot be kept.
    #[error("Error saving credentials")]
    NotKept(#[source] wharfie_remote::Error),
}

impl Fault for LoginError {
    fn kind(&self) -> Kind {
        match self {
            Self::Refused(why) | Self::NotKept(why) => why.kind(),
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::Refused(why) | Self::NotKept(why) => why.help(),
        }
    }
}

impl Engine {
    /// Shows `credentials` to the registry `server` (as the user wrote it; empty means Docker Hub) and keeps what it would
    /// rather see next time: a token, if it gives one, in place of the password.
    ///
    /// # Errors
    /// When the registry refuses them or cannot be asked, or they cannot be kept.
    pub fn login(&self, server: &str, credentials: &Credentials) -> Result<LoggedIn, LoginError> {
        let outcome = self.remote().login(server, credentials).map_err(LoginError::Refused)?;
        let kept = match outcome.identity_token {
            Some(token) => Credentials::IdentityToken {
                username: credentials.username().unwrap_or_default().to_owned(),
                token: Secret::new(token.expose()),
            },
            None => credentials.clone(),
        };
        let stored = self.remote().keychain().store(server, &kept).map_err(LoginError::NotKept)?;
        Ok(LoggedIn { stored })
    }
}
