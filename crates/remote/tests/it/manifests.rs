//! Manifests from registries that do not tell the truth, or not all of it.

use wharfie_content::{Mismatch, Warning};
use wharfie_oci::{Descriptor, Digest, MediaType};
use wharfie_remote::Error;
use wharfie_testkit::FaultyServer;
use wharfie_testkit::faulty_server::reply;

use crate::fixtures::{image, manifest_reply, remote, repository, web, without_body};

/// A registry with one manifest, which answers `HEAD` and `GET` alike.
fn serving(descriptor: &Descriptor, bytes: &[u8]) -> FaultyServer {
    let answer = manifest_reply(descriptor, bytes);
    FaultyServer::start(
        move |request| {
            if request.method == "HEAD" { without_body(answer.clone()) } else { answer.clone() }
        },
    )
}

#[test]
fn a_tag_is_resolved_by_one_request() {
    let (descriptor, bytes, _) = image(b"x");
    let server = serving(&descriptor, &bytes);
    assert_eq!(web(server.address()).resolve("v1").unwrap(), descriptor);
    let heard = server.heard();
    assert_eq!(server.lines(), ["HEAD /v2/team/web/manifests/v1"]);
    let accept = heard[0].header("accept").unwrap();
    for kind in [MediaType::OCI_INDEX, MediaType::OCI_MANIFEST, MediaType::DOCKER_LIST, MediaType::DOCKER_MANIFEST] {
        assert!(accept.contains(kind.as_str()), "{accept}");
    }
    assert!(heard[0].header("user-agent").unwrap().starts_with("wharfie/"));
    let names: Vec<&str> = heard[0].headers.iter().map(|(name, _)| &**name).collect();
    assert!(!names.contains(&"authorization") && heard[0].header("accept-encoding") == Some("identity"), "{names:?}");
}

#[test]
fn registries_that_say_too_little_are_read_once() {
    let (descriptor, bytes, _) = image(b"x");
    let body = bytes.clone();
    let server = FaultyServer::start(move |request| match request.method.as_str() {
        "HEAD" => reply(405, &[("Content-Length", "0")], b""),
        _ => reply(200, &[("Content-Type", MediaType::OCI_MANIFEST.as_str())], &body),
    });
    let web = web(server.address());
    assert_eq!(web.resolve("v1").unwrap(), descriptor);
    assert_eq!(web.manifest(descriptor.digest.as_str(), Some(&descriptor)).unwrap().bytes, bytes);
    assert_eq!(server.lines(), ["HEAD /v2/team/web/manifests/v1", "GET /v2/team/web/manifests/v1"]);
}

#[test]
fn other_bytes_than_promised_are_refused() {
    let (descriptor, mut forged, _) = image(b"x");
    forged.extend(b" ");
    let server = serving(&descriptor, &forged);
    let web = web(server.address());
    let expected = format!("manifest verification failed for digest {}", descriptor.digest);
    for result in [
        web.manifest("v1", None),
        web.manifest(descriptor.digest.as_str(), None),
        web.manifest("v1", Some(&descriptor)),
    ] {
        assert_eq!(result.unwrap_err().to_string(), expected);
    }
    let wrong_size = web.manifest("v1", Some(&descriptor)).unwrap_err();
    assert!(matches!(wrong_size, Error::ManifestMismatch { source: Mismatch::Size { .. }, .. }), "{wrong_size:?}");
}

#[test]
fn a_digest_that_is_answered_by_another_one_is_refused() {
    let (descriptor, bytes, _) = image(b"x");
    let server = serving(&descriptor, &bytes);
    let other = Digest::of(b"other");
    let refused = web(server.address()).resolve(other.as_str()).unwrap_err();
    assert!(matches!(refused, Error::ManifestMismatch { .. }), "{refused:?}");
}

#[test]
fn what_is_no_manifest_is_refused() {
    fn check(kind: &MediaType, document: &str, expected: &str) {
        let descriptor = Descriptor::of(kind.clone(), document.as_bytes());
        let server = serving(&descriptor, document.as_bytes());
        let refused = web(server.address()).manifest("v1", None).unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
    }
    check(&MediaType::DOCKER_SCHEMA1_SIGNED, r#"{"schemaVersion":1,"fsLayers":[]}"#, "schema 1");
    check(&MediaType::OCI_INDEX, r#"{"schemaVersion":2,"layers":[],"manifests":[]}"#, "at once");
    check(&MediaType::OCI_MANIFEST, "<html>", "cannot read the manifest");
    let index = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
    check(&MediaType::DOCKER_LIST, index, "was announced as");
    check(&MediaType::OCI_INDEX, &format!("{index}{}", " ".repeat(9_000_000)), "more than");
}

#[test]
fn an_index_without_type_is_one_by_its_content() {
    let document = br#"{"schemaVersion":2,"manifests":[]}"#;
    let server = FaultyServer::start(|_| reply(200, &[("Content-Type", "text/plain")], document));
    let fetched = web(server.address()).manifest("v1", None).unwrap();
    assert_eq!(fetched.descriptor, Descriptor::of(MediaType::OCI_INDEX, document));
}

#[test]
fn registries_may_warn() {
    let (descriptor, bytes, _) = image(b"x");
    let digest = descriptor.digest.to_string();
    let server = FaultyServer::start(move |_| {
        let warning = ("Warning", r#"299 - "this tag is old""#);
        let limit = ("RateLimit-Remaining", "3;w=21600");
        let kind = ("Content-Type", MediaType::OCI_MANIFEST.as_str());
        reply(200, &[warning, limit, kind, ("Docker-Content-Digest", &digest)], &bytes)
    });
    let remote = remote();
    let web = repository(&remote, server.address(), "team/web");
    for _ in 0..2 {
        web.manifest("v1", None).unwrap();
    }
    let expected = [Warning::Registry("this tag is old".to_owned()), Warning::RateLimit { remaining: 3 }];
    assert_eq!(remote.take_warnings(), expected);
    assert_eq!(remote.take_warnings(), []);
}
