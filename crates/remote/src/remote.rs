//! [`Remote`]: all registries; [`RepositoryClient`]: one repository on one of them.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use wharfie_content::Warning;
use wharfie_oci::{Digest, Repository};

use crate::auth::Authenticator;
use crate::auth::token::Scopes;
use crate::endpoint::{self, Endpoint};
use crate::exchange::Session;
use crate::ranges::Budget;
use crate::transport::Transport;
use crate::upload::Opened;
use crate::url::Url;
use crate::warnings::Warnings;
use crate::{Config, ConnectionError, Error, Keychain};
use wharfie_content::Document;

/// Every registry there is, with one set of connections, tokens and manners. Cheap to make, cheap to clone, usable from
/// many threads.
#[derive(Clone)]
pub struct Remote {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) transport: Transport,
    pub(crate) authenticator: Authenticator,
    pub(crate) warnings: Warnings,
    pub(crate) budget: Arc<Budget>,
    /// Which door each host turned out to answer at.
    doors: Mutex<HashMap<String, Url>>,
    /// Mirrors that have served other bytes than they should: they are not asked again.
    pub(crate) liars: Mutex<HashSet<Url>>,
}

/// One repository on one registry.
#[derive(Clone)]
pub struct RepositoryClient {
    pub(crate) inner: Arc<Inner>,
    pub(crate) host: String,
    pub(crate) path: String,
    /// A manifest that had to be read to resolve a tag, so that it is not fetched twice.
    pub(crate) read_ahead: Arc<Mutex<Option<Document>>>,
    /// Upload sessions that a refused mount left open.
    pub(crate) uploads: Arc<Mutex<HashMap<Digest, Opened>>>,
}

impl Remote {
    /// Remembers settings and credentials; opens and reads nothing.
    pub fn new(config: Config, keychain: Keychain) -> Self {
        Self {
            inner: Arc::new(Inner {
                transport: Transport::new(config),
                authenticator: Authenticator::new(keychain),
                warnings: Warnings::default(),
                budget: Arc::default(),
                doors: Mutex::default(),
                liars: Mutex::default(),
            }),
        }
    }

    /// The client for one repository.
    pub fn repository(&self, repository: &Repository) -> RepositoryClient {
        RepositoryClient {
            inner: Arc::clone(&self.inner),
            host: repository.host().to_owned(),
            path: repository.path().to_owned(),
            read_ahead: Arc::default(),
            uploads: Arc::default(),
        }
    }

    /// The credentials in use.
    pub fn keychain(&self) -> &Keychain {
        self.inner.authenticator.keychain()
    }

    /// What registries had to say to the user since the last call, each sentence once.
    pub fn take_warnings(&self) -> Vec<Warning> {
        let troubles = self.inner.authenticator.take_troubles();
        troubles
            .into_iter()
            .map(|text| Warning::Note(format!("WARNING: {text}")))
            .chain(self.inner.warnings.take())
            .collect()
    }
}

impl Inner {
    pub(crate) fn session<'a>(&'a self, endpoint: &'a Endpoint, scopes: &'a Scopes) -> Session<'a> {
        Session {
            transport: &self.transport,
            authenticator: &self.authenticator,
            warnings: &self.warnings,
            endpoint,
            scopes,
        }
    }

    /// Does `work` through the first door of `host` that opens. Mirrors are passed over for whatever reason they fail;
    /// of the registry's own doors, the one that answers is used from then on.
    pub(crate) fn at_doors<T>(
        &self,
        host: &str,
        with_mirrors: bool,
        scopes: &Scopes,
        mut work: impl FnMut(&Session<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut endpoints = endpoint::endpoints(self.transport.config(), host, with_mirrors)?;
        {
            let liars = self.liars.lock().expect("no holder panics");
            endpoints.retain(|endpoint| !endpoint.is_mirror() || !liars.contains(&endpoint.base));
        }
        let known = self.doors.lock().expect("no holder panics").get(host).cloned();
        if let Some(known) = known {
            endpoints.retain(|endpoint| endpoint.is_mirror() || endpoint.base == known);
        }
        let mut first_failure = None;
        let last = endpoints.len().saturating_sub(1);
        for (n, endpoint) in endpoints.iter().enumerate() {
            let result = work(&self.session(endpoint, scopes));
            if endpoint.is_mirror() {
                if result.is_ok() {
                    return result;
                }
                continue;
            }
            match result {
                Err(why) if n < last && is_wrong_door(endpoint, &why) => {
                    first_failure = (!endpoint.base.is_https()).then_some(why);
                }
                // Loopback that speaks neither: what it said to the first, plain question counts.
                Err(why) if why.is_unreached() => return Err(first_failure.unwrap_or(why)),
                result => {
                    self.doors.lock().expect("no holder panics").insert(host.to_owned(), endpoint.base.clone());
                    return result;
                }
            }
        }
        Err(Error::Setting { what: "registry", value: host.to_owned() })
    }
}

impl RepositoryClient {
    /// The path on the registry.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The registry's host as references write it.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// False for a registry that cannot be reached and never was: that is reported at once. One that has answered before is
    /// waited for.
    pub(crate) fn is_worth_waiting(&self, why: &Error) -> bool {
        let was_met = || self.inner.doors.lock().expect("no holder panics").contains_key(&self.host);
        !matches!(why, Error::Connection { cause, .. } if cause.is_unconnected()) || was_met()
    }

    pub(crate) fn pulling<T>(&self, work: impl FnMut(&Session<'_>) -> Result<T, Error>) -> Result<T, Error> {
        self.inner.at_doors(&self.host, true, &Scopes::pull(&self.path), work)
    }

    pub(crate) fn pushing<T>(&self, work: impl FnMut(&Session<'_>) -> Result<T, Error>) -> Result<T, Error> {
        self.inner.at_doors(&self.host, false, &Scopes::push(&self.path), work)
    }
}

/// True if the failure looks like TLS spoken to a plain server or the other way round, or like nobody behind this door.
fn is_wrong_door(endpoint: &Endpoint, why: &Error) -> bool {
    match why {
        Error::Connection { .. } if endpoint.base.is_https() => true,
        Error::Connection { cause: ConnectionError::Broken(_) | ConnectionError::Protocol(_), .. } => true,
        Error::NotJson { status: 400, .. } => !endpoint.base.is_https(),
        _ => false,
    }
}
