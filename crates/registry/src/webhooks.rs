//! Telling others what was pushed and deleted.
//! Source: distribution's notifications (`application/vnd.docker.distribution.events.v1+json`), which receivers know.
//!
//! Every receiver has a queue of its own, in memory and bounded: one that is gone for long misses what no longer fits, and
//! whoever pushes never waits for any of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hyper::header;
use hyper::{Method, StatusCode};
use serde_json::json;
use tokio::sync::mpsc;
use wharfie_oci::{Digest, Timestamp};

use crate::answer::Request;
use crate::auth::Caller;
use crate::body::Body;
use crate::client::{HttpsClient, https_client, reasons};
use crate::event::{Event, Log};
use crate::name::{DataId, RepositoryName, Tag};
use crate::router::Registry;
use wharfie_oci::pattern::Pattern;

/// Somebody who wants to know.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Where events are posted to.
    pub url: String,
    /// Of which repositories; of all if there are none.
    pub repositories: Vec<Pattern>,
    /// What `Authorization` says.
    pub authorization: Option<String>,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook").field("url", &self.url).finish_non_exhaustive()
    }
}

/// The receivers of a running registry.
#[derive(Default)]
pub(crate) struct Webhooks {
    hooks: Vec<Hook>,
    /// Events that wait, also those of receivers that are no longer configured.
    pending: Arc<AtomicUsize>,
}

#[derive(Clone)]
struct Hook {
    told: Webhook,
    queue: mpsc::Sender<Bytes>,
}

/// What has happened to a manifest or a tag.
pub(crate) struct Happened<'a> {
    pub(crate) action: &'static str,
    pub(crate) repository: &'a RepositoryName,
    pub(crate) tag: Option<&'a Tag>,
    pub(crate) digest: Option<&'a Digest>,
    /// Media type and size of a manifest that was pushed.
    pub(crate) manifest: Option<(&'a str, u64)>,
}

impl Webhooks {
    /// Begins to deliver, on the runtime that this is called in. Whoever was told `before` gets his events in order, and those
    /// who are no longer told get what waits for them.
    ///
    /// # Errors
    /// When no authorities can be read.
    pub(crate) fn start(hooks: &[Webhook], before: &Self, unit: Duration, log: &Arc<dyn Log>) -> std::io::Result<Self> {
        let pending = Arc::clone(&before.pending);
        if hooks.is_empty() {
            return Ok(Self { hooks: Vec::new(), pending });
        }
        let client = https_client()?;
        let start = |told: &Webhook| {
            if let Some(known) = before.hooks.iter().find(|known| known.told == *told) {
                return known.clone();
            }
            let (queue, events) = mpsc::channel(QUEUE);
            let postman = Postman { hook: told.clone(), client: client.clone(), unit, log: Arc::clone(log) };
            tokio::spawn(postman.deliver_all(events, Arc::clone(&pending)));
            Hook { told: told.clone(), queue }
        };
        Ok(Self { hooks: hooks.iter().map(start).collect(), pending })
    }

    /// How many events wait to be delivered.
    pub(crate) fn pending(&self) -> usize {
        self.pending.load(Ordering::Relaxed)
    }
}

impl Registry {
    /// Tells whoever wants to know of it.
    pub(crate) async fn tell(&self, request: &Request, happened: &Happened<'_>) {
        let name = happened.repository.as_str();
        let wants = |hook: &&Hook| {
            let of = &hook.told.repositories;
            of.is_empty() || of.iter().any(|pattern| pattern.is_match(name))
        };
        let mut hooks = self.webhooks.hooks.iter().filter(wants).peekable();
        if hooks.peek().is_none() {
            return;
        }
        let user = match self.caller(request).await {
            Ok(Caller::User(user)) => user,
            Ok(Caller::Bearer(claims)) => claims.sub,
            Ok(Caller::Anyone) | Err(_) => String::new(),
        };
        let event = event(request, happened, &user, self.now());
        for hook in hooks {
            self.webhooks.pending.fetch_add(1, Ordering::Relaxed);
            if hook.queue.try_send(event.clone()).is_err() {
                self.webhooks.pending.fetch_sub(1, Ordering::Relaxed);
                let what =
                    format!("{} is not told of a {} to {name}: {QUEUE} events wait", hook.told.url, happened.action);
                self.note(&Event::Failed { what });
            }
        }
    }
}

/// The document. Source: distribution, "Notifications", "Events" and "Envelope".
fn event(request: &Request, happened: &Happened<'_>, user: &str, now: i64) -> Bytes {
    let text = |name| request.header(name).unwrap_or_default();
    let repository = happened.repository;
    let mut target = json!({ "repository": repository.as_str() });
    if let Some(digest) = happened.digest {
        target["digest"] = digest.as_str().into();
        target["url"] = format!("/v2/{repository}/manifests/{digest}").into();
    }
    if let Some((media_type, size)) = happened.manifest {
        target["mediaType"] = media_type.into();
        target["size"] = size.into();
        target["length"] = size.into();
    }
    if let Some(tag) = happened.tag {
        target["tag"] = tag.as_str().into();
    }
    let id = DataId::random().map(|id| id.as_str().to_owned()).unwrap_or_default();
    let event = json!({
        "id": id,
        "timestamp": Timestamp { seconds: now, nanos: 0 }.to_string(),
        "action": happened.action,
        "target": target,
        "request": {
            "addr": request.client.to_string(),
            "host": text(header::HOST),
            "method": request.method.as_str(),
            "useragent": text(header::USER_AGENT),
        },
        "actor": { "name": user },
    });
    Bytes::from(json!({ "events": [event] }).to_string())
}

/// Delivers to one receiver, one event after the other.
struct Postman {
    hook: Webhook,
    client: HttpsClient<Body>,
    unit: Duration,
    log: Arc<dyn Log>,
}

impl Postman {
    async fn deliver_all(self, mut events: mpsc::Receiver<Bytes>, pending: Arc<AtomicUsize>) {
        while let Some(event) = events.recv().await {
            if let Err(why) = self.deliver(event).await {
                let what = format!("{} is not told of an event: {why}", self.hook.url);
                self.log.note(&Event::Failed { what });
            }
            pending.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Posts an event, again and again if it must.
    async fn deliver(&self, event: Bytes) -> Result<(), String> {
        let mut wait = self.unit;
        for attempt in 1.. {
            match tokio::time::timeout(PATIENCE, self.post(event.clone())).await {
                Ok(Ok(status)) if status.is_success() => return Ok(()),
                // What it refuses now it refuses again, unless it is only busy.
                Ok(Ok(status)) if status.is_client_error() && !BUSY.contains(&status) => {
                    return Err(format!("it answers {status}"));
                }
                Ok(Ok(status)) if attempt == ATTEMPTS => return Err(format!("it answers {status}")),
                Ok(Err(why)) if attempt == ATTEMPTS => return Err(why),
                Err(_) if attempt == ATTEMPTS => return Err("it does not answer".to_owned()),
                Ok(_) | Err(_) => {}
            }
            tokio::time::sleep(wait).await;
            wait *= 4;
        }
        Ok(())
    }

    async fn post(&self, event: Bytes) -> Result<StatusCode, String> {
        let mut request = hyper::Request::new(Body::of(event));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.hook.url.parse().map_err(|_| "its address is none".to_owned())?;
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(header::USER_AGENT, header::HeaderValue::from_static("wharfie"));
        if let Some(value) = self.hook.authorization.as_ref().and_then(|text| header::HeaderValue::from_str(text).ok())
        {
            headers.insert(header::AUTHORIZATION, value);
        }
        let response = self.client.request(request).await;
        response.map(|response| response.status()).map_err(|why| reasons(&why))
    }
}

const MEDIA_TYPE: &str = "application/vnd.docker.distribution.events.v1+json";
/// 1000 events: what a receiver misses that is gone for longer.
const QUEUE: usize = 1000;
/// 5 attempts, after 1, 4, 16 and 64 units.
const ATTEMPTS: u32 = 5;
/// 10 s until it answers.
const PATIENCE: Duration = Duration::from_secs(10);
/// It may do later.
const BUSY: [StatusCode; 2] = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
