//! What other tools wrote: cosign's keys, signatures and bundles, as sigstore-rs keeps them for its own tests (Apache-2.0).

use wharfie_oci::{Digest, Reference};
use wharfie_trust::containers::{ContainersPolicy, Requirement};
use wharfie_trust::{Error, Identity, PrivateKey, PublicKey, Wanted, bundle, simple};

/// `cosign generate-key-pair` with an empty passphrase.
const COSIGN_KEY: &str = "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----
eyJrZGYiOnsibmFtZSI6InNjcnlwdCIsInBhcmFtcyI6eyJOIjo2NTUzNiwiciI6
OCwicCI6MX0sInNhbHQiOiJFY3pJR3Z0bnpFcCsxaEpudERnbGI1UnoxN3gwQVMy
YklvWGRNcDQrU1NJPSJ9LCJjaXBoZXIiOnsibmFtZSI6Im5hY2wvc2VjcmV0Ym94
Iiwibm9uY2UiOiJtSVVKbG1OMzNINExvZ0dhaG5MamdmK3R4SmJwci93MCJ9LCJj
aXBoZXJ0ZXh0IjoiM3FtS2FidXRuYm1WT1IvTkZGM2NDaUErTXp1WWQ5L0VERDVI
MVlUSGhQVzZsSzAvdjVqdDZCQzlsME12NGV5am9qZkl0d3B6a2JJOXQrZGx5VXZ3
VUgvMWZjbkFZT2dEdXRLQzkvSkNiOE02SVY2VHpVaDF5c0ZFWDFzeG9xb1FzeUpL
bjM0UVlldFNlaVdDaGtmUHUyZXByQjFEV0pwekdzTGZIakxNVTkzOEdmNk1xM1A0
N0ZSd2syZzY1cFZnSGMwVWV1L1N1OUs0Zmc9PSJ9
-----END ENCRYPTED SIGSTORE PRIVATE KEY-----
";

/// An older file, whose passphrase is `password`.
const OLDER_KEY: &str = "-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----
eyJrZGYiOnsibmFtZSI6InNjcnlwdCIsInBhcmFtcyI6eyJOIjozMjc2OCwiciI6
OCwicCI6MX0sInNhbHQiOiI3eWtwR1NRNVBpVWJZb1B0eXZ4cnhHWjcrM2NtZmdM
WmwwQnhDQlVHRUdZPSJ9LCJjaXBoZXIiOnsibmFtZSI6Im5hY2wvc2VjcmV0Ym94
Iiwibm9uY2UiOiI0N2dPOVNCd0FueXVOZlQxVzlzcFVYOGxCREVnckgwZyJ9LCJj
aXBoZXJ0ZXh0IjoiRHhmenJlWis5eXNLdVlHOU02L0F1dVl1bVVFa2tHcFdWUmhK
V242dGp0VW1RTzBqNTJSa1RXZTYwVTk2bFMzelVldm9BUGU2MjhPMHFQODlkdkwv
MEJObjljdWZYUVZObnAxVWJsUVBaQm9tRFRsUFR6NnZFa3doMS9XTFhTa2NKekdW
ZnpqN3ZQSDRaVFhqRjBVRnRqYzZ6QmhqZFk5ZjhnRklzVERiYSs3S013eWxPUGhW
ditpakl3R0R5Zk43RGNlWTJzYTdNZHM5Q2c9PSJ9
-----END ENCRYPTED COSIGN PRIVATE KEY-----
";
/// A key that has nothing to do with the others.
const OTHER: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE10MJqZ6tgxCxOvANHgfKMY90bso8
H+Iq3rPfT6GrFbYAgckw24H69hgnTHrujYAtjhK6csqLXkgwFzYh2Hdckw==
-----END PUBLIC KEY-----
";

/// A signature of `registry-testing.svc.lan/busybox` by cosign, and the key.
const SIGNER: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAENptdY/l3nB0yqkXLBWkZWQwo6+cu
OSWS1X9vPavpiQOoTTGC0xX57OojUadxF1cdQmrsiReWg2Wn4FneJfa8xw==
-----END PUBLIC KEY-----
";
const PAYLOAD: &str = r#"{"critical":{"identity":{"docker-reference":"registry-testing.svc.lan/busybox"},"image":{"docker-manifest-digest":"sha256:f3cfc9d0dbf931d3db4685ec659b7ac68e2a578219da4aae65427886e649b06b"},"type":"cosign container image signature"},"optional":null}"#;
const SIGNATURE: &str =
    "MEUCIQD6q/COgzOyW0YH1Dk+CCYSt4uAhm3FDHUwvPI55zwnlwIgE0ZK58ZOWpZw8YVmBapJhBqCfdPekIknimuO0xH8Jh8=";
const DIGEST: &str = "f3cfc9d0dbf931d3db4685ec659b7ac68e2a578219da4aae65427886e649b06b";

fn opened(pem: &str, passphrase: &str) -> Result<PrivateKey, Error> {
    PrivateKey::from_pem(pem, || Ok(passphrase.as_bytes().to_vec()))
}

#[test]
fn keys_of_cosign_are_opened() {
    let key = opened(COSIGN_KEY, "").unwrap();
    assert!(key.public().verifies(b"a", &key.sign(b"a").unwrap()));
    assert!(!key.public().verifies(b"b", &key.sign(b"a").unwrap()));
    assert!(matches!(opened(COSIGN_KEY, "x"), Err(Error::Passphrase)));
    let older = opened(OLDER_KEY, "password").unwrap();
    assert!(older.public().verifies(b"a", &older.sign(b"a").unwrap()));
    assert!(matches!(opened(OLDER_KEY, "Password"), Err(Error::Passphrase)));
}

#[test]
fn a_signature_of_cosign_counts_for_its_image_alone() {
    let key = PublicKey::from_pem(SIGNER).unwrap();
    let signature = simple::read(PAYLOAD.as_bytes(), SIGNATURE).unwrap();
    assert!(signature.is_by(&key) && !signature.is_by(&PublicKey::from_pem(OTHER).unwrap()));
    let digest = Digest::sha256(DIGEST).unwrap();
    let check = |name: &str, expected: bool| {
        let reference: Reference = name.parse().unwrap();
        let wanted = Wanted { digest: &digest, reference: &reference };
        assert_eq!(Identity::Repository.check(&signature.claim, &wanted).is_ok(), expected, "{name}");
    };
    check("registry-testing.svc.lan/busybox:1", true);
    check("registry-testing.svc.lan/evil:1", false);
    check("busybox:1", false);
    // Any change is seen.
    let tampered = simple::read(PAYLOAD.replace("busybox", "evil").as_bytes(), SIGNATURE).unwrap();
    assert!(!tampered.is_by(&key));
}

/// A bundle of the real sigstore, without the certificate and the log's proofs, and the certificate's key.
const BUNDLE: &str = r#"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","dsseEnvelope":{"payload":"eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEiLCJzdWJqZWN0IjpbeyJkaWdlc3QiOnsic2hhMjU2IjoiYzgxMWQ1OGRlNzljOTJmMDMyMTRlNjNhYTMzOTQ4NGU0ODhkNjk0YWU4YTYyODNiNWYzZjE3YTlmYWY1MDE3MiJ9LCJhbm5vdGF0aW9ucyI6e319XSwicHJlZGljYXRlVHlwZSI6Imh0dHBzOi8vc2lnc3RvcmUuZGV2L2Nvc2lnbi9zaWduL3YxIn0=","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"MEQCIAvVJBnQhNzE/rUxlMkBZYfAuQ8xtnspG3q2zAr5OK6IAiAmgsNl7ke89wUk/aySH8SwAlz6ot9QqybmN14Kj2FaXw=="}]}}"#;
const BUNDLE_KEY: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEFWTdikFfJZHY5aj0fTVgKdfGf9lR
q35xTArYQa6NL2kdaeCAr5e1f0G2czF1h7fQpdjMlF5wEZytHpN8YS5E2w==
-----END PUBLIC KEY-----
";

#[test]
fn a_real_bundle_is_verified() {
    let key = PublicKey::from_pem(BUNDLE_KEY).unwrap();
    let found = bundle::read(BUNDLE.as_bytes()).unwrap();
    assert_eq!(found.len(), 1);
    assert!(found[0].is_by(&key) && !found[0].is_by(&PublicKey::from_pem(SIGNER).unwrap()));
    let hex = "c811d58de79c92f03214e63aa339484e488d694ae8a6283b5f3f17a9faf50172";
    assert_eq!((found[0].claim.digest.hex(), &found[0].claim.name), (hex, &None));
}

#[test]
fn podmans_policy_takes_cosigns_signatures() {
    let signature = [simple::read(PAYLOAD.as_bytes(), SIGNATURE).unwrap()];
    let digest = Digest::sha256(DIGEST).unwrap();
    let check = |identity: &str, name: &str, expected: bool| {
        let json = format!(
            r#"{{"default":[{{"type":"reject"}}],"transports":{{"docker":{{"registry-testing.svc.lan":
                [{{"type":"sigstoreSigned","keyPath":"/key.pub","signedIdentity":{identity}}}]}}}}}}"#
        );
        let policy = ContainersPolicy::parse(json.as_bytes()).unwrap();
        let reference: Reference = name.parse().unwrap();
        let [Requirement::SigstoreSigned(signed)] = policy.requirements(&reference) else { panic!("{name}") };
        let keys =
            signed.keys(|path| Ok::<_, Error>(if path == "/key.pub" { SIGNER.to_owned() } else { String::new() }));
        let wanted = Wanted { digest: &digest, reference: &reference };
        assert_eq!(signed.judge(&keys.unwrap(), &signature, &wanted).is_ok(), expected, "{identity} {name}");
    };
    let busybox = "registry-testing.svc.lan/busybox:1";
    check(r#"{"type":"matchRepository"}"#, busybox, true);
    // Cosign signs repositories without a tag, which podman takes by default for names with digests only.
    check(r#"{"type":"matchRepoDigestOrExact"}"#, busybox, false);
    check(r#"{"type":"matchRepoDigestOrExact"}"#, &format!("registry-testing.svc.lan/busybox@sha256:{DIGEST}"), true);
    check(r#"{"type":"matchRepository"}"#, "registry-testing.svc.lan/evil:1", false);
    check(r#"{"type":"exactRepository","dockerRepository":"registry-testing.svc.lan/busybox"}"#, busybox, true);
    let moved = r#"{"type":"remapIdentity","prefix":"registry-testing.svc.lan/mirror","signedPrefix":"registry-testing.svc.lan"}"#;
    check(moved, &format!("registry-testing.svc.lan/mirror/busybox@sha256:{DIGEST}"), true);
    check(moved, &format!("registry-testing.svc.lan/mirrors/busybox@sha256:{DIGEST}"), false);
}
