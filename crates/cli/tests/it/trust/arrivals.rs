//! What comes says nothing about what was here, and no door leads around what has to be signed.

use serde_json::{Value, json};
use wharfie_oci::{Descriptor, Digest, MediaType};
use wharfie_testkit::{Host, Image, Published, TestRegistry, archive};

use super::{believing, key, policy, set_policy, signing_host};
use crate::attached::{list_referrers, put_artifact};
use crate::insight::image;
use crate::{host, host_with};

const BELIEVED: &str = "The packages are those of a document with the image, ";
const CYCLONEDX: &str = "application/vnd.cyclonedx+json";
/// A document without what is in the image.
const LIE: &[u8] = br#"{"bomFormat":"CycloneDX","components":[{"type":"library","purl":"pkg:npm/nothing@1"}]}"#;

fn is_fooled(host: &Host, name: &str) -> bool {
    let told = host.run(&["sbom", "--progress", "quiet", name]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    told.stderr.contains(BELIEVED)
}

fn subject(image: &Published) -> Value {
    let Descriptor { media_type, digest, size, .. } = &image.descriptor;
    json!({"mediaType": media_type.as_str(), "digest": digest.as_str(), "size": size})
}

/// An image whose manifest says that it is a document about `victim`: the layer is the configuration, which is a document as well, and
/// is said to unpack to a layer that the victim has.
fn laundering(victim: &Published) -> Published {
    let diff_ids: Vec<Digest> = image().layers().iter().map(|tar| Digest::of(tar)).collect();
    let mut config: Value = serde_json::from_slice(LIE).expect("it is JSON");
    for (key, value) in [
        ("architecture", json!("amd64")),
        ("os", json!("linux")),
        ("config", json!({"Cmd": ["/x"]})),
        ("rootfs", json!({"type": "layers", "diff_ids": diff_ids})),
    ] {
        config[key] = value;
    }
    let config = config.to_string().into_bytes();
    let mut layers = victim.layers.clone();
    layers[0] = Descriptor::of(MediaType::new(CYCLONEDX), &config);
    let described = Descriptor::of(MediaType::OCI_CONFIG, &config);
    let manifest = json!({"schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST, "config": described,
        "layers": layers, "subject": subject(victim)});
    let bytes = manifest.to_string().into_bytes();
    let mut blobs = victim.blobs.clone();
    blobs.push((described, config));
    Published { descriptor: Descriptor::of(MediaType::OCI_MANIFEST, &bytes), bytes, layers, blobs, members: Vec::new() }
}

#[test]
fn an_image_is_no_document_about_another_one() {
    let registry = TestRegistry::start();
    let web = Published::of(&image());
    let name = registry.publish("team/web:1", &web);
    let evil = registry.publish("evil/app:1", &laundering(&web));
    // An index that lists an attestation about somebody else's image.
    let mut lie =
        Published::with_layers(&Image::new(), vec![(Descriptor::of(MediaType::new(CYCLONEDX), LIE), LIE.to_vec())]);
    let mut manifest: Value = serde_json::from_slice(&lie.bytes).unwrap();
    manifest["artifactType"] = CYCLONEDX.into();
    manifest["subject"] = subject(&web);
    lie.bytes = manifest.to_string().into_bytes();
    lie.descriptor = Descriptor::of(MediaType::OCI_MANIFEST, &lie.bytes);
    let other = Published::of(&Image::new().with_file("other", "x"));
    let index = Published::index(&[("linux/amd64", &other), ("unknown/unknown", &lie)]);
    let list = registry.publish("evil/list:1", &index);
    let user = host();
    user.run(&["pull", "-q", &name]).succeeds();
    let warned = user.run(&["pull", "-q", &evil]);
    let why = format!("WARNING: what {evil} says about {} was not taken: that was here already\n", web.digest());
    assert_eq!((warned.code, warned.stderr.as_str()), (0, why.as_str()));
    user.file("Dockerfile", format!("FROM {evil}\n").as_bytes());
    user.run(&["build", "-q", "."]).succeeds();
    user.run(&["pull", "-q", &list]).succeeds();
    assert!(!is_fooled(&user, &name));
    // Nothing of it goes with the next push, and nothing keeps that from going.
    user.run(&["push", "-q", &name]).succeeds();
    user.run(&["save", "-o", "web.tar", &name]).succeeds();
    let (status, listed) =
        registry.request("GET", &format!("/v2/team/web/manifests/sha256-{}", web.descriptor.digest.hex()), "", b"");
    assert_eq!(status, 404, "{listed}");
    // Nor if it was here first.
    let late = host();
    late.run(&["pull", "-q", "--platform", "linux/amd64", &list]).succeeds();
    late.run(&["pull", "-q", &name]).succeeds();
    assert!(!is_fooled(&late, &name));
}

#[test]
fn a_copy_says_nothing_about_what_is_here_already() {
    let registry = TestRegistry::start();
    let web = Published::of(&image());
    let name = registry.publish("team/web:1", &web);
    let evil = registry.publish("evil/nice:1", &web);
    let lie = put_artifact(&registry, "evil/nice", [CYCLONEDX; 2], LIE, &subject(&web));
    list_referrers(&registry, "evil/nice", &web, &[lie]);
    let maker = host();
    maker.run(&["copy", "-q", &evil, "oci:nice:1"]).succeeds();
    let layout = format!("oci:{}:1", maker.path().join("nice").display());
    let made = host_with(&[(&image(), &[name.as_str()])]);
    let pulled = host();
    pulled.run(&["pull", "-q", &name]).succeeds();
    for victim in [pulled, made] {
        for source in [&evil, &layout] {
            let copied = victim.run(&["copy", "-q", source, "store:nice:1"]);
            let why =
                format!("WARNING: what the source says about {} was not taken: that was here already\n", web.digest());
            assert_eq!((copied.code, copied.stderr.as_str()), (0, why.as_str()));
        }
        assert!(!is_fooled(&victim, &name) && !is_fooled(&victim, "nice:1"));
        victim.run(&["push", "-q", &name]).succeeds();
        assert!(!is_fooled(&host(), &format!("registry:{name}")));
    }
    // What was removed again does not wait for the owner's image.
    let late = host();
    late.run(&["copy", "-q", &evil, "store:nice:1"]).succeeds();
    assert!(is_fooled(&late, "nice:1"));
    late.run(&["rmi", "nice:1"]).succeeds();
    late.run(&["pull", "-q", &name]).succeeds();
    assert!(!is_fooled(&late, &name));
    // Nor by way of something new that it is said to be about.
    let mask = Published::of(&Image::new().with_file("mask", "x"));
    let masked = registry.publish("evil/nice:2", &mask);
    let member =
        json!({"mediaType": web.descriptor.media_type.as_str(), "digest": web.digest(), "size": web.bytes.len()});
    list_referrers(&registry, "evil/nice", &mask, &[member]);
    let victim = host();
    victim.run(&["pull", "-q", &name]).succeeds();
    victim.run(&["copy", "-q", &masked, "store:nice:2"]).succeeds();
    assert!(!is_fooled(&victim, &name));
    // What has never been here is what it is said to be, and says so no second time.
    let fresh = host();
    for _ in 0..2 {
        let copied = fresh.run(&["copy", "-q", &evil, "store:nice:1"]);
        assert_eq!((copied.code, copied.stderr.as_str()), (0, ""));
        assert!(is_fooled(&fresh, "nice:1"));
    }
}

/// `web:1` on a registry, signed by ada if `is_signed`, with a document; and what her public key is.
fn published(is_signed: bool) -> (TestRegistry, Published, String, String) {
    let (registry, signing) = (TestRegistry::start(), signing_host());
    let web = Published::of(&image());
    let name = registry.publish("team/web:1", &web);
    let lie = put_artifact(&registry, "team/web", [CYCLONEDX; 2], LIE, &subject(&web));
    list_referrers(&registry, "team/web", &web, &[lie]);
    let ada = key(&signing, "ada");
    signing.run(&["trust", "signer", "add", "--key", &ada, "ada", name.trim_end_matches(":1")]).succeeds();
    if is_signed {
        signing.run(&["trust", "sign", &name]).succeeds();
    }
    let pem = std::fs::read_to_string(ada).expect("it was written");
    (registry, web, name, pem)
}

fn enforce(host: &Host, registry: &TestRegistry, pem: &str) {
    let pattern = format!("{}/team/*", registry.address());
    set_policy(host, &json!({"repositories": {pattern: {"mode": "enforce", "signers": {"ada": [pem]}}}}));
}

#[test]
fn copies_and_lists_are_no_way_around_a_policy() {
    let (registry, web, name, pem) = published(false);
    let user = host();
    enforce(&user, &registry, &pem);
    let free = |tag: &str| format!("{}/free/web:{tag}", registry.address());
    let why = "No trust data for 1";
    for to in ["store:third:1", "oci:layout:1", "archive:web.tar", &free("1")] {
        user.run(&["copy", "-q", &name, to]).fails(1, why);
    }
    let all = user.run(&["copy", "-q", "-a", name.trim_end_matches(":1"), &free("1").replace(":1", "")]);
    assert!(all.code == 1 && all.stderr.contains(why), "{}", all.stderr);
    for words in [
        &["buildx", "imagetools", "create", "-t", &free("2"), &name][..],
        &["manifest", "create", &free("3"), &name],
        &["manifest", "create", &free("3"), &format!("{}@{}", name.trim_end_matches(":1"), web.digest())],
    ] {
        let said = user.run(words);
        assert!(said.code == 1 && said.stderr.contains("No trust data for "), "{}", said.stderr);
    }
    assert_eq!(registry.count("GET", web.layers[0].digest.as_str()), 0);
    // Nor around podman's, which no flag turns off.
    let podman = host();
    let path = podman.file("podman.json", br#"{"default": [{"type": "reject"}]}"#).display().to_string();
    podman.file("config.toml", format!("containers-policy = {path:?}\n").as_bytes());
    let said = podman.run(&["copy", "-q", &name, "store:third:1"]);
    assert!(said.code == 1 && said.stderr.contains("is rejected by the policy in"), "{}", said.stderr);
    // What only tells is told.
    let pattern = format!("{}/team/*", registry.address());
    set_policy(&user, &json!({"repositories": {pattern: {"mode": "warn"}}}));
    let said = user.run(&["buildx", "imagetools", "create", "--progress", "plain", "-t", &free("2"), &name]);
    assert!(said.code == 0 && said.stderr.contains("WARNING: No trust data for 1"), "{}", said.stderr);
}

#[test]
fn what_was_copied_is_what_was_signed_and_nothing_else() {
    let (registry, web, name, pem) = published(true);
    let user = host();
    enforce(&user, &registry, &pem);
    user.run(&["copy", "-q", &name, &format!("store:{name}")]).succeeds();
    user.run(&["copy", "-q", &name, "store:third:1"]).succeeds();
    assert!(!is_fooled(&user, &name) && !is_fooled(&user, "third:1"));
    let free = format!("{}/free/web:1", registry.address());
    user.run(&["copy", "-q", &name, &free]).succeeds();
    user.run(&["buildx", "imagetools", "create", "-t", &free, &name]).succeeds();
    // It is proven here without its registry.
    let listed = user.run(&["images", "--digests", "-q"]).succeeds();
    assert!(!listed.is_empty() && registry.count("GET", web.layers[0].digest.as_str()) > 0);
    // Its signatures are with it as well when it was removed and comes again.
    user.run(&["rmi", &name, "third:1"]).succeeds();
    user.run(&["pull", "-q", &name]).succeeds();
    drop(registry);
    user.run(&["create", "--pull", "never", &name, "true"]).succeeds();
}

#[test]
fn what_nobody_signed_is_not_pushed_where_a_policy_is_enforced() {
    let (registry, _web, name, pem) = published(false);
    let user = host_with(&[(&Image::new().with_file("a", "b"), &[name.as_str()])]);
    enforce(&user, &registry, &pem);
    let before = registry.requests().iter().filter(|line| line.starts_with("POST")).count();
    user.run(&["push", "-q", &name]).fails(1, "No trust data for 1");
    user.file("Dockerfile", b"FROM scratch\nCOPY Dockerfile /\n");
    let built = user.run(&["build", "--push", "-t", &name, "."]);
    assert!(built.code == 1 && built.stderr.contains("No trust data for 1"), "{}", built.stderr);
    // Somebody who would sign it needs a key first.
    let said = user.run(&["push", "-q", "--disable-content-trust=false", &name]);
    assert!(said.code == 1 && said.stderr.contains("no valid signing keys"), "{}", said.stderr);
    let after = registry.requests().iter().filter(|line| line.starts_with("POST")).count();
    assert_eq!(after, before);
    user.run(&["push", "-q", "--disable-content-trust", &name]).succeeds();
    // With a signature it goes; signing pushes as well.
    let signer = signing_host();
    let ada = key(&signer, "ada");
    let own = std::fs::read_to_string(&ada).unwrap();
    signer.run_with(&["load", "-q"], &archive(&[(&Image::new().with_file("a", "c"), &[&name])])).succeeds();
    enforce(&signer, &registry, &own);
    signer.run(&["push", "-q", &name]).fails(1, "No trust data for 1");
    signer.run(&["trust", "sign", "--local", &name]).succeeds();
    signer.run(&["push", "-q", &name]).succeeds();
    signer.run_with(&["load", "-q"], &archive(&[(&Image::new().with_file("a", "d"), &[&name])])).succeeds();
    signer.run(&["trust", "sign", &name]).succeeds();
    signer.run(&["push", "-q", &name]).succeeds();
    believing(&ada, "ada", name.trim_end_matches(":1")).run(&["pull", "-q", &name]).succeeds();
    let _ = policy(&signer);
}

#[test]
fn a_registry_is_the_same_however_it_is_spelled() {
    let (registry, _web, name, pem) = published(false);
    let port = registry.address().rsplit_once(':').unwrap().1.to_owned();
    let user = host();
    for (pattern, image) in [
        (format!("Localhost:{port}/team/*"), format!("localhost:0{port}/team/web:1")),
        (format!("localhost:0{port}/team/web"), format!("LOCALHOST:{port}/team/web:1")),
    ] {
        set_policy(&user, &json!({"repositories": {(&pattern): {"mode": "enforce", "signers": {"ada": [pem]}}}}));
        user.run(&["pull", "-q", &image]).fails(1, "No trust data for 1");
        // It stays as it was written.
        user.run(&[
            "trust",
            "signer",
            "add",
            "--key",
            &user.file("a.pub", pem.as_bytes()).display().to_string(),
            "ada",
            "web",
        ])
        .succeeds();
        assert!(policy(&user)["repositories"].get(&pattern).is_some());
    }
    // What means nothing opens nothing.
    for pattern in ["team/web", "*", "localhost:*/team/web:1"] {
        set_policy(&user, &json!({"repositories": {pattern: {"mode": "enforce"}}}));
        let said = user.run(&["pull", "-q", &name]);
        let why = format!("the rule {pattern:?} means no repository");
        assert!(said.code == 1 && said.stderr.contains(&why), "{}", said.stderr);
    }
}

#[test]
fn a_policy_beneath_a_directory_of_others_is_not_used_and_its_loss_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let (registry, _web, name, pem) = published(false);
    let user = host();
    enforce(&user, &registry, &pem);
    let config = user.docker_config();
    let set = |mode| std::fs::set_permissions(&config, std::fs::Permissions::from_mode(mode)).unwrap();
    set(0o777);
    let said = user.run(&["pull", "-q", &name]);
    assert!(said.code == 1 && said.stderr.contains(" can be changed by others: it is not used"), "{}", said.stderr);
    std::fs::rename(config.join("trust"), config.join("gone")).unwrap();
    let said = user.run(&["pull", "-q", &name]);
    let why = "who may have moved a policy of trust away";
    assert!(said.code == 0 && said.stderr.contains(why), "{}", said.stderr);
    set(0o1777);
    let said = user.run(&["pull", "-q", &name]);
    assert_eq!((said.code, said.stderr.as_str()), (0, ""));
}
