//! Downloading blobs: bytes in order, however often the connection breaks.

use std::io::{self, Read};
use std::sync::Arc;

use ureq::http::{HeaderMap, HeaderValue, Method, header};
use wharfie_content::{BoxError, Document, Opened, Part, Source, Watch};
use wharfie_oci::{Descriptor, Digest, MediaType};

use crate::auth::token::Scopes;
use crate::endpoint::{self, Endpoint};
use crate::exchange;
use crate::ranges::{self, Ranges};
use crate::remote::Inner;
use crate::response::Response;
use crate::transport::{Payload, Request, skip};
use crate::url::{self, Url};
use crate::{Error, RepositoryClient};

impl RepositoryClient {
    /// Opens a blob from its start. The bytes are not verified here (see [`wharfie_content::Verified`]). A connection that
    /// breaks is resumed where it broke, as often as [`crate::Retry`] allows; `watch` is told of the waits.
    /// Errors while reading carry an [`Error`] inside the [`io::Error`].
    ///
    /// Layers that a registry may not hold are asked of it first, then fetched from their `urls`, without credentials.
    ///
    /// # Errors
    /// When the registry does not have it or cannot be asked.
    pub fn blob<'a>(&self, blob: &Descriptor, watch: Watch<'a>) -> Result<BlobReader<'a>, Error> {
        self.blob_from(blob, 0, watch)
    }

    /// As [`Self::blob`], without the first `from` bytes.
    ///
    /// # Errors
    /// As [`Self::blob`].
    pub fn blob_from<'a>(&self, blob: &Descriptor, from: u64, watch: Watch<'a>) -> Result<BlobReader<'a>, Error> {
        let retry = self.inner.transport.config().retry;
        let mut failures = 0;
        loop {
            let why = match self.begin(blob, from) {
                Ok((origin, response)) if from == 0 => {
                    return Ok(BlobReader::new(&self.inner, blob, watch, origin, response));
                }
                Ok((origin, response)) => {
                    return BlobReader::going_on(&self.inner, blob, from, watch, origin, response);
                }
                Err(why) => why,
            };
            failures += 1;
            match retry.wait(failures, &why) {
                // A registry that is not there is reported at once; only broken or refused transfers are waited for.
                Some(seconds) if self.is_worth_waiting(&why) && retry.count_down(seconds, watch) => {}
                _ => return Err(why),
            }
        }
    }

    /// True if the registry has the blob in this repository.
    ///
    /// # Errors
    /// When it cannot be asked or does not let us.
    pub fn has_blob(&self, digest: &Digest) -> Result<bool, Error> {
        self.pushing(|session| {
            let response = session.send_patiently(&session.request(Method::HEAD, &blob_path(&self.path, digest)))?;
            match response.status {
                200..=299 => Ok(true),
                404 => Ok(false),
                _ => Err(response.into_error()),
            }
        })
    }

    /// A blob of which only the digest is known, with the size that the registry says it has.
    ///
    /// # Errors
    /// When there is none, or the registry refuses, does not say it, or cannot be asked.
    pub fn describe_blob(&self, digest: &Digest) -> Result<Descriptor, Error> {
        self.pulling(|session| {
            let response = session.send_patiently(&session.request(Method::HEAD, &blob_path(&self.path, digest)))?;
            match (response.is_success(), response.content_length()) {
                (true, Some(size)) => {
                    Ok(Descriptor::new(MediaType::new("application/octet-stream"), digest.clone(), size))
                }
                (true, None) => Err(response.invalid("it does not say how long the blob is")),
                (false, _) => Err(response.into_error()),
            }
        })
    }

    fn begin(&self, blob: &Descriptor, from: u64) -> Result<(Origin, Response), Error> {
        let from_registry = self.pulling(|session| {
            let origin = Origin::Registry { endpoint: session.endpoint.clone(), path: self.path.clone() };
            let wanted = match from {
                0 => wanted(&self.inner, blob, session.endpoint),
                from => Wanted::From(from),
            };
            let response = origin.get(&self.inner, blob, wanted)?;
            Ok((origin, response))
        });
        match from_registry {
            Err(why) if why.status().is_some_and(|status| (400..500).contains(&status)) => {
                let urls = blob.urls.iter().flatten().filter_map(|url| Url::parse(url));
                for url in urls {
                    let origin = Origin::Elsewhere(url);
                    if let Ok(response) = origin.get(&self.inner, blob, Wanted::From(from)) {
                        return Ok((origin, response));
                    }
                }
                Err(why)
            }
            result => result,
        }
    }
}

impl Source for RepositoryClient {
    fn document(&self, descriptor: &Descriptor, is_root: bool) -> Result<Document, BoxError> {
        Ok(self.manifest(descriptor.digest.as_str(), Some(descriptor).filter(|_| !is_root))?)
    }

    fn open<'a>(&'a self, part: &Part, watch: Watch<'a>) -> Result<Box<dyn Opened + 'a>, BoxError> {
        Ok(Box::new(self.blob(&part.descriptor, watch)?))
    }

    fn open_from<'a>(&'a self, part: &Part, from: u64, watch: Watch<'a>) -> Result<Box<dyn Opened + 'a>, BoxError> {
        Ok(Box::new(self.blob_from(&part.descriptor, from, watch)?))
    }
}

/// Where a blob comes from.
#[derive(Clone)]
pub(crate) enum Origin {
    /// A registry.
    Registry { endpoint: Endpoint, path: String },
    /// Anyone, without credentials.
    Elsewhere(Url),
}

/// Which part of a blob is wanted.
#[derive(Clone, Copy)]
pub(crate) enum Wanted {
    /// From here to the end.
    From(u64),
    /// From the first to the last, both included.
    Part(u64, u64),
}

impl Origin {
    /// Asks for a part of `blob`. An answer is 200 with everything or 206 with what was asked for.
    pub(crate) fn get(&self, inner: &Inner, blob: &Descriptor, wanted: Wanted) -> Result<Response, Error> {
        let range = match wanted {
            Wanted::From(0) => None,
            Wanted::From(from) => Some(format!("bytes={from}-")),
            Wanted::Part(from, last) => Some(format!("bytes={from}-{last}")),
        };
        let add = |headers: &mut HeaderMap| {
            if let Some(range) = &range {
                let range = HeaderValue::from_str(range).expect("digits are ASCII");
                headers.insert(header::RANGE, range);
            }
        };
        let response = match self {
            Self::Registry { endpoint, path } => {
                let scopes = Scopes::pull(path);
                let session = inner.session(endpoint, &scopes);
                let mut request = session.request(Method::GET, &blob_path(path, &blob.digest));
                add(&mut request.headers);
                session.send(&request)?
            }
            Self::Elsewhere(url) => {
                let mut request = Request {
                    method: Method::GET,
                    url: url.clone(),
                    headers: HeaderMap::new(),
                    payload: Payload::Empty,
                };
                add(&mut request.headers);
                let trust_of = |url: &Url| endpoint::trust_of_host(inner.transport.config(), url);
                exchange::roam(&inner.transport, &request, None, trust_of)?
            }
        };
        match (response.status, wanted) {
            (200, _) => Ok(response),
            (206, Wanted::From(from) | Wanted::Part(from, _)) if range_start(&response) == Some(from) => Ok(response),
            (206, _) => Err(response.invalid("another range than the one asked for")),
            _ => Err(response.into_error()),
        }
    }
}

/// The bytes of a blob, in order.
pub struct BlobReader<'a> {
    inner: Arc<Inner>,
    origin: Origin,
    blob: Descriptor,
    watch: Watch<'a>,
    body: Body,
    position: u64,
    failures: u32,
    /// Where it broke last.
    broke_at: u64,
}

impl BlobReader<'_> {
    /// True if a mirror sent the bytes, which turned out to be wrong: it is not asked any more, so that opening the blob
    /// again is worth the while.
    fn came_from_a_mirror(&self) -> bool {
        let Origin::Registry { endpoint, .. } = &self.origin else { return false };
        if endpoint.is_mirror() {
            self.inner.liars.lock().expect("no holder panics").insert(endpoint.base.clone());
        }
        endpoint.is_mirror()
    }
}

impl Opened for BlobReader<'_> {
    fn disown(&mut self) -> bool {
        self.came_from_a_mirror()
    }
}

enum Body {
    /// One connection; `end` is where the server says the blob ends.
    Stream { reader: Box<ureq::BodyReader<'static>>, end: Option<u64> },
    /// Several at once.
    Ranges(Ranges),
    /// Broken; to be opened again before reading on.
    Broken,
}

impl<'a> BlobReader<'a> {
    fn new(inner: &Arc<Inner>, blob: &Descriptor, watch: Watch<'a>, origin: Origin, response: Response) -> Self {
        let body = if response.status == 206 {
            match ranges::start(inner, &origin, blob, response) {
                Some(ranges) => Body::Ranges(ranges),
                None => Body::Broken,
            }
        } else {
            stream(response, 0)
        };
        let (inner, blob) = (Arc::clone(inner), blob.clone());
        Self { inner, origin, blob, watch, body, position: 0, failures: 0, broke_at: 0 }
    }

    /// A reader that begins `from` bytes into the blob.
    fn going_on(
        inner: &Arc<Inner>,
        blob: &Descriptor,
        from: u64,
        watch: Watch<'a>,
        origin: Origin,
        response: Response,
    ) -> Result<Self, Error> {
        let (inner, blob) = (Arc::clone(inner), blob.clone());
        let mut reader =
            Self { inner, origin, blob, watch, body: Body::Broken, position: from, failures: 0, broke_at: from };
        reader.follow(response)?;
        Ok(reader)
    }

    /// Opens the blob again at `position`. Servers that ignore ranges are read from the start, what we have is dropped.
    fn reopen(&mut self) -> Result<(), Error> {
        let response = self.origin.get(&self.inner, &self.blob, Wanted::From(self.position))?;
        self.follow(response)
    }

    /// Reads on at `position` from an answer.
    fn follow(&mut self, response: Response) -> Result<(), Error> {
        let is_whole = response.status == 200;
        self.body = stream(response, if is_whole { 0 } else { self.position });
        if let (true, Body::Stream { reader, .. }) = (is_whole, &mut self.body) {
            skip(reader, self.position).map_err(|why| self.broken(why))?;
        }
        Ok(())
    }

    fn broken(&self, why: io::Error) -> Error {
        let url = match &self.origin {
            Origin::Registry { endpoint, path } => endpoint.url(&blob_path(path, &self.blob.digest)),
            Origin::Elsewhere(url) => url.clone(),
        };
        let cause = crate::connector::connection_error(ureq::Error::from(why), false);
        Error::Connection { method: "Get", url: url.to_string(), cause }
    }

    /// Waits after a failure, or gives it back when it was the last.
    fn recover(&mut self, why: Error) -> io::Result<()> {
        self.body = Body::Broken;
        if self.position - self.broke_at >= PROGRESS {
            self.failures = 0;
        }
        self.failures += 1;
        self.broke_at = self.position;
        let retry = self.inner.transport.config().retry;
        match retry.wait(self.failures, &why) {
            Some(seconds) if retry.count_down(seconds, self.watch) => Ok(()),
            Some(_) => Err(io::Error::other(why)),
            None => self.go_behind_mirror().unwrap_or(Err(why)).map_err(io::Error::other),
        }
    }

    /// Goes on at the registry that a mirror stands in for; `None` if it was no mirror that failed.
    fn go_behind_mirror(&mut self) -> Option<Result<(), Error>> {
        let Origin::Registry { endpoint, path } = &self.origin else { return None };
        let host = &endpoint.stands_in.as_ref()?.host;
        let found = self.inner.at_doors(host, false, &Scopes::pull(path), |session| {
            let origin = Origin::Registry { endpoint: session.endpoint.clone(), path: path.clone() };
            let response = origin.get(&self.inner, &self.blob, Wanted::From(self.position))?;
            Ok((origin, response))
        });
        Some(found.and_then(|(origin, response)| {
            self.origin = origin;
            self.failures = 0;
            self.follow(response)
        }))
    }
}

impl Read for BlobReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // One byte too many shows whoever verifies that something is wrong; nobody needs the rest of an endless stream.
        let left = (self.blob.size + 1).saturating_sub(self.position);
        let len = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let buffer = &mut buffer[..len];
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let result = match &mut self.body {
                Body::Stream { reader, end } => match reader.read(buffer) {
                    // A server that says the blob is shorter than its descriptor does is believed to the letter: whoever
                    // verifies the bytes will say so. One that said nothing has broken off.
                    Ok(0) if self.position < self.blob.size && end.is_none() => {
                        Err(self.broken(io::ErrorKind::UnexpectedEof.into()))
                    }
                    Ok(n) => Ok(n),
                    Err(why) => Err(self.broken(why)),
                },
                Body::Ranges(ranges) => ranges.read(buffer),
                Body::Broken => match self.reopen() {
                    Ok(()) => continue,
                    Err(why) => Err(why),
                },
            };
            match result {
                Ok(n) => {
                    self.position += n as u64;
                    return Ok(n);
                }
                Err(why) => self.recover(why)?,
            }
        }
    }
}

/// Large blobs are asked for in parts where that may pay.
fn wanted(inner: &Inner, blob: &Descriptor, endpoint: &Endpoint) -> Wanted {
    let config = inner.transport.config();
    let is_near = url::is_loopback(endpoint.base.host()) && !config.ranges_on_loopback;
    if blob.size > config.range_threshold
        && blob.size > ranges::CHUNK
        && config.jobs > 1
        && !is_near
        && inner.budget.has_room()
    {
        return Wanted::Part(0, ranges::CHUNK - 1);
    }
    Wanted::From(0)
}

fn stream(response: Response, from: u64) -> Body {
    let end = response.content_length().map(|length| from + length);
    Body::Stream { reader: Box::new(response.into_body()), end }
}

/// Where the range of a 206 begins: `Content-Range: bytes FROM-LAST/SIZE`.
fn range_start(response: &Response) -> Option<u64> {
    response.header("content-range").strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()
}

fn blob_path(path: &str, digest: &Digest) -> String {
    format!("{path}/blobs/{digest}")
}

/// 1 MiB: a connection that brought this much has been worth the trouble, and failures are counted anew.
const PROGRESS: u64 = 1 << 20;
