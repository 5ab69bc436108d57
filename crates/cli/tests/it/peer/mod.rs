//! Our images read by other tools, theirs by us: the same ids, the same digests, the same bytes.

mod builds;
mod commits;
mod dive;
pub(crate) mod docker;
mod inventories;
pub(crate) mod podman;
mod skopeo;
mod umoci;

use std::path::Path;
use std::process::Command;

use wharfie_oci::{DiffId, Digest};
use wharfie_testkit::image::tar;
use wharfie_testkit::{Host, Image, file, needs};

/// An image with something of everything that tools disagree about.
pub(crate) fn rich() -> Image {
    let (mut link, mut gone) = (file("usr/bin/link", ""), file("etc/.wh.motd", ""));
    link.0.kind = wharfie_layer::entry::Kind::Hardlink;
    link.0.link = b"usr/bin/tool".to_vec();
    gone.0.mode = 0;
    let mut tool = file("usr/bin/tool", "#!/bin/sh\n");
    tool.0.mode = 0o4755;
    let long = format!("a/{}/{}", "long".repeat(40), "name".repeat(20));
    Image::new()
        .with_layer(tar(&[file("etc/motd", "hello\n"), file("etc/os", "x"), tool, link]))
        .with_step("ENV A=1")
        .with_layer(tar(&[gone, file(&long, "deep")]))
        .with_config("Env", serde_json::json!(["A=1", "PATH=/usr/bin"]))
        .with_config("Cmd", serde_json::json!(["/usr/bin/tool"]))
        .with_config("Labels", serde_json::json!({"org.example": "a b"}))
}

/// The layers' diff ids as tools print lists: `[a b]`.
pub(crate) fn diff_ids(image: &Image) -> String {
    let ids: Vec<String> = image.layers().iter().map(|tar| DiffId::new(Digest::of(tar)).to_string()).collect();
    format!("[{}]", ids.join(" "))
}

/// Insists that `name` is this image here, whole.
#[track_caller]
pub(crate) fn holds(host: &Host, name: &str, id: &str, diff_ids: &str) {
    host.run(&["image", "inspect", "-f", "{{.Id}} {{.RootFS.Layers}}", name]).prints(&format!("{id} {diff_ids}\n"));
    host.run(&["system", "fsck"]).succeeds();
}

/// Unpacks an archive with GNU tar.
fn unpack(archive: &Path, folder: &Path) {
    std::fs::create_dir_all(folder).expect("the test's own folder takes folders");
    needs::succeeds(Command::new("tar").arg("-xf").arg(archive).arg("-C").arg(folder), "tar");
}

/// Packs a folder with GNU tar.
fn pack(folder: &Path, archive: &Path) {
    needs::succeeds(Command::new("tar").arg("-cf").arg(archive).arg("-C").arg(folder).arg("."), "tar");
}
