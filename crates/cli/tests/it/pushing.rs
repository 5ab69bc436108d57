//! `push` to a real registry: every line, and nothing sent that is there already.

use serde_json::Value;
use wharfie_oci::{Descriptor, DiffId, Digest};
use wharfie_testkit::{Host, Image, Published, TestRegistry};

use crate::{host, host_with};

fn web() -> Image {
    Image::new().with_file("a", "1").with_file("b", "2").with_step("CMD x").with_file("c", "3")
}

/// The short diff ids of an image's layers, top first.
fn shorts(image: &Image) -> Vec<String> {
    let diff_id = |tar: &Vec<u8>| DiffId::new(Digest::of(tar)).short().to_owned();
    image.layers().iter().rev().map(diff_id).collect()
}

/// A host that moves one layer at a time, so that the order of lines is known.
fn orderly(images: &[(&Image, &[&str])]) -> Host {
    let host = host_with(images);
    host.file("config.toml", b"concurrent-transfers = 1\n");
    host
}

fn lines(shorts: &[String], last: &str) -> String {
    let preparing = shorts.iter().map(|short| format!("{short}: Preparing\n"));
    preparing.chain(shorts.iter().map(|short| format!("{short}: {last}\n"))).collect()
}

fn digest_line(registry: &TestRegistry, name: &str) -> String {
    let (path, tag) = name.split_once(':').expect("a name has a tag");
    let (_, answer) = registry.request("GET", &format!("/v2/{path}/manifests/{tag}"), "", b"");
    let size = answer.split_once("\r\n\r\n").map_or(0, |(_, body)| body.len());
    format!("{tag}: digest: {} size: {size}\n", registry.digest(name))
}

#[test]
fn a_push_prints_what_docker_prints() {
    let registry = TestRegistry::start();
    let web = web();
    let name = format!("{}/team/web", registry.address());
    let host = orderly(&[(&web, &[&format!("{name}:latest")])]);
    let outcome = host.run(&["push", &name]);
    outcome.prints(&format!(
        "Using default tag: latest\nThe push refers to repository [{name}]\n{}{}",
        lines(&shorts(&web), "Pushed"),
        digest_line(&registry, "team/web:latest")
    ));
    // Docker's types and indentation, so that docker pushes the same bytes.
    let (_, answer) = registry.request("GET", "/v2/team/web/manifests/latest", "", b"");
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    assert!(body.starts_with("{\n   \"schemaVersion\": 2,\n   \"mediaType\": \"application/vnd.docker."), "{body}");
    let manifest: Value = serde_json::from_str(body).unwrap();
    assert_eq!(manifest["config"]["digest"], web.id());
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 3);
    host.run(&["inspect", "-f", "{{.RepoDigests}}", &name])
        .prints(&format!("[{name}@{}]\n", registry.digest("team/web:latest")));
}

#[test]
fn a_second_push_sends_nothing() {
    let registry = TestRegistry::start();
    let web = web();
    let name = format!("{}/team/web", registry.address());
    let host = orderly(&[(&web, &[&format!("{name}:1"), &format!("{name}:2")])]);
    host.run(&["push", &format!("{name}:1")]).succeeds();
    let before = registry.count("POST", "/blobs/uploads/");
    for tag in ["1", "2"] {
        host.run(&["push", &format!("{name}:{tag}")]).prints(&format!(
            "The push refers to repository [{name}]\n{}{}",
            lines(&shorts(&web), "Layer already exists"),
            digest_line(&registry, &format!("team/web:{tag}"))
        ));
    }
    assert_eq!(registry.count("POST", "/blobs/uploads/"), before);
    assert_eq!(registry.digest("team/web:1"), registry.digest("team/web:2"));
}

#[test]
fn layers_are_mounted_from_other_repositories() {
    let registry = TestRegistry::start();
    let web = web();
    let (one, two) = (format!("{}/ns/app", registry.address()), format!("{}/other/app2", registry.address()));
    let host = orderly(&[(&web, &[&format!("{one}:1"), &format!("{two}:latest")])]);
    host.run(&["push", &format!("{one}:1")]).succeeds();
    host.run(&["push", &two]).prints(&format!(
        "Using default tag: latest\nThe push refers to repository [{two}]\n{}{}",
        lines(&shorts(&web), "Mounted from ns/app"),
        digest_line(&registry, "other/app2:latest")
    ));
    assert_eq!(registry.digest("ns/app:1"), registry.digest("other/app2:latest"));
    // The same after a pull: the origin is known from there.
    let other = host_with(&[]);
    other.run(&["pull", "-q", &format!("{one}:1")]).succeeds();
    let third = format!("{}/third:1", registry.address());
    other.run(&["tag", &format!("{one}:1"), &third]).prints("");
    let printed = other.run(&["push", &third]).succeeds();
    assert_eq!(printed.matches(": Mounted from ns/app\n").count(), 3, "{printed}");
}

#[test]
fn a_layer_that_occurs_twice_is_sent_once() {
    let registry = TestRegistry::start();
    let web = Image::new().with_file("a", "1").with_file("b", "2").with_file("a", "1");
    let name = format!("{}/web:1", registry.address());
    let host = orderly(&[(&web, &[&name])]);
    let printed = host.run(&["push", &name]).succeeds();
    assert_eq!(printed.matches(": Preparing\n").count(), 2, "{printed}");
    assert_eq!(printed.matches(": Pushed\n").count(), 2, "{printed}");
    let other = crate::host();
    other.run(&["pull", "-q", &name]).succeeds();
    other.run(&["inspect", "-f", "{{.Id}}", &name]).prints(&format!("{}\n", web.id()));
}

#[test]
fn all_tags_go_under_one_heading() {
    let registry = TestRegistry::start();
    let (one, two) = (web(), Image::new().with_file("z", "1"));
    let name = format!("{}/web", registry.address());
    let host = orderly(&[(&one, &[&format!("{name}:1")]), (&two, &[&format!("{name}:2"), "other:3"])]);
    host.run(&["push", "-a", &name]).prints(&format!(
        "The push refers to repository [{name}]\n{}{}{}{}",
        lines(&shorts(&one), "Pushed"),
        digest_line(&registry, "web:1"),
        lines(&shorts(&two), "Pushed"),
        digest_line(&registry, "web:2"),
    ));
    host.run(&["push", "-aq", &name]).prints(&format!("{name}\n"));
    host.run(&["push", "-a", &format!("{name}:1")]).fails(1, "tag can't be used with --all-tags/-a");
    host.run(&["push", "-q", &format!("{name}:2")]).prints(&format!("{name}:2\n"));
}

#[test]
fn what_came_from_a_registry_goes_back_bit_for_bit() {
    let (registry, host) = (TestRegistry::start(), host());
    let published = Published::of(&web());
    let reference = registry.publish("web:1", &published);
    host.run(&["pull", "-q", &reference]).succeeds();
    let other = TestRegistry::start();
    let copy = format!("{}/copies/web:1", other.address());
    host.run(&["tag", &reference, &copy]).prints("");
    let printed = host.run(&["push", &copy]).succeeds();
    assert!(
        printed.ends_with(&format!("1: digest: {} size: {}\n", published.digest(), published.bytes.len())),
        "{printed}"
    );
    assert_eq!(other.digest("copies/web:1").to_string(), published.digest());
    for (blob, _) in &published.blobs {
        let (status, _) = other.request("HEAD", &format!("/v2/copies/web/blobs/{}", blob.digest), "", b"");
        assert_eq!(status, 200, "{}", blob.digest);
    }
}

#[test]
fn an_image_without_layers_can_be_pushed_and_pulled() {
    let registry = TestRegistry::start();
    let empty = Image::new().with_config("Cmd", serde_json::json!(["x"]));
    let name = format!("{}/empty:1", registry.address());
    let host = orderly(&[(&empty, &[&name])]);
    host.run(&["push", &name]).succeeds();
    let other = crate::host();
    other.run(&["pull", "-q", &name]).succeeds();
    other.run(&["inspect", "-f", "{{.Id}}", &name]).prints(&format!("{}\n", empty.id()));
}

/// A manifest that says it is `image`, over the layer of another one, with a digest that sorts before that of `honest`; and that
/// other image.
fn swapped(image: &Image, honest: &Published) -> (Published, Published) {
    let mut n = 0;
    loop {
        n += 1;
        let other = Published::of(&Image::new().with_file("a", &format!("owned {n}")));
        let is_layer = |blob: &&(Descriptor, Vec<u8>)| blob.0 == other.layers[0];
        let layer = other.blobs.iter().find(is_layer).expect("its layer is among its blobs").clone();
        let evil = Published::with_layers(image, vec![layer]);
        if evil.digest() < honest.digest() {
            return (evil, other);
        }
    }
}

#[test]
fn a_name_is_pushed_as_what_it_stands_for_and_not_as_another_manifest_of_the_same_image() {
    let registry = TestRegistry::start();
    let image = Image::new().with_file("a", "honest");
    let honest = Published::of(&image);
    let (evil, owner) = swapped(&image, &honest);
    let host = host();
    let name = registry.publish("honest/web:1", &honest);
    let other = registry.publish("evil/web:1", &evil);
    host.run(&["pull", "-q", &name]).succeeds();
    // The layer is known by its diff id: nobody looks at the blob that this manifest names, and it may be here all the same.
    host.run(&["pull", "-q", &registry.publish("evil/owner:1", &owner)]).succeeds();
    host.run(&["pull", "-q", &other]).succeeds();
    let copy = format!("{}/copy/web:1", registry.address());
    host.run(&["tag", &name, &copy]).succeeds();
    host.run(&["push", "-q", &copy]).succeeds();
    assert_eq!(registry.digest("copy/web:1").to_string(), honest.digest());
    host.run(&["copy", "-q", &format!("store:{name}"), &format!("{}/copy/two:1", registry.address())]).succeeds();
    assert_eq!(registry.digest("copy/two:1").to_string(), honest.digest());
    // By the image alone none of it is believed whose layers nobody has seen unpack.
    host.run(&["rmi", &name, &copy]).succeeds();
    host.run(&["tag", &other, &copy]).succeeds();
    host.run(&["push", "-q", &copy]).succeeds();
    assert_eq!(registry.digest("copy/web:1").to_string(), honest.digest());
}
