//! Documents that lie with an image and say what is in it: `sbom --attach`, and who believes them.

use serde_json::{Value, json};
use wharfie_testkit::{Published, TestRegistry};

use crate::insight::{advisories, image};
use crate::served::{Served, ask};
use crate::trust::notation::base64;
use crate::{host, host_with};

const SAID: &str = "The packages are those of a document with the image, ";

/// The artifact types of what a registry lists for a digest.
fn listed(registry: &Served, path: &str, digest: &str) -> Vec<String> {
    let answer = ask(&registry.address, "GET", &format!("/v2/{path}/referrers/{digest}"), &[], b"");
    let answer = answer.expect("it runs").expect(200);
    let answer: Value = serde_json::from_slice(&answer.body).expect("it is JSON");
    let members = answer["manifests"].as_array().expect("it is a list").iter();
    members.map(|member| member["artifactType"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_document_is_attached_once_believed_and_goes_with_the_image() {
    let host = host_with(&[(&image(), &["web:1"])]);
    let plain = host.run(&["sbom", "web:1"]).succeeds();
    let digest = host.run(&["sbom", "--attach", "web:1"]).succeeds();
    let again = host.run(&["sbom", "--attach", "web:1"]);
    assert_eq!(again.stdout, digest);
    assert_eq!(again.stderr, "A document that says the same is there already\n");
    let told = host.run(&["sbom", "web:1"]);
    assert_eq!(told.stdout, plain);
    assert_eq!(
        told.stderr,
        format!("{SAID}{} (application/vnd.cyclonedx+json); --no-attached looks into the layers\n", digest.trim_end())
    );
    let told = host.run(&["sbom", "--no-attached", "web:1"]);
    assert_eq!((told.stdout.as_str(), told.stderr.as_str()), (plain.as_str(), ""));
    let document: Value = serde_json::from_str(&host.run(&["sbom", "--format", "json", "web:1"]).stdout).unwrap();
    assert_eq!(document["id"], image().id());
    assert!(document["attached"].as_str().unwrap().starts_with(digest.trim_end()));
    // It goes with a push, to a registry that lists referrers and to one for which clients do.
    let (ours, dockers) = (Served::start(&host, &[]), TestRegistry::start());
    for name in [ours.name("web:1"), format!("{}/web:1", dockers.address())] {
        host.run(&["tag", "web:1", &name]).succeeds();
        host.run(&["push", "-q", &name]).succeeds();
        // Another machine need not fetch a layer to know what is in it.
        let other = crate::host();
        let before = dockers.blobs_served();
        let told = other.run(&["sbom", "--progress", "quiet", &name]);
        assert_eq!(told.stdout, plain);
        assert!(told.stderr.contains(digest.trim_end()), "{}", told.stderr);
        assert!(dockers.blobs_served() - before <= 1);
        let osv = advisories(&other);
        let scan = ["scan", "--db", &osv, "--only", "vulnerabilities", "--progress", "quiet", &name];
        let told = other.run(&scan);
        assert!(told.stdout.contains("CVE-2023-4911") && told.stderr.contains(SAID), "{}", told.stderr);
        assert!(dockers.blobs_served() - before <= 2);
        // With secrets asked for the layers are looked through, and the packages are still the document's.
        let told = other.run(&["scan", "--db", &osv, "--progress", "quiet", &name]);
        assert!(told.stdout.contains("CVE-2018-1") && told.stdout.contains("layer 1"), "{}", told.stdout);
        assert!(told.stderr.contains(SAID), "{}", told.stderr);
    }
}

#[test]
fn documents_are_taken_away_again() {
    let host = host_with(&[(&image(), &["web:1"])]);
    let registry = Served::start(&host, &[]);
    let name = registry.name("team/web:1");
    host.run(&["tag", "web:1", &name]).succeeds();
    let digest = host.run(&["sbom", "--attach", &name]).succeeds();
    host.run(&["push", "-q", &name]).succeeds();
    host.run(&["sbom", "--detach", "--attach", &name])
        .fails(1, "--detach writes no document\n help: of the other options it goes with `--platform`");
    // Here and on the registry are two things.
    assert_eq!(host.run(&["sbom", "--detach", &name]).succeeds(), digest);
    assert!(!host.run(&["sbom", &name]).stderr.contains(SAID));
    let there = format!("registry:{name}");
    assert!(host.run(&["sbom", "--progress", "quiet", &there]).stderr.contains(SAID));
    assert_eq!(host.run(&["sbom", "--detach", &there]).succeeds(), digest);
    assert!(!host.run(&["sbom", "--progress", "quiet", &there]).stderr.contains(SAID));
    for name in [&name, &there] {
        let again = host.run(&["sbom", "--detach", name]);
        assert_eq!((again.code, again.stdout.as_str()), (0, ""));
        assert_eq!(again.stderr, "There is no document with the image\n");
    }
    assert_eq!(host.run(&["sbom", "--detach", "."]).code, 1);
}

#[test]
fn a_registry_takes_documents_about_what_is_not_here() {
    let (host, other) = (host(), host());
    let registry = Served::start(&host, &[]);
    let here = host_with(&[(&image(), &["web:1"])]);
    let name = registry.name("team/web:1");
    here.run(&["tag", "web:1", &name]).succeeds();
    here.run(&["push", "-q", &name]).succeeds();
    let digest = here.run(&["inspect", "--format", "{{index .RepoDigests 0}}", &name]).succeeds();
    let digest = digest.trim_end().rsplit('@').next().unwrap().to_owned();
    other.run(&["sbom", "--attach", "--format", "spdx-json", "--progress", "quiet", &name]).succeeds();
    assert_eq!(listed(&registry, "team/web", &digest), ["application/spdx+json"]);
    let told = crate::host().run(&["sbom", "--progress", "quiet", &name]);
    assert!(told.stderr.contains("(application/spdx+json)"), "{}", told.stderr);
    other
        .run(&["sbom", "--attach", "--format", "json", &name])
        .fails(1, "\"json\" is no form that others look for with an image\n help: attach `--format cyclonedx-json` or `--format spdx-json`");
    let root = host.path().join("empty");
    std::fs::create_dir(&root).unwrap();
    let root = root.display().to_string();
    let said = other.run(&["sbom", "--attach", &root]);
    let words = said.words_without_help();
    assert!(words.ends_with(&format!("\n{root} is no image with a name: nothing can be attached to it\n")), "{words}");
    assert_eq!(said.code, 1);
}

/// Puts an artifact with one layer into a repository, by hand: its own type and the layer's; gives how lists have it.
pub(crate) fn put_artifact(
    registry: &TestRegistry,
    path: &str,
    [kind, layer_kind]: [&str; 2],
    bytes: &[u8],
    subject: &Value,
) -> Value {
    put_noted(registry, path, [kind, layer_kind], bytes, subject, &json!({}))
}

/// As [`put_artifact`], with annotations.
pub(crate) fn put_noted(
    registry: &TestRegistry,
    path: &str,
    [kind, layer_kind]: [&str; 2],
    bytes: &[u8],
    subject: &Value,
    notes: &Value,
) -> Value {
    const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    let mut config = json!({"mediaType": "application/vnd.oci.empty.v1+json"});
    let mut layer = json!({"mediaType": layer_kind});
    for (part, bytes) in [(&mut config, &b"{}"[..]), (&mut layer, bytes)] {
        let digest = wharfie_oci::Digest::of(bytes);
        part["digest"] = digest.as_str().into();
        part["size"] = bytes.len().into();
        let (status, answer) = registry.request("POST", &format!("/v2/{path}/blobs/uploads/"), "", b"");
        assert_eq!(status, 202, "{answer}");
        let head = answer.lines().find(|line| line.to_ascii_lowercase().starts_with("location:"));
        let url = head.and_then(|line| line.split_once(':')).expect("it says where").1.trim();
        let at = url.find("/v2/").expect("it is a path of the protocol");
        let mark = if url.contains('?') { "&" } else { "?" };
        let target = format!("{}{mark}digest={digest}", &url[at..]);
        assert_eq!(registry.request("PUT", &target, "application/octet-stream", bytes).0, 201);
    }
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": kind, "config": config,
        "layers": [layer], "subject": subject, "annotations": notes})
    .to_string();
    let digest = wharfie_oci::Digest::of(manifest.as_bytes());
    let target = format!("/v2/{path}/manifests/{digest}");
    let (status, answer) = registry.request("PUT", &target, MANIFEST, manifest.as_bytes());
    assert_eq!(status, 201, "{answer}");
    json!({"mediaType": MANIFEST, "artifactType": kind, "digest": digest.as_str(), "size": manifest.len()})
}

/// Keeps the list of what refers to an image, as clients do for registries that do not.
pub(crate) fn list_referrers(registry: &TestRegistry, path: &str, image: &Published, members: &[Value]) {
    let kind = "application/vnd.oci.image.index.v1+json";
    let index = json!({"schemaVersion": 2, "mediaType": kind, "manifests": members});
    let target = format!("/v2/{path}/manifests/sha256-{}", image.descriptor.digest.hex());
    assert_eq!(registry.request("PUT", &target, kind, index.to_string().as_bytes()).0, 201);
}

/// Whoever can push can say anything: it has to be about this very image, and to be what it says.
#[test]
fn documents_about_others_and_damaged_ones_are_not_believed() {
    let registry = TestRegistry::start();
    let web = Published::of(&image());
    let name = registry.publish("web:1", &web);
    let lie = br#"{"bomFormat":"CycloneDX","components":[{"type":"library","purl":"pkg:npm/nothing@1"}]}"#;
    let put = |bytes: &[u8], subject: &str| {
        let subject = json!({"mediaType": web.descriptor.media_type.as_str(), "digest": subject, "size": 1});
        put_artifact(&registry, "web", ["application/vnd.cyclonedx+json"; 2], bytes, &subject)
    };
    let list = |members: &[Value]| list_referrers(&registry, "web", &web, members);
    let other = put(lie, &format!("sha256:{}", "1".repeat(64)));
    let broken = put(b"{\"bomFormat\":", &web.digest());
    list(&[other, broken]);
    let host = host();
    let told = host.run(&["sbom", "--progress", "quiet", &name]);
    assert!(told.stdout.contains("libc6") && !told.stderr.contains(SAID), "{}{}", told.stdout, told.stderr);
    // An attestation as cosign attaches it: of another image, and of this one.
    let attested = |digest: &str| {
        let hex = digest.trim_start_matches("sha256:");
        let bom: Value = serde_json::from_slice(lie).expect("it is JSON");
        let statement = json!({"_type": "https://in-toto.io/Statement/v1", "subject": [{"digest": {"sha256": hex}}],
            "predicateType": "https://cyclonedx.org/bom", "predicate": bom});
        let envelope = base64(statement.to_string().as_bytes(), false);
        let kind = "application/vnd.dev.sigstore.bundle.v0.3+json";
        let bundle = json!({"mediaType": kind, "dsseEnvelope": {"payload": envelope,
            "payloadType": "application/vnd.in-toto+json", "signatures": [{"sig": "AA=="}]}});
        let subject = json!({"mediaType": web.descriptor.media_type.as_str(), "digest": web.digest(), "size": 1});
        put_artifact(&registry, "web", [kind; 2], bundle.to_string().as_bytes(), &subject)
    };
    list(&[attested(&"2".repeat(64))]);
    let told = host.run(&["sbom", "--progress", "quiet", &name]);
    assert!(told.stdout.contains("libc6") && !told.stderr.contains(SAID), "{}{}", told.stdout, told.stderr);
    list(&[attested(&web.digest())]);
    let told = host.run(&["sbom", "--progress", "quiet", &name]);
    assert!(told.stderr.contains("(attestation, unverified)"), "{}", told.stderr);
    // One that is about it is believed,
    let honest = put(lie, &web.digest());
    list(&[honest]);
    let told = host.run(&["sbom", "--progress", "quiet", &name]);
    assert!(!told.stdout.contains("libc6") && told.stdout.contains("nothing"), "{}", told.stdout);
    // but not where images need signatures.
    let told = host.run(&["sbom", "--no-attached", "--progress", "quiet", &name]);
    assert!(told.stdout.contains("libc6"), "{}", told.stdout);
    let policy = json!({"repositories": {name.trim_end_matches(":1"): {"mode": "enforce"}}}).to_string();
    let path = host.docker_config().join("trust");
    std::fs::create_dir_all(&path).unwrap();
    std::fs::write(path.join("policy.json"), policy).unwrap();
    let told = host.run(&["sbom", "--progress", "quiet", &name]);
    assert!(told.stdout.contains("libc6") && !told.stderr.contains(SAID), "{}{}", told.stdout, told.stderr);
}

/// Which image it is about is not the document's to say, nor may it date itself ahead; and every form tells that it was believed.
#[test]
fn a_document_does_not_say_more_than_it_may_and_is_told_of() {
    let registry = TestRegistry::start();
    let web = Published::of(&image());
    let name = registry.publish("web:1", &web);
    let subject = json!({"mediaType": web.descriptor.media_type.as_str(), "digest": web.digest(), "size": 1});
    let other = format!("sha256:{}", "1".repeat(64));
    let put = |package: &str, created: &str| {
        let document = json!({"bomFormat": "CycloneDX", "metadata": {"component": {"name": "x", "version": other}},
            "components": [{"type": "library", "purl": format!("pkg:npm/{package}@1")}]});
        let notes = json!({"org.opencontainers.image.created": created});
        let kinds = ["application/vnd.cyclonedx+json"; 2];
        put_noted(&registry, "web", kinds, document.to_string().as_bytes(), &subject, &notes)
    };
    let (ahead, newest, old) =
        (put("ahead", "2999-01-01T00:00:00Z"), put("now", "2024-01-01T00:00:00Z"), put("old", "2023-01-01T00:00:00Z"));
    let digest = newest["digest"].as_str().unwrap().to_owned();
    list_referrers(&registry, "web", &web, &[ahead, old, newest]);
    let host = host();
    host.run(&["copy", "-q", &name, &format!("store:{name}")]).succeeds();
    for (word, id) in [(format!("registry:{name}"), Value::Null), (name.clone(), image().id().into())] {
        let told = host.run(&["sbom", "--format", "json", "--progress", "quiet", &word]);
        let document: Value = serde_json::from_str(&told.stdout).unwrap();
        assert_eq!(document["packages"][0]["name"], "now", "{}", told.stdout);
        assert_eq!((document["digest"].as_str(), &document["id"]), (Some(web.digest().as_str()), &id));
    }
    let osv = advisories(&host);
    let form = |format: &str, more: &[&str]| -> Value {
        let scan = ["scan", "--db", &osv, "--progress", "quiet", "--format", format];
        serde_json::from_str(&host.run(&[&scan, more, &[name.as_str()]].concat()).stdout).unwrap()
    };
    let said = [
        form("json", &[])["attached"].clone(),
        form("sarif", &[])["runs"][0]["properties"]["attached"].clone(),
        form("cyclonedx", &[])["metadata"]["properties"][0]["value"].clone(),
    ];
    for one in said {
        assert!(one.as_str().is_some_and(|text| text.starts_with(&digest)), "{one}");
    }
    let said = [
        form("json", &["--no-attached"])["attached"].clone(),
        form("sarif", &["--no-attached"])["runs"][0]["properties"].clone(),
        form("cyclonedx", &["--no-attached"])["metadata"]["properties"].clone(),
    ];
    assert_eq!(said, [Value::Null, Value::Null, Value::Null]);
}

#[test]
fn the_data_base_goes_through_a_registry() {
    let (host, other) = (host_with(&[(&image(), &["web:1"])]), host_with(&[(&image(), &["web:1"])]));
    let registry = Served::start(&host, &[]);
    let name = registry.name("advisories");
    let said = host.run(&["scan", "db", "push", &name]);
    assert!(said.stderr.starts_with("there is no data base of advisories in "), "{}", said.stderr);
    let osv = advisories(&host);
    host.run(&["scan", "db", "import", &osv]).succeeds();
    let digest = host.run(&["scan", "db", "push", &name]).succeeds();
    assert_eq!(other.run(&["scan", "db", "pull", &name]).succeeds(), "3 advisories of 3 ecosystems\n");
    let scan = |host: &wharfie_testkit::Host| host.run(&["scan", "--format", "json", "web:1"]).stdout;
    assert_eq!(scan(&other), scan(&host));
    assert_eq!(
        std::fs::read(other.store().join("advisories/index")).unwrap(),
        std::fs::read(host.store().join("advisories/index")).unwrap()
    );
    // By digest too; a directory of zips can be sent as it is.
    let digested = format!("{name}@{}", digest.trim_end());
    other.run(&["scan", "db", "pull", &digested]).succeeds();
    host.run(&["scan", "db", "push", "--db", &osv, &registry.name("other:2")]).succeeds();
    other.run(&["scan", "db", "pull", &registry.name("other:2")]).succeeds();
    host.run(&["scan", "db", "push", &digested])
        .fails(1, "refusing to create a tag with a digest reference\n help: name a tag: NAME:TAG");
    // What is something else is not taken, and the old one stays.
    let before = scan(&other);
    host.run(&["tag", "web:1", &registry.name("web:1")]).succeeds();
    host.run(&["push", "-q", &registry.name("web:1")]).succeeds();
    assert_eq!(other.run(&["scan", "db", "pull", &registry.name("web:1")]).code, 1);
    assert_eq!(scan(&other), before);
}

#[test]
fn a_data_base_that_is_none_or_damaged_is_not_taken() {
    let (host, registry) = (host(), TestRegistry::start());
    let osv = advisories(&host);
    host.run(&["scan", "db", "import", &osv]).succeeds();
    let index = host.store().join("advisories/index");
    let before = std::fs::read(&index).unwrap();
    let kind = || wharfie_oci::MediaType::new("application/vnd.wharfie.advisories.v1");
    let described = |bytes: &[u8]| wharfie_oci::Descriptor::of(kind(), bytes);
    let of =
        |layer, bytes: &[u8]| Published::with_layers(&wharfie_testkit::Image::new(), vec![(layer, bytes.to_vec())]);
    let name = registry.publish("db:1", &of(described(b"nonsense"), b"nonsense"));
    let said = host.run(&["scan", "db", "pull", &name]);
    assert!(said.code == 1 && said.stderr.contains("is no data base of advisories"), "{}", said.stderr);
    // Other bytes of the same length than the digest says.
    let mut damaged = before.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let server = of(described(&before), &damaged).served();
    let said = host.run(&["scan", "db", "pull", &format!("{}/db:1", server.address())]);
    assert!(said.code == 1 && said.stderr.contains("does not match its digest"), "{}", said.stderr);
    let endless = wharfie_oci::Descriptor { size: 1 << 40, ..described(b"x") };
    let server = of(endless, b"x").served();
    assert_eq!(host.run(&["scan", "db", "pull", &format!("{}/db:1", server.address())]).code, 1);
    assert_eq!(std::fs::read(&index).unwrap(), before);
    let left: Vec<_> = std::fs::read_dir(host.store().join("advisories")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn vex_documents_with_an_image_count_if_they_are_asked_for() {
    let (host, registry) = (host(), TestRegistry::start());
    let web = Published::of(&image());
    let name = registry.publish("web:1", &web);
    let osv = advisories(&host);
    let vex = json!({"@context": "https://openvex.dev/ns/v0.2.0", "statements": [{"vulnerability": {"name": "CVE-2018-1"},
        "products": [{"@id": "pkg:npm/left-pad"}], "status": "not_affected"}]});
    let subject = json!({"mediaType": web.descriptor.media_type.as_str(), "digest": web.digest(), "size": 1});
    let count = |words: &[&str]| {
        let all =
            [&["scan", "--db", &osv, "--format", "json", "--progress", "quiet"], words, &[name.as_str()]].concat();
        let told = host.run(&all);
        let document: Value = serde_json::from_str(&told.stdout).unwrap();
        (document["findings"].as_array().unwrap().len(), told.stderr)
    };
    let (found, said) = count(&["--vex", "attached"]);
    assert!(found == 2 && said.contains("there is no VEX document with the image"), "{said}");
    let kind = "application/vnd.openvex+json";
    let plain = put_artifact(&registry, "web", [kind; 2], vex.to_string().as_bytes(), &subject);
    list_referrers(&registry, "web", &web, &[plain]);
    assert_eq!(count(&[]).0, 2);
    let (found, said) = count(&["--vex", "attached"]);
    assert!(found == 1 && said.contains("A VEX document with the image counts, sha256:"), "{said}");
    let statement = json!({"_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": web.descriptor.digest.hex()}}],
        "predicateType": "https://openvex.dev/ns/v0.2.0", "predicate": vex});
    let kind = "application/vnd.dev.sigstore.bundle.v0.3+json";
    let bundle = json!({"mediaType": kind, "dsseEnvelope": {"payloadType": "application/vnd.in-toto+json",
        "payload": base64(statement.to_string().as_bytes(), false), "signatures": [{"sig": "AA=="}]}});
    let member = put_artifact(&registry, "web", [kind; 2], bundle.to_string().as_bytes(), &subject);
    list_referrers(&registry, "web", &web, &[member]);
    assert_eq!(count(&["--vex", "attached"]).0, 1);
    // All of one image together are as much as one may be.
    let kind = "application/vnd.openvex+json";
    let large = vex.to_string() + &" ".repeat(12 << 20);
    let note =
        |at: usize| put_noted(&registry, "web", [kind; 2], large.as_bytes(), &subject, &json!({"at": at.to_string()}));
    list_referrers(&registry, "web", &web, &[note(0), note(1), note(2)]);
    let (found, said) = count(&["--vex", "attached"]);
    assert!(found == 1 && said.matches("A VEX document with the image counts").count() == 2, "{said}");
    assert!(said.contains("1 VEX document does not count"), "{said}");
}
