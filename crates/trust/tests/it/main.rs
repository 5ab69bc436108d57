//! What other tools wrote, `openssl` as the judge of what we write, and the body of the fuzz target on changed inputs.

mod openssl;
#[path = "../../../../fuzz/bodies/signatures.rs"]
mod signatures;
mod vectors;

use proptest::prelude::*;
use wharfie_oci::Digest;
use wharfie_trust::policy::{Mode, Refusal, Revocation};
use wharfie_trust::{Policy, PrivateKey, Signature, Wanted, bundle, simple};

const SEEDS: &[&str] = &[
    r#"{"critical":{"identity":{"docker-reference":"web:1"},"image":{"docker-manifest-digest":"sha256:f3cfc9d0dbf931d3db4685ec659b7ac68e2a578219da4aae65427886e649b06b"},"type":"cosign container image signature"},"optional":{"signer":"ada"}}"#,
    r#"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","dsseEnvelope":{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"AA=="}]}}"#,
    r#"{"kdf":{"name":"scrypt","params":{"N":32768,"r":8,"p":1},"salt":"AA=="},"cipher":{"name":"nacl/secretbox","nonce":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},"ciphertext":"AA=="}"#,
    r#"{"repositories":{"docker.io/library/*":{"mode":"enforce","threshold":2,"signers":{"ada":["-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAENptdY/l3nB0yqkXLBWkZWQwo6+cu\nOSWS1X9vPavpiQOoTTGC0xX57OojUadxF1cdQmrsiReWg2Wn4FneJfa8xw==\n-----END PUBLIC KEY-----\n"]}}},"revoked":[]}"#,
    r#"{"default":[{"type":"reject"}],"transports":{"docker":{"registry.example":[{"type":"sigstoreSigned","keyPath":"/k","signedIdentity":{"type":"matchRepository"}}]}}}"#,
    r#"{"repositories":{"r.example/**":{"notation":{"trustStores":["ca:a"],"trustedIdentities":["x509.subject: C=US, O=a"]}}}}"#,
    r#"{"payload":"eyJ0YXJnZXRBcnRpZmFjdCI6eyJtZWRpYVR5cGUiOiJhcHBsaWNhdGlvbi92bmQub2NpLmltYWdlLm1hbmlmZXN0LnYxK2pzb24iLCJkaWdlc3QiOiJzaGEyNTY6MTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMSIsInNpemUiOjF9fQ","protected":"eyJhbGciOiJFUzI1NiIsImN0eSI6ImFwcGxpY2F0aW9uL3ZuZC5jbmNmLm5vdGFyeS5wYXlsb2FkLnYxK2pzb24iLCJpby5jbmNmLm5vdGFyeS5zaWduaW5nU2NoZW1lIjoibm90YXJ5Lng1MDkiLCJpby5jbmNmLm5vdGFyeS5leHBpcnkiOiIyMDk5LTAxLTAxVDAwOjAwOjAwWiIsImNyaXQiOlsiaW8uY25jZi5ub3Rhcnkuc2lnbmluZ1NjaGVtZSJdfQ","header":{"x5c":["MIIBhDCCASqgAwIBAgIUJWwi953T8geL5cgOZIwuHrPbT6YwCgYIKoZIzj0EAwIwGTELMAkGA1UEBhMCVVMxCjAIBgNVBAoMAWEwHhcNMjYxMTMwMTYxNTQ1WhcNMzYxMTI3MTYxNTQ1WjAZMQswCQYDVQQGEwJVUzEKMAgGA1UECgwBYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABHnziWcnZFN+vMw1wu9DvZc6mMmGcc98ZkmCMmlTpJD2a9tjb8WmR7Vbgmcm42TibM8LTER998ivvamFRs16nAWjUDBOMB0GA1UdDgQWBBT0HH1PJWE5qMgzwr3iF0QBhzilQzAfBgNVHSMEGDAWgBT0HH1PJWE5qMgzwr3iF0QBhzilQzAMBgNVHRMBAf8EAjAAMAoGCCqGSM49BAMCA0gAMEUCIH+ptrs26Fv7qv4w4rybv+8teeY87PKed9dVgYIvwXqGAiEAiAaDB9ub8BNalNj9n5r02NCicx4IBe+LzdgHaCY7Z7Q="]},"signature":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ"}"#,
    "-----BEGIN PUBLIC KEY-----\nrole: ada\n\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAENptdY/l3nB0yqkXLBWkZWQwo6+cuOSWS1X9vPavpiQOoTTGC0xX57OojUadxF1cdQmrsiReWg2Wn4FneJfa8xw==\n-----END PUBLIC KEY-----\n",
    "0Y0\u{13}\u{6}\u{7}",
];

#[test]
fn hand_made_inputs_cut_anywhere() {
    for seed in SEEDS {
        for at in 0..=seed.len() {
            signatures::run(&seed.as_bytes()[..at]);
        }
    }
}

proptest! {
    #[test]
    fn changed_inputs(seed in 0..SEEDS.len(), changes in prop::collection::vec((0_usize..1500, any::<u8>()), 0..6)) {
        let mut bytes = SEEDS[seed].as_bytes().to_vec();
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        signatures::run(&bytes);
    }
}

/// What `key` signs as `name`, in both forms.
fn signed(key: &PrivateKey, name: &str, digest: &Digest) -> Vec<Signature> {
    let name = name.parse().expect("the test writes good names");
    let bundle = bundle::sign(key, "ada", &name, digest).expect("keys sign");
    let mut signatures = bundle::read(&bundle).expect("what is written is read");
    let simple = simple::sign(key, "ada", &name, digest, 0).expect("keys sign");
    let again = simple::read(&simple.message, &simple.annotation()).expect("what is written is read");
    assert_eq!(simple, again);
    signatures.push(again);
    signatures
}

#[test]
fn a_registry_spelled_otherwise_is_the_same_and_the_strictest_rule_decides() {
    let ada = PrivateKey::generate().unwrap();
    let digest = Digest::of(b"web");
    let mut policy = Policy::parse(
        br#"{"repositories": {"LOCALHOST:05811/team/web": {"mode": "enforce", "identity": "digest"},
            "r.example/*/web": {"mode": "enforce"}, "r.example/tea/*": {"mode": "off"},
            "z.example/*/web": {"mode": "off"}, "z.example/tea/*": {"mode": "warn"}}}"#,
    )
    .unwrap();
    let mode = |policy: &Policy, name: &str| {
        let reference: wharfie_oci::Reference = name.parse().unwrap();
        policy.rule(reference.repository()).map(|rule| rule.mode)
    };
    for name in ["localhost:5811/team/web:1", "Localhost:05811/team/web:1"] {
        assert_eq!(mode(&policy, name), Some(Mode::Enforce), "{name}");
        let reference: wharfie_oci::Reference = name.parse().unwrap();
        policy.own_rule_mut(reference.repository()).signers.insert("ada".to_owned(), vec![ada.public().clone()]);
    }
    // As much is said by the one as by the other, whichever stands first.
    assert_eq!(mode(&policy, "r.example/tea/web"), Some(Mode::Enforce));
    assert_eq!(mode(&policy, "z.example/tea/web"), Some(Mode::Warn));
    let good = signed(&ada, "localhost:5811/team/web:1", &digest);
    let mut revocation = Revocation {
        repository: "localhost:5811/team/web".to_owned(),
        tag: None,
        digest: digest.clone(),
        key: ada.public().id().to_string(),
    };
    policy.revoke(revocation.clone());
    let mut policy = Policy::parse(policy.to_json().as_bytes()).unwrap();
    assert_eq!(policy.rules().next().map(|(pattern, _)| pattern), Some("LOCALHOST:05811/team/web"));
    let judge = |policy: &Policy, name: &str| {
        let reference: wharfie_oci::Reference = name.parse().unwrap();
        let wanted = Wanted { digest: &digest, reference: &reference };
        policy.judge(policy.rule(reference.repository()).unwrap(), &good, &wanted)
    };
    let names = ["localhost:5811/team/web:1", "LOCALHOST:05811/team/web:1"];
    for name in names {
        assert_eq!(judge(&policy, name), Err(Refusal::Untrusted("its signature was revoked".to_owned())), "{name}");
    }
    revocation.repository = "LOCALHOST:5811/team/web".to_owned();
    policy.forgive(&revocation);
    for name in names {
        assert_eq!(judge(&policy, name), Ok(vec!["ada".to_owned()]), "{name}");
    }
    // What can be about nothing, and what stands twice in two spellings, is refused.
    for bad in [
        r#"{"repositories": {"team/web": {"mode": "enforce"}}}"#,
        r#"{"repositories": {"r.example/web": {}, "R.example:443/web": {}}}"#,
        r#"{"revoked": [{"repository": "Team/Web:1", "digest": "sha256:1111111111111111111111111111111111111111111111111111111111111111", "key": "x"}]}"#,
    ] {
        assert!(Policy::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn a_rule_wants_its_signers_and_its_image() {
    let (ada, bob, eve) =
        (PrivateKey::generate().unwrap(), PrivateKey::generate().unwrap(), PrivateKey::generate().unwrap());
    let (digest, other) = (Digest::of(b"web"), Digest::of(b"other"));
    let reference = "registry.example/web:1".parse().unwrap();
    let wanted = Wanted { digest: &digest, reference: &reference };
    let mut policy = Policy::default();
    let rule = policy.own_rule_mut(reference.repository());
    rule.mode = Mode::Enforce;
    rule.signers.insert("ada".to_owned(), vec![ada.public().clone()]);
    rule.signers.insert("bob".to_owned(), vec![bob.public().clone()]);
    let mut policy = Policy::parse(policy.to_json().as_bytes()).unwrap();
    let check = |policy: &Policy, signatures: &[Signature], expected: Result<&[&str], &str>| {
        let rule = policy.rule(reference.repository()).unwrap();
        let judged = policy.judge(rule, signatures, &wanted).map_err(|why| why.to_string());
        assert_eq!(
            judged,
            expected.map(|names| names.iter().map(|name| (*name).to_owned()).collect()).map_err(str::to_owned)
        );
    };
    let good = signed(&ada, "registry.example/web:1", &digest);
    check(&policy, &good, Ok(&["ada"]));
    check(&policy, &good[..1], Ok(&["ada"]));
    check(&policy, &good[1..], Ok(&["ada"]));
    check(&policy, &[], Err("nobody signed it"));
    check(&policy, &signed(&eve, "registry.example/web:1", &digest), Err("no signer that is trusted signed it"));
    let moved = format!("a signature does not count: it is of other content ({other})");
    check(&policy, &signed(&ada, "registry.example/web:1", &other), Err(&moved));
    let elsewhere = "a signature does not count: it is of another repository (registry.example/db)";
    check(&policy, &signed(&ada, "registry.example/db:1", &digest), Err(elsewhere));
    check(
        &policy,
        &signed(&ada, "registry.example/web:2", &digest),
        Err("a signature does not count: it is of the tag 2"),
    );
    // A good one is not spoilt by others.
    let both = [signed(&eve, "registry.example/web:1", &digest), good.clone()].concat();
    check(&policy, &both, Ok(&["ada"]));
    policy.own_rule_mut(reference.repository()).threshold = 2;
    check(&policy, &good, Err("1 of 2 signers signed it"));
    let together = [good.clone(), signed(&bob, "registry.example/web:1", &digest)].concat();
    check(&policy, &together, Ok(&["ada", "bob"]));
    policy.own_rule_mut(reference.repository()).threshold = 1;
    let revocation = Revocation {
        repository: "registry.example/web".to_owned(),
        tag: Some("1".to_owned()),
        digest: digest.clone(),
        key: ada.public().id().to_string(),
    };
    policy.revoke(revocation.clone());
    check(&policy, &good, Err("its signature was revoked"));
    check(&policy, &together, Ok(&["bob"]));
    policy.forgive(&revocation);
    check(&policy, &good, Ok(&["ada"]));
    assert_eq!(
        policy.judge(&Default::default(), &good, &wanted),
        Err(Refusal::Untrusted("no signer that is trusted signed it".to_owned()))
    );
}

#[test]
fn a_policy_that_is_not_understood_is_refused() {
    fn check(text: &str) {
        assert!(Policy::parse(text.as_bytes()).is_err(), "{text}");
    }
    check("");
    check("{\"repository\":{}}");
    check("{\"repositories\":{\"a\":{\"mode\":\"enforced\"}}}");
    check("{\"repositories\":{\"a\":{\"threshold\":0}}}");
    check("{\"repositories\":{\"a\":{\"signers\":{\"Ada\":[]}}}}");
    check("{\"repositories\":{\"a\":{\"signers\":{\"ada\":[\"no key\"]}}}}");
    check("{\"repositories\":{\"a\":{\"signer\":{}}}}");
    assert!(Policy::parse(b"{}").unwrap().is_empty());
}
