//! Clients that mean no good, or do no good.

use std::io::Write;
use std::time::Duration;

use wharfie_oci::Digest;
use wharfie_registry::Limits;

use crate::client::{Registry, Reply};

#[test]
fn no_path_leaves_the_registry() {
    let registry = Registry::start();
    let digest = Digest::of(b"");
    for (target, code) in [
        ("/v2/../../etc/passwd/tags/list".to_owned(), "NAME_INVALID"),
        ("/v2/..%2F..%2Fetc/tags/list".to_owned(), "NAME_INVALID"),
        ("/v2/a/./b/tags/list".to_owned(), "NAME_INVALID"),
        ("/v2/a!b/tags/list".to_owned(), "NAME_INVALID"),
        (format!("/v2/{}/blobs/{digest}", "a".repeat(256)), "NAME_INVALID"),
        ("/v2/a/manifests/..".to_owned(), "TAG_INVALID"),
        ("/v2/a/manifests/%2e%2e".to_owned(), "TAG_INVALID"),
        ("/v2/a/blobs/sha256:..%2f..%2fx".to_owned(), "DIGEST_INVALID"),
        (format!("/v2/a/blobs/sha256:{}", "A".repeat(64)), "DIGEST_INVALID"),
        ("/v2/a/manifests/sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709".to_owned(), "DIGEST_INVALID"),
    ] {
        registry.get(&target).refuses(400, code);
    }
    registry.get("/v2/a/blobs/uploads/..").refuses(404, "BLOB_UPLOAD_UNKNOWN");
    registry.get("/v2/a%ff/tags/list").refuses(404, "UNSUPPORTED");
}

#[test]
fn the_longest_names_are_names() {
    let registry = Registry::start();
    let (name, tag) = ("a/".repeat(127) + "a", "t".repeat(128));
    assert_eq!(name.len(), 255);
    let digest = registry.push_image(&name, &tag, "content");
    let reply = registry.get(&format!("/v2/{name}/manifests/{tag}")).expect(200);
    assert_eq!(reply.header("docker-content-digest"), Some(digest.as_str()));
}

#[test]
fn heads_are_bounded() {
    let registry = Registry::start();
    let long = format!("GET /v2/ HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(1 << 20));
    assert_eq!(registry.raw(long.as_bytes()).status, 431);
    let many = format!("GET /v2/ HTTP/1.1\r\nHost: x\r\n{}\r\n", "a: b\r\n".repeat(1000));
    assert_eq!(registry.raw(many.as_bytes()).status, 431);
    assert_eq!(registry.raw(b"nonsense\r\n\r\n").status, 400);
    let query = format!("/v2/_catalog?{}", "a=1&".repeat(100));
    registry.get(&query).refuses(400, "UNSUPPORTED");
    registry.get("/v2/").expect(200);
}

#[test]
fn who_says_nothing_is_not_waited_for() {
    let limits = Limits { head: Duration::from_millis(200), idle: Duration::from_millis(200), ..Limits::default() };
    let registry = Registry::with(limits);
    let location = registry.begin_upload("a");
    // Half a head: the connection ends without an answer, or with one that says so.
    let mut slow = registry.connect();
    slow.write_all(b"GET /v2/ HT").unwrap();
    let mut rest = Vec::new();
    let _ended = std::io::Read::read_to_end(&mut slow, &mut rest);
    // Half a body: it is told, and what came stays.
    let mut slow = registry.connect();
    let head = format!("PATCH {location} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 10\r\n\r\nabc");
    slow.write_all(head.as_bytes()).unwrap();
    Reply::read(&mut slow).refuses(408, "BLOB_UPLOAD_INVALID");
    assert_eq!(registry.get(&location).expect(204).header("range"), Some("0-2"));
}

#[test]
fn a_manifest_that_is_announced_as_too_large_is_not_read() {
    let registry = Registry::start();
    let head = "PUT /v2/a/manifests/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\n\
                Content-Length: 999999999999\r\n\r\n";
    registry.raw(head.as_bytes()).refuses(413, "SIZE_INVALID");
}

#[test]
fn more_uploads_at_once_than_allowed_are_told_to_come_again() {
    let registry = Registry::with(Limits { uploads: 1, ..Limits::default() });
    let (one, two) = (registry.begin_upload("a"), registry.begin_upload("a"));
    let mut first = registry.connect();
    let head = format!(
        "PATCH {one} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\n\
         Content-Length: 6\r\n\r\n"
    );
    first.write_all(head.as_bytes()).unwrap();
    // It is asked for its body when it has its turn.
    let mut asked = [0; 25];
    std::io::Read::read_exact(&mut first, &mut asked).unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    let refused = registry.send("PATCH", &two, &[], b"x").refuses(429, "TOOMANYREQUESTS");
    assert!(refused.header("retry-after").is_some());
    first.write_all(b"abcdef").unwrap();
    Reply::read(&mut first).expect(202);
    registry.send("PATCH", &two, &[], b"x").expect(202);
}

#[test]
fn a_full_storage_is_told_as_such() {
    let registry = Registry::start();
    let location = registry.begin_upload("a");
    // Whatever keeps it from writing: here a directory is where the link should be.
    let digest = Digest::of(b"content");
    std::fs::create_dir_all(registry.root().join("links").join("a").join(digest.as_str()).join("x")).unwrap();
    let reply = registry.send("PUT", &format!("{location}?digest={digest}"), &[], b"content");
    let reply = reply.refuses(503, "UNAVAILABLE");
    assert!(reply.header("retry-after").is_some());
    assert!(!String::from_utf8_lossy(&reply.body).contains("/links/"));
}
