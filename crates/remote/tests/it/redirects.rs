//! Secrets stay with the host they are for.

use wharfie_content::Event;
use wharfie_remote::{Config, Credentials, DockerConfig, Error, Keychain, Remote, Secret};
use wharfie_testkit::FaultyServer;
use wharfie_testkit::faulty_server::reply;

use crate::fixtures::{config, download, layer, repository, upload, watch, web};

/// A client that has a password for `address` and sends a header of its own.
fn known_to(address: &str) -> Remote {
    let folder = tempfile::tempdir().expect("temporary folders can be made");
    let keychain = Keychain::new(DockerConfig::load(&folder.path().join("config.json")));
    keychain.store(address, &Credentials::password("alice", "secret")).expect("the folder can be written");
    let headers = vec![("X-Own".to_owned(), "mine".to_owned())];
    Remote::new(Config { headers, ..config() }, keychain)
}

#[test]
fn another_host_sees_no_secrets() {
    let storage = FaultyServer::start(|_| reply(200, &[], b"content"));
    let target = format!("http://{}/bucket/x?X-Amz-Signature=abc", storage.address());
    let registry = FaultyServer::start(move |request| match request.header("authorization") {
        None => reply(401, &[("WWW-Authenticate", r#"Basic realm="r""#)], b""),
        Some(_) => reply(307, &[("Location", &target)], b""),
    });
    let web = repository(&known_to(registry.address()), registry.address(), "team/web");
    assert_eq!(download(&web, &layer(b"content"), watch(&())).unwrap(), b"content");
    let (near, far) = (registry.heard(), storage.heard());
    assert_eq!(near[1].header("authorization"), Some("Basic YWxpY2U6c2VjcmV0"));
    assert_eq!(near[1].header("x-own"), Some("mine"));
    assert_eq!((far[0].header("authorization"), far[0].header("x-own")), (None, None));
    assert_eq!(far[0].target, "/bucket/x?X-Amz-Signature=abc");
}

#[test]
fn the_same_host_sees_them_again() {
    let registry = FaultyServer::start(|request| match (request.header("authorization"), request.target.as_str()) {
        (None, _) => reply(401, &[("WWW-Authenticate", r#"Basic realm="r""#)], b""),
        (Some(_), "/elsewhere") => reply(200, &[], b"content"),
        _ => reply(302, &[("Location", "/elsewhere")], b""),
    });
    let web = repository(&known_to(registry.address()), registry.address(), "team/web");
    assert_eq!(download(&web, &layer(b"content"), watch(&())).unwrap(), b"content");
}

#[test]
fn an_upload_elsewhere_sees_none_either() {
    let storage = FaultyServer::start(|_| reply(201, &[], b""));
    let target = format!("http://{}/up?id=1", storage.address());
    let registry = FaultyServer::start(move |request| match request.header("authorization") {
        None => reply(401, &[("WWW-Authenticate", r#"Basic realm="r""#)], b""),
        Some(_) => reply(202, &[("Location", &target)], b""),
    });
    let web = repository(&known_to(registry.address()), registry.address(), "team/web");
    let blob = layer(b"content");
    upload(&web, &blob, b"content").unwrap();
    let heard = &storage.heard()[0];
    assert_eq!(heard.target, format!("/up?id=1&digest=sha256%3A{}", blob.digest.hex()));
    assert_eq!((heard.header("authorization"), &heard.body[..]), (None, &b"content"[..]));
    assert_eq!(heard.header("x-own"), None);
}

#[test]
fn an_identity_token_goes_no_further_than_its_server() {
    let mallory = FaultyServer::start(|_| reply(200, &[], br#"{"token":"t"}"#));
    let target = format!("http://{}/token", mallory.address());
    let tokens = FaultyServer::start(move |_| reply(307, &[("Location", &target)], b""));
    let challenge = format!("Bearer realm=\"http://{}/token\",service=\"s\"", tokens.address());
    let registry = FaultyServer::start(move |_| reply(401, &[("WWW-Authenticate", &challenge)], b""));
    let folder = tempfile::tempdir().expect("temporary folders can be made");
    let keychain = Keychain::new(DockerConfig::load(&folder.path().join("config.json")));
    let token = Credentials::IdentityToken { username: String::new(), token: Secret::new("refresh") };
    keychain.store(registry.address(), &token).expect("the folder can be written");
    let headers = vec![("X-Own".to_owned(), "mine".to_owned())];
    let remote = Remote::new(Config { headers, ..config() }, keychain);
    let refused = repository(&remote, registry.address(), "team/web").resolve("v1").unwrap_err().to_string();
    assert!(refused.contains("it sends a secret on to"), "{refused}");
    assert_eq!(mallory.heard().len(), 0);
    let asked = &tokens.heard()[0];
    assert!(String::from_utf8_lossy(&asked.body).contains("refresh_token=refresh"));
    assert_eq!(asked.header("x-own"), None, "the user's headers are for the registry");
    assert_eq!(registry.heard()[0].header("x-own"), Some("mine"));
}

#[test]
fn targets_may_have_blanks_and_other_letters() {
    let registry = FaultyServer::start(|request| match request.target.as_str() {
        "/x%20y%C3%A4?n=a%20b" => reply(200, &[], b"content"),
        _ => reply(307, &[("Location", "/x y\u{e4}?n=a b")], b""),
    });
    assert_eq!(download(&web(registry.address()), &layer(b"content"), watch(&())).unwrap(), b"content");
}

#[test]
fn a_challenge_from_another_host_is_not_met() {
    let mallory = FaultyServer::start(|_| reply(401, &[("WWW-Authenticate", r#"Basic realm="give me""#)], b""));
    let target = format!("http://{}/x", mallory.address());
    let registry = FaultyServer::start(move |_| reply(307, &[("Location", &target)], b""));
    let remote = known_to(registry.address());
    let refused = repository(&remote, registry.address(), "team/web").blob(&layer(b"x"), watch(&|_: Event| {}));
    assert_eq!(refused.map(drop).unwrap_err().status(), Some(401));
    assert!(mallory.heard().iter().all(|request| request.header("authorization").is_none()));
}

#[test]
fn circles_end() {
    let server = FaultyServer::start(|_| reply(307, &[("Location", "/again")], b""));
    let refused = web(server.address()).manifest("v1", None).unwrap_err();
    assert!(matches!(refused, Error::TooManyRedirects { limit: 10, .. }), "{refused}");
    assert_eq!(server.heard().len(), 11);
}

#[test]
fn targets_that_are_no_urls_are_refused() {
    for target in ["ftp://x/y", "http://", "http://a b/"] {
        let server = FaultyServer::start(move |_| reply(302, &[("Location", target)], b""));
        let refused = web(server.address()).manifest("v1", None).unwrap_err();
        assert!(matches!(refused, Error::InvalidAnswer { .. }), "{target}: {refused}");
    }
}

#[test]
fn keys_to_storage_are_no_matter_for_messages() {
    let storage = FaultyServer::start(|_| Vec::new());
    let target = format!("http://{}/bucket?X-Amz-Signature=abc", storage.address());
    let registry = FaultyServer::start(move |_| reply(307, &[("Location", &target)], b""));
    let refused = download(&web(registry.address()), &layer(b"content"), watch(&())).unwrap_err().to_string();
    assert_eq!(refused, format!("Get \"http://{}/bucket\": EOF", storage.address()));
}
