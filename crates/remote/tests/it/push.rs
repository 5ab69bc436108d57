//! Uploads to registries with ideas of their own.

use wharfie_content::{Event, TaskId, Watch};
use wharfie_oci::{Digest, MediaType};
use wharfie_remote::Error;
use wharfie_testkit::FaultyServer;
use wharfie_testkit::faulty_server::{CONTINUE, Heard, reply};

use crate::fixtures::{Waits, image, layer, noise, refusal, upload, watch, web};

fn send(web: &wharfie_remote::RepositoryClient, content: &'static [u8], watch: Watch<'_>) -> Result<(), Error> {
    web.upload(&layer(content), &content, watch)
}

/// Opens sessions; `rest` answers everything else.
fn opening(rest: impl Fn(&Heard) -> Vec<u8> + Send + Sync + 'static) -> FaultyServer {
    FaultyServer::start(move |request| match request.method.as_str() {
        "POST" => reply(202, &[("Location", "/up/1?state=a%3D")], b""),
        _ => rest(request),
    })
}

fn put_line(content: &[u8]) -> String {
    format!("PUT /up/1?state=a%3D&digest=sha256%3A{}", layer(content).digest.hex())
}

#[test]
fn an_upload_is_one_post_and_one_put() {
    let server = opening(|_| reply(201, &[], b""));
    send(&web(server.address()), b"content", Watch::silent()).unwrap();
    assert_eq!(server.lines(), ["POST /v2/team/web/blobs/uploads/".to_owned(), put_line(b"content")]);
    let put = &server.heard()[1];
    assert_eq!(put.header("content-length"), Some("7"));
    assert_eq!((put.header("transfer-encoding"), &put.body[..]), (None, &b"content"[..]));
    assert_eq!(server.heard()[0].header("content-length"), Some("0"));
}

#[test]
fn progress_is_told_in_bytes_from_the_start() {
    let server = opening(|_| reply(201, &[], b""));
    let content = noise(200_000);
    let seen = std::sync::Mutex::new(Vec::new());
    let observer = |event: Event| {
        if let Event::Advanced { done, total, .. } = event {
            seen.lock().unwrap().push((done, total));
        }
    };
    let web = web(server.address());
    let opened = || Ok(Box::new(std::io::Cursor::new(noise(200_000))) as _);
    web.upload(&layer(&content), &opened, Watch { observer: &observer, task: TaskId::next() }).unwrap();
    let seen = seen.into_inner().unwrap();
    assert!(seen.is_sorted() && seen.len() > 2, "{seen:?}");
    assert_eq!(seen.last(), Some(&(200_000, Some(200_000))));
}

#[test]
fn registries_that_refuse_the_put_get_a_patch() {
    let server = opening(|request| match (request.method.as_str(), request.body.len()) {
        ("PUT", 0) => reply(201, &[], b""),
        ("PUT", _) => reply(405, &[], b""),
        _ => reply(202, &[("Location", "/up/1?state=b")], b""),
    });
    send(&web(server.address()), b"content", Watch::silent()).unwrap();
    let lines = server.lines();
    assert_eq!(lines[2..4], ["POST /v2/team/web/blobs/uploads/", "PATCH /up/1?state=a%3D"]);
    assert!(lines[4].starts_with("PUT /up/1?state=b&digest="), "{lines:?}");
    assert_eq!(server.heard()[3].header("content-range"), Some("0-6"));
}

#[test]
fn registries_that_want_chunks_get_one() {
    let server = FaultyServer::start(|request| match request.method.as_str() {
        "POST" => reply(202, &[("Location", "/up"), ("OCI-Chunk-Min-Length", "1048576")], b""),
        "PATCH" => reply(202, &[("Location", "up2")], b""),
        _ => reply(201, &[], b""),
    });
    send(&web(server.address()), b"content", Watch::silent()).unwrap();
    let methods: Vec<String> = server.heard().into_iter().map(|request| request.method).collect();
    assert_eq!(methods, ["POST", "PATCH", "PUT"]);
}

#[test]
fn gateways_that_limit_bodies_get_smaller_ones() {
    let server = opening(|request| match (request.method.as_str(), request.body.len()) {
        ("PUT", 0) => reply(201, &[], b""),
        ("PATCH", size) if size <= 16 << 20 => reply(202, &[("Location", "/up/1")], b""),
        _ => reply(413, &[], b""),
    });
    let content = noise(17 << 20);
    upload(&web(server.address()), &layer(&content), &content).unwrap();
    let patches: Vec<Vec<u8>> =
        server.heard().into_iter().filter(|request| request.method == "PATCH").map(|request| request.body).collect();
    assert_eq!((patches.len(), patches.concat() == content), (2, true));
}

#[test]
fn a_failing_registry_is_waited_for() {
    let server = opening(|request| if request.earlier < 2 { reply(500, &[], b"") } else { reply(201, &[], b"") });
    let waits = Waits::default();
    send(&web(server.address()), b"content", watch(&waits)).unwrap();
    assert_eq!(waits.seconds(), [(1..=5).rev().collect::<Vec<_>>(), (1..=10).rev().collect()].concat());

    let server = opening(|_| reply(500, &[], b""));
    let waits = Waits::default();
    let refused = send(&web(server.address()), b"content", watch(&waits)).unwrap_err();
    assert_eq!(refused.to_string(), "received unexpected HTTP status: 500 Internal Server Error");
    assert_eq!(waits.seconds().len(), 50);
}

#[test]
fn a_connection_that_breaks_is_made_again() {
    let server = opening(|request| if request.earlier == 0 { Vec::new() } else { reply(201, &[], b"") });
    send(&web(server.address()), b"content", Watch::silent()).unwrap();
    assert_eq!(server.heard().len(), 4);
}

#[test]
fn a_slammed_door_is_knocked_at_before_the_next_try() {
    let server = opening(|request| match request.header("expect") {
        // As gateways do that refuse by length: they do not read what they will not take.
        None => Vec::new(),
        Some(_) => reply(413, &[], b"<html>too large</html>"),
    });
    let waits = Waits::default();
    let refused = send(&web(server.address()), b"content", watch(&waits)).unwrap_err();
    assert_eq!((refused.status(), waits.seconds().len()), (Some(413), 5));

    let server = opening(|request| match (request.header("expect"), request.body.is_empty()) {
        (None, false) if request.earlier == 0 => Vec::new(),
        (Some(_), true) => CONTINUE.to_vec(),
        _ => reply(201, &[], b""),
    });
    send(&web(server.address()), b"content", Watch::silent()).unwrap();
}

#[test]
fn refusals_are_final() {
    for (status, code) in [(400, "DIGEST_INVALID"), (403, "DENIED"), (401, "UNAUTHORIZED")] {
        let server = opening(move |_| refusal(status, code, "no"));
        let waits = Waits::default();
        let refused = send(&web(server.address()), b"content", watch(&waits)).unwrap_err();
        assert!(refused.has_code(code), "{refused}");
        assert_eq!((waits.seconds().len(), server.heard().len()), (0, 2));
    }
}

#[test]
fn content_that_cannot_be_read_is_no_matter_of_the_network() {
    let server = opening(|_| reply(201, &[], b""));
    let broken = || Err(std::io::Error::other("disk on fire"));
    let refused = web(server.address()).upload(&layer(b"content"), &broken, Watch::silent()).unwrap_err();
    assert!(matches!(refused, Error::Local(_)), "{refused}");
    assert_eq!(server.heard().len(), 1);
}

#[test]
fn a_refused_mount_leaves_its_session_to_the_upload() {
    let server = opening(|_| reply(201, &[], b""));
    let web = web(server.address());
    let digest = layer(b"content").digest;
    assert!(!web.mount(&digest, "other/app").unwrap());
    send(&web, b"content", Watch::silent()).unwrap();
    let mount = format!("POST /v2/team/web/blobs/uploads/?from=other%2Fapp&mount=sha256%3A{}", digest.hex());
    assert_eq!(server.lines(), [mount, put_line(b"content")]);
}

#[test]
fn registries_that_know_no_mounts_are_no_error() {
    for status in [400, 403, 404, 405, 500] {
        let server = FaultyServer::start(move |_| reply(status, &[], b""));
        assert!(!web(server.address()).mount(&layer(b"x").digest, "other/app").unwrap());
    }
}

#[test]
fn a_registry_that_stores_something_else_is_caught() {
    let other = Digest::of(b"other").to_string();
    let server = FaultyServer::start(move |_| reply(201, &[("Docker-Content-Digest", &other)], b""));
    let (_, bytes, _) = image(b"x");
    let refused = web(server.address()).put_manifest("v1", &MediaType::OCI_MANIFEST, &bytes).unwrap_err();
    assert!(matches!(refused, Error::ManifestMismatch { .. }), "{refused}");
    let heard = &server.heard()[0];
    assert_eq!(heard.header("content-type"), Some(MediaType::OCI_MANIFEST.as_str()));
    assert_eq!((heard.line(), &heard.body), ("PUT /v2/team/web/manifests/v1".to_owned(), &bytes));
}
