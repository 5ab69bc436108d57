//! Registries behind TLS, with certificates beneath the configuration folder, and behind passwords.

use std::fs;
use std::path::Path;

use wharfie_testkit::{Authority, Host, Image, TestRegistry};

use crate::{host, host_with};

/// Puts certificates where clients of `address` look for them.
fn trust(folder: &Path, address: &str, authority: &Authority, with_client: bool) {
    let folder = folder.join("certs.d").join(address);
    let put = |from: &Path, name: &str| fs::copy(from, folder.join(name)).expect("certificates can be copied");
    fs::create_dir_all(&folder).expect("the test's own folder takes folders");
    put(&authority.certificate(), "ca.crt");
    if with_client {
        let (certificate, key) = authority.client();
        put(&certificate, "client.cert");
        put(&key, "client.key");
    }
}

fn round_trip(host: &Host, name: &str, web: &Image) {
    host.run(&["push", "-q", name]).prints(&format!("{name}\n"));
    host.run(&["rmi", "-f", &web.short()]).succeeds();
    host.run(&["image", "prune", "-af"]).succeeds();
    host.run(&["pull", "-q", name]).prints(&format!("{name}\n"));
    host.run(&["inspect", "-f", "{{.Id}}", name]).prints(&format!("{}\n", web.id()));
}

#[test]
fn an_authority_of_ones_own() {
    let registry = TestRegistry::builder().with_tls().start();
    let web = Image::new().with_file("a", "1");
    let name = format!("{}/web:1", registry.address());
    let host = host_with(&[(&web, &[&name])]);
    trust(&host.docker_config(), registry.address(), registry.authority().unwrap(), false);
    round_trip(&host, &name, &web);
}

#[test]
fn the_configuration_folder_may_be_elsewhere() {
    let registry = TestRegistry::builder().with_tls().start();
    let web = Image::new().with_file("a", "1");
    let name = format!("{}/web:1", registry.address());
    let host = host_with(&[(&web, &[&name])]);
    let folder = host.path().join("elsewhere");
    trust(&folder, registry.address(), registry.authority().unwrap(), false);
    let host = host.with("DOCKER_CONFIG", &folder.to_string_lossy());
    round_trip(&host, &name, &web);
}

#[test]
fn clients_with_certificates_are_let_in() {
    let registry = TestRegistry::builder().with_client_certificates().start();
    let web = Image::new().with_file("a", "1");
    let name = format!("{}/web:1", registry.address());
    let host = host_with(&[(&web, &[&name])]);
    let authority = registry.authority().unwrap();
    trust(&host.docker_config(), registry.address(), authority, false);
    let outcome = host.run(&["push", &name]);
    assert_eq!(outcome.code, 1, "{}", outcome.stdout);
    assert!(outcome.stderr.contains("\n help: the registry wants a client certificate: "), "{}", outcome.stderr);
    trust(&host.docker_config(), registry.address(), authority, true);
    round_trip(&host, &name, &web);
}

#[test]
fn someone_elses_certificate_is_not_trusted() {
    let registry = TestRegistry::builder().with_tls().start();
    let host = host();
    let folder = tempfile::tempdir().unwrap();
    let stranger = Authority::new(folder.path());
    trust(&host.docker_config(), registry.address(), &stranger, false);
    let outcome = host.run(&["pull", &format!("{}/web:1", registry.address())]);
    assert_eq!(outcome.code, 1);
    assert!(outcome.stderr.contains("certificate"), "{}", outcome.stderr);
    assert_eq!(registry.requests().len(), 0);
}

#[test]
fn passwords_are_kept_and_used() {
    let registry = TestRegistry::builder().with_auth("alice", "s3:cret").with_tls().start();
    let web = Image::new().with_file("a", "1");
    let name = format!("{}/web:1", registry.address());
    let host = host_with(&[(&web, &[&name])]);
    trust(&host.docker_config(), registry.address(), registry.authority().unwrap(), false);
    let login = host.run_with(&["login", "-u", "alice", "--password-stdin", registry.address()], b"s3:cret\n");
    assert_eq!((login.code, login.stdout.as_str()), (0, "Login Succeeded\n"), "{}", login.stderr);
    round_trip(&host, &name, &web);
    host.run(&["tags", &format!("{}/web", registry.address())]).prints("1\n");
    host.run(&["manifest", "inspect", &name]).succeeds();
    host.run(&["logout", registry.address()]).succeeds();
    assert_eq!(host.run(&["pull", &name]).code, 1);
}

/// What docker's users see when a certificate is refused: `pull` says `why` and asks the registry for nothing.
#[track_caller]
fn is_refused(registry: &TestRegistry, host: &Host, why: &str) {
    let outcome = host.run(&["pull", &format!("{}/web:1", registry.address())]);
    assert_eq!(outcome.code, 1);
    let expected = format!("tls: failed to verify certificate: x509: {why}\n");
    assert!(outcome.stderr.contains(&expected), "{}", outcome.stderr);
    assert_eq!(registry.requests().len(), 0);
}

#[test]
fn a_server_may_be_its_own_authority() {
    let own = TestRegistry::builder().with_auth("alice", "s3:cret");
    let registry = own.with_certificate_of_itself("IP:127.0.0.1", NOW).start();
    let web = Image::new().with_file("a", "1");
    let name = format!("{}/web:1", registry.address());
    let host = host_with(&[(&web, &[&name])]);
    trust(&host.docker_config(), registry.address(), registry.authority().unwrap(), false);
    let login = host.run_with(&["login", "-u", "alice", "--password-stdin", registry.address()], b"s3:cret\n");
    assert_eq!((login.code, login.stdout.as_str()), (0, "Login Succeeded\n"), "{}", login.stderr);
    round_trip(&host, &name, &web);
}

#[test]
fn a_server_may_be_an_authority_of_the_system() {
    let registry = TestRegistry::builder().with_certificate_of_itself("IP:127.0.0.1", NOW).start();
    let web = Image::new().with_file("a", "1");
    let name = format!("{}/web:1", registry.address());
    let host = host_with(&[(&web, &[&name])]);
    // A folder, so that loopback's certificates count at all.
    fs::create_dir_all(host.docker_config().join("certs.d").join(registry.address())).unwrap();
    let certificate = registry.authority().unwrap().certificate();
    let host = host.with("SSL_CERT_FILE", &certificate.to_string_lossy());
    round_trip(&host, &name, &web);
}

#[test]
fn a_server_of_its_own_authority_has_to_have_the_right_name() {
    for (names, why) in [
        ("IP:127.0.0.2,DNS:a.test", "certificate is valid for 127.0.0.2, not 127.0.0.1"),
        ("DNS:a.test", "cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs"),
    ] {
        let registry = TestRegistry::builder().with_certificate_of_itself(names, NOW).start();
        let host = host();
        trust(&host.docker_config(), registry.address(), registry.authority().unwrap(), false);
        is_refused(&registry, &host, why);
    }
}

#[test]
fn a_server_of_its_own_authority_is_refused_out_of_its_time() {
    for dates in [("20200101000000Z", "20210101000000Z"), ("21200101000000Z", "21300101000000Z")] {
        let registry = TestRegistry::builder().with_certificate_of_itself("IP:127.0.0.1", dates).start();
        let host = host();
        trust(&host.docker_config(), registry.address(), registry.authority().unwrap(), false);
        is_refused(&registry, &host, "certificate has expired or is not yet valid");
    }
}

#[test]
fn a_server_of_its_own_authority_has_to_be_known() {
    let registry = TestRegistry::builder().with_certificate_of_itself("IP:127.0.0.1", NOW).start();
    let host = host();
    let folder = tempfile::tempdir().unwrap();
    // The same names in it, but another key.
    let stranger = Authority::of_itself(folder.path(), "IP:127.0.0.1", NOW);
    trust(&host.docker_config(), registry.address(), &stranger, false);
    is_refused(&registry, &host, "certificate signed by unknown authority");
}

/// When certificates of today are good.
const NOW: (&str, &str) = ("20200101000000Z", "21200101000000Z");
