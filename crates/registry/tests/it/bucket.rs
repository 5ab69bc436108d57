//! The same on a bucket of whatever service the tests are given. Two servers share it and know nothing of each other.

use std::time::Duration;

use serde_json::json;
use wharfie_oci::Digest;
use wharfie_registry::config::Keeping;
use wharfie_registry::gc::Mode;
use wharfie_registry::{BucketOptions, Place};
use wharfie_testkit::Buckets;

use crate::client::{Registry, Setup};

/// A new bucket.
fn bucket(buckets: &Buckets, name: &str) -> Place {
    buckets.make_bucket(name);
    let (access_key, secret_key) = buckets.keys();
    Place::Bucket(BucketOptions {
        name: name.to_owned(),
        endpoint: Some(buckets.endpoint()),
        region: "us-east-1".to_owned(),
        prefix: "images/".to_owned(),
        access_key: access_key.to_owned(),
        secret_key: secret_key.to_owned(),
        session_token: None,
    })
}

/// Servers of one new bucket.
fn servers<const COUNT: usize>(name: &str, grace: Duration) -> Option<[Registry; COUNT]> {
    let place = bucket(Buckets::get()?, name);
    Some(std::array::from_fn(|_| {
        let keeping = Keeping { every: None, grace, ..Keeping::default() };
        Registry::set_up(Setup { place: Some(place.clone()), keeping, ..Setup::default() })
    }))
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn what_one_server_takes_the_other_gives() {
    let Some([one, two]) = servers("given", HOUR) else { return };
    let digest = one.push_image("team/app", "1", "content");
    let reply = two.get("/v2/team/app/manifests/1").expect(200);
    assert_eq!(reply.header("docker-content-digest"), Some(digest.as_str()));
    let layer = Digest::of(b"content");
    let target = format!("/v2/team/app/blobs/{layer}");
    assert_eq!(two.get(&target).expect(200).body, b"content");
    assert_eq!(two.send("GET", &target, &[("Range", "bytes=2-4")], b"").expect(206).body, b"nte");
    assert_eq!(two.send("HEAD", &target, &[], b"").expect(200).header("content-length"), Some("7"));
    two.push_blob("team/app", b"");
    let empty = format!("/v2/team/app/blobs/{}", Digest::of(b""));
    assert_eq!(one.get(&empty).expect(200).body, b"");
    two.push_image("team/app", "1", "new");
    assert_ne!(one.get("/v2/team/app/manifests/1").header("docker-content-digest"), Some(digest.as_str()));
    one.send("DELETE", "/v2/team/app/manifests/1", &[], b"").expect(202);
    two.get("/v2/team/app/manifests/1").refuses(404, "MANIFEST_UNKNOWN");
    assert_eq!(one.check().problems, []);
}

#[test]
fn an_upload_goes_on_wherever_it_is_sent() {
    let Some([one, two]) = servers("uploads", HOUR) else { return };
    // Three parts and a rest, in pieces that have nothing to do with parts.
    let bytes: Vec<u8> = (0..27_000_000_u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[2]).collect();
    let location = one.begin_upload("a");
    let mut at = 0;
    for (server, size) in [(&two, 5_000_000), (&one, 17_000_000), (&two, 1), (&one, 4_000_000)] {
        let range = format!("{at}-{}", at + size - 1);
        server.send("PATCH", &location, &[("Content-Range", &range)], &bytes[at..at + size]).expect(202);
        at += size;
    }
    two.send("PATCH", &location, &[("Content-Range", "0-9")], &bytes[..10]).expect(416);
    assert_eq!(two.get(&location).expect(204).header("range"), Some(&*format!("0-{}", at - 1)));
    let digest = Digest::of(&bytes);
    one.send("PUT", &format!("{location}?digest={digest}"), &[], &bytes[at..]).expect(201);
    assert!(two.get(&format!("/v2/a/blobs/{digest}")).expect(200).body == bytes);
    two.get(&location).refuses(404, "BLOB_UPLOAD_UNKNOWN");
    let other = one.begin_upload("a");
    one.send("PATCH", &other, &[], b"abc").expect(202);
    two.send("DELETE", &other, &[], b"").expect(204);
    one.get(&other).refuses(404, "BLOB_UPLOAD_UNKNOWN");
}

#[test]
fn lists_of_a_bucket_come_in_pages() {
    let Some([registry]) = servers("lists", HOUR) else { return };
    let image = registry.image("a", "content");
    for tag in ["b", "a", "C", "1.10", "1.2"] {
        registry.push_manifest("a", tag, &image);
    }
    registry.push_image("a/b", "1", "content");
    registry.push_image("a-b", "1", "content");
    let list = |query: &str| registry.get(&format!("/v2/a/tags/list{query}")).expect(200);
    assert_eq!(list("").json()["tags"], json!(["1.10", "1.2", "C", "a", "b"]));
    let reply = list("?n=2&last=1.10");
    assert_eq!(reply.json()["tags"], json!(["1.2", "C"]));
    assert_eq!(reply.header("link"), Some("</v2/a/tags/list?n=2&last=C>; rel=\"next\""));
    assert_eq!((list("?n=0").json()["tags"].clone(), list("?n=2&last=C").header("link")), (json!([]), None));
    assert_eq!(registry.get("/v2/_catalog").json()["repositories"], json!(["a", "a/b", "a-b"]));
    registry.get("/v2/none/tags/list").refuses(404, "NAME_UNKNOWN");
}

#[test]
fn a_bucket_is_collected() {
    let Some([mut registry]) = servers("collected", Duration::ZERO) else { return };
    let old = registry.push_image("a", "1", "old");
    let new = registry.push_image("a", "1", "new");
    let location = registry.begin_upload("a");
    registry.send("PATCH", &location, &[], b"abc").expect(202);
    let collected = registry.collect(Mode::Collect);
    assert_eq!(collected.manifests, [("a".to_owned(), old)]);
    assert_eq!((collected.links.len(), collected.blobs.len()), (2, 2));
    registry.get(&format!("/v2/a/manifests/{new}")).expect(200);
    assert_eq!(registry.check().problems, []);
    // What an upload has so far is nobody's garbage.
    let digest = Digest::of(b"abcdef");
    registry.send("PUT", &format!("{location}?digest={digest}"), &[], b"def").expect(201);
    assert_eq!(registry.get(&format!("/v2/a/blobs/{digest}")).expect(200).body, b"abcdef");
}

#[test]
fn a_bucket_passes_on_what_it_caches_while_it_comes() {
    let Some(buckets) = Buckets::get() else { return };
    crate::caching::is_passed_on(Some(bucket(buckets, "passed-on")));
}
