//! TLS, certificates, mirrors, proxies: how registries are reached.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use wharfie_content::Opened;
use wharfie_remote::{Config, ConnectionError, Error, Keychain, Mirror, Proxy, Remote, Retry};
use wharfie_testkit::faulty_server::reply;
use wharfie_testkit::{FaultyServer, TestRegistry};

use crate::fixtures::{config, download, image, layer, manifest_reply, push, refusal, remote, repository, watch};

/// A `certs.d` folder with one host that has these files.
fn certs(host: &str, files: &[(&Path, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("temporary folders can be made");
    fs::create_dir(folder.path().join(host)).expect("they can be written");
    for (from, to) in files {
        fs::copy(from, folder.path().join(host).join(to)).expect("they can be written");
    }
    folder
}

fn trusting(folder: &tempfile::TempDir) -> Remote {
    Remote::new(Config { certs: vec![folder.path().to_owned()], ..config() }, Keychain::anonymous())
}

/// A proxy that leads to `target`, whoever was asked for, while the process lives.
fn tunnel_to(target: &str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let (address, target) = (listener.local_addr().expect("it is bound"), target.to_owned());
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let mut head = BufReader::new(client.try_clone().expect("descriptors are left"));
            // TLS comes only after our answer: nothing of it can be in the buffer.
            while head.by_ref().lines().map_while(Result::ok).next().is_some_and(|line| !line.is_empty()) {}
            let server = TcpStream::connect(&target).expect("the registry is up");
            (&client).write_all(b"HTTP/1.1 200 OK\r\n\r\n").expect("the client waits for it");
            for (mut from, mut to) in [(&client, &server), (&server, &client)]
                .map(|(from, to)| (from.try_clone().expect("descriptors are left"), to.try_clone().expect("and more")))
            {
                thread::spawn(move || std::io::copy(&mut from, &mut to));
            }
        }
    });
    address
}

/// A host that has no address, which is found out without asking anyone: a label of 64 bytes is one too long.
fn nameless() -> String {
    format!("{}.invalid", "n".repeat(64))
}

#[test]
fn loopback_may_speak_tls_with_any_certificate() {
    let registry = TestRegistry::builder().with_tls().start();
    let web = repository(&remote(), registry.address(), "team/web");
    let descriptor = push(&web, "v1", b"x");
    assert_eq!(web.resolve("v1").unwrap(), descriptor);
}

#[test]
fn configured_authorities_are_trusted_and_others_are_not() {
    let registry = TestRegistry::builder().with_tls().start();
    let other = TestRegistry::builder().with_tls().start();
    let authority = registry.authority().unwrap().certificate();
    let good = certs(registry.address(), &[(&authority, "ca.crt")]);
    push(&repository(&trusting(&good), registry.address(), "team/web"), "v1", b"x");
    let wrong = certs(other.address(), &[(&authority, "ca.crt")]);
    let refused = repository(&trusting(&wrong), other.address(), "team/web").resolve("v1").unwrap_err();
    let expected = format!(
        "Get \"https://{}/v2/\": tls: failed to verify certificate: x509: certificate signed by unknown authority",
        other.address()
    );
    assert_eq!(refused.to_string(), expected);
}

#[test]
fn hosts_with_certificates_are_not_spoken_to_in_the_open() {
    let plain = TestRegistry::start();
    let folder = certs(plain.address(), &[]);
    let refused = repository(&trusting(&folder), plain.address(), "team/web").resolve("v1").unwrap_err();
    let answered = "http: server gave HTTP response to HTTPS client";
    assert_eq!(refused.to_string(), format!("Get \"https://{}/v2/\": {answered}", plain.address()));
}

#[test]
fn clients_prove_themselves_by_certificate() {
    let registry = TestRegistry::builder().with_client_certificates().start();
    let authority = registry.authority().unwrap();
    let (ca, (cert, key)) = (authority.certificate(), authority.client());
    let known = certs(registry.address(), &[(&ca, "ca.crt"), (&cert, "client.cert"), (&key, "client.key")]);
    push(&repository(&trusting(&known), registry.address(), "team/web"), "v1", b"x");
    let unknown = certs(registry.address(), &[(&ca, "ca.crt")]);
    repository(&trusting(&unknown), registry.address(), "team/web").resolve("v1").unwrap_err();
    let keyless = certs(registry.address(), &[(&ca, "ca.crt"), (&cert, "client.cert")]);
    let refused = repository(&trusting(&keyless), registry.address(), "team/web").resolve("v1").unwrap_err();
    assert!(refused.to_string().ends_with("missing key client.key for client certificate"), "{refused}");
    let foreign = authority.server().1;
    let mixed = certs(registry.address(), &[(&ca, "ca.crt"), (&cert, "client.cert"), (&foreign, "client.key")]);
    let refused = repository(&trusting(&mixed), registry.address(), "team/web").resolve("v1").unwrap_err();
    assert!(refused.to_string().ends_with("tls: private key does not match public key"), "{refused}");
}

#[test]
fn names_are_checked_behind_proxies() {
    let own = ("20200101000000Z", "21200101000000Z");
    let registry = TestRegistry::builder().with_certificate_of_itself("DNS:reg.test", own).start();
    let certificate = registry.authority().unwrap().certificate();
    let proxy = tunnel_to(registry.address());
    let asked = |host: &str| {
        let folder = certs(host, &[(&certificate, "ca.crt")]);
        let proxy = Proxy { https: Some(format!("http://{proxy}")), ..Proxy::default() };
        let config = Config { certs: vec![folder.path().to_owned()], proxy, ..config() };
        repository(&Remote::new(config, Keychain::anonymous()), host, "team/web").resolve("v1").unwrap_err().to_string()
    };
    let missing = asked("reg.test:5443");
    assert!(missing.contains("not found") || missing.contains("unknown"), "{missing}");
    assert!(registry.count("GET", "/manifests/v1") + registry.count("HEAD", "/manifests/v1") > 0, "{missing}");
    let refused = asked("other.test:5443");
    let expected = "tls: failed to verify certificate: x509: certificate is valid for reg.test, not other.test";
    assert!(refused.ends_with(expected), "{refused}");
}

#[test]
fn greetings_take_no_longer_than_connections_may() {
    // Its kernel makes connections; nobody ever says anything on them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = silent.local_addr().unwrap().to_string();
    let folder = certs(&host, &[]);
    let retry = Retry { attempts: 1, ..config().retry };
    let connect_timeout = Duration::from_millis(200);
    let config = Config { certs: vec![folder.path().to_owned()], retry, connect_timeout, ..config() };
    let start = Instant::now();
    let failed = repository(&Remote::new(config, Keychain::anonymous()), &host, "team/web").resolve("v1").unwrap_err();
    assert!(matches!(failed, Error::Connection { cause: ConnectionError::Timeout, .. }), "{failed}");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[test]
fn unknown_names_are_reported() {
    let host = nameless();
    let refused = repository(&remote(), &host, "team/web").resolve("v1").unwrap_err();
    let Error::Connection { method: "Get", url, cause: ConnectionError::Lookup { name, .. } } = &refused else {
        panic!("{refused}")
    };
    assert_eq!((url, name), (&format!("https://{host}/v2/"), &host));
}

#[test]
fn mirrors_stand_in_for_the_hub_in_order() {
    let (descriptor, bytes, _) = image(b"x");
    let answer = manifest_reply(&descriptor, &bytes);
    let empty = FaultyServer::start(|_| refusal(404, "NAME_UNKNOWN", "repository name not known to registry"));
    let full = FaultyServer::start(move |_| answer.clone());
    let dead = FaultyServer::start(|_| Vec::new()).address().to_owned();
    let mirrors =
        [dead, empty.address().to_owned(), format!("http://{}/proxy/", full.address()), "never.invalid".to_owned()];
    let mirrors = mirrors.iter().map(|url| Mirror::of_hub(url)).collect();
    let remote = Remote::new(Config { mirrors, ..config() }, Keychain::anonymous());
    let fetched = repository(&remote, "docker.io", "library/web").manifest("v1", None).unwrap();
    assert_eq!(fetched.descriptor, descriptor);
    assert_eq!(empty.lines(), ["GET /v2/library/web/manifests/v1"]);
    assert_eq!(full.lines(), ["GET /proxy/v2/library/web/manifests/v1"]);
}

#[test]
fn a_mirror_that_serves_wrong_bytes_is_asked_once() {
    let liar = FaultyServer::start(|_| reply(200, &[], b"<html>x"));
    let honest = FaultyServer::start(|_| reply(200, &[], b"content"));
    let mirrors = [liar.address().to_owned(), honest.address().to_owned()];
    let mirrors = mirrors.iter().map(|url| Mirror::of_hub(url)).collect();
    let remote = Remote::new(Config { mirrors, ..config() }, Keychain::anonymous());
    let web = repository(&remote, "docker.io", "library/web");
    let blob = layer(b"content");
    let mut reader = web.blob(&blob, watch(&())).unwrap();
    assert!(reader.disown());
    assert_eq!(download(&web, &blob, watch(&())).unwrap(), b"content");
    assert_eq!((liar.heard().len(), honest.heard().len()), (1, 1));
}

#[test]
fn proxies_are_used_but_not_for_loopback() {
    let (descriptor, bytes, _) = image(b"x");
    let answer = manifest_reply(&descriptor, &bytes);
    let registry = FaultyServer::start(move |_| answer.clone());
    let proxy = FaultyServer::start(|_| reply(403, &[], b""));
    let url = Some(format!("http://user:secret@{}", proxy.address()));
    let proxies = Proxy { http: url.clone(), https: url, no_proxy: ".invalid.exempt".to_owned() };
    let remote = Remote::new(Config { proxy: proxies, ..config() }, Keychain::anonymous());
    repository(&remote, registry.address(), "team/web").resolve("v1").unwrap();
    assert_eq!(proxy.heard().len(), 0);
    let refused = repository(&remote, "proxied.invalid", "team/web").resolve("v1").unwrap_err();
    assert!(matches!(refused, Error::Connection { cause: ConnectionError::Proxy(_), .. }), "{refused:?}");
    assert!(!format!("{refused:?} {refused}").contains("secret"));
    let heard = &proxy.heard()[0];
    assert_eq!(heard.line(), "CONNECT proxied.invalid:443");
    assert_eq!(heard.header("proxy-authorization"), Some("Basic dXNlcjpzZWNyZXQ="));
    repository(&remote, &format!("{}.exempt", nameless()), "team/web").resolve("v1").unwrap_err();
    assert_eq!(proxy.heard().len(), 1);
}

#[test]
fn proxies_that_are_none_are_refused_without_telling_their_password() {
    let proxies = Proxy { https: Some("socks5://user:secret@127.0.0.1:1".to_owned()), ..Proxy::default() };
    let remote = Remote::new(Config { proxy: proxies, ..config() }, Keychain::anonymous());
    let refused = repository(&remote, "proxied.invalid", "team/web").resolve("v1").unwrap_err();
    assert_eq!(refused.to_string(), "invalid proxy: \"127.0.0.1:1\"");
}
