//! Keys, signatures and policies: no bytes make a reader panic, nothing that nobody signed is by anybody, and what is written is
//! read again.

use wharfie_oci::Digest;
use wharfie_trust::containers::ContainersPolicy;
use wharfie_trust::notation::{Roots, Trusted};
use wharfie_trust::sealed::Sealed;
use wharfie_trust::{Policy, PublicKey, Wanted, bundle, notation, pem, simple};

/// Who has signed nothing here.
const NOBODY: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAENptdY/l3nB0yqkXLBWkZWQwo6+cu
OSWS1X9vPavpiQOoTTGC0xX57OojUadxF1cdQmrsiReWg2Wn4FneJfa8xw==
-----END PUBLIC KEY-----
";

/// Insists on it for one input, as each kind of document.
pub(crate) fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(block) = pem::read(&text) {
        let _ = (PublicKey::from_spki(&block.bytes), Sealed::parse(&block.bytes));
    }
    if let Ok(key) = PublicKey::from_spki(bytes) {
        assert_eq!(PublicKey::from_pem(&key.to_pem()).ok(), Some(key));
    }
    let _ = Sealed::parse(bytes);
    let nobody = PublicKey::from_pem(NOBODY).expect("it is a key");
    let mut found = bundle::read(bytes).unwrap_or_default();
    found.extend(simple::read(bytes, &text));
    if let Ok(signature) = notation::read(bytes) {
        let trusted = Trusted { trust_stores: vec!["ca:x".to_owned()], trusted_identities: vec!["*".to_owned()] };
        // The bytes themselves as a root: whatever chain there is, nobody who signed nothing is named.
        for certificates in [Vec::new(), vec![bytes.to_vec()]] {
            let roots = Roots { certificates, now: 1_800_000_000 };
            assert!(signature.certified_by(&roots, &trusted).is_err());
        }
        found.push(signature);
    }
    assert!(!found.iter().any(|signature| signature.is_by(&nobody)));
    if let Ok(policy) = Policy::parse(bytes) {
        let again = Policy::parse(policy.to_json().as_bytes()).expect("what is written is read");
        assert_eq!(policy, again);
        let reference = "web:1".parse().expect("it is a reference");
        let digest = Digest::of(b"web");
        let wanted = Wanted { digest: &digest, reference: &reference };
        if let Some(rule) = policy.rule(reference.repository()) {
            assert!(policy.judge(rule, &[], &wanted).is_err());
        }
    }
    if let Ok(policy) = ContainersPolicy::parse(bytes) {
        let _ = policy.requirements(&"registry.example/team/web:1".parse().expect("it is a reference"));
    }
}
