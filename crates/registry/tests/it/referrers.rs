//! "Listing Referrers".

use serde_json::{Value, json};
use wharfie_oci::Digest;

use crate::client::{OCI_INDEX, OCI_MANIFEST, Registry};

/// Pushes a manifest about `subject` and gives its digest.
fn attach(registry: &Registry, subject: &Digest, artifact_type: Option<&str>, note: &str) -> Digest {
    let mut manifest = registry.image("a", note);
    manifest["subject"] = json!({ "mediaType": OCI_MANIFEST, "digest": subject, "size": 1 });
    manifest["annotations"] = json!({ "note": note });
    if let Some(artifact_type) = artifact_type {
        manifest["artifactType"] = artifact_type.into();
    }
    let digest = Digest::of(manifest.to_string().as_bytes());
    let reply = registry.push_manifest("a", digest.as_str(), &manifest);
    assert_eq!(reply.header("oci-subject"), Some(subject.as_str()));
    digest
}

fn digests(index: &Value) -> Vec<String> {
    let members = index["manifests"].as_array().unwrap().iter();
    let mut all: Vec<String> = members.map(|member| member["digest"].as_str().unwrap().to_owned()).collect();
    all.sort();
    all
}

#[test]
fn who_is_about_a_manifest_is_listed() {
    let registry = Registry::start();
    let subject = registry.push_image("a", "1", "content");
    let target = format!("/v2/a/referrers/{subject}");
    let reply = registry.get(&target).expect(200);
    assert_eq!(reply.header("content-type"), Some(OCI_INDEX));
    assert_eq!(reply.json()["manifests"], json!([]));
    let signature = attach(&registry, &subject, Some("application/vnd.example.signature"), "one");
    let plain = attach(&registry, &subject, None, "two");
    let index = registry.get(&target).expect(200).json();
    let mut expected = vec![signature.to_string(), plain.to_string()];
    expected.sort();
    assert_eq!((digests(&index), index["schemaVersion"].clone()), (expected, json!(2)));
    let members = index["manifests"].as_array().unwrap();
    let member = members.iter().find(|member| member["digest"] == plain.as_str()).unwrap();
    // Without a type of its own, that of the configuration stands in.
    assert_eq!(member["artifactType"], "application/vnd.oci.image.config.v1+json");
    assert_eq!((&member["mediaType"], &member["annotations"]["note"]), (&json!(OCI_MANIFEST), &json!("two")));

    let reply = registry.get(&format!("{target}?artifactType=application%2Fvnd.example.signature")).expect(200);
    assert_eq!(reply.header("oci-filters-applied"), Some("artifactType"));
    assert_eq!(digests(&reply.json()), [signature.to_string()]);
    assert_eq!(registry.get(&format!("{target}?artifactType=none")).expect(200).json()["manifests"], json!([]));

    registry.send("DELETE", &format!("/v2/a/manifests/{signature}"), &[], b"").expect(202);
    assert_eq!(digests(&registry.get(&target).json()), [plain.to_string()]);
}

#[test]
fn a_subject_need_not_be_there() {
    let registry = Registry::start();
    let missing = Digest::of(b"missing");
    let referrer = attach(&registry, &missing, None, "early");
    assert_eq!(digests(&registry.get(&format!("/v2/a/referrers/{missing}")).json()), [referrer.to_string()]);
    registry.get(&format!("/v2/none/referrers/{missing}")).expect(200);
    registry.get("/v2/a/referrers/1.0").refuses(400, "DIGEST_INVALID");
}

#[test]
fn many_referrers_come_in_pages() {
    let registry = Registry::start();
    let subject = registry.push_image("a", "1", "content");
    let mut expected: Vec<String> =
        (0..5).map(|n| attach(&registry, &subject, Some("t/x"), &n.to_string()).to_string()).collect();
    expected.sort();
    let mut target = format!("/v2/a/referrers/{subject}?n=2&artifactType=t%2Fx");
    let mut seen = Vec::new();
    loop {
        let reply = registry.get(&target).expect(200);
        seen.extend(digests(&reply.json()));
        let Some(link) = reply.header("link") else { break };
        assert!(link.contains("artifactType=t/x"), "{link}");
        target = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
    }
    assert_eq!(seen, expected);
}
