//! What the tests share: small images, clients with short waits, observers that remember.

use std::io::Read;
use std::sync::Mutex;
use std::time::Duration;

use wharfie_content::{Event, Observer, Verified};
use wharfie_oci::{Descriptor, MediaType, Reference};
use wharfie_remote::{Config, Error, Keychain, Remote, RepositoryClient, Retry, Watch};

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
    let reference: Reference = format!("{address}/{path}").parse().unwrap();
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

/// An image manifest of one layer, with its descriptor and the blobs it needs.
pub(crate) fn image(content: &[u8]) -> (Descriptor, Vec<u8>, [(Descriptor, Vec<u8>); 2]) {
    let config = b"{}".to_vec();
    let config = (Descriptor::of(MediaType::OCI_CONFIG, &config), config);
    let layer = (layer(content), content.to_vec());
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST, "config": config.0, "layers": [layer.0],
    });
    let bytes = serde_json::to_vec(&manifest).unwrap();
    (Descriptor::of(MediaType::OCI_MANIFEST, &bytes), bytes, [config, layer])
}

/// Uploads a blob.
pub(crate) fn upload(repository: &RepositoryClient, blob: &Descriptor, bytes: &[u8]) -> Result<(), Error> {
    let bytes = bytes.to_vec();
    repository.upload(blob, &move || Ok(Box::new(std::io::Cursor::new(bytes.clone()))), Watch::silent())
}

/// Pushes an image under `tag`.
pub(crate) fn push(repository: &RepositoryClient, tag: &str, content: &[u8]) -> Descriptor {
    let (descriptor, bytes, blobs) = image(content);
    for (blob, bytes) in &blobs {
        upload(repository, blob, bytes).unwrap();
    }
    assert_eq!(repository.put_manifest(tag, &descriptor.media_type, &bytes).unwrap(), descriptor.digest);
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
        self.0.lock().unwrap().clone()
    }
}

impl Observer for Waits {
    fn observe(&self, event: Event) {
        if let Event::Retrying { seconds, .. } = event {
            self.0.lock().unwrap().push(seconds);
        }
    }
}

/// Watches with `observer`.
pub(crate) fn watch(observer: &dyn Observer) -> Watch<'_> {
    Watch { observer, task: wharfie_content::TaskId::next() }
}
