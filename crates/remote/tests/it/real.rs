//! Against Debian's docker-registry: what must simply work.

use wharfie_content::Watch;
use wharfie_oci::{Digest, MediaType};
use wharfie_remote::{Credentials, DockerConfig, Error, Keychain, Remote};
use wharfie_testkit::TestRegistry;

use crate::fixtures::{config, download, image, layer, noise, push, remote, repository, upload};

#[test]
fn what_is_pushed_is_pulled() {
    let registry = TestRegistry::start();
    let web = repository(&remote(), registry.address(), "team/web");
    let content = noise(3 << 20);
    let descriptor = push(&web, "v1", &content);
    assert_eq!(web.resolve("v1").unwrap(), descriptor);
    assert_eq!(web.resolve(descriptor.digest.as_str()).unwrap(), descriptor);
    let fetched = web.manifest("v1", Some(&descriptor)).unwrap();
    assert_eq!(fetched.descriptor, descriptor);
    assert_eq!(download(&web, &layer(&content), Watch::silent()).unwrap(), content);
}

#[test]
fn blobs_are_found_and_mounted() {
    let registry = TestRegistry::start();
    let remote = remote();
    let web = repository(&remote, registry.address(), "team/web");
    let other = repository(&remote, registry.address(), "other/app");
    let blob = layer(b"shared");
    assert!(!web.has_blob(&blob.digest).unwrap());
    upload(&web, &blob, b"shared").unwrap();
    assert!(web.has_blob(&blob.digest).unwrap());
    assert!(other.mount(&blob.digest, "team/web").unwrap());
    assert!(other.has_blob(&blob.digest).unwrap());
    // A mount from where there is nothing falls back to an upload in the session it opened.
    let blob = layer(b"private");
    assert!(!other.mount(&blob.digest, "team/web").unwrap());
    upload(&other, &blob, b"private").unwrap();
    assert!(other.has_blob(&blob.digest).unwrap());
}

#[test]
fn empty_blobs_travel_too() {
    let registry = TestRegistry::start();
    let web = repository(&remote(), registry.address(), "team/web");
    upload(&web, &layer(b""), b"").unwrap();
    assert_eq!(download(&web, &layer(b""), Watch::silent()).unwrap(), b"");
}

#[test]
fn tags_are_listed() {
    let registry = TestRegistry::start();
    let web = repository(&remote(), registry.address(), "team/web");
    for tag in ["b", "a", "c"] {
        push(&web, tag, b"x");
    }
    let mut tags = web.tags().unwrap();
    tags.sort();
    assert_eq!(tags, ["a", "b", "c"]);
    let missing = repository(&remote(), registry.address(), "no/such").tags().unwrap_err();
    assert_eq!(missing.to_string(), "name unknown: repository name not known to registry");
}

#[test]
fn what_is_missing_is_reported_in_the_registrys_words() {
    let registry = TestRegistry::start();
    let web = repository(&remote(), registry.address(), "team/web");
    let missing = web.resolve("v1").unwrap_err();
    assert_eq!((missing.to_string(), missing.status()), ("manifest unknown: manifest unknown".to_owned(), Some(404)));
    let blob = web.blob(&layer(b"nowhere"), Watch::silent()).map(drop).unwrap_err();
    assert_eq!(blob.to_string(), "blob unknown: blob unknown to registry");
    let (_, bytes, _) = image(b"never uploaded");
    let refused = web.put_manifest("v1", &MediaType::OCI_MANIFEST, &bytes).unwrap_err();
    assert!(matches!(&refused, Error::Registry { status: 400, .. }), "{refused}");
    assert!(refused.has_code("MANIFEST_BLOB_UNKNOWN"), "{refused}");
}

#[test]
fn wrong_content_is_refused_by_the_registry() {
    let registry = TestRegistry::start();
    let web = repository(&remote(), registry.address(), "team/web");
    let mut blob = layer(b"right");
    blob.digest = Digest::of(b"wrong");
    let refused = upload(&web, &blob, b"right").unwrap_err();
    assert!(refused.has_code("DIGEST_INVALID"), "{refused}");
    blob.size = 100;
    assert!(matches!(upload(&web, &blob, b"short").unwrap_err(), Error::Local(_)));
}

#[test]
fn large_blobs_come_in_ranges() {
    let registry = TestRegistry::start();
    let config = wharfie_remote::Config { range_threshold: 1 << 20, ranges_on_loopback: true, ..config() };
    let remote = Remote::new(config, Keychain::anonymous());
    let web = repository(&remote, registry.address(), "team/web");
    let content = noise((9 << 20) + 12_345);
    upload(&web, &layer(&content), &content).unwrap();
    for _ in 0..3 {
        assert_eq!(download(&web, &layer(&content), Watch::silent()).unwrap(), content);
    }
    // Ten parts each; the log's last lines may still be on their way.
    assert!(registry.blobs_served() > 20, "{}", registry.blobs_served());
}

#[test]
fn passwords_are_asked_for_and_checked() {
    let registry = TestRegistry::builder().with_auth("alice", "s3cret:x").start();
    let address = registry.address();
    let folder = tempfile::tempdir().unwrap();
    let with = |credentials: Option<&Credentials>| {
        let keychain = Keychain::new(DockerConfig::load(&folder.path().join("config.json")));
        if let Some(credentials) = credentials {
            keychain.store(address, credentials).unwrap();
        }
        Remote::new(config(), keychain)
    };
    let nobody = repository(&with(None), address, "team/web").resolve("v1").unwrap_err();
    let expected = format!("Head \"http://{address}/v2/team/web/manifests/v1\": no basic auth credentials");
    assert_eq!(nobody.to_string(), expected);

    let alice = Credentials::password("alice", "s3cret:x");
    let remote = with(Some(&alice));
    assert_eq!(remote.login(address, &alice).unwrap().identity_token, None);
    let web = repository(&remote, address, "team/web");
    let descriptor = push(&web, "v1", b"x");
    assert_eq!(web.resolve("v1").unwrap(), descriptor);

    let mallory = Credentials::password("alice", "wrong");
    let refused = remote.login(address, &mallory).unwrap_err();
    let expected = format!("login attempt to http://{address}/v2/ failed with status: 401 Unauthorized");
    assert_eq!(refused.to_string(), expected);
    let refused = repository(&with(Some(&mallory)), address, "team/web").resolve("v1").unwrap_err();
    assert_eq!(refused.to_string(), "unauthorized: authentication required");
}

#[test]
fn a_dead_registry_is_reported_by_its_address() {
    let address = TestRegistry::start().address().to_owned();
    let refused = repository(&remote(), &address, "team/web").resolve("v1").unwrap_err();
    let expected = format!("Get \"http://{address}/v2/\": dial tcp {address}: connect: connection refused");
    assert_eq!(refused.to_string(), expected);
}
