//! Answers that are none: crowded, failing and confused servers.

use wharfie_testkit::FaultyServer;
use wharfie_testkit::faulty_server::reply;

use crate::fixtures::{image, manifest_reply, refusal, web, without_body};

#[test]
fn limits_are_reported_at_once() {
    let server = FaultyServer::start(|_| refusal(429, "TOOMANYREQUESTS", "you have reached your pull rate limit"));
    let refused = web(server.address()).resolve("v1").unwrap_err();
    assert_eq!(refused.to_string(), "toomanyrequests: you have reached your pull rate limit");
    assert_eq!(server.heard().len(), 2);
}

#[test]
fn limits_that_say_for_how_long_are_waited_for() {
    let (descriptor, bytes, _) = image(b"x");
    let answer = manifest_reply(&descriptor, &bytes);
    let server = FaultyServer::start(move |request| match (request.method.as_str(), request.earlier) {
        ("HEAD", _) | (_, 0) => without_body(reply(429, &[("Retry-After", "1"), ("Content-Length", "0")], b"")),
        _ => answer.clone(),
    });
    assert_eq!(web(server.address()).resolve("v1").unwrap(), descriptor);
}

#[test]
fn a_failing_registry_is_asked_again_and_then_reported() {
    let (descriptor, bytes, _) = image(b"x");
    let answer = manifest_reply(&descriptor, &bytes);
    let server = FaultyServer::start(move |request| match (request.method.as_str(), request.earlier) {
        ("HEAD", _) => reply(502, &[], b""),
        (_, 0 | 1) => reply(500, &[], b"oops"),
        _ => answer.clone(),
    });
    assert_eq!(web(server.address()).resolve("v1").unwrap(), descriptor);

    let server = FaultyServer::start(|_| reply(500, &[], b"oops"));
    let refused = web(server.address()).resolve("v1").unwrap_err();
    assert_eq!(refused.to_string(), "received unexpected HTTP status: 500 Internal Server Error");
    assert!(server.heard().len() <= 4, "{:?}", server.lines());
}

#[test]
fn a_connection_that_breaks_once_is_no_failure() {
    let (descriptor, bytes, _) = image(b"x");
    let answer = manifest_reply(&descriptor, &bytes);
    let server = FaultyServer::start(move |request| match (request.method.as_str(), request.earlier) {
        ("HEAD", _) | (_, 0) => Vec::new(),
        _ => answer.clone(),
    });
    assert_eq!(web(server.address()).resolve("v1").unwrap(), descriptor);
}

#[test]
fn web_pages_are_shown_for_what_they_are() {
    let server = FaultyServer::start(|request| match request.method.as_str() {
        "HEAD" => without_body(reply(404, &[("Content-Length", "13")], b"")),
        _ => reply(404, &[], b"<html></html>"),
    });
    let refused = web(server.address()).resolve("v1").unwrap_err();
    let expected =
        "error parsing HTTP 404 response body: invalid character '<' looking for beginning of value: \"<html></html>\"";
    assert_eq!(refused.to_string(), expected);
}

#[test]
fn endless_refusals_are_cut() {
    let server = FaultyServer::start(|_| reply(404, &[], &vec![b' '; 20 << 20]));
    let refused = web(server.address()).manifest("v1", None).unwrap_err();
    assert!(refused.to_string().len() < 10_000);
}

#[test]
fn nonsense_instead_of_http_is_an_error() {
    for nonsense in [
        &b"SSH-2.0-OpenSSH\r\n"[..],
        b"",
        b"HTTP/1.1 999999 x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    ] {
        let server = FaultyServer::start(move |_| nonsense.to_vec());
        web(server.address()).manifest("v1", None).unwrap_err();
    }
    let server = FaultyServer::start(|_| {
        let mut answer = b"HTTP/1.1 200 OK\r\n".to_vec();
        answer.extend(format!("X-Long: {}\r\n", "x".repeat(200)).repeat(10_000).bytes());
        answer
    });
    web(server.address()).manifest("v1", None).unwrap_err();
}
