//! What `push` says when it cannot.

use wharfie_testkit::faulty_server::reply;
use wharfie_testkit::{FaultyServer, Heard, Image, Outcome, Published, TestRegistry};

use crate::host_with;

fn web() -> Image {
    Image::new().with_file("a", "1")
}

fn refusal(heard: &Heard, status: u16, code: &str, message: &str) -> Vec<u8> {
    let body = serde_json::json!({ "errors": [{ "code": code, "message": message, "detail": {} }] }).to_string();
    let length = body.len().to_string();
    let headers = [("Content-Type", "application/json"), ("Content-Length", &*length)];
    reply(status, &headers, if heard.method == "HEAD" { b"" } else { body.as_bytes() })
}

/// Pushes to a server that answers everything alike; gives `stdout` without its first line.
fn refused(answer: impl Fn(&Heard) -> Vec<u8> + Send + Sync + 'static) -> (FaultyServer, Outcome) {
    let server = FaultyServer::start(answer);
    let name = format!("{}/web:1", server.address());
    let host = host_with(&[(&web(), &[&name])]);
    let outcome = host.run(&["push", &name]);
    let first = format!("The push refers to repository [{}/web]\n", server.address());
    assert!(outcome.stdout.starts_with(&first), "{}", outcome.stdout);
    (server, outcome)
}

#[track_caller]
fn says(outcome: &Outcome, text: &str) {
    assert_eq!((outcome.code, outcome.stderr.as_str()), (1, &*format!("{text}\n")), "{}", outcome.stdout);
}

#[test]
fn a_registry_that_refuses_ocis_types_gets_dockers() {
    for (status, code) in [(415, "UNSUPPORTED"), (400, "MANIFEST_INVALID"), (405, "UNSUPPORTED")] {
        let source = Published::of(&web()).served();
        let server = FaultyServer::start(move |heard| match (heard.method.as_str(), heard.header("content-type")) {
            ("PUT", Some(kind)) if kind.contains("oci") => refusal(heard, status, code, "unsupported manifest type"),
            ("PUT", _) => reply(201, &[], b""),
            ("HEAD", _) if heard.target.contains("/blobs/") => reply(200, &[], b""),
            _ => refusal(heard, 404, "MANIFEST_UNKNOWN", "manifest unknown"),
        });
        let host = crate::host();
        let (from, to) = (format!("{}/web:1", source.address()), format!("{}/web:1", server.address()));
        host.run(&["pull", "-q", &from]).succeeds();
        host.run(&["tag", &from, &to]).succeeds();
        host.run(&["push", "-q", &to]).prints(&format!("{to}\n"));
        let heard = server.heard();
        let sent: Vec<_> = heard.iter().filter(|request| request.method == "PUT").collect();
        let manifest: wharfie_oci::Manifest = serde_json::from_slice(&sent[1].body).unwrap();
        assert_eq!(manifest.media_type, Some(wharfie_oci::MediaType::DOCKER_MANIFEST), "{status} {code}");
        assert_eq!(manifest.config.digest.to_string(), web().id());
        assert_eq!(manifest.layers[0].media_type, wharfie_oci::MediaType::DOCKER_LAYER_GZIP);
        assert_eq!(sent.len(), 2, "layers and configuration go as they are");
    }
}

#[test]
fn nothing_to_push() {
    let host = host_with(&[(&web(), &["127.0.0.1:1/web:1"])]);
    let outcome = host.run(&["push", "127.0.0.1:1/other"]);
    assert_eq!(
        (outcome.code, outcome.stdout.as_str(), outcome.words_without_help().as_str()),
        (
            1,
            "Using default tag: latest\nThe push refers to repository [127.0.0.1:1/other]\n",
            "An image does not exist locally with the tag: 127.0.0.1:1/other\n"
        )
    );
    let outcome = host.run(&["push", "-a", "team/other"]);
    assert_eq!(
        (outcome.code, outcome.stdout.as_str(), outcome.words_without_help().as_str()),
        (
            1,
            "The push refers to repository [docker.io/team/other]\n",
            "An image does not exist locally with the tag: team/other\n"
        )
    );
    // An id is a name like any other.
    let short = web().short();
    let outcome = host.run(&["push", "-q", &short]);
    assert_eq!(outcome.words_without_help(), format!("An image does not exist locally with the tag: {short}\n"));
    let digest = format!("127.0.0.1:1/web@sha256:{}", "a".repeat(64));
    host.run(&["push", &digest]).fails(1, "cannot push a digest reference");
}

#[test]
fn refusals_come_without_the_daemons_prefix() {
    let (_, outcome) = refused(|heard| refusal(heard, 403, "DENIED", "requested access to the resource is denied"));
    assert!(outcome.stderr.starts_with("denied: requested access to the resource is denied\n"), "{}", outcome.stderr);
    let (server, outcome) = refused(|heard| refusal(heard, 429, "TOOMANYREQUESTS", "slow down"));
    assert_eq!(outcome.words_without_help(), "toomanyrequests: slow down\n");
    assert!(server.heard().len() < 6, "{:?}", server.lines());
    let (_, outcome) = refused(|heard| match heard.method.as_str() {
        "HEAD" => reply(404, &[], b""),
        _ => refusal(heard, 404, "NAME_UNKNOWN", "repository name not known to registry"),
    });
    says(&outcome, "name unknown: repository name not known to registry");
}

#[test]
fn nobody_there() {
    let address = FaultyServer::start(|_| Vec::new()).address().to_owned();
    let name = format!("{address}/web:1");
    let outcome = host_with(&[(&web(), &[&name])]).run(&["push", &name]);
    assert_eq!(outcome.code, 1);
    assert!(outcome.stderr.starts_with("Get \"http"), "{}", outcome.stderr);
    let text = format!("/v2/\": dial tcp {address}: connect: connection refused");
    assert!(outcome.stderr.contains(&text), "{}", outcome.stderr);
}

#[test]
fn a_registry_that_fails_is_tried_again() {
    let (server, outcome) = refused(|heard| match heard.method.as_str() {
        "HEAD" => reply(404, &[], b""),
        _ => reply(500, &[], b""),
    });
    says(&outcome, "received unexpected HTTP status: 500 Internal Server Error");
    for seconds in ["20 seconds", "15 seconds", "10 seconds", "5 seconds", "1 second"] {
        assert!(outcome.stdout.contains(&format!(": Retrying in {seconds}\n")), "{}", outcome.stdout);
    }
    assert!(server.lines().iter().filter(|line| line.starts_with("POST ")).count() >= 5, "{:?}", server.lines());
}

#[test]
fn credentials_that_are_missing_or_wrong() {
    let registry = TestRegistry::builder().with_auth("alice", "secret").start();
    let name = format!("{}/web:1", registry.address());
    let host = host_with(&[(&web(), &[&name])]);
    let outcome = host.run(&["push", &name]);
    says(&outcome, "no basic auth credentials");
    let auths = format!("{{\"auths\":{{\"{}\":{{\"auth\":\"YWxpY2U6d3Jvbmc=\"}}}}}}", registry.address());
    host.file("home/.docker/config.json", auths.as_bytes());
    let outcome = host.run(&["push", &name]);
    assert!(outcome.stderr.starts_with("unauthorized: authentication required"), "{}", outcome.stderr);
    host.run(&["inspect", "-f", "{{.RepoDigests}}", &name]).prints("[]\n");
}
