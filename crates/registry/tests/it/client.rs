//! A registry for a test, and a client that sends exactly what it is told to.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use wharfie_oci::{Digest, Timestamp};
use wharfie_registry::auth::Access;
use wharfie_registry::config::Keeping;
use wharfie_registry::fsck::Checked;
use wharfie_registry::gc::{Collected, Mode};
use wharfie_registry::upstream::Cache;
use wharfie_registry::{Config, Limits, Maintenance, Place, Quota, Server, Webhook};

/// A registry that ends with the test.
pub(crate) struct Registry {
    server: Option<Server>,
    address: SocketAddr,
    folder: TempDir,
    setup: Setup,
}

/// What a test may choose.
pub(crate) struct Setup {
    pub(crate) limits: Limits,
    pub(crate) access: Arc<Access>,
    pub(crate) keeping: Keeping,
    pub(crate) quotas: Vec<Quota>,
    pub(crate) webhooks: Vec<Webhook>,
    pub(crate) caches: Vec<Cache>,
    /// Somewhere else than in a directory of its own.
    pub(crate) place: Option<Place>,
}

impl Default for Setup {
    fn default() -> Self {
        let keeping = Keeping { every: None, ..Keeping::default() };
        Self {
            limits: Limits::default(),
            access: Arc::new(Access::Open),
            keeping,
            quotas: Vec::new(),
            webhooks: Vec::new(),
            caches: Vec::new(),
            place: None,
        }
    }
}

/// What a registry answered.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

#[expect(clippy::disallowed_methods, reason = "nobody else tells the registry the time here")]
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp { seconds: i64::try_from(since.as_secs()).unwrap(), nanos: 0 }
}

impl Registry {
    pub(crate) fn start() -> Self {
        Self::set_up(Setup::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        Self::set_up(Setup { limits, ..Setup::default() })
    }

    pub(crate) fn set_up(setup: Setup) -> Self {
        let folder = TempDir::with_prefix("wharfie-registry-").unwrap();
        let mut registry = Self { server: None, address: ([127, 0, 0, 1], 0).into(), folder, setup };
        registry.begin();
        registry
    }

    fn config(&self) -> Config {
        let images = Some(self.folder.path().join("images"));
        let place = self.setup.place.clone().unwrap_or_else(|| Place::Directory { root: self.root(), images });
        Config {
            addresses: vec![([127, 0, 0, 1], 0).into()],
            place,
            limits: self.setup.limits,
            clock: now,
            access: Arc::clone(&self.setup.access),
            tls: None,
            keeping: self.setup.keeping.clone(),
            quotas: self.setup.quotas.clone(),
            webhooks: self.setup.webhooks.clone(),
            caches: self.setup.caches.clone(),
            retry_unit: Duration::from_millis(1),
            log: Arc::new(()),
            patience: Duration::from_secs(5),
        }
    }

    fn begin(&mut self) {
        let server = Server::start(&self.config()).unwrap();
        self.address = server.addresses()[0];
        self.server = Some(server);
    }

    /// Goes by another set-up from now on.
    pub(crate) fn reconfigure(&mut self, change: impl FnOnce(&mut Setup)) {
        change(&mut self.setup);
        self.server.as_ref().unwrap().reconfigure(&self.config()).unwrap();
    }

    /// Ends it and begins again on the same storage.
    pub(crate) fn restart(&mut self) {
        self.server.take().unwrap().stop();
        self.begin();
    }

    /// Collects while nobody is served.
    pub(crate) fn collect(&mut self, mode: Mode) -> Collected {
        self.server.take().unwrap().stop();
        let collected = Maintenance::alone(&self.config()).unwrap().collect(mode).unwrap();
        self.begin();
        collected
    }

    /// Proves everything while it serves.
    pub(crate) fn check(&self) -> Checked {
        Maintenance::beside(&self.config()).unwrap().check().unwrap()
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("registry")
    }

    /// Where the image store's blobs would be.
    pub(crate) fn images(&self) -> PathBuf {
        self.folder.path().join("images")
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    }

    /// One request on a connection of its own.
    pub(crate) fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        let says_length = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            || headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("transfer-encoding"));
        if !says_length && (!body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH")) {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        self.raw(&[head.as_bytes(), b"\r\n", body].concat())
    }

    /// Sends bytes and reads the answer.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Reply {
        let mut stream = self.connect();
        // A server that refuses early may not read all of it.
        let _refused = stream.write_all(bytes);
        Reply::read(&mut stream)
    }

    pub(crate) fn get(&self, target: &str) -> Reply {
        self.send("GET", target, &[], b"")
    }

    /// Pushes a blob in one piece.
    #[track_caller]
    pub(crate) fn push_blob(&self, name: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        self.send("POST", &format!("/v2/{name}/blobs/uploads/?digest={digest}"), &[], bytes).expect(201);
        digest
    }

    /// Begins an upload and gives its location.
    #[track_caller]
    pub(crate) fn begin_upload(&self, name: &str) -> String {
        let reply = self.send("POST", &format!("/v2/{name}/blobs/uploads/"), &[], b"");
        reply.expect(202).header("location").unwrap().to_owned()
    }

    /// Pushes an image of one layer under a tag.
    #[track_caller]
    pub(crate) fn push_image(&self, name: &str, tag: &str, content: &str) -> Digest {
        let manifest = self.image(name, content);
        self.push_manifest(name, tag, &manifest);
        Digest::of(manifest.to_string().as_bytes())
    }

    /// Pushes the blobs of an image and gives its manifest.
    #[track_caller]
    pub(crate) fn image(&self, name: &str, content: &str) -> Value {
        let config = self.push_blob(name, format!("{{\"config\":\"{content}\"}}").as_bytes());
        let layer = self.push_blob(name, content.as_bytes());
        json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 1 },
            "layers": [{ "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer, "size": content.len() }],
        })
    }

    #[track_caller]
    pub(crate) fn push_manifest(&self, name: &str, reference: &str, manifest: &Value) -> Reply {
        let media_type = manifest["mediaType"].as_str().unwrap_or(OCI_MANIFEST).to_owned();
        let target = format!("/v2/{name}/manifests/{reference}");
        let body = manifest.to_string();
        let reply = self.send("PUT", &target, &[("Content-Type", &media_type)], body.as_bytes());
        reply.expect(201)
    }
}

pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

impl Reply {
    pub(crate) fn read(stream: &mut TcpStream) -> Self {
        let mut all = Vec::new();
        // A connection that is reset after the answer has brought it all the same.
        let mut piece = [0; 65536];
        while let Ok(count) = stream.read(&mut piece) {
            if count == 0 {
                break;
            }
            all.extend_from_slice(&piece[..count]);
        }
        Self::parse(&all)
    }

    fn parse(all: &[u8]) -> Self {
        let end = all.windows(4).position(|w| w == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(all)));
        let head = String::from_utf8(all[..end].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        if status == 100 {
            return Self::parse(&all[end + 4..]);
        }
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        });
        Self { status, headers: headers.collect(), body: all[end + 4..].to_vec() }
    }

    /// Insists on a status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?} {}", self.headers, String::from_utf8_lossy(&self.body));
        self
    }

    /// Insists on a refusal.
    #[track_caller]
    pub(crate) fn refuses(self, status: u16, code: &str) -> Self {
        let reply = self.expect(status);
        let error = &reply.json()["errors"][0];
        assert_eq!(error["code"], code, "{error}");
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{error}");
        reply
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|why| panic!("{why}: {}", String::from_utf8_lossy(&self.body)))
    }
}

/// Half of a request, after which the client is gone.
pub(crate) fn leave(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
    stream.flush().unwrap();
    stream.shutdown(Shutdown::Both).unwrap();
}
