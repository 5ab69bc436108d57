//! What the tests share: small images, clients with short waits, observers that remember.

use std::io::Read;
use std::sync::Mutex;
use std::time::Duration;

use wharfie_content::{Event, Observer, Verified, Watch};
use wharfie_oci::{Descriptor, MediaType, Reference};
use wharfie_remote::{Config, Error, Keychain, Remote, RepositoryClient, Retry};
use wharfie_testkit::faulty_server::reply;

/// Settings with which a second takes a millisecond.
pub(crate) fn config() -> Config {
    Config { retry: Retry { unit: Duration::from_millis(1), ..Retry::default() }, ..Config::default() }
}

/// A client without credentials.
pub(crate) fn remote() -> Remote {
    Remote::new(config(), Keychain::anonymous())
}

/// The client for `path` at `address`.
pub(crate) fn repository(remote: &Remote, address: &str, path: &str) -> RepositoryClient {
    let reference: Reference = format!("{address}/{path}").parse().expect("the test writes good references");
    remote.repository(reference.repository())
}

/// A client for the repository `team/web` at `address`, without credentials.
pub(crate) fn web(address: &str) -> RepositoryClient {
    repository(&remote(), address, "team/web")
}

/// Bytes that do not repeat.
pub(crate) fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    (0..size).map(|_| next()).collect()
}

/// A layer's descriptor.
pub(crate) fn layer(bytes: &[u8]) -> Descriptor {
    Descriptor::of(MediaType::OCI_LAYER, bytes)
}

/// A blob with its descriptor.
pub(crate) type Blob = (Descriptor, Vec<u8>);

/// An image manifest of one layer, with its descriptor and the blobs it needs.
pub(crate) fn image(content: &[u8]) -> (Descriptor, Vec<u8>, [Blob; 2]) {
    let config = b"{}".to_vec();
    let config = (Descriptor::of(MediaType::OCI_CONFIG, &config), config);
    let layer = (layer(content), content.to_vec());
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST, "config": config.0, "layers": [layer.0],
    });
    let bytes = serde_json::to_vec(&manifest).expect("descriptors are JSON");
    (Descriptor::of(MediaType::OCI_MANIFEST, &bytes), bytes, [config, layer])
}

/// Uploads a blob.
pub(crate) fn upload(repository: &RepositoryClient, blob: &Descriptor, bytes: &[u8]) -> Result<(), Error> {
    let bytes = bytes.to_vec();
    repository.upload(blob, &bytes.as_slice(), Watch::silent())
}

/// Pushes an image under `tag`.
pub(crate) fn push(repository: &RepositoryClient, tag: &str, content: &[u8]) -> Descriptor {
    let (descriptor, bytes, blobs) = image(content);
    for (blob, bytes) in &blobs {
        upload(repository, blob, bytes).expect("the registry takes blobs");
    }
    assert_eq!(
        repository.put_manifest(tag, &descriptor.media_type, &bytes).expect("the registry takes manifests"),
        descriptor.digest
    );
    descriptor
}

/// Downloads and verifies a blob.
pub(crate) fn download(repository: &RepositoryClient, blob: &Descriptor, watch: Watch<'_>) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let reader = repository.blob(blob, watch).map_err(std::io::Error::other)?;
    Verified::new(reader, blob).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Remembers the waits it is told of.
#[derive(Default)]
pub(crate) struct Waits(Mutex<Vec<u64>>);

impl Waits {
    pub(crate) fn seconds(&self) -> Vec<u64> {
        self.0.lock().expect("no holder panics").clone()
    }
}

impl Observer for Waits {
    fn observe(&self, event: Event) {
        if let Event::Retrying { seconds, .. } = event {
            self.0.lock().expect("no holder panics").push(seconds);
        }
    }
}

/// Watches with `observer`.
pub(crate) fn watch(observer: &dyn Observer) -> Watch<'_> {
    Watch { observer, task: wharfie_content::TaskId::next() }
}

/// What a registry answers to a request for a manifest.
pub(crate) fn manifest_reply(descriptor: &Descriptor, bytes: &[u8]) -> Vec<u8> {
    let headers =
        [("Content-Type", descriptor.media_type.as_str()), ("Docker-Content-Digest", descriptor.digest.as_str())];
    reply(200, &headers, bytes)
}

/// The head of an answer without its body.
pub(crate) fn without_body(mut answer: Vec<u8>) -> Vec<u8> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("answers have heads") + 4;
    answer.truncate(end);
    answer
}

/// A registry's refusal.
pub(crate) fn refusal(status: u16, code: &str, message: &str) -> Vec<u8> {
    let body = serde_json::json!({ "errors": [{ "code": code, "message": message }] });
    reply(status, &[("Content-Type", "application/json")], body.to_string().as_bytes())
}
