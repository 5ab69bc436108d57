//! Logging in: proving credentials to a registry before they are kept.

use ureq::http::{Method, header};

use crate::auth::token::Scopes;
use crate::auth::{HUB_KEY, Secret, challenge, host_of, registry_key};
use crate::endpoint::{self, Endpoint};
use crate::response::{Response, reason};
use crate::transport::{Payload, Request};
use crate::url::Url;
use crate::{Credentials, Error, Remote, exchange};

/// What a registry said to credentials that it accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginOutcome {
    /// A token to keep instead of the password, if the registry gives one.
    pub identity_token: Option<Secret>,
}

impl Remote {
    /// Shows `credentials` to the registry `server` (as the user wrote it; empty means Docker Hub). Nothing is stored.
    ///
    /// # Errors
    /// When the registry refuses them ([`Error::LoginRefused`] or [`Error::Token`]) or cannot be asked.
    pub fn login(&self, server: &str, credentials: &Credentials) -> Result<LoginOutcome, Error> {
        let host = match registry_key(server).as_str() {
            HUB_KEY => wharfie_oci::reference::DEFAULT_HOST.to_owned(),
            key => host_of(key).to_owned(),
        };
        self.inner.at_doors(&host, false, &Scopes::default(), |session| self.log_in(session.endpoint, credentials))
    }

    fn log_in(&self, endpoint: &Endpoint, credentials: &Credentials) -> Result<LoginOutcome, Error> {
        let response = self.ping(endpoint, None)?;
        if response.is_success() {
            return Ok(LoginOutcome { identity_token: None });
        }
        if response.status != 401 {
            return Err(refused(endpoint, response));
        }
        let challenges = challenge::challenges(&response.headers);
        let bearer = challenges.iter().find(|challenge| challenge.scheme == "bearer");
        let realm = bearer.and_then(|bearer| bearer.parameter("realm")).and_then(Url::parse);
        let (authorization, identity_token) = match (bearer, realm, credentials) {
            (Some(bearer), Some(realm), _) => {
                response.discard();
                let service = bearer.parameter("service").unwrap_or_default();
                let token = crate::auth::request_token(
                    &self.inner.transport,
                    endpoint,
                    &realm,
                    service,
                    &Scopes::default(),
                    Some(credentials),
                    true,
                )?;
                (crate::auth::bearer(&token.secret), token.refresh)
            }
            (_, _, Credentials::Password { username, password }) => {
                response.discard();
                (Some(crate::auth::basic(username, password)), None)
            }
            _ => return Err(refused(endpoint, response)),
        };
        let response = self.ping(endpoint, authorization.as_ref())?;
        if response.is_success() { Ok(LoginOutcome { identity_token }) } else { Err(refused(endpoint, response)) }
    }

    fn ping(&self, endpoint: &Endpoint, authorization: Option<&header::HeaderValue>) -> Result<Response, Error> {
        let transport = &self.inner.transport;
        let request = Request {
            method: Method::GET,
            url: endpoint.base.clone(),
            headers: exchange::custom_headers(transport.config()),
            payload: Payload::Empty,
        };
        let trust = endpoint::trust_of(transport.config(), &endpoint.base, endpoint);
        exchange::patiently(transport, &request, trust, authorization)
    }
}

fn refused(endpoint: &Endpoint, response: Response) -> Error {
    // TLS servers answer plain requests with 400 and a sentence; that is no verdict on the credentials.
    if response.status == 400 {
        return response.into_error();
    }
    Error::LoginRefused { url: endpoint.base.to_string(), status: response.status, reason: reason(response.status) }
}
