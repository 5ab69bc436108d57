//! Repositories that are caches of another registry.

use std::collections::HashMap;
use std::io::Read;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use wharfie_oci::{Descriptor, Digest, MediaType};
use wharfie_registry::Place;
use wharfie_registry::upstream::{Blob, Cache, Trouble, Upstream};

use crate::client::{OCI_INDEX, OCI_MANIFEST, Registry, Setup};

/// Another registry, which does as a test tells it.
#[derive(Default)]
struct Other {
    manifests: Mutex<HashMap<Digest, (MediaType, Vec<u8>)>>,
    blobs: Mutex<HashMap<Digest, Vec<u8>>>,
    tags: Mutex<HashMap<String, Digest>>,
    is_away: AtomicBool,
    lies: AtomicBool,
    hangs: AtomicBool,
    asked: AtomicUsize,
    sent: AtomicUsize,
    /// It sends so many bytes of a blob, and no more for now.
    stops_at: AtomicUsize,
    stops: AtomicBool,
}

/// Sends a blob as it is told to.
struct Sending {
    other: Arc<Other>,
    bytes: Vec<u8>,
    at: usize,
}

impl Read for Sending {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let end = loop {
            match self.other.stops.load(Ordering::SeqCst) {
                false => break self.bytes.len(),
                true if self.at < self.other.stops_at.load(Ordering::SeqCst) => {
                    break self.other.stops_at.load(Ordering::SeqCst);
                }
                true => std::thread::sleep(Duration::from_millis(2)),
            }
        };
        let count = into.len().min(end - self.at);
        into[..count].copy_from_slice(&self.bytes[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

/// The other registry, for the cache and for the test.
struct Shared(Arc<Other>);

impl Other {
    fn put_manifest(&self, media_type: &str, document: &Value) -> Digest {
        let bytes = document.to_string().into_bytes();
        let digest = Digest::of(&bytes);
        self.manifests.lock().unwrap().insert(digest.clone(), (MediaType::new(media_type), bytes));
        digest
    }

    fn put_image(&self, content: &str) -> Digest {
        let config = format!("{{\"of\":\"{content}\"}}").into_bytes();
        let part =
            |kind: &str, bytes: &[u8]| json!({ "mediaType": kind, "digest": Digest::of(bytes), "size": bytes.len() });
        let document = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST,
            "config": part("application/vnd.oci.image.config.v1+json", &config),
            "layers": [part("application/vnd.oci.image.layer.v1.tar", content.as_bytes())],
        });
        for bytes in [config, content.as_bytes().to_vec()] {
            self.blobs.lock().unwrap().insert(Digest::of(&bytes), bytes);
        }
        self.put_manifest(OCI_MANIFEST, &document)
    }

    fn tag(&self, name: &str, digest: &Digest) {
        self.tags.lock().unwrap().insert(name.to_owned(), digest.clone());
    }

    fn answer(&self) -> Result<(), Trouble> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        while self.hangs.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
        match self.is_away.load(Ordering::SeqCst) {
            true => Err(Trouble::Away("503".to_owned())),
            false => Ok(()),
        }
    }
}

fn missing<T>(found: Option<T>) -> Result<T, Trouble> {
    found.ok_or_else(|| Trouble::Missing("404".to_owned()))
}

impl Upstream for Shared {
    fn resolve(&self, repository: &str, reference: &str) -> Result<Descriptor, Trouble> {
        self.0.answer()?;
        let digest = missing(self.0.tags.lock().unwrap().get(&format!("{repository}:{reference}")).cloned())?;
        let (media_type, bytes) = missing(self.0.manifests.lock().unwrap().get(&digest).cloned())?;
        Ok(Descriptor::new(media_type, digest, bytes.len() as u64))
    }

    fn manifest(&self, _repository: &str, digest: &Digest) -> Result<(MediaType, Vec<u8>), Trouble> {
        self.0.answer()?;
        missing(self.0.manifests.lock().unwrap().get(digest).cloned())
    }

    fn blob(&self, _repository: &str, digest: &Digest) -> Result<Blob, Trouble> {
        self.0.answer()?;
        self.0.sent.fetch_add(1, Ordering::SeqCst);
        let mut bytes = missing(self.0.blobs.lock().unwrap().get(digest).cloned())?;
        let size = bytes.len() as u64;
        if self.0.lies.load(Ordering::SeqCst) {
            *bytes.last_mut().unwrap() ^= 1;
        }
        // Whoever else wants it must come while it is under way.
        std::thread::sleep(Duration::from_millis(20));
        Ok(Blob { size: Some(size), bytes: Box::new(Sending { other: Arc::clone(&self.0), bytes, at: 0 }) })
    }

    fn tags(&self, repository: &str) -> Result<Vec<String>, Trouble> {
        self.0.answer()?;
        let tags = self.0.tags.lock().unwrap();
        let own = tags.keys().filter_map(|name| name.strip_prefix(repository)?.strip_prefix(':'));
        Ok(own.map(str::to_owned).collect())
    }

    fn referrers(&self, _repository: &str, subject: &Digest) -> Result<Vec<Descriptor>, Trouble> {
        self.0.answer()?;
        Ok(vec![Descriptor::new(MediaType::OCI_MANIFEST, Digest::of(subject.as_str().as_bytes()), 1)])
    }
}

/// A registry that caches another one beneath `hub`; tags are fresh for so long.
fn caching(fresh: Duration) -> (Registry, Arc<Other>) {
    caching_at(fresh, None)
}

fn caching_at(fresh: Duration, place: Option<Place>) -> (Registry, Arc<Other>) {
    let other = Arc::new(Other::default());
    let upstream: Arc<dyn Upstream> = Arc::new(Shared(Arc::clone(&other)));
    let cache = Cache { registry: "hub.example".to_owned(), prefix: "hub".to_owned(), fresh, upstream };
    (Registry::set_up(Setup { caches: vec![cache], place, ..Setup::default() }), other)
}

fn layer(content: &str) -> String {
    format!("/v2/hub/team/web/blobs/{}", Digest::of(content.as_bytes()))
}

#[test]
fn what_is_asked_for_is_fetched_once_and_kept() {
    let (mut registry, other) = caching(Duration::ZERO);
    let (amd, arm) = (other.put_image("amd"), other.put_image("arm"));
    let member = |digest: &Digest| json!({ "mediaType": OCI_MANIFEST, "digest": digest, "size": 1 });
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [member(&amd), member(&arm)] });
    let index = other.put_manifest(OCI_INDEX, &index);
    other.tag("team/web:1", &index);
    let reply = registry.get("/v2/hub/team/web/manifests/1").expect(200);
    assert_eq!(reply.header("docker-content-digest"), Some(index.as_str()));
    registry.get(&format!("/v2/hub/team/web/manifests/{amd}")).expect(200);
    for _ in 0..2 {
        assert_eq!(registry.get(&layer("amd")).expect(200).body, b"amd");
    }
    assert_eq!(other.sent.load(Ordering::SeqCst), 1);
    // It is whole although the other platform is not here, it survives a collection, and needs the other no more.
    assert!(registry.check().problems.is_empty(), "{:?}", registry.check().problems);
    registry.collect(wharfie_registry::gc::Mode::Collect);
    other.is_away.store(true, Ordering::SeqCst);
    let reply = registry.get("/v2/hub/team/web/manifests/1").expect(200);
    assert_eq!(reply.header("warning"), Some("110 - \"Response is Stale\""));
    registry.get(&format!("/v2/hub/team/web/manifests/{amd}")).expect(200);
    assert_eq!(registry.get(&layer("amd")).expect(200).body, b"amd");
    // What is not here cannot be had now, which is another thing than not being there.
    let reply = registry.get(&layer("arm")).refuses(503, "UNAVAILABLE");
    assert_eq!(reply.header("retry-after"), Some("10"));
    other.is_away.store(false, Ordering::SeqCst);
    registry.get("/v2/hub/team/web/manifests/none").refuses(404, "MANIFEST_UNKNOWN");
    registry.get(&layer("none")).refuses(404, "BLOB_UNKNOWN");
}

#[test]
fn a_tag_that_moves_there_moves_here_once_it_is_no_longer_fresh() {
    let (registry, other) = caching(Duration::ZERO);
    let (slow, slow_other) = caching(Duration::from_secs(3600));
    for (registry, other, follows) in [(&registry, &other, true), (&slow, &slow_other, false)] {
        let (old, new) = (other.put_image("old"), other.put_image("new"));
        other.tag("web:1", &old);
        registry.get("/v2/hub/web/manifests/1").expect(200);
        let asked = other.asked.load(Ordering::SeqCst);
        other.tag("web:1", &new);
        let reply = registry.send("HEAD", "/v2/hub/web/manifests/1", &[], b"").expect(200);
        let expected = if follows { &new } else { &old };
        assert_eq!(reply.header("docker-content-digest"), Some(expected.as_str()));
        assert_eq!(other.asked.load(Ordering::SeqCst) > asked, follows);
    }
}

#[test]
fn many_who_want_the_same_blob_have_it_fetched_once() {
    let (registry, other) = caching(Duration::from_secs(3600));
    other.tag("team/web:1", &other.put_image("content"));
    registry.get("/v2/hub/team/web/manifests/1").expect(200);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| assert_eq!(registry.get(&layer("content")).expect(200).body, b"content"));
        }
    });
    assert_eq!(other.sent.load(Ordering::SeqCst), 1);
}

#[test]
fn wrong_bytes_are_neither_served_nor_kept() {
    let (registry, other) = caching(Duration::ZERO);
    other.tag("team/web:1", &other.put_image("content"));
    registry.get("/v2/hub/team/web/manifests/1").expect(200);
    other.lies.store(true, Ordering::SeqCst);
    registry.get(&layer("content")).refuses(503, "UNAVAILABLE");
    other.lies.store(false, Ordering::SeqCst);
    assert_eq!(registry.get(&layer("content")).expect(200).body, b"content");
    // A manifest that is not what its digest says neither.
    let (digest, another) = (other.put_image("x"), other.put_image("y"));
    let wrong = other.manifests.lock().unwrap().get(&another).cloned().unwrap();
    other.manifests.lock().unwrap().insert(digest.clone(), wrong);
    registry.get(&format!("/v2/hub/team/web/manifests/{digest}")).refuses(503, "UNAVAILABLE");
}

#[test]
fn the_query_names_the_registry_that_is_meant() {
    let (registry, other) = caching(Duration::ZERO);
    let digest = other.put_image("content");
    other.tag("team/web:1", &digest);
    registry.push_image("team/web", "1", "our own");
    let by_query = registry.get("/v2/team/web/manifests/1?ns=hub.example").expect(200);
    assert_eq!(by_query.header("docker-content-digest"), Some(digest.as_str()));
    let own = registry.get("/v2/team/web/manifests/1").expect(200);
    assert_ne!(own.header("docker-content-digest"), Some(digest.as_str()));
    registry.get("/v2/team/web/manifests/1?ns=elsewhere.example").refuses(404, "NAME_UNKNOWN");
}

#[test]
fn nothing_is_pushed_to_a_cache_nor_removed() {
    let (registry, other) = caching(Duration::from_secs(3600));
    other.tag("web:1", &other.put_image("content"));
    registry.get("/v2/hub/web/manifests/1").expect(200);
    for (method, target) in [("POST", "/v2/hub/web/blobs/uploads/"), ("PUT", "/v2/hub/web/manifests/1")] {
        let reply = registry.send(method, target, &[], b"{}").refuses(405, "DENIED");
        let message = reply.json()["errors"][0]["message"].as_str().unwrap().to_owned();
        assert_eq!(message, "the repository is a cache of hub.example: push there");
    }
    // It would be here again with the next pull.
    let reply = registry.send("DELETE", "/v2/hub/web/manifests/1", &[], b"").refuses(405, "DENIED");
    let message = reply.json()["errors"][0]["message"].as_str().unwrap().to_owned();
    assert_eq!(message, "the repository is a cache of hub.example: remove it there");
    registry.get("/v2/hub/web/manifests/1").expect(200);
}

#[test]
fn lists_are_the_others_as_long_as_it_answers() {
    let (registry, other) = caching(Duration::from_secs(3600));
    let digest = other.put_image("content");
    for tag in ["3", "1", "2"] {
        other.tag(&format!("web:{tag}"), &digest);
    }
    registry.get("/v2/hub/web/manifests/2").expect(200);
    let page = registry.get("/v2/hub/web/tags/list?n=2").expect(200);
    assert_eq!(page.json()["tags"], json!(["1", "2"]));
    let next = page.header("link").unwrap().split(['<', '>']).nth(1).unwrap().to_owned();
    assert_eq!(registry.get(&next).expect(200).json()["tags"], json!(["3"]));
    let referrers = registry.get(&format!("/v2/hub/web/referrers/{digest}")).expect(200);
    assert_eq!(referrers.json()["manifests"].as_array().unwrap().len(), 1);
    other.is_away.store(true, Ordering::SeqCst);
    assert_eq!(registry.get("/v2/hub/web/tags/list").expect(200).json()["tags"], json!(["2"]));
    let referrers = registry.get(&format!("/v2/hub/web/referrers/{digest}")).expect(200);
    assert!(referrers.json()["manifests"].as_array().unwrap().is_empty());
}

#[test]
fn a_page_of_a_cache_shows_what_is_here_and_asks_nobody() {
    let (registry, other) = caching(Duration::ZERO);
    let (here, there) = (other.put_image("here"), other.put_image("there"));
    let member = |digest: &Digest| json!({ "mediaType": OCI_MANIFEST, "digest": digest, "size": 1 });
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [member(&here), member(&there)] });
    let index = other.put_manifest(OCI_INDEX, &index);
    other.tag("team/web:1", &index);
    other.tag("team/web:2", &index);
    registry.get("/ui/hub/team/web").expect(404);
    registry.get("/v2/hub/team/web/manifests/1").expect(200);
    registry.get(&format!("/v2/hub/team/web/manifests/{here}")).expect(200);
    let asked = other.asked.load(Ordering::SeqCst);
    let shown = |target: &str, status: u16| String::from_utf8(registry.get(target).expect(status).body).unwrap();
    assert!(shown("/", 200).contains("/ui/hub/team/web"));
    let tags = shown("/ui/hub/team/web", 200);
    assert!(tags.contains("/ui/hub/team/web/-/1") && !tags.contains("/ui/hub/team/web/-/2"), "{tags}");
    assert!(shown("/ui/hub/team/web/-/1", 200).contains("<td>not here</td>"));
    assert!(shown(&format!("/ui/hub/team/web/-/{here}"), 200).contains("The configuration is not here."));
    shown("/ui/hub/team/web/-/2", 404);
    shown(&format!("/ui/hub/team/web/-/{there}"), 404);
    assert_eq!(other.asked.load(Ordering::SeqCst), asked);
}

#[test]
fn a_registry_that_does_not_answer_keeps_nobody_else_waiting() {
    let (registry, other) = caching(Duration::ZERO);
    other.hangs.store(true, Ordering::SeqCst);
    // More than there are threads for the disk; their clients leave, the other registry still does not answer.
    let waiting: Vec<_> = (0..100)
        .map(|n| {
            let mut stream = registry.connect();
            let head = format!("GET /v2/hub/r{n}/manifests/1 HTTP/1.1\r\nHost: test\r\n\r\n");
            std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
            stream
        })
        .collect();
    while other.asked.load(Ordering::SeqCst) == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(waiting);
    registry.push_image("own/web", "1", "content");
    registry.get("/v2/own/web/manifests/1").expect(200);
    assert!(other.asked.load(Ordering::SeqCst) < 20);
    other.hangs.store(false, Ordering::SeqCst);
}

/// 9 MB without a pattern.
fn large() -> String {
    (0..1_000_000_u32).map(|n| format!("{:08x}\n", n.wrapping_mul(2_654_435_761))).collect()
}

/// A client that asks for the blob and takes its bytes when it likes to.
struct Client(std::net::TcpStream);

impl Client {
    fn ask(registry: &Registry, target: &str) -> Self {
        let mut stream = registry.connect();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let head = format!("GET {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
        Self(stream)
    }

    /// Takes the head and so many bytes.
    fn take(&mut self, count: usize) -> Vec<u8> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 20"), "{}", String::from_utf8_lossy(&head));
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// What comes until the connection ends, however it ends.
    fn rest(mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let _broken = self.0.read_to_end(&mut bytes);
        bytes
    }
}

/// A blob is passed on while it comes, to whoever wants it, wherever this registry keeps what it has.
pub(crate) fn is_passed_on(place: Option<Place>) {
    let (registry, other) = caching_at(Duration::ZERO, place);
    let content = large();
    other.put_image(&content);
    other.stops_at.store(5_000_000, Ordering::SeqCst);
    other.stops.store(true, Ordering::SeqCst);
    let target = layer(&content);
    // Nothing of it is here as a whole, and this much is with the first client, who leaves.
    let mut first = Client::ask(&registry, &target);
    assert!(first.take(5_000_000) == content.as_bytes()[..5_000_000]);
    drop(first);
    // One comes later, one takes nothing before all of it is here, one wants the middle.
    let mut lazy = Client::ask(&registry, &target);
    let late = Client::ask(&registry, &target);
    assert_eq!(registry.send("HEAD", &target, &[], b"").expect(200).header("content-length"), Some("9000000"));
    other.stops.store(false, Ordering::SeqCst);
    let range = registry.send("GET", &target, &[("Range", "bytes=4000000-8000000")], b"").expect(206);
    assert!(range.body == content.as_bytes()[4_000_000..=8_000_000]);
    assert!(late.rest().ends_with(content.as_bytes()));
    assert_eq!(registry.get(&target).expect(200).body.len(), content.len());
    assert!(lazy.take(content.len()) == content.as_bytes());
    assert_eq!(other.sent.load(Ordering::SeqCst), 1);
    assert!(registry.check().problems.is_empty(), "{:?}", registry.check().problems);
}

#[test]
fn a_blob_is_passed_on_while_it_comes() {
    is_passed_on(None);
}

#[test]
fn wrong_bytes_break_the_connection_and_are_not_kept() {
    let (registry, other) = caching(Duration::ZERO);
    let content = large();
    other.put_image(&content);
    other.lies.store(true, Ordering::SeqCst);
    let target = layer(&content);
    let got = Client::ask(&registry, &target).rest();
    let body = got.windows(4).position(|w| w == b"\r\n\r\n").expect("a head came") + 4;
    assert!(got.len() - body < content.len(), "{}", got.len());
    other.is_away.store(true, Ordering::SeqCst);
    registry.get(&target).refuses(503, "UNAVAILABLE");
    other.is_away.store(false, Ordering::SeqCst);
    other.lies.store(false, Ordering::SeqCst);
    assert!(registry.get(&target).expect(200).body == content.as_bytes());
}
