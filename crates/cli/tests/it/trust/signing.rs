//! `trust sign`, `inspect`, `revoke`: what is written, on the registry and here, and what others make of it.

use std::process::Command;

use serde_json::{Value, json};
use wharfie_testkit::{Image, TestRegistry, archive};

use super::{believing, blob, body, forged, image, key, policy, set_policy, signatures, signing_host};
use crate::host;
use crate::served::Served;

#[test]
fn an_image_is_signed_shown_and_revoked() {
    let (registry, host) = (TestRegistry::start(), signing_host());
    let web = image("1");
    let name = registry.publish("web:1", &web);
    let repository = name.trim_end_matches(":1");
    let ada = key(&host, "ada");
    host.run(&["trust", "signer", "add", "--key", &ada, "ada", repository]).succeeds();
    let nothing = host.run(&["trust", "inspect", &name]).succeeds();
    assert_eq!(serde_json::from_str::<Value>(&nothing).unwrap()[0]["SignedTags"], json!([]));
    // Nobody has it here: what the registry has is signed, and nothing is fetched for it.
    host.run(&["trust", "sign", &name])
        .prints(&format!("Signing and pushing trust metadata for {name}\nSuccessfully signed {name}\n"));
    assert_eq!(registry.blobs_served(), 0);
    let hex = web.descriptor.digest.hex();
    let shown: Value = serde_json::from_str(&host.run(&["trust", "inspect", repository]).succeeds()).unwrap();
    assert_eq!(shown[0]["Name"], repository);
    assert_eq!(shown[0]["SignedTags"], json!([{"SignedTag": "1", "Digest": hex, "Signers": ["ada"]}]));
    let id = shown[0]["Signers"][0]["Keys"][0]["ID"].as_str().unwrap().to_owned();
    let pad = " ".repeat(64 - "DIGEST".len() + 3);
    host.run(&["trust", "inspect", "--pretty", &name]).prints(&format!(
        "\nSignatures for {name}\n\nSIGNED TAG   DIGEST{pad}SIGNERS\n1            {hex}   ada\n\n\
         List of signers and their keys for {name}\n\nSIGNER    KEYS\nada       {}\n",
        &id[..12]
    ));
    // Signing again changes nothing and says so.
    let again = host.run(&["trust", "sign", &name]).succeeds();
    assert!(again.contains(&format!("Existing signatures for tag 1 digest {hex} from:\nada\n")), "{again}");
    assert_eq!(signatures(&registry, "web", &web)["layers"].as_array().unwrap().len(), 1);
    // Another one believes it, until it is gone.
    believing(&ada, "ada", repository).run(&["pull", "-q", &name]).prints(&format!("{name}\n"));
    host.run(&["trust", "revoke", &name]).prints(&format!("Successfully deleted signature for {name}\n"));
    believing(&ada, "ada", repository).run(&["pull", "-q", &name]).fails(1, "No trust data for 1");
    assert_eq!(policy(&host)["revoked"][0]["digest"], web.digest());
    // Signing it anew lets it count again.
    host.run(&["trust", "sign", &name]).succeeds();
    believing(&ada, "ada", repository).run(&["pull", "-q", &name]).succeeds();
    assert_eq!(policy(&host)["revoked"], Value::Null);
}

#[test]
fn others_read_what_is_written() {
    let (registry, host) = (TestRegistry::start(), signing_host());
    let web = image("1");
    let name = registry.publish("web:1", &web);
    let ada = key(&host, "ada");
    host.run(&["trust", "signer", "add", "--key", &ada, "ada", name.trim_end_matches(":1")]).succeeds();
    host.run(&["trust", "sign", &name]).succeeds();
    // Cosign's tag: openssl verifies what is in the layer with what is in its annotation.
    let layer = &signatures(&registry, "web", &web)["layers"][0];
    let payload = blob(&registry, "web", layer["digest"].as_str().unwrap());
    let said: Value = serde_json::from_str(&payload).unwrap();
    assert_eq!(said["critical"]["image"]["docker-manifest-digest"], web.digest());
    assert_eq!(said["critical"]["identity"]["docker-reference"], name);
    assert_eq!(said["critical"]["type"], "cosign container image signature");
    let verify = |message: &[u8], signature: &str| {
        let message = host.file("message", message);
        let encoded = host.file("signature.b64", signature.as_bytes());
        let signature = host.path().join("signature");
        let decoded = Command::new("openssl")
            .args(["base64", "-d", "-A", "-in"])
            .arg(encoded)
            .arg("-out")
            .arg(&signature)
            .status();
        assert!(decoded.unwrap().success());
        let words = ["dgst", "-sha256", "-verify", &ada, "-signature"];
        let output = Command::new("openssl").args(words).arg(signature).arg(message).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "Verified OK\n");
    };
    verify(payload.as_bytes(), layer["annotations"]["dev.cosignproject.cosign/signature"].as_str().unwrap());
    // The bundle, in the list for registries that do not look by themselves.
    let list = format!("/v2/web/manifests/sha256-{}", web.descriptor.digest.hex());
    let list = body(&registry.request("GET", &list, "", b"").1);
    let kind = "application/vnd.dev.sigstore.bundle.v0.3+json";
    assert_eq!(list["manifests"][0]["artifactType"], kind);
    let referrer = list["manifests"][0]["digest"].as_str().unwrap();
    let manifest = body(&registry.request("GET", &format!("/v2/web/manifests/{referrer}"), "", b"").1);
    assert_eq!((&manifest["subject"]["digest"], &manifest["artifactType"]), (&json!(web.digest()), &json!(kind)));
    let bundle = blob(&registry, "web", manifest["layers"][0]["digest"].as_str().unwrap());
    let bundle: Value = serde_json::from_str(&bundle).unwrap();
    let envelope = &bundle["dsseEnvelope"];
    let encoded = host.file("payload.b64", envelope["payload"].as_str().unwrap().as_bytes());
    let statement = Command::new("openssl").args(["base64", "-d", "-A", "-in"]).arg(encoded).output().unwrap().stdout;
    let message =
        [format!("DSSEv1 28 application/vnd.in-toto+json {} ", statement.len()).as_bytes(), &statement].concat();
    verify(&message, envelope["signatures"][0]["sig"].as_str().unwrap());
    let statement: Value = serde_json::from_slice(&statement).unwrap();
    assert_eq!(statement["subject"][0]["digest"]["sha256"], web.descriptor.digest.hex());
    assert_eq!(statement["predicateType"], "https://sigstore.dev/cosign/sign/v1");
}

#[test]
fn an_image_is_signed_without_a_registry_and_its_signature_travels() {
    let (registry, host) = (TestRegistry::start(), signing_host());
    let name = format!("{}/team/web:1", registry.address());
    let repository = name.trim_end_matches(":1");
    host.run_with(&["load", "-q"], &archive(&[(&Image::new().with_file("a", "b"), &[&name])])).succeeds();
    // Nobody may sign yet: the repository gets a key of its own.
    let signed = host.run(&["trust", "sign", "--local", &name]);
    assert_eq!(signed.stderr, format!("Signing trust data for local image {name}\n"));
    assert_eq!(
        signed.stdout,
        format!("Finished initializing signed repository for {repository}\nSuccessfully signed {name}\n")
    );
    assert_eq!(registry.requests(), Vec::<String>::new());
    let shown = host.run(&["trust", "inspect", "--pretty", &name]).succeeds();
    assert!(shown.contains("(Repo Admin)") && shown.contains("\n  Repository Key:\t"), "{shown}");
    let created = host.command(&["create", "--pull", "never", &name, "true"]).env("DOCKER_CONTENT_TRUST", "1").output();
    assert!(created.unwrap().status.success());
    // The push takes it along, without anybody asking.
    host.run(&["push", "-q", &name]).succeeds();
    let own = policy(&host)["repositories"][repository]["repository"].as_str().unwrap().to_owned();
    let public = host.file("own.pub", own.as_bytes()).display().to_string();
    believing(&public, "team", repository).run(&["pull", "-q", &name]).prints(&format!("{name}\n"));
}

#[test]
fn a_push_signs_where_content_trust_is_on() {
    let (registry, host) = (TestRegistry::start(), signing_host());
    let name = format!("{}/web:1", registry.address());
    let repository = name.trim_end_matches(":1");
    host.run_with(&["load", "-q"], &archive(&[(&Image::new().with_file("a", "b"), &[&name])])).succeeds();
    let ada = key(&host, "ada");
    host.run(&["trust", "signer", "add", "--key", &ada, "ada", repository]).succeeds();
    let said = host.run(&["push", "--disable-content-trust=false", &name]).succeeds();
    let end = format!("Signing and pushing trust metadata for {name}\nSuccessfully signed {name}\n");
    assert!(said.ends_with(&end), "{said}");
    believing(&ada, "ada", repository).run(&["pull", "-q", &name]).succeeds();
    // Here it is what was signed as well, without the registry.
    let hex = registry.digest("web:1").hex().to_owned();
    drop(registry);
    let shown: Value = serde_json::from_str(&host.run(&["trust", "inspect", &name]).succeeds()).unwrap();
    assert_eq!(shown[0]["SignedTags"], json!([{"SignedTag": "1", "Digest": hex, "Signers": ["ada"]}]));
    let created = host.command(&["create", "--pull", "never", &name, "true"]).env("DOCKER_CONTENT_TRUST", "1").output();
    assert!(created.unwrap().status.success());
}

#[test]
fn what_a_build_pushes_is_signed_where_content_trust_is_on() {
    let (registry, host) = (TestRegistry::start(), signing_host());
    let name = format!("{}/web:1", registry.address());
    let repository = name.trim_end_matches(":1");
    host.file("Dockerfile", b"FROM scratch\nCOPY Dockerfile /\n");
    let ada = key(&host, "ada");
    host.run(&["trust", "signer", "add", "--key", &ada, "ada", repository]).succeeds();
    let built = host.command(&["build", "--push", "-q", "-t", &name, "."]).env("DOCKER_CONTENT_TRUST", "1").output();
    let built = built.unwrap();
    let said = String::from_utf8_lossy(&built.stderr).into_owned();
    assert!(built.status.success() && said.contains(&format!("Successfully signed {name}")), "{said}");
    // What a script reads is the image alone.
    assert_eq!(String::from_utf8_lossy(&built.stdout).lines().count(), 1);
    believing(&ada, "ada", repository).run(&["pull", "-q", &name]).succeeds();
}

#[test]
fn one_form_is_enough_and_lists_are_found_either_way() {
    let (registry, host) = (TestRegistry::start(), signing_host());
    let web = image("1");
    let name = registry.publish("web:1", &web);
    let ada = key(&host, "ada");
    host.run(&["trust", "signer", "add", "--key", &ada, "ada", name.trim_end_matches(":1")]).succeeds();
    host.run(&["trust", "sign", &name]).succeeds();
    // Without what lies under cosign's tag the bundle is found, by the list under the digest's tag.
    let tag = format!("web:sha256-{}.sig", web.descriptor.digest.hex());
    registry.publish(&tag, &forged(&[]));
    believing(&ada, "ada", name.trim_end_matches(":1")).run(&["pull", "-q", &name]).succeeds();
    // A registry that looks by itself has no such list.
    let served = Served::start(&host, &[]);
    let name = format!("{}/web:1", served.address);
    let repository = name.trim_end_matches(":1");
    host.run_with(&["load", "-q"], &archive(&[(&Image::new().with_file("a", "b"), &[&name])])).succeeds();
    host.run(&["trust", "signer", "add", "--key", &ada, "ada", repository]).succeeds();
    host.run(&["trust", "sign", "--progress", "quiet", &name]).succeeds();
    let tags = host.run(&["tags", "-a", repository]).succeeds();
    let tags: Vec<&str> = tags.lines().collect();
    assert!(tags.len() == 2 && tags[0] == "1" && tags[1].ends_with(".sig"), "{tags:?}");
    let other = believing(&ada, "ada", repository);
    other.run(&["pull", "-q", &name]).succeeds();
    // All tags are all images: what is about them is none.
    other.run(&["pull", "-q", "-a", repository]).succeeds();
}

#[test]
fn signatures_go_along_between_repositories() {
    let (registry, elsewhere, host) = (TestRegistry::start(), TestRegistry::start(), signing_host());
    let web = image("1");
    let name = registry.publish("web:1", &web);
    let ada = key(&host, "ada");
    host.run(&["trust", "signer", "add", "--key", &ada, "ada", name.trim_end_matches(":1")]).succeeds();
    host.run(&["trust", "sign", &name]).succeeds();
    let copy = format!("{}/team/web:1", elsewhere.address());
    let create = ["buildx", "imagetools", "create", "--progress", "quiet", "--prefer-index=false", "-t", &copy, &name];
    host.run(&create).succeeds();
    assert_eq!(signatures(&elsewhere, "team/web", &web), signatures(&registry, "web", &web));
    // It is a signature of the other repository still: whoever takes it here has to say so.
    let other = believing(&ada, "ada", copy.trim_end_matches(":1"));
    assert_eq!(other.run(&["pull", "-q", &copy]).code, 1);
    let mut lenient = policy(&other);
    lenient["repositories"][copy.trim_end_matches(":1")]["identity"] = json!("digest");
    set_policy(&other, &lenient);
    other.run(&["pull", "-q", &copy]).succeeds();
}

#[test]
fn what_cannot_be_signed_is_told() {
    let host = signing_host();
    host.run(&["trust", "sign", "web"]).fails(1, "no tag specified for web");
    let digest = format!("web@sha256:{}", "a".repeat(64));
    host.run(&["trust", "sign", &digest]).fails(1, "cannot use a digest reference for IMAGE:TAG");
    let shown = host.run(&["trust", "inspect", "127.0.0.1:1/web:1"]);
    assert_eq!((shown.code, shown.stdout.as_str()), (1, "[]\n"));
    let lines: Vec<&str> = shown.stderr.lines().collect();
    assert_eq!(lines[0], "no signatures or cannot access 127.0.0.1:1/web:1");
    assert!(lines[1].contains("refused"), "{}", shown.stderr);
    // Nobody gets a key for an image that there is not.
    let missing = host.run(&["trust", "sign", "--local", "web:1"]);
    assert_eq!((missing.code, missing.stdout.as_str()), (1, ""));
    assert_eq!(missing.words_without_help(), "Error response from daemon: No such image: web:1\n");
    assert!(!host.docker_config().join("trust").exists());
    // Somebody may sign, and it is nobody here.
    let elsewhere = signing_host();
    let eve = key(&elsewhere, "eve");
    let name = "registry.example/web:1";
    host.run_with(&["load", "-q"], &archive(&[(&Image::new().with_file("a", "b"), &[name])])).succeeds();
    host.run(&["trust", "signer", "add", "--key", &eve, "eve", "registry.example/web"]).succeeds();
    host.run(&["trust", "sign", "--local", name])
        .fails(1, "failed to sign registry.example/web: no valid signing keys for delegation roles");
}

#[test]
fn signatures_of_strangers_are_shown_as_such() {
    let registry = TestRegistry::start();
    let (host, other) = (signing_host(), signing_host());
    let name = registry.publish("web:1", &image("1"));
    let repository = name.trim_end_matches(":1");
    let ada = key(&host, "ada");
    host.run(&["trust", "signer", "add", "--key", &ada, "ada", repository]).succeeds();
    host.run(&["trust", "sign", &name]).succeeds();
    let keys = host.run(&["trust", "key", "ls"]).succeeds();
    let row: Vec<&str> = keys.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[1..], ["ada", repository]);
    let pretty = other.run(&["trust", "inspect", "--pretty", &name]).succeeds();
    assert!(pretty.lines().any(|line| line.ends_with(&format!("not trusted: {}", row[0]))), "{pretty}");
    let document: Value = serde_json::from_str(&other.run(&["trust", "inspect", repository]).succeeds()).unwrap();
    assert_eq!(document[0]["SignedTags"], json!([]));
    assert_eq!(document[0]["UntrustedTags"][0]["Keys"], json!([{"ID": row[0]}]));
    // Whose word counts is none of them.
    let own = host.run(&["trust", "inspect", "--pretty", &name]).succeeds();
    assert!(!own.contains("not trusted"), "{own}");
    let bob = key(&other, "bob");
    other.run(&["trust", "signer", "add", "--key", &bob, "bob", repository]).succeeds();
    let pretty = other.run(&["trust", "inspect", "--pretty", repository]).succeeds();
    assert!(pretty.contains("not trusted: ") && pretty.contains("bob"), "{pretty}");
}

#[test]
fn nothing_is_pushed_that_nobody_can_sign() {
    let registry = TestRegistry::start();
    let host = host();
    let name = format!("{}/web:1", registry.address());
    host.run_with(&["load", "-q"], &archive(&[(&Image::new().with_file("a", "b"), &[&name])])).succeeds();
    let text = "no terminal to ask for the passphrase: set DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE";
    host.run(&["trust", "sign", &name]).fails(1, text);
    host.run(&["trust", "sign", "--local", &name]).fails(1, text);
    let asking = host.with("DOCKER_CONTENT_TRUST", "1");
    asking.run(&["push", "-q", &name]).fails(1, text);
    asking.file("Dockerfile", b"FROM scratch\nLABEL a=b\n");
    let built = asking.run(&["build", "-q", "--push", "-t", &name, "."]);
    assert!(built.code == 1 && built.stderr.contains(text), "{}", built.stderr);
    let (status, _) = registry.request("GET", "/v2/web/manifests/1", "", b"");
    assert_eq!(status, 404);
    assert_eq!(asking.run(&["trust", "key", "ls"]).succeeds().lines().count(), 1);
}
