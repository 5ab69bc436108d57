//! What is about images goes into archives with them, and comes out again.

use std::process::Command;

use serde_json::{Value, json};
use wharfie_testkit::{Host, Image, TestRegistry, archive};

use super::{believing, key, policy, set_policy, signing_host};

/// What an archive has in one of its members.
fn member(host: &Host, archive: &str, name: &str) -> Value {
    let output =
        Command::new("tar").args(["-xOf", archive, name]).current_dir(host.path()).output().expect("tar is everywhere");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{name}: {why}"))
}

/// A host with `registry.example/web:1`, signed by ada and with a document, and her public key.
fn signed() -> (Host, String) {
    let host = signing_host();
    let image = Image::new().with_file("app/x.dist-info/METADATA", "Name: x\nVersion: 1\n");
    host.run_with(&["load", "-q"], &archive(&[(&image, &["registry.example/web:1"])])).succeeds();
    let ada = key(&host, "ada");
    host.run(&["trust", "signer", "add", "--key", &ada, "ada", "registry.example/web"]).succeeds();
    host.run(&["trust", "sign", "--local", "registry.example/web:1"]).succeeds();
    host.run(&["sbom", "--attach", "registry.example/web:1"]).succeeds();
    (host, ada)
}

#[test]
fn signatures_and_documents_outlive_save_and_load() {
    let (host, ada) = signed();
    let name = "registry.example/web:1";
    host.run(&["save", "-o", "web.tar", name]).succeeds();
    // It is docker's archive and a layout at once: the image is named, what is about it is not.
    let listed = member(&host, "web.tar", "manifest.json");
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["RepoTags"]), (1, &json!([name])));
    let index = member(&host, "web.tar", "index.json");
    let members = index["manifests"].as_array().unwrap();
    // The image, cosign's tag, the bundle, the document.
    assert_eq!(members.len(), 4, "{index}");
    let named = members.iter().filter(|member| member["annotations"]["io.containerd.image.name"].is_string());
    assert_eq!(named.count(), 1);
    let bytes = std::fs::read(host.path().join("web.tar")).unwrap();
    host.run(&["save", "-o", "again.tar", name]).succeeds();
    assert_eq!(std::fs::read(host.path().join("again.tar")).unwrap(), bytes);
    // Elsewhere it is proven by what came along, with nobody to ask.
    let other = believing(&ada, "ada", "registry.example/web");
    other.run_with(&["load", "-q"], &bytes).prints(&format!("Loaded image: {name}\n"));
    let told: Value = serde_json::from_str(&other.run(&["trust", "inspect", name]).succeeds()).unwrap();
    assert_eq!(told[0]["SignedTags"][0]["Signers"], json!(["ada"]));
    other.run(&["create", "--pull", "never", name, "true"]).succeeds();
    let plain = crate::host();
    plain.run_with(&["load", "-q"], &bytes).succeeds();
    let told = plain.run(&["sbom", name]);
    assert!(told.stdout.contains('x') && told.stderr.contains("(application/vnd.cyclonedx+json)"), "{}", told.stderr);
    // And from there to a registry, and into another archive.
    let registry = TestRegistry::start();
    let pushed = format!("{}/web:1", registry.address());
    plain.run(&["tag", name, &pushed]).succeeds();
    plain.run(&["push", "-q", &pushed]).succeeds();
    assert!(crate::host().run(&["sbom", "--progress", "quiet", &pushed]).stderr.contains("a document with the image"));
    plain.run(&["save", "-o", "third.tar", name]).succeeds();
    assert_eq!(member(&plain, "third.tar", "index.json")["manifests"].as_array().unwrap().len(), 4);
    // What nobody has said anything about is saved as it always was.
    plain.run(&["load", "-q", "-i", "third.tar"]).succeeds();
    let bare = Image::new().with_file("a", "b");
    plain.run_with(&["load", "-q"], &archive(&[(&bare, &["bare:1"])])).succeeds();
    plain.run(&["save", "-o", "bare.tar", "bare:1"]).succeeds();
    let listed = member(&plain, "bare.tar", "manifest.json");
    let layer = wharfie_oci::Digest::of(&bare.layers()[0]);
    assert_eq!(listed[0]["Layers"], json!([format!("blobs/sha256/{}", layer.hex())]));
}

#[test]
fn a_changed_image_in_an_archive_is_not_the_signed_one() {
    let (host, ada) = signed();
    let name = "registry.example/web:1";
    host.run(&["save", "-o", "web.tar", name]).succeeds();
    // The signatures of one image beside another one of the same name.
    let evil = Image::new().with_file("evil", "x");
    host.run_with(&["load", "-q"], &archive(&[(&evil, &[name])])).succeeds();
    host.run(&["sbom", "--attach", name]).succeeds();
    host.run(&["save", "-o", "evil.tar", name]).succeeds();
    let unpack = |archive: &str, into: &str| {
        std::fs::create_dir_all(host.path().join(into)).unwrap();
        let done = Command::new("tar").args(["-xf", archive, "-C", into]).current_dir(host.path()).status();
        assert!(done.unwrap().success());
    };
    let good = member(&host, "web.tar", "index.json");
    let mut index = member(&host, "evil.tar", "index.json");
    unpack("web.tar", "mixed");
    unpack("evil.tar", "mixed");
    let companions = good["manifests"].as_array().unwrap().iter();
    let companions = companions.filter(|member| !member["annotations"]["io.containerd.image.name"].is_string());
    index["manifests"].as_array_mut().unwrap().extend(companions.cloned());
    std::fs::write(host.path().join("mixed/index.json"), index.to_string()).unwrap();
    let done = Command::new("tar").args(["-cf", "mixed.tar", "-C", "mixed", "."]).current_dir(host.path()).status();
    assert!(done.unwrap().success());
    let other = believing(&ada, "ada", "registry.example/web");
    let bytes = std::fs::read(host.path().join("mixed.tar")).unwrap();
    other.run_with(&["load", "-q"], &bytes).succeeds();
    let said = other.run(&["create", "--pull", "never", name, "true"]);
    assert!(said.code == 1 && said.stderr.contains("No trust data for 1"), "{}", said.stderr);
}

#[test]
fn copies_from_and_to_the_store_take_along_what_is_about_images() {
    let (host, ada) = signed();
    let registry = TestRegistry::start();
    let there = format!("{}/web:1", registry.address());
    host.run(&["copy", "-q", "store:registry.example/web:1", &there]).succeeds();
    let other = crate::host();
    other.run(&["copy", "-q", &there, "store:registry.example/web:1"]).succeeds();
    set_policy(&other, &policy(&host));
    let told: Value =
        serde_json::from_str(&other.run(&["trust", "inspect", "registry.example/web:1"]).succeeds()).unwrap();
    assert_eq!(told[0]["SignedTags"][0]["Signers"], json!(["ada"]), "{ada}");
    other.run(&["copy", "-q", "--no-referrers", "store:registry.example/web:1", "archive:bare.tar"]).succeeds();
    assert_eq!(member(&other, "bare.tar", "index.json")["manifests"].as_array().unwrap().len(), 1);
    other.run(&["copy", "-q", "store:registry.example/web:1", "archive:whole.tar"]).succeeds();
    let whole = std::fs::read(other.path().join("whole.tar")).unwrap();
    let third = believing(&ada, "ada", "registry.example/web");
    third.run_with(&["load", "-q"], &whole).succeeds();
    third.run(&["create", "--pull", "never", "registry.example/web:1", "true"]).succeeds();
}

#[test]
fn junk_about_an_image_does_not_hide_its_signatures() {
    let (host, ada) = signed();
    let registry = TestRegistry::start();
    let there = format!("{}/web:1", registry.address());
    host.run(&["copy", "-q", "store:registry.example/web:1", &there]).succeeds();
    let digest = registry.digest("web:1");
    let subject =
        json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest.as_str(), "size": 1});
    // More than are looked at, of digests before those of almost everything, with a type and without.
    let target = format!("/v2/web/manifests/sha256-{}", digest.hex());
    let (status, answer) = registry.request("GET", &target, "", b"");
    assert_eq!(status, 200, "{answer}");
    let mut index = super::body(&answer);
    let empty = wharfie_oci::Digest::of(b"{}");
    // That blob comes with any artifact.
    crate::attached::put_artifact(&registry, "web", ["application/vnd.junk"; 2], b"x", &subject);
    for kind in [Some("application/vnd.junk"), None] {
        let mut count = 0;
        for n in 0.. {
            let part = json!({"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty.as_str(), "size": 2});
            let mut junk = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": part, "layers": [part], "subject": subject, "annotations": {"n": n.to_string()}});
            if let Some(kind) = kind {
                junk["artifactType"] = kind.into();
            }
            let bytes = junk.to_string().into_bytes();
            let digest = wharfie_oci::Digest::of(&bytes);
            if !digest.hex().starts_with("00") {
                continue;
            }
            let kind = "application/vnd.oci.image.manifest.v1+json";
            assert_eq!(registry.request("PUT", &format!("/v2/web/manifests/{digest}"), kind, &bytes).0, 201);
            let member = json!({"mediaType": kind, "digest": digest.as_str(), "size": bytes.len()});
            index["manifests"].as_array_mut().unwrap().push(member);
            count += 1;
            if count == 40 {
                break;
            }
        }
    }
    let kind = "application/vnd.oci.image.index.v1+json";
    assert_eq!(registry.request("PUT", &target, kind, index.to_string().as_bytes()).0, 201);
    let other = believing(&ada, "ada", "registry.example/web");
    other.run(&["copy", "-q", &there, "store:registry.example/web:1"]).succeeds();
    other.run(&["create", "--pull", "never", "registry.example/web:1", "true"]).succeeds();
}

#[test]
fn an_archive_does_not_tell_the_names_of_other_repositories() {
    let (host, ada) = signed();
    let (name, secret) = ("registry.example/web:1", "registry.example/secret:7");
    host.run(&["tag", name, secret]).succeeds();
    host.run(&["trust", "signer", "add", "--key", &ada, "ada", "registry.example/secret"]).succeeds();
    host.run(&["trust", "sign", "--local", secret]).succeeds();
    host.run(&["save", "-o", "web.tar", name]).succeeds();
    // The image, what lies under cosign's tag, one bundle and the document.
    let index = member(&host, "web.tar", "index.json");
    let members = index["manifests"].as_array().unwrap();
    assert_eq!(members.len(), 4, "{index}");
    let listed = Command::new("tar").args(["-xf", "web.tar", "-O"]).current_dir(host.path()).output().unwrap();
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(text.contains("registry.example/web") && !text.contains("registry.example/secret"));
    // The bundle has its statement in base64, which begins anywhere in three ways.
    for start in 0..3 {
        let hidden = crate::trust::notation::base64(&"registry.example/secret".as_bytes()[start..], false);
        assert!(!text.contains(&hidden[..24]), "{start}");
    }
    let bytes = std::fs::read(host.path().join("web.tar")).unwrap();
    let other = believing(&ada, "ada", "registry.example/web");
    other.run_with(&["load", "-q"], &bytes).succeeds();
    other.run(&["create", "--pull", "never", name, "true"]).succeeds();
    // Under both names both are told.
    host.run(&["save", "-o", "both.tar", name, secret]).succeeds();
    assert_eq!(member(&host, "both.tar", "index.json")["manifests"].as_array().unwrap().len(), 6);
}
