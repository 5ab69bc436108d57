//! `trust`, and images that are taken only if somebody signed them.

mod archives;
mod arrivals;
mod documents;
mod enforcing;
mod keys;
pub(crate) mod notation;
mod signing;

use std::path::Path;

use serde_json::Value;
use wharfie_testkit::{Host, Image, Published, TestRegistry};

use crate::host;

/// A host whose passphrases are known.
fn signing_host() -> Host {
    host().with("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", "correct horse")
}

/// Makes a key and gives the path of its public half.
fn key(host: &Host, name: &str) -> String {
    host.run(&["trust", "key", "generate", name]).succeeds();
    host.path().join(format!("{name}.pub")).display().to_string()
}

/// Another host that asks for signatures, and believes `signer` about `repository`.
fn believing(key: &str, signer: &str, repository: &str) -> Host {
    let host = host().with("DOCKER_CONTENT_TRUST", "1");
    host.run(&["trust", "signer", "add", "--key", key, signer, repository]).succeeds();
    host
}

fn image(content: &str) -> Published {
    Published::of(&Image::new().with_file("hello", content))
}

/// What lies under cosign's tag of `image` in a repository.
fn signatures(registry: &TestRegistry, path: &str, image: &Published) -> Value {
    let tag = format!("sha256-{}.sig", image.descriptor.digest.hex());
    let (status, answer) = registry.request("GET", &format!("/v2/{path}/manifests/{tag}"), "", b"");
    assert_eq!(status, 200, "{answer}");
    body(&answer)
}

fn body(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").expect("an answer has a body").1).expect("it is JSON")
}

/// Bytes of a blob that are text.
fn blob(registry: &TestRegistry, path: &str, digest: &str) -> String {
    let (status, answer) = registry.request("GET", &format!("/v2/{path}/blobs/{digest}"), "", b"");
    assert_eq!(status, 200, "{answer}");
    answer.split_once("\r\n\r\n").expect("an answer has a body").1.to_owned()
}

/// Signatures with these payloads and annotations, ready to be published under cosign's tag.
fn forged(layers: &[(String, String)]) -> Published {
    let layers = layers.iter().map(|(payload, signature)| {
        let kind = wharfie_oci::MediaType::new("application/vnd.dev.cosign.simplesigning.v1+json");
        let mut layer = wharfie_oci::Descriptor::of(kind, payload.as_bytes());
        layer.annotations = Some([("dev.cosignproject.cosign/signature".to_owned(), signature.clone())].into());
        (layer, payload.clone().into_bytes())
    });
    Published::with_layers(&Image::new(), layers.collect())
}

/// The payloads and annotations of what lies under cosign's tag.
fn payloads(registry: &TestRegistry, path: &str, image: &Published) -> Vec<(String, String)> {
    let manifest = signatures(registry, path, image);
    let layers = manifest["layers"].as_array().expect("a manifest has layers").iter();
    let read = |layer: &Value| {
        let payload = blob(registry, path, layer["digest"].as_str().expect("it has a digest"));
        let annotation = &layer["annotations"]["dev.cosignproject.cosign/signature"];
        (payload, annotation.as_str().expect("it has a signature").to_owned())
    };
    layers.map(read).collect()
}

/// Sets what the policy of a host says.
fn set_policy(host: &Host, policy: &Value) {
    let path = host.docker_config().join("trust/policy.json");
    std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("the host's own folder takes folders");
    std::fs::write(path, policy.to_string()).expect("the host's own folder takes files");
}

fn policy(host: &Host) -> Value {
    let path = host.docker_config().join("trust/policy.json");
    serde_json::from_slice(&std::fs::read(path).expect("there is a policy")).expect("it is JSON")
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).expect("it is there").mode() & 0o777
}
