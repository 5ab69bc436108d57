//! "Pulling blobs", with ranges and conditions.

use wharfie_oci::Digest;

use crate::client::Registry;

#[test]
fn a_client_learns_that_this_is_a_registry() {
    let registry = Registry::start();
    for target in ["/v2/", "/v2"] {
        let reply = registry.get(target).expect(200);
        assert_eq!(reply.header("docker-distribution-api-version"), Some("registry/2.0"));
    }
    registry.get("/healthz").expect(200);
    registry.get("/readyz").expect(200);
    registry.get("/v1/_ping").expect(200);
    registry.get("/elsewhere").refuses(404, "UNSUPPORTED");
    let reply = registry.send("POST", "/v2/", &[], b"").refuses(405, "UNSUPPORTED");
    assert_eq!(reply.header("allow"), Some("GET, HEAD"));
}

#[test]
fn a_blob_comes_back_whole_with_its_digest() {
    let registry = Registry::start();
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
    let digest = registry.push_blob("a/b", &bytes);
    let target = format!("/v2/a/b/blobs/{digest}");
    let reply = registry.get(&target).expect(200);
    assert!(reply.body == bytes);
    assert_eq!(reply.header("docker-content-digest"), Some(digest.as_str()));
    assert_eq!(reply.header("content-length"), Some("1000000"));
    let reply = registry.send("HEAD", &target, &[], b"").expect(200);
    assert_eq!((reply.header("content-length"), reply.body.len()), (Some("1000000"), 0));
    // Another repository does not have it.
    registry.get(&format!("/v2/a/blobs/{digest}")).refuses(404, "BLOB_UNKNOWN");
    registry.send("HEAD", &format!("/v2/a/blobs/{digest}"), &[], b"").expect(404);
    let none = Digest::of(b"none");
    registry.get(&format!("/v2/a/b/blobs/{none}")).refuses(404, "BLOB_UNKNOWN");
}

#[test]
fn ranges_are_answered_with_what_they_ask_for() {
    let registry = Registry::start();
    let digest = registry.push_blob("a", b"0123456789");
    let target = format!("/v2/a/blobs/{digest}");
    for (range, body, told) in [
        ("bytes=0-3", "0123", "bytes 0-3/10"),
        ("bytes=4-", "456789", "bytes 4-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
        ("bytes=8-100", "89", "bytes 8-9/10"),
    ] {
        let reply = registry.send("GET", &target, &[("Range", range)], b"").expect(206);
        assert_eq!((reply.body.as_slice(), reply.header("content-range")), (body.as_bytes(), Some(told)), "{range}");
        assert_eq!(reply.header("content-length"), Some(body.len().to_string().as_str()));
    }
    let reply = registry.send("GET", &target, &[("Range", "bytes=10-")], b"").expect(416);
    assert_eq!(reply.header("content-range"), Some("bytes */10"));
    assert_eq!(reply.header("content-length"), Some(reply.body.len().to_string().as_str()));
    for ignored in ["bytes=1-2,4-5", "lines=1-2", "bytes=5-2"] {
        assert_eq!(registry.send("GET", &target, &[("Range", ignored)], b"").expect(200).body, b"0123456789");
    }
    let (same, other) = (format!("\"{digest}\""), "\"other\"");
    let ranged = |tag: &str| registry.send("GET", &target, &[("Range", "bytes=1-1"), ("If-Range", tag)], b"").status;
    assert_eq!((ranged(&same), ranged(other)), (206, 200));
}

#[test]
fn what_a_client_has_is_not_sent_again() {
    let registry = Registry::start();
    let digest = registry.push_blob("a", b"0123456789");
    let image = registry.push_image("a", "1", "content");
    for (target, digest) in [(format!("/v2/a/blobs/{digest}"), digest), ("/v2/a/manifests/1".to_owned(), image)] {
        let tag = format!("\"{digest}\"");
        for tag in [&*tag, &format!("W/{tag}"), &format!("\"x\", {tag}"), "*"] {
            let reply = registry.send("GET", &target, &[("If-None-Match", tag)], b"").expect(304);
            assert!(reply.body.is_empty());
        }
        registry.send("GET", &target, &[("If-None-Match", "\"other\"")], b"").expect(200);
    }
}

#[test]
fn an_empty_blob_is_a_blob() {
    let registry = Registry::start();
    let digest = registry.push_blob("a", b"");
    let reply = registry.get(&format!("/v2/a/blobs/{digest}")).expect(200);
    assert_eq!((reply.body.len(), reply.header("content-length")), (0, Some("0")));
}
