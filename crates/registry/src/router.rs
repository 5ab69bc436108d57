//! From a request to the handler that answers it.

use std::sync::Arc;
use std::time::Instant;

use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Response, StatusCode};
use tokio::sync::{RwLock, Semaphore};

use crate::acme::Acme;
use crate::answer::{Answer, Request, User, answer, refused};
use crate::auth::token::Signer;
use crate::auth::{Access, Actions};
use crate::body::Body;
use crate::config::{Config, Keeping, Limits};
use crate::event::{Event, Log};
use crate::key::Key;
use crate::maintenance::Pulls;
use crate::metrics::{self, Metrics};
use crate::name::RepositoryName;
use crate::page;
use crate::quotas::Quotas;
use crate::rates::Rates;
use crate::refusal::{Code, Refusal};
use crate::route::Route;
use crate::storage::Storage;
use crate::upstream::{Cache, Caching, Filled, Standing};
use crate::webhooks::Webhooks;

/// What all requests share.
pub(crate) struct Registry {
    pub(crate) storage: Arc<Storage>,
    pub(crate) limits: Limits,
    pub(crate) uploads: Arc<Semaphore>,
    /// Pages that are made now.
    pub(crate) pages: Arc<Semaphore>,
    /// Held by whoever relies on what it has found, until it has written that down.
    pub(crate) gate: Arc<RwLock<()>>,
    pub(crate) access: Arc<Access>,
    pub(crate) keeping: Keeping,
    /// Seconds of `keeping.grace`.
    pub(crate) grace: i64,
    pub(crate) quotas: Quotas,
    pub(crate) webhooks: Webhooks,
    pub(crate) signer: Signer,
    pub(crate) pulls: Arc<Pulls>,
    pub(crate) metrics: Arc<Metrics>,
    rates: Arc<Rates>,
    pub(crate) caches: Vec<Cache>,
    pub(crate) caching: Arc<Caching>,
    pub(crate) is_secure: bool,
    /// How it gets certificates, if it does.
    pub(crate) acme: Option<Acme>,
    log: Arc<dyn Log>,
    clock: fn() -> wharfie_oci::Timestamp,
}

/// `Docker-Distribution-Api-Version`. Source: docker's registry API, which clients look for.
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

impl Registry {
    pub(crate) fn new(config: &Config, storage: Storage, signer: Signer) -> Self {
        Self {
            storage: Arc::new(storage),
            access: Arc::clone(&config.access),
            keeping: config.keeping.clone(),
            grace: i64::try_from(config.keeping.grace.as_secs()).unwrap_or(i64::MAX),
            quotas: Quotas::new(config.quotas.clone()),
            webhooks: Webhooks::default(),
            signer,
            pulls: Arc::default(),
            metrics: Arc::default(),
            rates: Arc::default(),
            caches: config.caches.clone(),
            caching: Arc::default(),
            is_secure: config.tls.is_some(),
            acme: acme(config),
            limits: config.limits,
            uploads: Arc::new(Semaphore::new(config.limits.uploads)),
            pages: Arc::new(Semaphore::new(page::AT_ONCE)),
            gate: Arc::default(),
            log: Arc::clone(&config.log),
            clock: config.clock,
        }
    }

    /// The same registry, with another configuration; where it keeps what it has does not change.
    pub(crate) fn reconfigured(&self, config: &Config, signer: Signer) -> Self {
        let is_same = self.limits.uploads == config.limits.uploads;
        Self {
            storage: Arc::clone(&self.storage),
            access: Arc::clone(&config.access),
            keeping: config.keeping.clone(),
            grace: i64::try_from(config.keeping.grace.as_secs()).unwrap_or(i64::MAX),
            quotas: Quotas::new(config.quotas.clone()),
            webhooks: Webhooks::default(),
            signer,
            pulls: Arc::clone(&self.pulls),
            metrics: Arc::clone(&self.metrics),
            rates: Arc::clone(&self.rates),
            caches: config.caches.clone(),
            caching: Arc::clone(&self.caching),
            is_secure: config.tls.is_some(),
            acme: acme(config),
            limits: config.limits,
            uploads: if is_same { Arc::clone(&self.uploads) } else { Arc::new(Semaphore::new(config.limits.uploads)) },
            pages: Arc::clone(&self.pages),
            gate: Arc::clone(&self.gate),
            log: Arc::clone(&config.log),
            clock: config.clock,
        }
    }

    /// Seconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        (self.clock)().seconds
    }

    pub(crate) fn note(&self, event: &Event) {
        self.log.note(event);
    }

    /// Answers a request, whatever it is.
    pub(crate) async fn handle(self: &Arc<Self>, path: &str, mut request: Request) -> Response<Body> {
        let answered = match Route::parse(path) {
            // On the heap: what a page needs while it is made shall not be set aside for every request.
            Ok(Route::Page(address)) => Ok(Box::pin(self.show(&address, &request)).await),
            // Probes may ask as often as they like.
            Ok(route @ (Route::Live | Route::Ready)) => self.route(route, &mut request).await,
            Ok(route) => match self.insist_on_patience(&request) {
                Ok(()) => self.route(route, &mut request).await,
                Err(refusal) => Err(refusal),
            },
            Err(refusal) => Err(refusal),
        };
        let mut response = answered.unwrap_or_else(|refusal| {
            self.note_cause(&refusal);
            refused(&refusal)
        });
        if path.starts_with("/v2") {
            response.headers_mut().insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
        }
        response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(user) = request.user.take().filter(|user| !user.is_empty()) {
            response.extensions_mut().insert(User(user));
        }
        // Whoever waits for leave to send does not want to be asked for a body that nobody takes.
        if !request.headers.contains_key(header::EXPECT) && !request.body.is_over() {
            tokio::spawn(request.body.drain());
        }
        response
    }

    /// Tells the log why a request fails, if it is not the client's doing.
    pub(crate) fn note_cause(&self, refusal: &Refusal) {
        if let Some(cause) = refusal.cause() {
            self.note(&Event::Failed { what: cause.to_owned() });
        }
    }

    /// Refuses whoever asks too often.
    pub(crate) fn insist_on_patience(&self, request: &Request) -> Result<(), Refusal> {
        let Some(rate) = self.limits.rate else { return Ok(()) };
        self.rates.take(rate, request.client.ip(), Instant::now()).map_err(|wait| {
            Refusal::new(Code::TooManyRequests, "too many requests from this address; try again later")
                .with_header(header::RETRY_AFTER, &wait.as_secs().saturating_add(1).to_string())
        })
    }

    async fn route(self: &Arc<Self>, route: Route, request: &mut Request) -> Answer {
        let route = self.by_namespace(route, &request.query)?;
        let method = request.method.clone();
        let is_read = method == Method::GET || method == Method::HEAD;
        if !is_read {
            Self::insist_on_own_site(request)?;
        }
        self.admit(&route, request).await?;
        self.insist_on_reading(&route, &method)?;
        let filled = if is_read { self.fill(&route).await? } else { Filled::Here(Standing::Fresh) };
        let standing = match (filled, &route) {
            (Filled::Here(standing), _) => standing,
            (Filled::Arriving(arriving), Route::Blob(name, digest)) => {
                return self.get_arriving_blob(arriving, name, digest, request);
            }
            (Filled::Arriving(_), _) => Standing::Fresh,
        };
        let mut answered = self.answer(route, request, is_read).await?;
        if standing == Standing::Stale {
            // Source: RFC 7234, 5.5.1.
            answered.headers_mut().insert(header::WARNING, HeaderValue::from_static("110 - \"Response is Stale\""));
        }
        Ok(answered)
    }

    async fn answer(&self, route: Route, request: &mut Request, is_read: bool) -> Answer {
        let method = request.method.clone();
        match (route, &method) {
            (Route::Base, _) if is_read => Ok(answer(StatusCode::OK).bytes("application/json", "{}")),
            (Route::Live, _) if is_read => Ok(answer(StatusCode::OK).bytes("text/plain", "ok\n")),
            (Route::Ready, _) if is_read => self.ready().await,
            (Route::Ping, _) if is_read => Ok(answer(StatusCode::OK).bytes("application/json", "true")),
            (Route::Metrics, _) if is_read => {
                let receiving = self.limits.uploads.saturating_sub(self.uploads.available_permits());
                Ok(answer(StatusCode::OK).bytes(metrics::MEDIA_TYPE, self.metrics.text(receiving)))
            }
            (Route::Token, _) if is_read => self.give_token(request).await,
            (Route::Search, _) if is_read => self.search(request).await,
            (Route::Catalog, _) if is_read => self.catalog(request).await,
            (Route::Tags(name), _) if is_read => self.list_tags(&name, request).await,
            (Route::Referrers(name, digest), _) if is_read => self.list_referrers(&name, &digest, request).await,
            (Route::Manifest(name, reference), _) if is_read => self.get_manifest(&name, &reference, request).await,
            (Route::Manifest(name, reference), &Method::PUT) => self.put_manifest(&name, reference, request).await,
            (Route::Manifest(name, reference), &Method::DELETE) => {
                self.delete_manifest(&name, &reference, request).await
            }
            (Route::Blob(name, digest), _) if is_read => self.get_blob(&name, &digest, request).await,
            (Route::Blob(name, digest), &Method::DELETE) => self.delete_blob(&name, &digest).await,
            (Route::Uploads(name), &Method::POST) => self.begin_upload(&name, request).await,
            (Route::Upload(name, id), &Method::PATCH) => self.append_upload(&name, &id, request).await,
            (Route::Upload(name, id), &Method::PUT) => self.finish_upload(&name, &id, request).await,
            (Route::Upload(name, id), _) if is_read => self.upload_status(&name, &id).await,
            (Route::Upload(name, id), &Method::DELETE) => self.cancel_upload(&name, &id).await,
            (route, _) => Err(Refusal::new(Code::Unsupported, "the method does not apply here")
                .with_header(header::ALLOW, allowed(&route))),
        }
    }

    /// `/readyz`: the storage can be read.
    async fn ready(&self) -> Answer {
        self.storage.list(&crate::key::Folder::repositories(), None, 1).await?;
        Ok(answer(StatusCode::OK).bytes("text/plain", "ok\n"))
    }

    /// Notes that there is a repository of this name.
    pub(crate) async fn mark(&self, repository: &RepositoryName) -> Result<(), Refusal> {
        let key = Key::repository(repository);
        if self.storage.modified(&key).await?.is_none() {
            self.storage.put(key, Vec::new()).await?;
        }
        Ok(())
    }
}

fn acme(config: &Config) -> Option<Acme> {
    let options = config.tls.as_ref()?.acme()?;
    Some(Acme::new(options.clone(), config.retry_unit))
}

fn allowed(route: &Route) -> &'static str {
    match route {
        Route::Manifest(..) => "GET, HEAD, PUT, DELETE",
        Route::Blob(..) => "GET, HEAD, DELETE",
        Route::Uploads(_) => "POST",
        Route::Upload(..) => "GET, HEAD, PATCH, PUT, DELETE",
        Route::Base
        | Route::Catalog
        | Route::Tags(_)
        | Route::Referrers(..)
        | Route::Search
        | Route::Ping
        | Route::Token
        | Route::Metrics
        | Route::Live
        | Route::Ready
        | Route::Page(_) => "GET, HEAD",
    }
}

/// What a request does to the repository that it is about.
pub(crate) fn actions(route: &Route, method: &Method) -> Actions {
    let is_read = method == Method::GET || method == Method::HEAD;
    match route {
        Route::Upload(..) | Route::Uploads(_) => Actions::PUSH,
        _ if is_read => Actions::PULL,
        _ if method == Method::DELETE => Actions::DELETE,
        _ => Actions::PUSH,
    }
}
