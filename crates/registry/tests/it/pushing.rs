//! "Pushing blobs": every way that there is.

use std::os::unix::fs::MetadataExt;

use wharfie_oci::digest::Algorithm;
use wharfie_oci::{Digest, Digester};
use wharfie_registry::Limits;

use crate::client::Registry;

fn sha512(bytes: &[u8]) -> Digest {
    let mut digester = Digester::new(Algorithm::Sha512);
    digester.update(bytes);
    digester.finish()
}

#[track_caller]
fn has(registry: &Registry, name: &str, digest: &Digest, bytes: &[u8]) {
    assert_eq!(registry.get(&format!("/v2/{name}/blobs/{digest}")).expect(200).body, bytes);
}

#[test]
fn monolithic_by_one_request_or_two() {
    let registry = Registry::start();
    let digest = registry.push_blob("a", b"one");
    has(&registry, "a", &digest, b"one");
    let location = registry.begin_upload("a");
    let digest = Digest::of(b"two");
    let reply = registry.send("PUT", &format!("{location}?digest={digest}"), &[], b"two").expect(201);
    assert_eq!(reply.header("location"), Some(&*format!("/v2/a/blobs/{digest}")));
    assert_eq!(reply.header("docker-content-digest"), Some(digest.as_str()));
    has(&registry, "a", &digest, b"two");
    registry.get(&location).refuses(404, "BLOB_UPLOAD_UNKNOWN");
}

#[test]
fn chunks_in_order_make_a_blob() {
    let registry = Registry::start();
    let location = registry.begin_upload("a");
    let put = |method: &str, target: &str, range: &str, bytes: &[u8]| {
        registry.send(method, target, &[("Content-Range", range)], bytes)
    };
    let reply = put("PATCH", &location, "0-3", b"0123").expect(202);
    assert_eq!((reply.header("range"), reply.header("location")), (Some("0-3"), Some(&*location)));
    // Again, too far, and nonsense: refused, and nothing is changed.
    for range in ["0-3", "5-6", "3-4"] {
        let reply = put("PATCH", &location, range, &b"xxxx"[..if range == "0-3" { 4 } else { 2 }]).expect(416);
        assert_eq!(reply.header("range"), Some("0-3"), "{range}");
    }
    put("PATCH", &location, "x", b"xx").refuses(400, "BLOB_UPLOAD_INVALID");
    put("PATCH", &location, "4-9", b"xx").refuses(400, "SIZE_INVALID");
    let reply = registry.get(&location).expect(204);
    assert_eq!(reply.header("range"), Some("0-3"));
    put("PATCH", &location, "4-6", b"456").expect(202);
    let digest = Digest::of(b"0123456789");
    let target = format!("{location}?digest={digest}");
    put("PUT", &target, "8-9", b"89").expect(416);
    put("PUT", &target, "7-9", b"789").expect(201);
    has(&registry, "a", &digest, b"0123456789");
}

#[test]
fn a_stream_without_a_length_is_a_chunk() {
    let registry = Registry::start();
    let location = registry.begin_upload("a");
    let body = b"4\r\n0123\r\n3\r\n456\r\n0\r\n\r\n";
    let reply = registry.send("PATCH", &location, &[("Transfer-Encoding", "chunked")], body).expect(202);
    assert_eq!(reply.header("range"), Some("0-6"));
    let digest = Digest::of(b"0123456");
    registry.send("PUT", &format!("{location}?digest={digest}"), &[], b"").expect(201);
    has(&registry, "a", &digest, b"0123456");
}

#[test]
fn sha512_is_a_digest_like_any_other() {
    let registry = Registry::start();
    let digest = sha512(b"content");
    registry.send("POST", &format!("/v2/a/blobs/uploads/?digest={digest}"), &[], b"content").expect(201);
    has(&registry, "a", &digest, b"content");
    // Said at the begin, or at the end only.
    for (query, bytes) in [("?digest-algorithm=sha512", b"early"), ("", b"later")] {
        let reply = registry.send("POST", &format!("/v2/a/blobs/uploads/{query}"), &[], b"").expect(202);
        let location = reply.header("location").unwrap();
        registry.send("PATCH", location, &[], bytes).expect(202);
        let digest = sha512(bytes);
        registry.send("PUT", &format!("{location}?digest={digest}"), &[], b"").expect(201);
        has(&registry, "a", &digest, bytes);
    }
    registry.send("POST", "/v2/a/blobs/uploads/?digest-algorithm=md5", &[], b"").refuses(400, "DIGEST_INVALID");
}

#[test]
fn what_is_not_what_it_should_be_is_refused() {
    let registry = Registry::start();
    let other = Digest::of(b"other");
    let target = format!("/v2/a/blobs/uploads/?digest={other}");
    registry.send("POST", &target, &[], b"content").refuses(400, "DIGEST_INVALID");
    for bad in ["sha256:abc", "md5:d41d8cd98f00b204e9800998ecf8427e", "x", ""] {
        let target = format!("/v2/a/blobs/uploads/?digest={bad}");
        registry.send("POST", &target, &[], b"content").refuses(400, "DIGEST_INVALID");
    }
    let location = registry.begin_upload("a");
    registry.send("PUT", &location, &[], b"content").refuses(400, "DIGEST_INVALID");
    registry.send("PUT", &format!("{location}?digest={other}"), &[], b"content").refuses(400, "DIGEST_INVALID");
    registry.get(&location).refuses(404, "BLOB_UPLOAD_UNKNOWN");
    registry.get(&format!("/v2/a/blobs/{other}")).refuses(404, "BLOB_UNKNOWN");
    // Nothing is left of it.
    assert_eq!(std::fs::read_dir(registry.root().join("data")).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(registry.root().join("uploads")).unwrap().count(), 0);
}

#[test]
fn an_upload_belongs_to_its_repository_and_can_be_cancelled() {
    let registry = Registry::start();
    let location = registry.begin_upload("a");
    let elsewhere = location.replace("/v2/a/", "/v2/b/");
    registry.get(&elsewhere).refuses(404, "BLOB_UPLOAD_UNKNOWN");
    registry.send("PATCH", &elsewhere, &[], b"x").refuses(404, "BLOB_UPLOAD_UNKNOWN");
    registry.send("DELETE", &elsewhere, &[], b"").refuses(404, "BLOB_UPLOAD_UNKNOWN");
    registry.send("PATCH", &location, &[], b"x").expect(202);
    registry.send("DELETE", &location, &[], b"").expect(204);
    registry.send("DELETE", &location, &[], b"").refuses(404, "BLOB_UPLOAD_UNKNOWN");
    assert_eq!(std::fs::read_dir(registry.root().join("data")).unwrap().count(), 0);
}

#[test]
fn a_blob_is_mounted_from_where_it_is() {
    let registry = Registry::start();
    let digest = registry.push_blob("a", b"content");
    let mount = |query: &str| registry.send("POST", &format!("/v2/b/blobs/uploads/?mount={query}"), &[], b"");
    let none = Digest::of(b"none");
    // Not there: an upload begins.
    let reply = mount(&format!("{none}&from=a")).expect(202);
    assert!(reply.header("location").unwrap().starts_with("/v2/b/blobs/uploads/"));
    mount(&format!("{digest}&from=c")).expect(202);
    mount(none.as_str()).expect(202);
    registry.get(&format!("/v2/b/blobs/{digest}")).refuses(404, "BLOB_UNKNOWN");
    let reply = mount(&format!("{digest}&from=a")).expect(201);
    assert_eq!(reply.header("location"), Some(&*format!("/v2/b/blobs/{digest}")));
    has(&registry, "b", &digest, b"content");
    let reply = registry.send("POST", &format!("/v2/c/blobs/uploads/?mount={digest}"), &[], b"").expect(201);
    assert_eq!(reply.header("docker-content-digest"), Some(digest.as_str()));
    has(&registry, "c", &digest, b"content");
    mount("x").refuses(400, "DIGEST_INVALID");
    mount(&format!("{digest}&from=../x")).refuses(400, "NAME_INVALID");
}

#[test]
fn bytes_are_kept_once() {
    let registry = Registry::start();
    registry.push_blob("a", b"content");
    registry.push_blob("a", b"content");
    registry.push_blob("b", b"content");
    assert_eq!(std::fs::read_dir(registry.root().join("data")).unwrap().count(), 1);
}

#[test]
fn blobs_of_the_image_store_are_not_kept_twice() {
    let registry = Registry::start();
    let (digest, wrong) = (Digest::of(b"content"), Digest::of(b"another"));
    let folder = registry.images().join("sha256");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(digest.hex()), b"content").unwrap();
    std::fs::write(folder.join(wrong.hex()), b"of another size").unwrap();
    registry.push_blob("a", b"content");
    registry.push_blob("a", b"another");
    let links = |path: &std::path::Path| std::fs::metadata(path).unwrap().nlink();
    assert_eq!((links(&folder.join(digest.hex())), links(&folder.join(wrong.hex()))), (2, 1));
    // It stays when the store's goes.
    std::fs::remove_file(folder.join(digest.hex())).unwrap();
    has(&registry, "a", &digest, b"content");
    has(&registry, "a", &wrong, b"another");
}

#[test]
fn a_blob_may_be_too_large() {
    let registry = Registry::with(Limits { blob_bytes: 10, ..Limits::default() });
    registry.push_blob("a", b"0123456789");
    let digest = Digest::of(b"0123456789x");
    let target = format!("/v2/a/blobs/uploads/?digest={digest}");
    registry.send("POST", &target, &[], b"0123456789x").refuses(413, "SIZE_INVALID");
    let location = registry.begin_upload("a");
    registry.send("PATCH", &location, &[], b"01234").expect(202);
    registry.send("PATCH", &location, &[], b"567890").refuses(413, "SIZE_INVALID");
    assert_eq!(registry.get(&location).expect(204).header("range"), Some("0-4"));
    let body = b"b\r\n0123456789x\r\n0\r\n\r\n";
    registry.send("PATCH", &location, &[("Transfer-Encoding", "chunked")], body).refuses(413, "SIZE_INVALID");
}
