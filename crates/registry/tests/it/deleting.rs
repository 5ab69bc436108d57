//! "Content Management": tags, manifests and blobs go.

use serde_json::json;
use wharfie_oci::Digest;

use crate::client::Registry;

fn delete(registry: &Registry, target: &str) -> crate::client::Reply {
    registry.send("DELETE", target, &[], b"")
}

#[test]
fn a_tag_goes_alone() {
    let registry = Registry::start();
    let digest = registry.push_image("a", "1", "content");
    delete(&registry, "/v2/a/manifests/1").expect(202);
    registry.get("/v2/a/manifests/1").refuses(404, "MANIFEST_UNKNOWN");
    registry.get(&format!("/v2/a/manifests/{digest}")).expect(200);
    assert_eq!(registry.get("/v2/a/tags/list").expect(200).json()["tags"], json!([]));
    delete(&registry, "/v2/a/manifests/1").refuses(404, "MANIFEST_UNKNOWN");
}

#[test]
fn a_manifest_takes_its_tags_along_but_not_those_that_moved_on() {
    let registry = Registry::start();
    let one = registry.push_image("a", "1", "one");
    registry.push_image("a", "latest", "one");
    let two = registry.push_image("a", "latest", "two");
    delete(&registry, &format!("/v2/a/manifests/{one}")).expect(202);
    registry.get(&format!("/v2/a/manifests/{one}")).refuses(404, "MANIFEST_UNKNOWN");
    registry.get("/v2/a/manifests/1").refuses(404, "MANIFEST_UNKNOWN");
    let reply = registry.get("/v2/a/manifests/latest").expect(200);
    assert_eq!(reply.header("docker-content-digest"), Some(two.as_str()));
    assert_eq!(registry.get("/v2/a/tags/list").json()["tags"], json!(["latest"]));
    delete(&registry, &format!("/v2/a/manifests/{one}")).refuses(404, "MANIFEST_UNKNOWN");
}

#[test]
fn a_blob_goes_from_its_repository_only() {
    let registry = Registry::start();
    let digest = registry.push_blob("a", b"content");
    registry.push_blob("b", b"content");
    delete(&registry, &format!("/v2/a/blobs/{digest}")).expect(202);
    registry.get(&format!("/v2/a/blobs/{digest}")).refuses(404, "BLOB_UNKNOWN");
    registry.get(&format!("/v2/b/blobs/{digest}")).expect(200);
    delete(&registry, &format!("/v2/a/blobs/{digest}")).refuses(404, "BLOB_UNKNOWN");
    delete(&registry, &format!("/v2/a/blobs/{}", Digest::of(b"none"))).refuses(404, "BLOB_UNKNOWN");
    delete(&registry, "/v2/a/tags/list").refuses(405, "UNSUPPORTED");
}
