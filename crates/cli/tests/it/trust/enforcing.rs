//! What is not signed as it must be is neither fetched nor run nor built on.

use serde_json::json;
use wharfie_testkit::{Host, Image, Published, TestRegistry, archive};

use super::{believing, forged, image, key, payloads, policy, set_policy, signing_host};
use crate::host;

/// A registry with `web:1`, signed by ada, and what her public key is.
fn signed() -> (TestRegistry, Host, Published, String, String) {
    let (registry, host) = (TestRegistry::start(), signing_host());
    let web = image("1");
    let name = registry.publish("web:1", &web);
    let ada = key(&host, "ada");
    host.run(&["trust", "signer", "add", "--key", &ada, "ada", name.trim_end_matches(":1")]).succeeds();
    host.run(&["trust", "sign", &name]).succeeds();
    (registry, host, web, name, ada)
}

#[test]
fn a_signed_image_is_pulled_by_its_digest() {
    let (_registry, _host, web, name, ada) = signed();
    let repository = name.trim_end_matches(":1");
    let other = believing(&ada, "ada", repository);
    let said = other.run(&["pull", &name]).succeeds();
    let digest = web.digest();
    assert!(said.starts_with(&format!("Pull (1 of 1): {name}@{digest}\n")), "{said}");
    let end = format!(
        "Status: Downloaded newer image for {repository}@{digest}\nTagging {repository}@{digest} as {name}\n{name}\n"
    );
    assert!(said.ends_with(&end), "{said}");
    // The signature is here now: what is made of it needs no registry.
    drop(_registry);
    other.run(&["create", "--pull", "never", &name, "true"]).succeeds();
}

/// Pulls `name` for somebody who believes ada, which has to fail with this, before any layer is fetched.
#[track_caller]
fn refused(registry: &TestRegistry, name: &str, key: &str, layer: &Published, why: &str) {
    let other = believing(key, "ada", name.rsplit_once(':').expect("it has a tag").0);
    other.run(&["pull", "-q", name]).fails(1, why);
    assert_eq!(registry.count("GET", layer.layers[0].digest.as_str()), 0);
    assert_eq!(other.run(&["images", "-q"]).succeeds(), "");
}

#[test]
fn what_is_not_signed_is_refused() {
    let (registry, host, web, name, ada) = signed();
    let unsigned = image("unsigned");
    let evil = registry.publish("web:2", &unsigned);
    refused(&registry, &evil, &ada, &unsigned, "No trust data for 2");
    // By whom nobody believes.
    let eve = key(&host, "eve");
    refused(&registry, &name, &eve, &web, "No valid trust data for 1: no signer that is trusted signed it");
    // The same image in another repository, with its signatures.
    let moved = registry.publish("other:1", &web);
    let tag = format!("other:sha256-{}.sig", web.descriptor.digest.hex());
    registry.publish(&tag, &forged(&payloads(&registry, "web", &web)));
    let why = format!(
        "No valid trust data for 1: a signature does not count: it is of another repository ({})",
        name.trim_end_matches(":1")
    );
    refused(&registry, &moved, &ada, &web, &why);
}

#[test]
fn a_signature_of_something_else_is_none() {
    let (registry, _host, web, _name, ada) = signed();
    let evil = image("evil");
    let name = registry.publish("web:3", &evil);
    let tag = format!("web:sha256-{}.sig", evil.descriptor.digest.hex());
    let signatures = payloads(&registry, "web", &web);
    // As it is: of another digest.
    registry.publish(&tag, &forged(&signatures));
    let why =
        format!("No valid trust data for 3: a signature does not count: it is of other content ({})", web.digest());
    refused(&registry, &name, &ada, &evil, &why);
    // Changed, so that the digest is right.
    let change = |(payload, signature): &(String, String)| {
        let changed = payload.replace(&web.digest(), &evil.digest()).replace("web:1", "web:3");
        (changed, signature.clone())
    };
    let changed: Vec<_> = signatures.iter().map(change).collect();
    registry.publish(&tag, &forged(&changed));
    refused(&registry, &name, &ada, &evil, "No valid trust data for 3: no signer that is trusted signed it");
    // Nonsense.
    registry.publish(&tag, &forged(&[("{".to_owned(), "!".to_owned())]));
    let other = believing(&ada, "ada", name.trim_end_matches(":3"));
    let said = other.run(&["pull", "-q", &name]).stderr;
    assert!(said.starts_with("No valid trust data for 3: the signature cannot be understood: "), "{said}");
}

#[test]
fn a_tag_that_was_moved_is_refused() {
    let (registry, host, web, name, ada) = signed();
    let newer = image("2");
    let second = registry.publish("web:2", &newer);
    host.run(&["trust", "sign", &second]).succeeds();
    // Both are signed, each for its own tag.
    registry.publish("web:2", &web);
    let repository = name.trim_end_matches(":1");
    let why = "No valid trust data for 2: a signature does not count: it is of the tag 1";
    believing(&ada, "ada", repository).run(&["pull", "-q", &second]).fails(1, why);
    // All tags are all that are signed.
    let other = believing(&ada, "ada", repository);
    let all = other.run(&["pull", "-q", "-a", repository]);
    assert_eq!((all.code, all.stderr), (0, format!("WARNING: {second} is skipped: {why}\n")));
    assert_eq!(other.run(&["images", "--format", "{{.Tag}}"]).succeeds(), "1\n");
    registry.publish("web:1", &image("unsigned"));
    assert_eq!(believing(&ada, "ada", repository).run(&["pull", "-q", "-a", repository]).code, 1);
}

#[test]
fn whoever_asks_for_nothing_gets_what_there_is() {
    let (registry, _host, _web, _name, ada) = signed();
    let name = registry.publish("web:2", &image("unsigned"));
    let other = believing(&ada, "ada", name.trim_end_matches(":2"));
    other.run(&["pull", "-q", "--disable-content-trust", &name]).succeeds();
    // What is here now is still not signed.
    other.run(&["create", "--pull", "never", &name, "true"]).fails(1, "No trust data for 2");
    other.run(&["create", "--pull", "never", "--disable-content-trust", &name, "true"]).succeeds();
    let careless = host();
    careless.run(&["pull", "-q", &name]).succeeds();
    careless.run(&["pull", "-q", "--disable-content-trust=false", &name]).fails(1, "No trust data for 2");
}

#[test]
fn signatures_without_end_are_not_looked_through() {
    let (registry, _host, web, _name, ada) = signed();
    let good = payloads(&registry, "web", &web);
    let name = registry.publish("other:1", &web);
    let tag = format!("other:sha256-{}.sig", web.descriptor.digest.hex());
    let other = believing(&ada, "ada", name.trim_end_matches(":1"));
    let mut lenient = policy(&other);
    lenient["repositories"][name.trim_end_matches(":1")]["identity"] = json!("digest");
    set_policy(&other, &lenient);
    let among = |count: usize| {
        let junk = (0..count).map(|n| (format!("{{{n}"), "AA==".to_owned()));
        registry.publish(&tag, &forged(&junk.chain(good.clone()).collect::<Vec<_>>()));
        other.run(&["pull", "-q", &name])
    };
    let said = among(100);
    assert!(said.code == 1 && said.stderr.starts_with("No valid trust data for 1: "), "{}", said.stderr);
    among(10).succeeds();
    // Nor is what is large: a few of these are more than anybody signs.
    let third = registry.publish("third:1", &web);
    let large = (0..8).map(|n| {
        (
            good[0].0.replace("\"optional\"", &format!("\"{}{n}\":0,\"optional\"", "x".repeat(1_000_000))),
            "AA==".to_owned(),
        )
    });
    let tag = format!("third:sha256-{}.sig", web.descriptor.digest.hex());
    registry.publish(&tag, &forged(&large.chain(good.clone()).collect::<Vec<_>>()));
    let fresh = host().with("DOCKER_CONTENT_TRUST", "1");
    let rule = lenient["repositories"][name.trim_end_matches(":1")].clone();
    set_policy(&fresh, &json!({"repositories": {(third.trim_end_matches(":1")): rule}}));
    let said = fresh.run(&["pull", "-q", &third]);
    assert!(said.code == 1 && said.stderr.starts_with("No valid trust data for 1: "), "{}", said.stderr);
}

#[test]
fn what_a_signature_says_of_itself_does_not_fill_the_screen() {
    let (registry, _host, web, name, ada) = signed();
    let elsewhere = registry.publish("long:1", &web);
    let tag = format!("long:sha256-{}.sig", web.descriptor.digest.hex());
    let long = "x".repeat(500_000);
    let good = payloads(&registry, "web", &web)[0].0.clone();
    for payload in
        [good.replace(&name, &long), good.replace(&name, &format!("{long}.example/web:1")), format!("{{\"{long}")]
    {
        assert!(payload.len() > 500_000);
        registry.publish(&tag, &forged(&[(payload, "AA==".to_owned())]));
        let other = believing(&ada, "ada", elsewhere.trim_end_matches(":1"));
        let said = other.run(&["pull", "-q", &elsewhere]);
        assert!(said.code == 1 && said.stderr.len() < 1000, "{}", said.stderr.len());
    }
}

#[test]
fn a_policy_asks_where_nobody_else_does() {
    let (registry, _host, _web, name, ada) = signed();
    let other = host();
    let pem = std::fs::read_to_string(&ada).unwrap();
    let rule = |mode: &str| json!({"mode": mode, "signers": {"ada": [pem]}});
    let pattern = format!("{}/*", registry.address());
    set_policy(&other, &json!({"repositories": {(pattern.clone()): rule("enforce")}}));
    let evil = registry.publish("web:2", &image("unsigned"));
    other.run(&["pull", "-q", &evil]).fails(1, "No trust data for 2");
    other.run(&["pull", "-q", &name]).succeeds();
    // A build stands on nothing else either.
    other.file("Dockerfile", format!("FROM {evil}\n").as_bytes());
    let built = other.run(&["build", "-q", "."]);
    assert!(built.code == 1 && built.stderr.contains("No trust data for 2"), "{}", built.stderr);
    other.file("Dockerfile", format!("FROM {name}\n").as_bytes());
    other.run(&["build", "-q", "."]).succeeds();
    // Nor does what was loaded count for what it says it is.
    let fake = archive(&[(&Image::new().with_file("a", "fake"), &[&evil])]);
    other.run_with(&["load", "-q"], &fake).succeeds();
    other.run(&["create", "--pull", "never", &evil, "true"]).fails(1, "No trust data for 2");
    // Nor is an image of another platform good enough because its registry has none.
    let (lost, arm) =
        (format!("{}/lost:1", registry.address()), Image::new().with_file("a", "arm").on("linux", "s390x"));
    other.run_with(&["load", "-q"], &archive(&[(&arm, &[&lost])])).succeeds();
    for text in [format!("FROM {lost}\n"), format!("FROM scratch\nCOPY --from={lost} /a /a\n")] {
        other.file("Dockerfile", text.as_bytes());
        let built = other.run(&["build", "-q", "."]);
        assert!(built.code == 1 && built.stderr.contains("No trust data for 1"), "{}", built.stderr);
    }
    set_policy(&other, &json!({"repositories": {(pattern.clone()): rule("warn")}}));
    let warned = other.run(&["pull", "-q", &evil]);
    assert_eq!((warned.code, warned.stderr.as_str()), (0, "WARNING: No trust data for 2\n"));
    // What is not understood opens nothing.
    set_policy(&other, &json!({"repositories": {(pattern): rule("enforced")}}));
    let said = other.run(&["pull", "-q", &name]);
    assert!(said.code == 1 && said.stderr.contains("the policy cannot be understood"), "{}", said.stderr);
    let _ = policy(&other);
}

#[test]
fn podmans_policy_counts_if_the_settings_say_so() {
    let (registry, _host, _web, name, ada) = signed();
    let other = host();
    let path = other.path().join("policy.json");
    let says = |requirement: serde_json::Value| {
        let scopes = json!({(registry.address()): [requirement]});
        let policy = json!({"default": [{"type": "insecureAcceptAnything"}], "transports": {"docker": scopes}});
        std::fs::write(&path, policy.to_string()).unwrap();
    };
    other.file("config.toml", format!("containers-policy = {:?}\n", path.display().to_string()).as_bytes());
    says(json!({"type": "reject"}));
    let rejected = |why: &str| format!("{name} is rejected by the policy in {}: {why}", path.display());
    other.run(&["pull", "-q", &name]).fails(1, &rejected("nothing of it is taken"));
    // Nobody's flag turns off what the system's policy says.
    other.run(&["pull", "-q", "--disable-content-trust", &name]).fails(1, &rejected("nothing of it is taken"));
    says(json!({"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/k"}));
    other
        .run(&["pull", "-q", &name])
        .fails(1, &rejected("it asks for signatures of a kind that wharfie does not verify"));
    says(json!({"type": "sigstoreSigned", "keyPath": ada}));
    other.run(&["pull", "-q", &name]).succeeds();
    let evil = registry.publish("web:2", &image("unsigned"));
    let said = other.run(&["pull", "-q", &evil]);
    assert!(said.code == 1 && said.stderr.contains("is rejected by the policy in"), "{}", said.stderr);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(other.run(&["pull", "-q", &name]).code, 1);
}

/// An image that is here under a name that its registry does not have.
fn here(host: &Host, name: &str) {
    let unsigned = archive(&[(&Image::new().with_file("a", "b"), &[name])]);
    host.run_with(&["load", "-q"], &unsigned).succeeds();
}

#[test]
fn that_an_image_is_here_and_not_signed_is_told_with_its_registrys_answer() {
    let registry = TestRegistry::start();
    let host = host();
    let (lost, down) = (format!("{}/lost:1", registry.address()), "127.0.0.1:1/web:1".to_owned());
    let path = host.path().join("policy.json");
    std::fs::write(&path, json!({"default": [{"type": "reject"}]}).to_string()).unwrap();
    for name in [&lost, &down] {
        here(&host, name);
    }
    let told = |host: &Host, words: &[&str], code: i32, parts: &[&str]| {
        let said = host.run(words);
        assert_eq!((said.code, said.stdout.as_str()), (code, ""), "{words:?}: {}", said.stderr);
        assert!(!said.stderr.contains("Unable to find image"), "{}", said.stderr);
        for part in parts {
            assert!(said.stderr.contains(part), "{words:?}: {part}: {}", said.stderr);
        }
    };
    let asking = host.with("DOCKER_CONTENT_TRUST", "1");
    for (name, answer) in [(&lost, "manifest unknown"), (&down, "refused")] {
        let here =
            format!("{name} is here, but no signature of it counts: No trust data for 1; its registry was asked: ");
        let parts = [here.as_str(), answer, "`wharfie trust sign` signs", "`--disable-content-trust` goes without"];
        told(&asking, &["run", "--rm", name, "true"], 125, &parts);
        told(&asking, &["create", name, "true"], 1, &parts);
        asking.file("Dockerfile", format!("FROM {name}\n").as_bytes());
        told(&asking, &["build", "-q", "."], 1, &parts[..2]);
    }
    let host = asking.with("DOCKER_CONTENT_TRUST", "0");
    host.file("config.toml", format!("containers-policy = {:?}\n", path.display().to_string()).as_bytes());
    let rejected = format!("{down} is here, but no signature of it counts: {down} is rejected by the policy in");
    told(&host, &["create", &down, "true"], 1, &[&rejected, "its registry was asked: ", "refused"]);
    // A policy that is not there is named with the setting that names it.
    std::fs::remove_file(&path).unwrap();
    host.run(&["create", &down, "true"]).fails(
        1,
        &format!(
            "there is no file {}, which `containers-policy` in the settings names\n help: write the policy, or take \
             `containers-policy` out of the settings: no image is used without it",
            path.display()
        ),
    );
}

#[test]
fn who_only_warns_warns_of_what_is_here() {
    let registry = TestRegistry::start();
    let host = host();
    let name = registry.publish("web:2", &image("unsigned"));
    host.run(&["pull", "-q", &name]).succeeds();
    let rule = json!({"mode": "warn", "signers": {}});
    set_policy(&host, &json!({"repositories": {(name.trim_end_matches(":2")): rule}}));
    for pull in ["missing", "never", "always"] {
        let said = host.run(&["create", "--quiet", "--pull", pull, &name, "true"]);
        assert_eq!((said.code, said.stderr.as_str()), (0, "WARNING: No trust data for 2\n"), "{pull}");
    }
}
