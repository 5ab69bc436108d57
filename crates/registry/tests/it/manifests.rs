//! "Pulling manifests" and "Pushing Manifests".

use serde_json::{Value, json};
use wharfie_oci::digest::Algorithm;
use wharfie_oci::{Digest, Digester};

use crate::client::{OCI_INDEX, OCI_MANIFEST, Registry};

fn put(registry: &Registry, reference: &str, media_type: &str, body: &str) -> crate::client::Reply {
    let target = format!("/v2/a/manifests/{reference}");
    registry.send("PUT", &target, &[("Content-Type", media_type)], body.as_bytes())
}

#[test]
fn a_manifest_comes_back_as_it_was_sent() {
    let registry = Registry::start();
    let manifest = registry.image("a", "content");
    // Blanks and order of members are part of what the digest names.
    let body = serde_json::to_string_pretty(&manifest).unwrap();
    let digest = Digest::of(body.as_bytes());
    let reply = put(&registry, "1.0", OCI_MANIFEST, &body).expect(201);
    assert_eq!(reply.header("location"), Some(&*format!("/v2/a/manifests/{digest}")));
    assert_eq!(reply.header("docker-content-digest"), Some(digest.as_str()));
    for reference in ["1.0", digest.as_str()] {
        let target = format!("/v2/a/manifests/{reference}");
        let reply = registry.get(&target).expect(200);
        assert_eq!(reply.body, body.as_bytes());
        assert_eq!(reply.header("content-type"), Some(OCI_MANIFEST));
        assert_eq!(reply.header("docker-content-digest"), Some(digest.as_str()));
        let reply = registry.send("HEAD", &target, &[], b"").expect(200);
        assert_eq!((reply.header("content-length"), reply.body.len()), (Some(&*body.len().to_string()), 0));
    }
    registry.get("/v2/a/manifests/2.0").refuses(404, "MANIFEST_UNKNOWN");
    registry.get(&format!("/v2/b/manifests/{digest}")).refuses(404, "MANIFEST_UNKNOWN");
}

#[test]
fn a_tag_moves() {
    let registry = Registry::start();
    let (one, two) = (registry.push_image("a", "1", "one"), registry.push_image("a", "1", "two"));
    let reply = registry.get("/v2/a/manifests/1").expect(200);
    assert_eq!(reply.header("docker-content-digest"), Some(two.as_str()));
    registry.get(&format!("/v2/a/manifests/{one}")).expect(200);
}

#[test]
fn dockers_types_and_lists_are_taken() {
    let registry = Registry::start();
    let mut image = registry.image("a", "content");
    image["mediaType"] = "application/vnd.docker.distribution.manifest.v2+json".into();
    registry.push_manifest("a", "docker", &image);
    let digest = Digest::of(image.to_string().as_bytes());
    let media_type = "application/vnd.docker.distribution.manifest.list.v2+json";
    let list = json!({
        "schemaVersion": 2, "mediaType": media_type,
        "manifests": [{ "mediaType": image["mediaType"], "digest": digest, "size": 1 }],
    });
    registry.push_manifest("a", "list", &list);
    assert_eq!(registry.get("/v2/a/manifests/list").header("content-type"), Some(media_type));
}

#[test]
fn a_digest_is_checked_and_may_be_sha512() {
    let registry = Registry::start();
    let body = registry.image("a", "content").to_string();
    let other = Digest::of(b"other");
    put(&registry, other.as_str(), OCI_MANIFEST, &body).refuses(400, "DIGEST_INVALID");
    put(&registry, "sha256:abc", OCI_MANIFEST, &body).refuses(400, "DIGEST_INVALID");
    let mut digester = Digester::new(Algorithm::Sha512);
    digester.update(body.as_bytes());
    let digest = digester.finish();
    let reply = put(&registry, digest.as_str(), OCI_MANIFEST, &body).expect(201);
    assert_eq!(reply.header("docker-content-digest"), Some(digest.as_str()));
    assert_eq!(registry.get(&format!("/v2/a/manifests/{digest}")).expect(200).body, body.as_bytes());
}

#[test]
fn a_push_by_digest_may_set_tags() {
    let registry = Registry::start();
    let body = registry.image("a", "content").to_string();
    let digest = Digest::of(body.as_bytes());
    let reply = put(&registry, &format!("{digest}?tag=1&tag=1.0&tag=latest"), OCI_MANIFEST, &body).expect(201);
    assert_eq!(reply.all("oci-tag"), ["1", "1.0", "latest"]);
    assert_eq!(registry.get("/v2/a/tags/list").json()["tags"], json!(["1", "1.0", "latest"]));
    put(&registry, &format!("{digest}?tag=../x"), OCI_MANIFEST, &body).refuses(400, "TAG_INVALID");
    // A push by tag has the one that it names.
    assert!(put(&registry, "2?tag=3", OCI_MANIFEST, &body).expect(201).all("oci-tag").is_empty());
}

#[test]
fn what_is_not_whole_is_refused() {
    let registry = Registry::start();
    let image = registry.image("a", "content");
    let missing = Digest::of(b"missing");
    let mut lacking = image.clone();
    lacking["layers"][0]["digest"] = missing.as_str().into();
    let reply = put(&registry, "1", OCI_MANIFEST, &lacking.to_string()).refuses(404, "MANIFEST_BLOB_UNKNOWN");
    assert_eq!(reply.json()["errors"][0]["detail"], json!([missing]));
    // Another repository's blobs are not this one's.
    let target = "/v2/b/manifests/1";
    let body = image.to_string();
    let reply = registry.send("PUT", target, &[("Content-Type", OCI_MANIFEST)], body.as_bytes());
    reply.refuses(404, "MANIFEST_BLOB_UNKNOWN");
    let index = json!({
        "schemaVersion": 2, "mediaType": OCI_INDEX,
        "manifests": [{ "mediaType": OCI_MANIFEST, "digest": missing, "size": 1 }],
    });
    put(&registry, "1", OCI_INDEX, &index.to_string()).refuses(404, "MANIFEST_BLOB_UNKNOWN");
    // A layer that lies elsewhere need not be here.
    lacking["layers"][0]["mediaType"] = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip".into();
    lacking["layers"][0]["urls"] = json!(["https://example.org/layer"]);
    put(&registry, "1", OCI_MANIFEST, &lacking.to_string()).expect(201);
}

#[test]
fn what_is_no_manifest_is_refused() {
    let registry = Registry::start();
    let image = registry.image("a", "content");
    let mut both = image.clone();
    both["manifests"] = json!([]);
    let refused: [(&str, String); 6] = [
        (OCI_MANIFEST, String::new()),
        (OCI_MANIFEST, "<html>".to_owned()),
        (OCI_MANIFEST, "[]".to_owned()),
        (OCI_MANIFEST, both.to_string()),
        (OCI_INDEX, image.to_string()),
        ("application/vnd.docker.distribution.manifest.v1+prettyjws", "{\"schemaVersion\":1}".to_owned()),
    ];
    for (media_type, body) in refused {
        put(&registry, "1", media_type, &body).refuses(400, "MANIFEST_INVALID");
    }
    put(&registry, "-x", OCI_MANIFEST, &image.to_string()).refuses(400, "TAG_INVALID");
    registry.get("/v2/a/manifests/1").refuses(404, "MANIFEST_UNKNOWN");
}

#[test]
fn four_megabytes_are_taken_and_more_are_not() {
    let registry = Registry::start();
    let padded = |size: usize| {
        let mut image: Value = registry.image("a", "content");
        image["annotations"] = json!({ "pad": "" });
        let lacking = size - image.to_string().len();
        image["annotations"]["pad"] = "x".repeat(lacking).into();
        image.to_string()
    };
    put(&registry, "1", OCI_MANIFEST, &padded(4 << 20)).expect(201);
    put(&registry, "2", OCI_MANIFEST, &padded((4 << 20) + 1)).refuses(413, "SIZE_INVALID");
}
