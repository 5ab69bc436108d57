//! Uploading blobs. Source: distribution-spec, "Pushing blobs".
//!
//! One `POST` opens a session, one `PUT` with everything closes it: the cheapest way for every registry. Those that do not take
//! that get the content by `PATCH` first.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use ureq::http::{HeaderValue, Method, header};
use wharfie_content::{Event, Watch};
use wharfie_oci::{Descriptor, Digest};

use crate::auth::token::Scopes;
use crate::exchange::Session;
use crate::response::Response;
use crate::transport::{Payload, Reopen, Request};
use crate::url::Url;
use crate::{Error, RepositoryClient};

/// How the content travels.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// All of it with the `PUT`.
    Whole,
    /// By `PATCH`, so many bytes each.
    Chunks(u64),
}

/// Whether the registry is asked before the content goes out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Care {
    /// No: it costs a round trip.
    None,
    /// Yes (`Expect: 100-continue`): the last connection broke, and it may have been slammed shut on something that is refused
    /// anyway. Whoever waits hears why.
    AskFirst,
}

/// What is to be sent.
struct Content<'a> {
    blob: &'a Descriptor,
    open: &'a dyn Reopen,
    watch: Watch<'a>,
    care: Care,
}

/// An open upload session.
#[derive(Clone)]
pub(crate) struct Opened {
    location: Url,
    /// The least that the registry takes by `PATCH`, if it says so.
    least: Option<u64>,
}

impl RepositoryClient {
    /// Makes the registry take `digest` over from the repository `from_path` on the same registry. `false`: it did not, and
    /// the blob is to be uploaded.
    ///
    /// # Errors
    /// When the registry cannot be asked or does not let us write.
    pub fn mount(&self, digest: &Digest, from_path: &str) -> Result<bool, Error> {
        let mut scopes = Scopes::push(&self.path);
        scopes.add(&format!("repository:{from_path}:pull"));
        self.inner.at_doors(&self.host, false, &scopes, |session| {
            let mut request = session.request(Method::POST, &self.uploads_path());
            request.url = request.url.with_query("from", from_path).with_query("mount", digest.as_str());
            let response = session.send(&request)?;
            match response.status {
                201 => {
                    response.discard();
                    Ok(true)
                }
                202 => {
                    // The session it opened instead serves the upload that follows.
                    if let Ok(opened) = opened(&response) {
                        self.uploads.lock().expect("no holder panics").insert(digest.clone(), opened);
                    }
                    response.discard();
                    Ok(false)
                }
                // Not a way to find out whether we may write here: the upload will tell.
                _ => {
                    response.discard();
                    Ok(false)
                }
            }
        })
    }

    /// Sends a blob. `open` gives its bytes from the start, as often as it is asked. After failures that pass it is sent again,
    /// as often as [`crate::Retry`] allows; `watch` is told of progress and waits. Whether the registry has the blob already
    /// is not asked here.
    ///
    /// # Errors
    /// When the registry refuses, cannot be asked, or the content cannot be read.
    pub fn upload(&self, blob: &Descriptor, open: &dyn Reopen, watch: Watch<'_>) -> Result<(), Error> {
        let retry = self.inner.transport.config().retry;
        let mut failures = 0;
        let mut care = Care::None;
        loop {
            let content = Content { blob, open, watch, care };
            let Err(why) = self.pushing(|session| self.upload_once(session, &content)) else { return Ok(()) };
            failures += 1;
            if matches!(why, Error::Connection { .. }) {
                care = Care::AskFirst;
            }
            match retry.wait(failures, &why) {
                Some(seconds) if self.is_worth_waiting(&why) && retry.count_down(seconds, watch) => {}
                _ => return Err(why),
            }
        }
    }

    fn upload_once(&self, session: &Session<'_>, content: &Content<'_>) -> Result<(), Error> {
        let blob = content.blob;
        let waiting = self.uploads.lock().expect("no holder panics").remove(&blob.digest);
        let upload = match waiting {
            Some(upload) => upload,
            None => match self.open_upload(session)? {
                Some(upload) => upload,
                None => return Ok(()),
            },
        };
        let manner = match upload.least {
            Some(least) => Manner::Chunks(blob.size.max(least)),
            None => Manner::Whole,
        };
        let why = match transfer(session, &upload.location, content, manner) {
            Ok(()) => return Ok(()),
            Err(why) => why,
        };
        // The registry may only dislike the manner. What it says about content and rights is final.
        let next = match (manner, why.status()) {
            (Manner::Whole, Some(413)) => Manner::Chunks(upload.least.unwrap_or(0).max(SMALL_CHUNK)),
            (Manner::Whole, Some(400 | 404 | 405 | 411 | 415 | 416 | 501)) if !is_final(&why) => {
                Manner::Chunks(blob.size.max(1))
            }
            _ => return Err(why),
        };
        match self.open_upload(session)? {
            Some(upload) => transfer(session, &upload.location, content, next),
            None => Ok(()),
        }
    }

    /// `None`: the registry says that it has everything already.
    fn open_upload(&self, session: &Session<'_>) -> Result<Option<Opened>, Error> {
        let response = session.send(&session.request(Method::POST, &self.uploads_path()))?;
        match response.status {
            202 => {
                let upload = opened(&response)?;
                response.discard();
                Ok(Some(upload))
            }
            200..=299 => Err(response.invalid("the registry opened no upload")),
            _ => Err(response.into_error()),
        }
    }

    fn uploads_path(&self) -> String {
        format!("{}/blobs/uploads/", self.path)
    }
}

fn transfer(session: &Session<'_>, location: &Url, content: &Content<'_>, manner: Manner) -> Result<(), Error> {
    let Content { blob, open, watch, care } = *content;
    let done = AtomicU64::new(0);
    let sent = |more: u64| -> io::Result<()> {
        let done = done.fetch_add(more, Ordering::Relaxed) + more;
        watch.observer.observe(Event::Advanced { task: watch.task, done, total: Some(blob.size) });
        Ok(watch.observer.check()?)
    };
    let mut location = location.clone();
    if let Manner::Chunks(size) = manner {
        let mut from = 0;
        while from < blob.size {
            let part = size.min(blob.size - from);
            let mut request = carrying(
                session,
                Method::PATCH,
                location.clone(),
                Payload::Stream { open, from, size: part, sent: &sent },
            );
            let range = format!("{from}-{}", from + part - 1);
            if care == Care::AskFirst {
                request.headers.insert(header::EXPECT, HeaderValue::from_static(CONTINUE));
            }
            request.headers.insert(header::CONTENT_RANGE, HeaderValue::from_str(&range).expect("digits are ASCII"));
            let response = session.send(&request)?;
            if !response.is_success() {
                return Err(response.into_error());
            }
            location = opened(&response)?.location;
            response.discard();
            from += part;
        }
    }
    let payload = match manner {
        Manner::Whole => Payload::Stream { open, from: 0, size: blob.size, sent: &sent },
        Manner::Chunks(_) => Payload::Empty,
    };
    let url = location.with_query("digest", blob.digest.as_str());
    let mut request = carrying(session, Method::PUT, url, payload);
    if care == Care::AskFirst && manner == Manner::Whole {
        request.headers.insert(header::EXPECT, HeaderValue::from_static(CONTINUE));
    }
    let response = session.send(&request)?;
    if !response.is_success() {
        return Err(response.into_error());
    }
    // 202 would mean that the registry still waits for something.
    if response.status == 202 {
        return Err(response.invalid("the registry did not finish the upload"));
    }
    response.discard();
    Ok(())
}

fn carrying<'a>(session: &Session<'_>, method: Method, url: Url, payload: Payload<'a>) -> Request<'a> {
    let empty = session.request_at(method, url);
    let mut request = Request { payload, ..empty };
    request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    request
}

/// Where the registry wants the upload to go on.
fn opened(response: &Response) -> Result<Opened, Error> {
    let location = response.location().ok_or_else(|| response.invalid("it has no Location"))?;
    let location = response.url.join(&location).ok_or_else(|| response.invalid("its Location is no URL"))?;
    let least = response.header("oci-chunk-min-length").parse().ok();
    Ok(Opened { location, least })
}

/// True if the registry judged what was sent, not how.
fn is_final(why: &Error) -> bool {
    ["DIGEST_INVALID", "NAME_INVALID", "NAME_UNKNOWN", "DENIED", "UNAUTHORIZED"].iter().any(|code| why.has_code(code))
}

const CONTINUE: &str = "100-continue";
/// 16 MiB: what gateways that limit bodies let through.
const SMALL_CHUNK: u64 = 16 << 20;
