//! What others say of an image is believed only if nobody wants it signed, or if it is.

use serde_json::{Value, json};
use wharfie_oci::{Descriptor, MediaType};
use wharfie_testkit::{Host, Image, Published, TestRegistry, archive};

use super::{key, set_policy, signing_host};
use crate::attached::{list_referrers, put_artifact};
use crate::insight::{advisories, image};
use crate::{host, host_with};

const BELIEVED: &str = "The packages are those of a document with the image, ";
const CYCLONEDX: &str = "application/vnd.cyclonedx+json";
/// A document without what is in the image.
const LIE: &[u8] = br#"{"bomFormat":"CycloneDX","components":[{"type":"library","purl":"pkg:npm/nothing@1"}]}"#;

/// An index with the image, and a build's word that nothing is in it.
fn attested() -> Published {
    let web = Published::of(&image());
    let statement = json!({"_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://spdx.dev/Document",
        "subject": [{"name": "x", "digest": {"sha256": web.descriptor.digest.hex()}}],
        "predicate": {"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "x", "packages": []}});
    let statement = statement.to_string().into_bytes();
    let mut layer = Descriptor::of(MediaType::new("application/vnd.in-toto+json"), &statement);
    layer.annotations = Some([("in-toto.io/predicate-type".to_owned(), "https://spdx.dev/Document".to_owned())].into());
    let attestation = Published::with_layers(&Image::new(), vec![(layer, statement)]);
    let mut all = Published::index(&[("linux/amd64", &web), ("unknown/unknown", &attestation)]);
    let mut index: Value = serde_json::from_slice(&all.bytes).expect("it is JSON");
    index["manifests"][1]["annotations"] =
        json!({"vnd.docker.reference.digest": web.digest(), "vnd.docker.reference.type": "attestation-manifest"});
    all.bytes = index.to_string().into_bytes();
    all.descriptor = Descriptor::of(all.descriptor.media_type.clone(), &all.bytes);
    all
}

/// Whether a scan believes a document, and so misses what is wrong with the image.
fn is_fooled(host: &Host, osv: &str, name: &str) -> bool {
    let scan = ["scan", "--db", osv, "--only", "vulnerabilities", "--progress", "quiet", name];
    let told = host.run(&scan);
    assert_eq!(told.code, 0, "{}", told.stderr);
    let is_believed = told.stderr.contains(BELIEVED);
    assert_eq!(is_believed, !told.stdout.contains("CVE-2023-4911"), "{}{}", told.stdout, told.stderr);
    is_believed
}

fn enforce(host: &Host, repository: &str) {
    set_policy(host, &json!({"repositories": {repository: {"mode": "enforce"}}}));
}

#[test]
fn an_index_that_is_not_signed_says_nothing_where_it_has_to_be() {
    let (registry, signing) = (TestRegistry::start(), signing_host());
    let name = registry.publish("team/web:1", &attested());
    let (there, repository) = (format!("registry:{name}"), name.trim_end_matches(":1"));
    let osv = advisories(&signing);
    // Whoever asks for nothing believes whoever can push.
    assert!(is_fooled(&host(), &osv, &there));
    let asking = host();
    for rule in ["enforce", "warn"] {
        set_policy(&asking, &json!({"repositories": {repository: {"mode": rule}}}));
        assert!(!is_fooled(&asking, &osv, &there), "{rule}");
    }
    assert!(!is_fooled(&host().with("DOCKER_CONTENT_TRUST", "1"), &osv, &there));
    // Once it is signed it is its maker's word.
    let ada = key(&signing, "ada");
    signing.run(&["trust", "signer", "add", "--key", &ada, "ada", repository]).succeeds();
    signing.run(&["trust", "sign", &name]).succeeds();
    let believing = super::believing(&ada, "ada", repository);
    assert!(is_fooled(&believing, &osv, &there));
    // Nor is what was built here, by itself.
    let made = signing_host();
    made.file("ctx/Dockerfile", b"FROM scratch\nCOPY x.dist-info /x.dist-info\n");
    made.file("ctx/x.dist-info/METADATA", b"Name: x\nVersion: 1\n");
    made.run(&["build", "-q", "--sbom=true", "-t", "registry.example/made:1", "ctx"]).succeeds();
    let is_believed = |made: &Host| made.run(&["sbom", "registry.example/made:1"]).stderr.contains(BELIEVED);
    assert!(is_believed(&made));
    enforce(&made, "registry.example/made");
    assert!(!is_believed(&made));
    let eve = key(&made, "eve");
    made.run(&["trust", "signer", "add", "--key", &eve, "eve", "registry.example/made"]).succeeds();
    made.run(&["trust", "sign", "--local", "registry.example/made:1"]).succeeds();
    assert!(is_believed(&made));
}

#[test]
fn ids_and_digests_are_no_way_around_a_policy() {
    let registry = TestRegistry::start();
    let web = Published::of(&image());
    let name = registry.publish("team/web:1", &web);
    let repository = name.trim_end_matches(":1");
    let subject = json!({"mediaType": web.descriptor.media_type.as_str(), "digest": web.digest(), "size": 1});
    let lie = put_artifact(&registry, "team/web", [CYCLONEDX; 2], LIE, &subject);
    let vex = json!({"@context": "https://openvex.dev/ns/v0.2.0", "statements": [{"vulnerability": {"name": "CVE-2018-1"},
        "products": [{"@id": "pkg:npm/left-pad"}], "status": "not_affected"}]});
    let kind = "application/vnd.openvex+json";
    let vex = put_artifact(&registry, "team/web", [kind; 2], vex.to_string().as_bytes(), &subject);
    list_referrers(&registry, "team/web", &web, &[lie, vex]);
    let host = host();
    let osv = advisories(&host);
    host.run(&["copy", "-q", &name, &format!("store:{name}")]).succeeds();
    let id = image().id();
    let has_vex = |host: &Host, name: &str| {
        let scan = ["scan", "--db", &osv, "--vex", "attached", "--no-attached", "--progress", "quiet", name];
        let told = host.run(&scan);
        assert_eq!(told.code, 0, "{}", told.stderr);
        !told.stdout.contains("CVE-2018-1")
    };
    let digested = format!("registry:{repository}@{}", web.digest());
    for word in [id.as_str(), &id[7..19], &name, &digested] {
        assert!(is_fooled(&host, &osv, word) && has_vex(&host, word), "{word}");
    }
    let asked = host.with("DOCKER_CONTENT_TRUST", "1");
    assert!(!is_fooled(&asked, &osv, &digested) && !has_vex(&asked, &digested));
    let host = asked.with("DOCKER_CONTENT_TRUST", "0");
    enforce(&host, repository);
    // Nor is another name for it.
    host.run(&["tag", &name, "mine:1"]).succeeds();
    for word in [id.as_str(), &id[7..19], &name, &digested, "mine:1"] {
        assert!(!is_fooled(&host, &osv, word) && !has_vex(&host, word), "{word}");
    }
    // What has lost its names may have had one that matters.
    let other = Image::new().with_file("other", "x");
    host.run_with(&["load", "-q"], &archive(&[(&other, &[name.as_str(), "mine:1"])])).succeeds();
    host.run(&["rmi", &digested.replace("registry:", "")]);
    assert_eq!(host.run(&["inspect", "--format", "{{.RepoTags}}{{.RepoDigests}}", &id]).succeeds(), "[][]\n");
    assert!(!is_fooled(&host, &osv, &id) && !has_vex(&host, &id));
    std::fs::remove_file(host.docker_config().join("trust/policy.json")).unwrap();
    assert!(is_fooled(&host, &osv, &id) && has_vex(&host, &id));
}

#[test]
fn an_archive_says_nothing_about_what_is_here_already() {
    let registry = TestRegistry::start();
    let name = registry.publish("team/web:1", &Published::of(&image()));
    let attacker = host();
    attacker.run(&["pull", "-q", &name]).succeeds();
    attacker.run(&["tag", &name, "nicetool:1"]).succeeds();
    attacker.run(&["sbom", "--attach", "nicetool:1"]).succeeds();
    attacker.run(&["save", "-o", "nice.tar", "nicetool:1"]).succeeds();
    let bytes = std::fs::read(attacker.path().join("nice.tar")).unwrap();
    let pulled = host();
    pulled.run(&["pull", "-q", &name]).succeeds();
    // One whose image has no manifest, which may get that of the archive.
    let made = host_with(&[(&image(), &[name.as_str()])]);
    for victim in [pulled, made] {
        let loaded = victim.run_with(&["load", "-q"], &bytes);
        assert_eq!(loaded.code, 0, "{}", loaded.stderr);
        assert!(loaded.stderr.contains("WARNING: what the archive says about sha256:"), "{}", loaded.stderr);
        assert!(loaded.stderr.contains(" was not taken: that was here already"), "{}", loaded.stderr);
        for name in [name.as_str(), "nicetool:1"] {
            let told = victim.run(&["sbom", name]);
            assert!(told.code == 0 && !told.stderr.contains(BELIEVED), "{}", told.stderr);
        }
        victim.run(&["push", "-q", &name]).succeeds();
        assert!(!host().run(&["sbom", "--progress", "quiet", &name]).stderr.contains(BELIEVED));
    }
    // What comes with its image is taken, and is not told of when it comes again, nor after the image was removed.
    let other = host();
    for _ in 0..2 {
        let loaded = other.run_with(&["load", "-q"], &bytes);
        assert_eq!((loaded.code, loaded.stderr.as_str()), (0, ""));
        assert!(other.run(&["sbom", "nicetool:1"]).stderr.contains(BELIEVED));
    }
    other.run(&["rmi", "nicetool:1"]).succeeds();
    let loaded = other.run_with(&["load", "-q"], &bytes);
    assert_eq!((loaded.code, loaded.stderr.as_str()), (0, ""));
    assert!(other.run(&["sbom", "nicetool:1"]).stderr.contains(BELIEVED));
}
