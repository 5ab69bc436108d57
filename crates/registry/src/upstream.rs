//! Repositories that are caches of other registries'. What is asked for is fetched once, proven, kept as if it had been
//! pushed, and served while the other registry is away. Nothing is pushed to them.

use std::collections::HashMap;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::{Method, StatusCode, header};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wharfie_oci::{Descriptor, Digest, Digester, MediaType};

use crate::answer::{Answer, answer};
use crate::arriving::Arriving;
use crate::document;
use crate::event::Event;
use crate::key::Key;
use crate::listing::Asked;
use crate::name::{Reference, RepositoryName, Tag};
use crate::query::Query;
use crate::refusal::{Code, Refusal};
use crate::route::Route;
use crate::router::Registry;

/// Another registry, as whoever configures this one reaches it. Everything waits; threads for that are made here.
pub trait Upstream: Send + Sync {
    /// What a tag or digest of a repository stands for.
    ///
    /// # Errors
    /// When there is none, or the registry does not say.
    fn resolve(&self, repository: &str, reference: &str) -> Result<Descriptor, Trouble>;

    /// A manifest, as the registry sends it, and its type.
    ///
    /// # Errors
    /// When there is none, or the registry does not send it.
    fn manifest(&self, repository: &str, digest: &Digest) -> Result<(MediaType, Vec<u8>), Trouble>;

    /// A blob, from the start.
    ///
    /// # Errors
    /// When there is none, or the registry does not send it.
    fn blob(&self, repository: &str, digest: &Digest) -> Result<Blob, Trouble>;

    /// All tags of a repository.
    ///
    /// # Errors
    /// When there is no such repository, or the registry does not say.
    fn tags(&self, repository: &str) -> Result<Vec<String>, Trouble>;

    /// What is about a manifest.
    ///
    /// # Errors
    /// When the registry does not say.
    fn referrers(&self, repository: &str, subject: &Digest) -> Result<Vec<Descriptor>, Trouble>;
}

/// A blob that another registry sends.
pub struct Blob {
    /// How many bytes it is said to have. What comes from this machine need not say: nobody gets it before it is here as a whole.
    pub size: Option<u64>,
    /// The bytes, which nobody has verified.
    pub bytes: Box<dyn Read + Send>,
}

/// Why another registry does not give what is asked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// It has no such thing.
    Missing(String),
    /// It does not answer, answers with a mistake of its own, or wants to be asked less often.
    Away(String),
    /// It does not let us have it.
    Denied(String),
    /// It answers and refuses for another reason, or what it sends makes no sense.
    Refused(String),
}

/// A cache of another registry.
#[derive(Clone)]
pub struct Cache {
    /// The other registry's host, as references write it: what the query `ns` names.
    pub registry: String,
    /// What the names of its repositories begin with here.
    pub prefix: String,
    /// How long a tag is believed to stand for what it did.
    pub fresh: Duration,
    /// The other registry.
    pub upstream: Arc<dyn Upstream>,
}

/// What is known of caches while the server runs.
#[derive(Default)]
pub(crate) struct Caching {
    /// Things that somebody is fetching; whoever else wants one of them waits.
    flights: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// When a tag was last asked for at the other registry.
    asked: Mutex<HashMap<String, Instant>>,
    /// Blobs that are on their way.
    arriving: Mutex<HashMap<String, Arc<Arriving>>>,
    /// Of each other registry: how many threads may wait for it. One that does not answer keeps those, and no others.
    permits: Mutex<HashMap<String, Permits>>,
}

#[derive(Clone)]
struct Permits {
    asking: Arc<Semaphore>,
    fetching: Arc<Semaphore>,
}

impl Caching {
    /// Does `work` on what `key` names, while nobody else does.
    pub(crate) async fn alone<T>(&self, key: &str, work: impl Future<Output = T>) -> T {
        let flight = {
            let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
            if flights.len() >= MAX_KNOWN {
                flights.retain(|_, flight| Arc::strong_count(flight) > 1);
            }
            Arc::clone(flights.entry(key.to_owned()).or_default())
        };
        let _alone = flight.lock().await;
        work.await
    }

    /// The blob of this key, if it is on its way.
    pub(crate) fn arriving(&self, key: &str) -> Option<Arc<Arriving>> {
        self.arriving.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    pub(crate) fn arrives(&self, key: &str, arriving: &Arc<Arriving>) {
        self.arriving.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), Arc::clone(arriving));
    }

    pub(crate) fn has_arrived(&self, key: &str) {
        self.arriving.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    fn permits(&self, registry: &str) -> Permits {
        let mut permits = self.permits.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Permits { asking: Arc::new(Semaphore::new(ASKING)), fetching: Arc::new(Semaphore::new(FETCHING)) };
        permits.entry(registry.to_owned()).or_insert_with(new).clone()
    }

    fn is_fresh(&self, key: &str, fresh: Duration) -> bool {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.get(key).is_some_and(|at| at.elapsed() < fresh)
    }

    fn note(&self, key: &str) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.len() >= MAX_KNOWN {
            asked.clear();
        }
        asked.insert(key.to_owned(), Instant::now());
    }
}

/// Where what was asked for is.
pub(crate) enum Filled {
    /// Here, if it is anywhere.
    Here(Standing),
    /// A blob on its way.
    Arriving(Arc<Arriving>),
}

/// Whether what is here is what the other registry has now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is, as far as anybody knows.
    Fresh,
    /// The other registry could not be asked.
    Stale,
}

impl Registry {
    /// The route with the repository's name here, if the query `ns` says of which registry it is.
    pub(crate) fn by_namespace(&self, route: Route, query: &Query) -> Result<Route, Refusal> {
        let (Some(namespace), false) = (query.value("ns"), self.caches.is_empty()) else { return Ok(route) };
        let Some(name) = route.repository() else { return Ok(route) };
        let unknown = || Refusal::new(Code::NameUnknown, "no cache of that registry is here").with_detail(namespace);
        let cache = self.caches.iter().find(|cache| cache.registry == namespace).ok_or_else(unknown)?;
        let name = RepositoryName::parse(&format!("{}/{name}", cache.prefix)).ok_or_else(unknown)?;
        Ok(route.within(name))
    }

    /// The cache that a repository is in, and its name at the other registry.
    pub(crate) fn cache_of(&self, name: &RepositoryName) -> Option<(&Cache, String)> {
        self.caches.iter().find_map(|cache| {
            let rest = name.as_str().strip_prefix(cache.prefix.as_str())?.strip_prefix('/')?;
            Some((cache, rest.to_owned()))
        })
    }

    /// Refuses what would change a cache: what was pushed would not be there, and what was removed would be here again.
    pub(crate) fn insist_on_reading(&self, route: &Route, method: &Method) -> Result<(), Refusal> {
        let cache = route.repository().and_then(|name| self.cache_of(name));
        let is_upload = matches!(route, Route::Uploads(_) | Route::Upload(..));
        let is_read = method == Method::GET || method == Method::HEAD;
        match cache {
            Some((cache, _)) if is_upload || !is_read => {
                let there = if method == Method::DELETE { "remove it there" } else { "push there" };
                let words = format!("the repository is a cache of {}: {there}", cache.registry);
                Err(Refusal::new(Code::Denied, &words).with_status(405).with_header(header::ALLOW, "GET, HEAD"))
            }
            _ => Ok(()),
        }
    }

    /// Sees to it that what is asked for is here, if it is of a cache. Work that has begun goes on when the client leaves.
    pub(crate) async fn fill(self: &Arc<Self>, route: &Route) -> Result<Filled, Refusal> {
        let Some((cache, path)) = route.repository().and_then(|name| self.cache_of(name)) else {
            return Ok(Filled::Here(Standing::Fresh));
        };
        let (registry, cache, route) = (Arc::clone(self), cache.clone(), route.clone());
        let work = async move {
            let standing = match route {
                Route::Manifest(name, Reference::Tag(tag)) => registry.fill_tag(&cache, &path, &name, &tag).await?,
                Route::Manifest(name, Reference::Digest(digest)) => {
                    registry.fill_manifest(&cache, &path, &name, &digest, None).await?
                }
                Route::Blob(name, digest) => {
                    let arriving = registry.fill_blob(&cache, &path, &name, &digest).await?;
                    return Ok(arriving.map_or(Filled::Here(Standing::Fresh), Filled::Arriving));
                }
                _ => Standing::Fresh,
            };
            Ok(Filled::Here(standing))
        };
        let working = tokio::spawn(work).await;
        working.unwrap_or_else(|why| Err(Refusal::unavailable(&format!("a defect: {why}"))))
    }

    async fn fill_tag(&self, cache: &Cache, path: &str, name: &RepositoryName, tag: &Tag) -> Result<Standing, Refusal> {
        let key = format!("{name}:{tag}");
        self.caching
            .alone(&key, async {
                let known = self.tagged(name, tag).await?;
                let known = match known {
                    Some(known) if self.manifest(name, &known.digest).await?.is_some() => Some(known),
                    _ => None,
                };
                if known.is_some() && self.caching.is_fresh(&key, cache.fresh) {
                    return Ok(Standing::Fresh);
                }
                let word = tag.as_str().to_owned();
                match self.ask(cache, path, move |upstream, path| upstream.resolve(path, &word)).await {
                    Ok(found) if known.as_ref().is_some_and(|known| known.digest == found.digest) => {
                        self.caching.note(&key);
                        Ok(Standing::Fresh)
                    }
                    Ok(found) => {
                        let standing = self.fill_manifest(cache, path, name, &found.digest, Some(tag)).await;
                        match (standing, known) {
                            (Ok(standing), _) => {
                                self.caching.note(&key);
                                Ok(standing)
                            }
                            // The other registry told what is new, and did not give it.
                            (Err(_), Some(_)) => Ok(Standing::Stale),
                            (Err(refusal), None) => Err(refusal),
                        }
                    }
                    Err(Trouble::Missing(why)) => {
                        // It was removed there; what it stood for goes with a collection.
                        if known.is_some() {
                            self.storage.delete(Key::tag(name, tag)).await?;
                        }
                        Err(missing(Code::ManifestUnknown, &why))
                    }
                    Err(Trouble::Away(why) | Trouble::Denied(why) | Trouble::Refused(why)) if known.is_some() => {
                        let what = format!("{} does not answer: {key} is served as it was: {why}", cache.registry);
                        self.note(&Event::Failed { what });
                        Ok(Standing::Stale)
                    }
                    Err(why) => Err(self.away(cache, &key, why)),
                }
            })
            .await
    }

    /// Has a manifest here, and lets `tag` stand for it.
    async fn fill_manifest(
        &self,
        cache: &Cache,
        path: &str,
        name: &RepositoryName,
        digest: &Digest,
        tag: Option<&Tag>,
    ) -> Result<Standing, Refusal> {
        let key = format!("{name}@{digest}");
        self.caching
            .alone(&key, async {
                let known = self.manifest(name, digest).await?;
                let (media_type, bytes) = match known {
                    Some(_) if tag.is_none() => return Ok(Standing::Fresh),
                    Some(known) => (MediaType::new(&known.head.media_type), known.bytes),
                    None => {
                        let wanted = digest.clone();
                        let sent = self.ask(cache, path, move |upstream, path| upstream.manifest(path, &wanted)).await;
                        let (media_type, bytes) = sent.map_err(|why| match why {
                            Trouble::Missing(why) => missing(Code::ManifestUnknown, &why),
                            why => self.away(cache, &key, why),
                        })?;
                        (media_type, Bytes::from(bytes))
                    }
                };
                let mut digester = Digester::new(digest.algorithm());
                digester.update(&bytes);
                if digester.finish() != *digest || bytes.len() as u64 > self.limits.manifest_bytes {
                    return Err(self.away(cache, &key, Trouble::Refused("it sends something else".to_owned())));
                }
                let document = document::parse(&bytes, &media_type)
                    .map_err(|_| self.away(cache, &key, Trouble::Refused("it sends no manifest".to_owned())))?;
                let _relied_on = self.gate.read().await;
                let tags: Vec<Tag> = tag.cloned().into_iter().collect();
                let size = bytes.len() as u64;
                self.keep_manifest(name, &tags, digest, &document, bytes).await?;
                self.keep_tags(name, &tags, (digest, size), &document).await?;
                Ok(Standing::Fresh)
            })
            .await
    }

    /// The tags of a cached repository, as the other registry has them; those that are here if it does not answer.
    pub(crate) async fn list_cached_tags(
        &self,
        cache: &Cache,
        path: &str,
        name: &RepositoryName,
        query: &Query,
    ) -> Option<Answer> {
        let mut tags = match self.ask(cache, path, |upstream, path| upstream.tags(path)).await {
            Ok(tags) => tags,
            Err(Trouble::Missing(why)) => return Some(Err(missing(Code::NameUnknown, &why))),
            Err(trouble) => {
                self.note(&Event::Failed {
                    what: format!("{} does not list {path}: {}", cache.registry, trouble.words()),
                });
                // What is here is told. What is not is not missing for that.
                return match self.storage.modified(&Key::repository(name)).await {
                    Ok(Some(_)) => None,
                    Ok(None) => Some(Err(Self::not_given(cache, trouble))),
                    Err(why) => Some(Err(why.into())),
                };
            }
        };
        tags.retain(|tag| Tag::parse(tag).is_some());
        tags.sort_unstable();
        let asked = match Asked::of(query) {
            Ok(asked) => asked,
            Err(refusal) => return Some(Err(refusal)),
        };
        let from = asked.after.map_or(0, |after| tags.partition_point(|tag| tag.as_str() <= after));
        let rest = &tags[from..];
        let page = &rest[..rest.len().min(asked.limit)];
        let mut builder = answer(StatusCode::OK);
        if let Some(last) = page.last().filter(|_| rest.len() > page.len()) {
            builder = builder.header(header::LINK, &asked.next(&format!("/v2/{name}/tags/list"), last, ""));
        }
        Some(Ok(builder.json(&serde_json::json!({ "name": name.as_str(), "tags": page }))))
    }

    /// What is about a manifest of a cached repository; `None` if the other registry does not answer.
    pub(crate) async fn list_cached_referrers(
        &self,
        cache: &Cache,
        path: &str,
        subject: &Digest,
        query: &Query,
    ) -> Option<Answer> {
        let about = subject.clone();
        let asked = self.ask(cache, path, move |upstream, path| upstream.referrers(path, &about)).await;
        let mut manifests = asked.ok()?;
        let mut builder = answer(StatusCode::OK);
        if let Some(filter) = query.value("artifactType").filter(|text| !text.is_empty()) {
            manifests.retain(|found| found.artifact_type.as_deref() == Some(filter));
            builder = builder.header(crate::referrers::FILTERS, "artifactType");
        }
        let media_type = MediaType::OCI_INDEX;
        let index = serde_json::json!({
            "schemaVersion": 2, "mediaType": media_type.as_str(), "manifests": manifests,
        });
        Some(Ok(builder.bytes(media_type.as_str(), index.to_string())))
    }

    /// Asks the other registry, on a thread that may wait.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        cache: &Cache,
        path: &str,
        work: impl FnOnce(&dyn Upstream, &str) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let (upstream, path) = (Arc::clone(&cache.upstream), path.to_owned());
        let asking = self.permit(self.caching.permits(&cache.registry).asking).await?;
        let asked = tokio::task::spawn_blocking(move || {
            // Whoever asked may be gone; the thread is not, before the other registry has answered.
            let _asking = asking;
            work(&*upstream, &path)
        })
        .await;
        asked.unwrap_or_else(|why| Err(Trouble::Away(format!("a defect: {why}"))))
    }

    /// Leave to keep a thread waiting, if there is one soon.
    async fn permit(&self, of: Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Trouble> {
        match tokio::time::timeout(PATIENCE, of.acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Trouble::Away("too many wait for its answer".to_owned())),
        }
    }

    /// Leave to fetch a blob, if there is some soon.
    pub(crate) async fn permit_to_fetch(&self, cache: &Cache) -> Result<OwnedSemaphorePermit, Trouble> {
        self.permit(self.caching.permits(&cache.registry).fetching).await
    }

    /// The answer for what is not here and cannot be had now, which the log is told as well.
    pub(crate) fn away(&self, cache: &Cache, key: &str, why: Trouble) -> Refusal {
        self.note(&Event::Failed { what: format!("{} does not give {key}: {}", cache.registry, why.words()) });
        Self::not_given(cache, why)
    }

    /// The answer alone.
    pub(crate) fn not_given(cache: &Cache, why: Trouble) -> Refusal {
        let Cache { registry, .. } = cache;
        match why {
            // Whoever asks cannot log in there; whoever runs this server can.
            Trouble::Denied(words) => {
                Refusal::new(Code::Denied, &format!("{registry} does not let this cache have it: {words}"))
            }
            Trouble::Missing(words) | Trouble::Away(words) | Trouble::Refused(words) => {
                Refusal::new(Code::Unavailable, &format!("{registry} does not give this now: {words}"))
                    .with_header(header::RETRY_AFTER, "10")
            }
        }
    }
}

impl Trouble {
    /// What the other registry said, or what is known of it.
    fn words(&self) -> &str {
        let (Self::Missing(words) | Self::Away(words) | Self::Denied(words) | Self::Refused(words)) = self;
        words
    }
}

pub(crate) fn missing(code: Code, why: &str) -> Refusal {
    Refusal::new(code, "the registry behind this cache has no such thing").with_detail(why)
}

/// Questions to one registry at once, and blobs that are fetched from it: each has a thread for as long as it takes.
const ASKING: usize = 8;
const FETCHING: usize = 8;
/// As many threads as the caches of a server can keep waiting: the disk needs others.
pub(crate) const THREADS: usize = ASKING + FETCHING;
/// 10 s: then whoever asks is told to come again, or gets what is here.
const PATIENCE: Duration = Duration::from_secs(10);
/// 10,000 tags whose age is known.
const MAX_KNOWN: usize = 10_000;
