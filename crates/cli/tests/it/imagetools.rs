//! `buildx imagetools`: what is behind names on registries, and new names for it.

use serde_json::Value;
use wharfie_testkit::{Image, Published, TestRegistry};

use crate::host;

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("it is JSON")
}

/// A list of two images as `web:1`.
fn list() -> (Published, Published, Published) {
    let amd = Published::of(&Image::new().with_file("a", "1").with_config("Env", serde_json::json!(["A=amd"])));
    let arm = Image::new().with_file("b", "2").on("linux", "arm").with_config("Env", serde_json::json!(["A=arm"]));
    let arm = Published::of(&arm);
    (Published::index(&[("linux/amd64", &amd), ("linux/arm/v7", &arm)]), amd, arm)
}

#[test]
fn names_are_looked_into() {
    let (registry, host) = (TestRegistry::start(), host());
    let (both, amd, arm) = list();
    let name = registry.publish("web:1", &both);
    let inspect = |words: &[&str]| host.run(&[&["buildx", "imagetools", "inspect"], words].concat());
    let repository = name.trim_end_matches(":1");
    let kind = "application/vnd.oci.image.manifest.v1+json";
    inspect(&[&name]).prints(&format!(
        "Name:      {name}\nMediaType: application/vnd.oci.image.index.v1+json\nDigest:    {}\n\nManifests:\n  \
         Name:      {repository}@{}\n  MediaType: {kind}\n  Platform:  linux/amd64\n\n  Name:      {repository}@{}\n  \
         MediaType: {kind}\n  Platform:  linux/arm/v7\n",
        both.digest(),
        amd.digest(),
        arm.digest()
    ));
    let single = format!("{repository}@{}", amd.digest());
    inspect(&[&single]).prints(&format!("Name:      {single}\nMediaType: {kind}\nDigest:    {}\n", amd.digest()));
    inspect(&["--raw", &name]).prints(&String::from_utf8_lossy(&both.bytes));
    inspect(&[
        "--format",
        "{{.Name}} {{.Manifest.Digest}} {{range .Manifest.Manifests}}{{.Platform.OS}} {{end}}",
        &name,
    ])
    .prints(&format!("{name} {} linux linux \n", both.digest()));
    inspect(&["--format", "{{(index .Image \"linux/arm/v7\").Config.Env}} {{.SBOM}}", &name]).prints("[A=arm] <nil>\n");
    inspect(&["--format", "{{json .Image.Config.Env}}", &single]).prints("[\n  \"A=amd\"\n]\n");
    let whole = json(&inspect(&["--format", "{{json .}}", &name]).succeeds());
    assert_eq!(whole["manifest"]["manifests"][1]["platform"]["variant"], "v7");
    inspect(&[&format!("{repository}:2")]).fails(1, &format!("ERROR: {repository}:2: not found"));
}

#[test]
fn attestations_are_shown_to_templates() {
    let (registry, host) = (TestRegistry::start(), host());
    let (_, amd, _) = list();
    let statement = br#"{"_type":"https://in-toto.io/Statement/v0.1","predicate":{"SPDXID":"SPDXRef-DOCUMENT"}}"#;
    let mut layer = wharfie_oci::Descriptor::of(wharfie_oci::MediaType::new("application/vnd.in-toto+json"), statement);
    layer.annotations = Some([("in-toto.io/predicate-type".to_owned(), "https://spdx.dev/Document".to_owned())].into());
    let attestation = Published::with_layers(&Image::new(), vec![(layer, statement.to_vec())]);
    let mut both = Published::index(&[("linux/amd64", &amd), ("unknown/unknown", &attestation)]);
    let mut index = json(&String::from_utf8_lossy(&both.bytes));
    index["manifests"][1]["annotations"] = serde_json::json!({
        "vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": amd.digest(),
    });
    both.bytes = serde_json::to_vec(&index).unwrap();
    both.descriptor = wharfie_oci::Descriptor::of(both.descriptor.media_type, &both.bytes);
    let name = registry.publish("web:1", &both);
    let inspect = ["buildx", "imagetools", "inspect", &name, "--format"];
    host.run(&[&inspect[..], &["{{json .SBOM}} {{.Provenance}}"]].concat())
        .prints("{\n  \"SPDX\": {\n    \"SPDXID\": \"SPDXRef-DOCUMENT\"\n  }\n} <nil>\n");
}

#[test]
fn lists_are_made_of_what_is_there() {
    let (registry, elsewhere, host) = (TestRegistry::start(), TestRegistry::start(), host());
    let (both, amd, arm) = list();
    let (web, amd_name) = (registry.publish("web:1", &both), registry.publish("amd:1", &amd));
    let create = |words: &[&str]| host.run(&[&["buildx", "imagetools", "create"], words].concat());
    // A single list keeps its digest, on another registry too.
    let copy = format!("{}/team/copy:1", elsewhere.address());
    create(&["--progress", "quiet", "-t", &copy, &web]).prints("");
    assert_eq!(elsewhere.digest("team/copy:1").to_string(), both.digest());
    host.run(&["pull", "-q", "--platform", "linux/arm/v7", &copy]).prints(&format!("{copy}\n"));
    // A single image becomes a list, unless it is not to.
    let mine = format!("{}/mine:1", registry.address());
    create(&["-t", &mine, &amd_name]).succeeds();
    let index = json(&host.run(&["buildx", "imagetools", "inspect", "--raw", &mine]).succeeds());
    assert_eq!(index["manifests"][0]["digest"], amd.digest());
    assert_eq!(index["manifests"][0]["platform"]["architecture"], "amd64");
    create(&["-t", &mine, "--prefer-index=false", &amd_name]).succeeds();
    assert_eq!(registry.digest("mine:1").to_string(), amd.digest());
    // More is added to what is there; lists are flattened, and what is named twice is there once.
    let metadata = host.path().join("metadata.json");
    let words = ["--append", "-t", &mine, &web, "--metadata-file", metadata.to_str().unwrap()];
    create(&words).succeeds();
    let index = json(&host.run(&["buildx", "imagetools", "inspect", "--raw", &mine]).succeeds());
    let digests: Vec<_> =
        index["manifests"].as_array().unwrap().iter().map(|m| m["digest"].as_str().unwrap()).collect();
    assert_eq!(digests, [amd.digest(), arm.digest()]);
    let written = json(&std::fs::read_to_string(metadata).unwrap());
    assert_eq!(written["containerimage.descriptor"]["digest"], registry.digest("mine:1").to_string());
    assert_eq!(written["image.name"], mine);
    // Some platforms, with notes, shown only.
    let notes = ["--annotation", "index:a=b", "--annotation", "manifest-descriptor:c=d"];
    let shown = create(&[&["--dry-run", "-p", "linux/arm/v7", &web], &notes[..]].concat()).succeeds();
    let shown = json(&shown);
    assert_eq!(shown["manifests"].as_array().map(Vec::len), Some(1));
    assert_eq!((&shown["annotations"]["a"], &shown["manifests"][0]["annotations"]["c"]), (&"b".into(), &"d".into()));
    // By descriptor.
    let file = host.file("arm.json", &serde_json::to_vec(&arm.descriptor).unwrap());
    create(&["-t", &format!("{}/web:arm", registry.address()), "-f", file.to_str().unwrap()]).succeeds();
    let index = json(&host.run(&["manifest", "inspect", &format!("{}/web:arm", registry.address())]).succeeds());
    assert_eq!(index["manifests"][0]["platform"]["architecture"], "arm");

    create(&[]).fails(1, "ERROR: no sources specified");
    create(&[&web]).fails(1, "ERROR: can't push with no tags specified, please set --tag or --dry-run");
}
