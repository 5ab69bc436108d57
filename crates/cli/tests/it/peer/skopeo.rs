//! skopeo: every transport it shares with us.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use wharfie_testkit::{Image, Published, TestRegistry, archive, needs};

use super::{diff_ids, holds, pack, rich, unpack};
use crate::{host, host_with};

#[track_caller]
fn skopeo(words: &[&str]) -> String {
    let mut command = Command::new("skopeo");
    // Nobody's credentials, wherever this machine keeps them.
    command.env("REGISTRY_AUTH_FILE", "/nonexistent/auth.json").arg("--insecure-policy").args(words);
    needs::succeeds(&mut command, "skopeo")
}

fn copy(from: &str, to: &str) {
    skopeo(&["copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false", from, to]);
}

fn at(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// The configuration's digest of an image anywhere.
fn id(from: &str) -> String {
    let raw = skopeo(&["inspect", "--raw", "--tls-verify=false", from]);
    let manifest: Value = serde_json::from_str(&raw).expect("a manifest is JSON");
    manifest["config"]["digest"].as_str().expect("it names its configuration").to_owned()
}

#[test]
fn what_skopeo_writes_wharfie_loads() {
    let rich = rich();
    let host = host();
    let source = host.file("source.tar", &archive(&[(&rich, &["example.org/team/rich:1"])]));
    let from = format!("docker-archive:{}", at(&source));
    for (kind, name) in [("docker-archive", ":example.org/team/rich:1"), ("oci-archive", ":example.org/team/rich:1")] {
        let target = host.path().join(kind);
        copy(&from, &format!("{kind}:{}{name}", at(&target)));
        let reader = crate::host();
        reader.run(&["load", "-i", &at(&target)]).prints("Loaded image: example.org/team/rich:1\n");
        let written = id(&format!("{kind}:{}", at(&target)));
        holds(&reader, "example.org/team/rich:1", &written, &diff_ids(&rich));
    }
    let layout = host.path().join("layout");
    copy(&from, &format!("oci:{}:1", at(&layout)));
    let tar = host.path().join("layout.tar");
    pack(&layout, &tar);
    let written = id(&format!("oci:{}:1", at(&layout)));
    let reader = crate::host();
    reader.run(&["load", "-i", &at(&tar)]).prints(&format!("Loaded image ID: {written}\n"));
    holds(&reader, &written, &written, &diff_ids(&rich));
}

#[test]
fn what_wharfie_saves_skopeo_reads_as_either_archive() {
    let rich = rich();
    let host = host_with(&[(&rich, &["example.org/team/rich:1"])]);
    let tar = host.path().join("ours.tar");
    host.run(&["save", "-o", &at(&tar), "example.org/team/rich:1"]).prints("");
    for kind in ["docker-archive", "oci-archive"] {
        let from = format!("{kind}:{}", at(&tar));
        assert_eq!(id(&from), rich.id(), "{kind}");
        let copied = host.path().join(format!("from-{kind}"));
        copy(&from, &format!("oci:{}:1", at(&copied)));
    }
    let folder = host.path().join("unpacked");
    unpack(&tar, &folder);
    assert_eq!(id(&format!("oci:{}:1", at(&folder))), rich.id());
}

#[test]
fn what_goes_along_with_an_image_is_no_hindrance_to_skopeo() {
    let rich = rich();
    let host = host_with(&[(&rich, &["example.org/team/rich:1"])]);
    host.run(&["sbom", "--attach", "example.org/team/rich:1"]).succeeds();
    let tar = host.path().join("ours.tar");
    host.run(&["save", "-o", &at(&tar), "example.org/team/rich:1"]).prints("");
    let from = format!("docker-archive:{}", at(&tar));
    assert_eq!(id(&from), rich.id());
    let copied = host.path().join("copied.tar");
    copy(&from, &format!("docker-archive:{}:example.org/team/rich:1", at(&copied)));
    let reader = crate::host();
    reader.run(&["load", "-q", "-i", &at(&copied)]).succeeds();
    holds(&reader, "example.org/team/rich:1", &rich.id(), &diff_ids(&rich));
}

#[test]
fn what_wharfie_pushes_skopeo_sees_with_the_same_digest() {
    let registry = TestRegistry::start();
    let rich = rich();
    let name = format!("{}/rich:1", registry.address());
    let host = host_with(&[(&rich, &[&name])]);
    let pushed = host.run(&["push", &name]).succeeds();
    let seen = skopeo(&["inspect", "--tls-verify=false", "--format", "{{.Digest}}", &format!("docker://{name}")]);
    assert!(pushed.contains(&format!("1: digest: {} size: ", seen.trim())), "{pushed} {seen}");
    assert_eq!(id(&format!("docker://{name}")), rich.id());
    // skopeo verifies every blob on the way.
    copy(&format!("docker://{name}"), &format!("oci:{}:1", at(&host.path().join("copied"))));
}

#[test]
fn what_skopeo_pushes_wharfie_pulls() {
    let registry = TestRegistry::start();
    let rich = rich();
    let host = host();
    let source = host.file("source.tar", &archive(&[(&rich, &["rich:1"])]));
    for format in ["oci", "v2s2"] {
        let name = format!("{}/rich:{format}", registry.address());
        let from = format!("docker-archive:{}", at(&source));
        skopeo(&["copy", "-q", "--dest-tls-verify=false", "--format", format, &from, &format!("docker://{name}")]);
        let written = id(&format!("docker://{name}"));
        host.run(&["pull", "-q", &name]).prints(&format!("{name}\n"));
        holds(&host, &name, &written, &diff_ids(&rich));
    }
}

#[test]
fn lists_copied_by_skopeo_are_the_same_lists() {
    let (one, two) = (TestRegistry::start(), TestRegistry::start());
    let images = ["amd64", "arm64"].map(|arch| Image::new().with_file("arch", arch).on("linux", arch));
    let published = images.each_ref().map(Published::of);
    let list = Published::index(&[("linux/amd64", &published[0]), ("linux/arm64", &published[1])]);
    let name = one.publish("multi:1", &list);
    let copied = format!("{}/multi:1", two.address());
    skopeo(&[
        "copy",
        "-q",
        "--all",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        &format!("docker://{name}"),
        &format!("docker://{copied}"),
    ]);
    assert_eq!(two.digest("multi:1").to_string(), list.digest());
    for (arch, image) in ["amd64", "arm64"].iter().zip(&images) {
        let host = host();
        host.run(&["pull", "-q", "--platform", &format!("linux/{arch}"), &copied]).succeeds();
        holds(&host, &copied, &image.id(), &diff_ids(image));
    }
}
