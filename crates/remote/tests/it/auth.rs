//! Token servers, good and bad.

use std::sync::{Arc, Mutex};

use wharfie_remote::{Credentials, DockerConfig, Error, Keychain, Remote};
use wharfie_testkit::FaultyServer;
use wharfie_testkit::faulty_server::{Heard, reply};

use crate::fixtures::{config, download, image, layer, manifest_reply, refusal, remote, repository, upload, watch};

/// A registry that wants tokens and is its own token server: `token` answers requests for them, `granted` everything that
/// comes with one.
fn registry(
    token: impl Fn(&Heard) -> Vec<u8> + Send + Sync + 'static,
    granted: impl Fn(&Heard) -> Vec<u8> + Send + Sync + 'static,
) -> FaultyServer {
    FaultyServer::start(move |request| {
        if request.target.starts_with("/token") {
            return token(request);
        }
        match request.header("authorization") {
            Some(shown) if shown.starts_with("Bearer ") => granted(request),
            _ => challenge(request, ""),
        }
    })
}

fn challenge(request: &Heard, more: &str) -> Vec<u8> {
    let host = request.header("host").expect("HTTP/1.1 has one");
    let challenge = format!(r#"Bearer realm="http://{host}/token",service="a, registry"{more}"#);
    reply(401, &[("WWW-Authenticate", &challenge)], b"")
}

fn token(_: &Heard) -> Vec<u8> {
    reply(200, &[], br#"{"token":"t0ken"}"#)
}

fn with(address: &str, credentials: &Credentials) -> Remote {
    let folder = tempfile::tempdir().expect("temporary folders can be made");
    let keychain = Keychain::new(DockerConfig::load(&folder.path().join("config.json")));
    keychain.store(address, credentials).expect("the folder can be written");
    Remote::new(config(), keychain)
}

fn token_requests(server: &FaultyServer) -> Vec<Heard> {
    server.heard().into_iter().filter(|request| request.target.starts_with("/token")).collect()
}

#[test]
fn a_token_is_fetched_once_and_shown_from_then_on() {
    let (descriptor, bytes, _) = image(b"x");
    let answer = manifest_reply(&descriptor, &bytes);
    let server = registry(token, move |_| answer.clone());
    let remote = remote();
    for path in ["team/web", "team/web", "team/app"] {
        repository(&remote, server.address(), path).manifest("v1", None).unwrap();
    }
    let expected = [
        "GET /v2/team/web/manifests/v1",
        "GET /token?scope=repository%3Ateam%2Fweb%3Apull&service=a%2C+registry",
        "GET /v2/team/web/manifests/v1",
        "GET /v2/team/web/manifests/v1",
        "GET /token?scope=repository%3Ateam%2Fapp%3Apull&service=a%2C+registry",
        "GET /v2/team/app/manifests/v1",
    ];
    assert_eq!(server.lines(), expected);
    assert_eq!(server.heard()[2].header("authorization"), Some("Bearer t0ken"));
}

#[test]
fn passwords_go_to_the_token_server_only() {
    let server = registry(token, |_| reply(200, &[], b"content"));
    let remote = with(server.address(), &Credentials::password("alice", "secret"));
    download(&repository(&remote, server.address(), "team/web"), &layer(b"content"), watch(&())).unwrap();
    let asked = &token_requests(&server)[0];
    assert!(asked.target.starts_with("/token?account=alice&scope="), "{}", asked.target);
    assert_eq!(asked.header("authorization"), Some("Basic YWxpY2U6c2VjcmV0"));
    let others = server.heard().into_iter().filter(|request| !request.target.starts_with("/token"));
    assert!(
        others
            .filter_map(|request| request.header("authorization").map(str::to_owned))
            .all(|shown| shown == "Bearer t0ken")
    );
}

#[test]
fn layers_that_start_together_share_a_token() {
    let server = registry(token, |_| reply(200, &[], b"content"));
    let web = repository(&remote(), server.address(), "team/web");
    let blobs = vec![layer(b"content"); 8];
    wharfie_content::parallel::in_parallel(&blobs, 8, |_, blob| download(&web, blob, watch(&()))).unwrap();
    assert_eq!(token_requests(&server).len(), 1);
}

#[test]
fn pushes_and_mounts_ask_for_what_they_need() {
    let server = registry(token, |request| match request.method.as_str() {
        "POST" => reply(202, &[("Location", "/up")], b""),
        _ => reply(201, &[], b""),
    });
    let web = repository(&remote(), server.address(), "team/web");
    upload(&web, &layer(b"x"), b"x").unwrap();
    assert!(!web.mount(&layer(b"y").digest, "other/app").unwrap());
    let targets: Vec<String> = token_requests(&server).into_iter().map(|request| request.target).collect();
    let (push, pull) = ("scope=repository%3Ateam%2Fweb%3Apull%2Cpush", "scope=repository%3Aother%2Fapp%3Apull");
    let service = "service=a%2C+registry";
    assert_eq!(targets, [format!("/token?{push}&{service}"), format!("/token?{pull}&{push}&{service}")]);
}

#[test]
fn more_rights_are_asked_for_once() {
    let server = registry(token, |request| match request.header("authorization") {
        Some("Bearer t0ken") if request.earlier < 2 => {
            challenge(request, r#",scope="repository:team/web:delete,pull",error="insufficient_scope""#)
        }
        _ => reply(200, &[], b"content"),
    });
    let web = repository(&remote(), server.address(), "team/web");
    assert_eq!(download(&web, &layer(b"content"), watch(&())).unwrap(), b"content");
    assert!(token_requests(&server)[1].target.contains("%3Adelete%2Cpull"));
    // The wider token is the one that is used from then on.
    let before = server.heard().len();
    download(&web, &layer(b"content"), watch(&())).unwrap();
    assert_eq!(server.heard().len(), before + 1);
}

#[test]
fn tokens_that_do_not_help_end_in_a_refusal() {
    let server = registry(token, |request| challenge(request, r#",error="insufficient_scope""#));
    let refused = repository(&remote(), server.address(), "team/web").resolve("v1").unwrap_err();
    assert_eq!(refused.to_string(), "denied: requested access to the resource is denied");
    assert!(server.heard().len() < 10, "{:?}", server.lines());

    let server = registry(token, |_| refusal(403, "DENIED", "requested access to the resource is denied"));
    let refused = repository(&remote(), server.address(), "team/web").resolve("v1").unwrap_err();
    assert_eq!((refused.to_string(), refused.status()), ("denied".to_owned(), Some(403)));
    assert_eq!(token_requests(&server).len(), 1);
}

#[test]
fn identity_tokens_are_posted() {
    let identity =
        Credentials::IdentityToken { username: "alice".to_owned(), token: wharfie_remote::Secret::new("re&fresh") };
    let server = registry(
        |request| match request.method.as_str() {
            "POST" => reply(200, &[], br#"{"access_token":"t0ken","expires_in":300}"#),
            _ => reply(400, &[], b""),
        },
        |_| reply(200, &[], b"content"),
    );
    let remote = with(server.address(), &identity);
    download(&repository(&remote, server.address(), "team/web"), &layer(b"content"), watch(&())).unwrap();
    let asked = &token_requests(&server)[0];
    let form = "client_id=docker&grant_type=refresh_token&refresh_token=re%26fresh&scope=repository%3Ateam%2Fweb%3Apull&service=a%2C+registry";
    assert_eq!(String::from_utf8_lossy(&asked.body), form);

    let server = registry(
        |request| if request.method == "POST" { reply(405, &[], b"") } else { token(request) },
        |_| reply(200, &[], b"content"),
    );
    let remote = with(server.address(), &identity);
    download(&repository(&remote, server.address(), "team/web"), &layer(b"content"), watch(&())).unwrap();
    assert_eq!(token_requests(&server)[1].method, "GET");
}

#[test]
fn what_token_servers_say_is_passed_on() {
    fn check(answer: Vec<u8>, expected: &str) {
        let server = registry(move |_| answer.clone(), |_| reply(200, &[], b""));
        let address = server.address();
        let refused = repository(&remote(), address, "team/web").resolve("v1").unwrap_err().to_string();
        assert_eq!(refused, format!("Get \"http://{address}/v2/\": {expected}").replace("ADDRESS", address));
    }
    let wrong = "incorrect username or password";
    check(reply(401, &[], br#"{"details":"incorrect username or password"}"#), &format!("unauthorized: {wrong}"));
    check(refusal(401, "UNAUTHORIZED", wrong), &format!("unauthorized: {wrong}"));
    check(reply(401, &[], b"<html>"), "unauthorized: authentication required");
    check(reply(500, &[], b""), "received unexpected HTTP status: 500 Internal Server Error");
    let query = "scope=repository%3Ateam%2Fweb%3Apull&service=a%2C+registry";
    let answered = format!("invalid answer to Get \"http://ADDRESS/token?{query}\"");
    let missing = "authorization server did not include a token in the response";
    check(reply(200, &[], b"{}"), &format!("{answered}: {missing}"));
    let broken = "unable to decode token response: unexpected end of JSON input";
    check(reply(200, &[], b"{\"token\":"), &format!("{answered}: {broken}"));
}

#[test]
fn challenges_that_make_no_sense_end_in_a_refusal() {
    for text in ["", "Bearer", "Bearer realm=", "Negotiate abc", r#"Bearer realm="ftp://x""#, "\"\"\"", ",=,="] {
        let server = FaultyServer::start(move |_| reply(401, &[("WWW-Authenticate", text)], b""));
        let refused = repository(&remote(), server.address(), "team/web").resolve("v1").unwrap_err();
        assert_eq!(refused.to_string(), "unauthorized: authentication required", "{text}");
    }
}

#[test]
fn logins_ask_for_a_token_to_keep() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&log);
    let server = registry(
        move |request| {
            heard.lock().unwrap().push(request.target.clone());
            reply(200, &[], br#"{"token":"t0ken","refresh_token":"keep me"}"#)
        },
        |_| reply(200, &[], b"{}"),
    );
    let alice = Credentials::password("alice", "secret");
    let outcome = remote().login(&format!("http://{}/v1/", server.address()), &alice).unwrap();
    assert_eq!(outcome.identity_token.unwrap().expose(), "keep me");
    let expected = "/token?account=alice&client_id=docker&offline_token=true&service=a%2C+registry";
    assert_eq!(*log.lock().unwrap(), [expected]);

    let server = registry(|_| refusal(401, "UNAUTHORIZED", "incorrect username or password"), |_| reply(200, &[], b""));
    let refused = remote().login(server.address(), &alice).unwrap_err();
    let expected = format!("Get \"http://{}/v2/\": unauthorized: incorrect username or password", server.address());
    assert_eq!(refused.to_string(), expected);
    assert!(matches!(refused, Error::Token { .. }));
}
