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
