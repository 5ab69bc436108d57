//! `manifest inspect`: documents as registries have them.

use serde_json::Value;
use wharfie_testkit::{Image, Published, TestRegistry};

use crate::host;

#[test]
fn a_single_manifest_is_indented_with_tabs() {
    let (registry, host) = (TestRegistry::start(), host());
    let published = Published::of(&Image::new().with_file("a", "1"));
    let reference = registry.publish("web:1", &published);
    let (config, layer) = (&published.blobs[1].0, &published.blobs[0].0);
    let expected = format!(
        "{{\n\t\"schemaVersion\": 2,\n\t\"mediaType\": \"application/vnd.oci.image.manifest.v1+json\",\n\t\"config\": \
         {{\n\t\t\"mediaType\": \"application/vnd.oci.image.config.v1+json\",\n\t\t\"digest\": \"{}\",\n\t\t\"size\": \
         {}\n\t}},\n\t\"layers\": [\n\t\t{{\n\t\t\t\"mediaType\": \
         \"application/vnd.oci.image.layer.v1.tar+gzip\",\n\t\t\t\"digest\": \"{}\",\n\t\t\t\"size\": \
         {}\n\t\t}}\n\t]\n}}\n",
        config.digest, config.size, layer.digest, layer.size
    );
    host.run(&["manifest", "inspect", &reference]).prints(&expected);
    host.run(&["manifest", "inspect", "--insecure", &reference]).prints(&expected);
    host.run(&["manifest", "inspect", &format!("{}@{}", reference.trim_end_matches(":1"), published.digest())])
        .prints(&expected);
    let verbose: Value =
        serde_json::from_str(&host.run(&["manifest", "inspect", "-v", &reference]).succeeds()).unwrap();
    assert_eq!(verbose["Ref"], reference);
    assert_eq!(verbose["Descriptor"]["digest"], published.digest());
    assert_eq!(verbose["Descriptor"]["platform"]["architecture"], "amd64");
    assert_eq!(verbose["OCIManifest"]["schemaVersion"], 2);
    // Nothing is kept of it.
    host.run(&["images", "-aq"]).prints("");
}

#[test]
fn a_list_is_indented_with_blanks_and_explained_with_v() {
    let (registry, host) = (TestRegistry::start(), host());
    let (amd, arm) = (Image::new().with_file("a", "1"), Image::new().with_file("b", "2").on("linux", "arm"));
    let (amd, arm) = (Published::of(&amd), Published::of(&arm));
    let list = Published::index(&[("linux/amd64", &amd), ("linux/arm/v7", &arm)]);
    let reference = registry.publish("web:1", &list);
    let printed = host.run(&["manifest", "inspect", &reference]).succeeds();
    assert!(printed.starts_with("{\n   \""), "{printed}");
    assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), serde_json::from_slice::<Value>(&list.bytes).unwrap());
    let printed = host.run(&["manifest", "inspect", "-v", &reference]).succeeds();
    assert!(printed.starts_with("[\n\t{\n\t\t\"Ref\": "), "{printed}");
    let verbose: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(verbose[0]["Ref"], format!("{reference}@{}", amd.digest()));
    assert_eq!(verbose[1]["Ref"], format!("{reference}@{}", arm.digest()));
    assert_eq!(verbose[1]["Descriptor"]["platform"]["variant"], "v7");
    assert_eq!(verbose.as_array().map(Vec::len), Some(2));
}

#[test]
fn what_is_not_there() {
    let (registry, host) = (TestRegistry::start(), host());
    let name = format!("{}/nope", registry.address());
    host.run(&["manifest", "inspect", &name]).fails(1, &format!("no such manifest: {name}:latest"));
    host.run(&["tags", &name]).fails(
        1,
        &format!("Error response from daemon: repository {name} not found: name unknown: repository name not known to registry"),
    );
}
