//! Searching.

use wharfie_remote::{Credentials, DockerConfig, Keychain, Remote};
use wharfie_testkit::FaultyServer;
use wharfie_testkit::faulty_server::reply;

use crate::fixtures::{config, remote};

const FOUND: &[u8] = br#"{"num_results":1,"query":"x","results":[
    {"name":"team/web","description":"a\nb","star_count":7,"is_official":true},{"name":"other"}]}"#;

#[test]
fn registries_are_searched_as_docker_does() {
    let server = FaultyServer::start(|request| match request.target.as_str() {
        "/v1/_ping" => reply(404, &[], b""),
        _ => reply(200, &[], FOUND),
    });
    let folder = tempfile::tempdir().unwrap();
    let keychain = Keychain::new(DockerConfig::load(&folder.path().join("config.json")));
    keychain.store(server.address(), &Credentials::password("alice", "secret")).unwrap();
    let term = format!("{}/team/web two", server.address());
    let found = Remote::new(config(), keychain).search(&term, 25).unwrap();
    assert_eq!((found[0].name.as_str(), found[0].star_count, found[0].is_official), ("team/web", 7, true));
    assert_eq!((found[1].name.as_str(), found[1].description.as_str()), ("other", ""));
    let heard: Vec<_> = server.heard().into_iter().filter(|request| request.target.starts_with("/v1/search")).collect();
    assert_eq!(heard[0].target, "/v1/search?q=team%2Fweb+two&n=25");
    assert_eq!(heard[0].header("x-docker-token"), Some("true"));
    assert_eq!(heard[0].header("authorization"), Some("Basic YWxpY2U6c2VjcmV0"));
}

#[test]
fn refusals_are_reported_by_status() {
    let server = FaultyServer::start(|request| match request.target.as_str() {
        "/v1/_ping" => reply(200, &[], b""),
        _ => reply(500, &[], b""),
    });
    let refused = remote().search(&format!("{}/x", server.address()), 25).unwrap_err();
    assert_eq!(refused.to_string(), "unexpected status code 500");
}

#[test]
fn dead_registries_are_reported_by_both_doors() {
    let address = FaultyServer::start(|_| Vec::new()).address().to_owned();
    let refused = remote().search(&format!("{address}/x"), 25).unwrap_err().to_string();
    let dial = format!("dial tcp {address}: connect: connection refused");
    let expected = format!(
        "invalid registry endpoint \"http://{address}/v1/\". HTTPS attempt: Get \"https://{address}/v1/_ping\": {dial}. HTTP attempt: Get \"http://{address}/v1/_ping\": {dial}"
    );
    assert_eq!(refused, expected);
}

#[test]
fn terms_have_no_scheme() {
    let refused = remote().search("http://foo/x", 25).unwrap_err().to_string();
    assert_eq!(refused, "invalid repository name: repository name (http://foo/x) should not have a scheme");
}
