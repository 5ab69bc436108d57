//! Who we are to which registry: answers challenges and remembers what worked, so that each is met only once.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Instant;

use ureq::http::HeaderValue;

use super::Keychain;
use super::challenge::Challenge;
use super::secret::{self, Credentials};
use super::token::{Scopes, Token, TokenRequest};
use crate::endpoint::{self, Endpoint};
use crate::transport::Transport;
use crate::url::{self, Origin, Url};
use crate::{Error, host_pattern};

/// An `Authorization` header, and what it is.
#[derive(Clone)]
pub(crate) struct Authorization {
    pub(crate) value: HeaderValue,
    pub(crate) is_token: bool,
    /// True if it was made for this very challenge: asking for another one is pointless.
    is_fresh: bool,
}

/// What was being asked for when the challenge came, for errors that name it.
pub(crate) struct Asked<'a> {
    pub(crate) method: &'static str,
    pub(crate) url: &'a Url,
}

pub(crate) struct Authenticator {
    keychain: Keychain,
    state: Mutex<State>,
    /// Held while a token is fetched, so that layers that start together share it.
    fetching: Mutex<()>,
}

#[derive(Default)]
struct State {
    schemes: HashMap<Origin, Scheme>,
    credentials: HashMap<String, Option<Credentials>>,
    tokens: Vec<Granted>,
    troubles: Vec<String>,
}

/// How a registry wants to be convinced.
#[derive(Clone, PartialEq, Eq)]
enum Scheme {
    Basic,
    Bearer { realm: Url, service: String },
}

struct Granted {
    realm: Url,
    service: String,
    credentials: Option<Credentials>,
    scopes: Scopes,
    token: Token,
}

impl Authenticator {
    pub(crate) fn new(keychain: Keychain) -> Self {
        Self { keychain, state: Mutex::default(), fetching: Mutex::default() }
    }

    pub(crate) fn keychain(&self) -> &Keychain {
        &self.keychain
    }

    /// What to send along at once, because the registry is known to want it. Nothing for registries not met yet.
    pub(crate) fn ready(
        &self,
        transport: &Transport,
        endpoint: &Endpoint,
        scopes: &Scopes,
    ) -> Result<Option<Authorization>, Error> {
        let scheme = self.state().schemes.get(&endpoint.base.origin()).cloned();
        match scheme {
            None => Ok(None),
            Some(Scheme::Basic) => Ok(self.basic(endpoint)),
            Some(Scheme::Bearer { realm, service }) => {
                self.bearer(transport, endpoint, &realm, &service, scopes, false).map(Some)
            }
        }
    }

    /// Meets a challenge. `Ok(None)`: there is nothing better to show than what was shown.
    pub(crate) fn answer(
        &self,
        transport: &Transport,
        endpoint: &Endpoint,
        challenges: &[Challenge],
        scopes: &Scopes,
        shown: Option<&Authorization>,
        asked: &Asked<'_>,
    ) -> Result<Option<Authorization>, Error> {
        let find = |scheme: &str| challenges.iter().find(|challenge| challenge.scheme == scheme);
        let origin = endpoint.base.origin();
        if let Some(bearer) = find("bearer")
            && let Some(realm) = bearer.parameter("realm").and_then(Url::parse)
        {
            let service = bearer.parameter("service").unwrap_or_default();
            let mut wanted = scopes.clone();
            wanted.add(bearer.parameter("scope").unwrap_or_default());
            // A token made for just this is not made better by asking again, unless more is wanted than we knew.
            if shown.is_some_and(|shown| shown.is_token && shown.is_fresh) && scopes.covers(&wanted) {
                return Ok(None);
            }
            let scheme = Scheme::Bearer { realm: realm.clone(), service: service.to_owned() };
            self.state().schemes.insert(origin, scheme);
            let is_stale = shown.is_some_and(|shown| shown.is_token);
            return self.bearer(transport, endpoint, &realm, service, &wanted, is_stale).map(Some);
        }
        if find("basic").is_none() || shown.is_some() {
            return Ok(None);
        }
        self.state().schemes.insert(origin, Scheme::Basic);
        let none = || Error::NoBasicCredentials { method: asked.method, url: asked.url.to_string() };
        self.basic(endpoint).ok_or_else(none).map(Some)
    }

    fn basic(&self, endpoint: &Endpoint) -> Option<Authorization> {
        match self.credentials(endpoint)? {
            Credentials::Password { username, password } => {
                Some(Authorization { value: secret::basic(&username, &password), is_token: false, is_fresh: true })
            }
            Credentials::IdentityToken { token, .. } | Credentials::RegistryToken(token) => {
                secret::bearer(&token).map(|value| Authorization { value, is_token: true, is_fresh: true })
            }
        }
    }

    fn bearer(
        &self,
        transport: &Transport,
        endpoint: &Endpoint,
        realm: &Url,
        service: &str,
        scopes: &Scopes,
        is_stale: bool,
    ) -> Result<Authorization, Error> {
        let credentials = self.credentials(endpoint);
        if let Some(Credentials::RegistryToken(token)) = &credentials
            && let Some(value) = secret::bearer(token)
        {
            return Ok(Authorization { value, is_token: true, is_fresh: true });
        }
        let _one_at_a_time = self.fetching.lock().expect("no holder panics");
        let is_mine = |granted: &Granted| {
            granted.realm == *realm && granted.service == service && granted.credentials == credentials
        };
        if is_stale {
            // What the new one replaces goes, or narrower ones would be found first and refused every time.
            let is_replaced = |granted: &Granted| granted.scopes.covers(scopes) || scopes.covers(&granted.scopes);
            self.state().tokens.retain(|granted| !(is_mine(granted) && is_replaced(granted)));
        } else {
            let now = Instant::now();
            let state = self.state();
            let known = state
                .tokens
                .iter()
                .find(|granted| is_mine(granted) && granted.scopes.covers(scopes) && granted.token.good_until > now);
            if let Some(value) = known.and_then(|granted| secret::bearer(&granted.token.secret)) {
                return Ok(Authorization { value, is_token: true, is_fresh: false });
            }
        }
        let token = request_token(transport, endpoint, realm, service, scopes, credentials.as_ref(), false)?;
        let value = secret::bearer(&token.secret).ok_or_else(|| Error::InvalidAnswer {
            method: "Get",
            url: realm.to_string(),
            why: "the token has characters that no header may have".to_owned(),
        })?;
        let scopes = scopes.clone();
        let granted = Granted { realm: realm.clone(), service: service.to_owned(), credentials, scopes, token };
        let now = Instant::now();
        let mut state = self.state();
        state.tokens.retain(|granted| granted.token.good_until > now);
        state.tokens.push(granted);
        Ok(Authorization { value, is_token: true, is_fresh: true })
    }

    /// Looked up once per registry: a helper may be a program that asks the user.
    fn credentials(&self, endpoint: &Endpoint) -> Option<Credentials> {
        if let Some(known) = self.state().credentials.get(&endpoint.key) {
            return known.clone();
        }
        // A helper that fails has nothing for us; what is public can be had all the same.
        let found = self.keychain.lookup(&endpoint.key).unwrap_or_else(|why| {
            self.state().troubles.push(why.to_string());
            None
        });
        self.state().credentials.insert(endpoint.key.clone(), found.clone());
        found
    }

    /// What went wrong with credential helpers since the last call.
    pub(crate) fn take_troubles(&self) -> Vec<String> {
        std::mem::take(&mut self.state().troubles)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }
}

/// Asks a registry's token server.
///
/// # Errors
/// [`Error::Token`] for all that goes wrong there, [`Error::InsecureRealm`] instead of sending secrets in the open.
pub(crate) fn request_token(
    transport: &Transport,
    endpoint: &Endpoint,
    realm: &Url,
    service: &str,
    scopes: &Scopes,
    credentials: Option<&Credentials>,
    is_login: bool,
) -> Result<Token, Error> {
    let is_open = !realm.is_https()
        && endpoint.base.is_https()
        && !url::is_loopback(realm.host())
        && !host_pattern::is_insecure(&transport.config().insecure, realm.host(), realm.port());
    if is_open && credentials.is_some() {
        return Err(Error::InsecureRealm { realm: realm.to_string() });
    }
    let trust = endpoint::trust_of(transport.config(), realm, endpoint);
    let is_home = realm.origin() == endpoint.base.origin();
    let request = TokenRequest { realm, service, scopes, credentials, trust, is_home, is_login };
    request.send(transport).map_err(|cause| Error::Token { url: endpoint.base.to_string(), cause: Box::new(cause) })
}
