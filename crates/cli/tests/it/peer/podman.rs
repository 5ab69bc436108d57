//! podman and buildah.

use std::path::{Path, PathBuf};
use std::process::Command;

use wharfie_testkit::{Host, Packing, Published, TestRegistry, needs};

use super::{diff_ids, holds, rich};
use crate::{host, host_with};

/// podman with a storage of its own, gone with the test's folder.
pub(crate) struct Podman {
    folder: PathBuf,
}

impl Podman {
    /// `None`, with a word about it, for whoever is not root.
    pub(crate) fn within(host: &Host) -> Option<Self> {
        needs::root("podman").then(|| Self { folder: host.path().join("podman") })
    }

    fn command(&self, program: &str, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.arg("--root").arg(self.folder.join("root")).arg("--runroot").arg(self.folder.join("run"));
        // Plain directories: nothing of this stays mounted when the folder goes.
        command.args(["--storage-driver", "vfs"]);
        command.env("HOME", &self.folder);
        if program == "podman" {
            command.args(["--cgroup-manager", "cgroupfs", "--events-backend", "file"]);
        }
        command.args(words);
        command
    }

    #[track_caller]
    pub(crate) fn podman(&self, words: &[&str]) -> String {
        needs::succeeds(&mut self.command("podman", words), "podman")
    }

    #[track_caller]
    pub(super) fn buildah(&self, words: &[&str]) -> String {
        needs::succeeds(&mut self.command("buildah", words), "buildah")
    }

    /// Id and diff ids.
    #[track_caller]
    fn identity(&self, name: &str) -> (String, String) {
        let text = self.podman(&["image", "inspect", "--format", "{{.Id}} {{.RootFS.Layers}}", name]);
        let (id, layers) = text.trim().split_once(' ').expect("the template has a blank");
        (format!("sha256:{id}"), layers.to_owned())
    }

    /// Builds an image of two layers.
    fn build(&self, host: &Host, name: &str, format: &str) {
        let file = host.file("f", b"hello\n");
        let base = self.buildah(&["from", "scratch"]);
        self.buildah(&["copy", "-q", base.trim(), &file.to_string_lossy(), "/dir/f"]);
        self.buildah(&["config", "--cmd", "/dir/f", "--env", "A=1", base.trim()]);
        self.buildah(&["commit", "-q", "--format", format, base.trim(), "localhost/base:1"]);
        let top = self.buildah(&["from", "--isolation", "chroot", "localhost/base:1"]);
        self.buildah(&["copy", "-q", top.trim(), &file.to_string_lossy(), "/dir/g"]);
        self.buildah(&["commit", "-q", "--format", format, top.trim(), name]);
    }
}

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[test]
fn what_buildah_builds_wharfie_loads_from_any_archive() {
    for format in ["docker", "oci"] {
        let host = host();
        let Some(podman) = Podman::within(&host) else { return };
        podman.build(&host, "localhost/built:1", format);
        let (id, layers) = podman.identity("localhost/built:1");
        for kind in ["docker-archive", "oci-archive"] {
            let archive = path(&host.path().join(kind));
            podman.podman(&["save", "-q", "--format", kind, "-o", &archive, "localhost/built:1"]);
            let reader = crate::host();
            reader.run(&["load", "-i", &archive]).prints("Loaded image: localhost/built:1\n");
            // Between docker's and OCI's archives podman translates the configuration; then it is another image.
            if format == kind.split('-').next().unwrap_or_default() {
                holds(&reader, "localhost/built:1", &id, &layers);
            } else {
                reader
                    .run(&["image", "inspect", "-f", "{{.RootFS.Layers}}", "localhost/built:1"])
                    .prints(&format!("{layers}\n"));
            }
        }
    }
}

#[test]
fn what_wharfie_saves_podman_loads() {
    let rich = rich();
    let host = host_with(&[(&rich, &["localhost/rich:1", "localhost/rich:2"])]);
    let Some(podman) = Podman::within(&host) else { return };
    let archive = path(&host.path().join("ours.tar"));
    host.run(&["save", "-o", &archive, "localhost/rich"]).prints("");
    podman.podman(&["load", "-q", "-i", &archive]);
    for name in ["localhost/rich:1", "localhost/rich:2"] {
        assert_eq!(podman.identity(name), (rich.id(), diff_ids(&rich)));
    }
}

#[test]
fn registries_in_between() {
    let registry = TestRegistry::start();
    let rich = rich();
    let name = format!("{}/rich:1", registry.address());
    let host = host_with(&[(&rich, &[&name])]);
    let Some(podman) = Podman::within(&host) else { return };
    host.run(&["push", "-q", &name]).succeeds();
    podman.podman(&["pull", "-q", "--tls-verify=false", &name]);
    assert_eq!(podman.identity(&name), (rich.id(), diff_ids(&rich)));
    let digest = podman.podman(&["image", "inspect", "--format", "{{.Digest}}", &name]);
    assert_eq!(digest.trim(), registry.digest("rich:1").to_string());

    for (format, compression) in [("oci", "gzip"), ("v2s2", "gzip"), ("oci", "zstd")] {
        let theirs = format!("{}/theirs:{format}-{compression}", registry.address());
        let words = ["push", "-q", "--tls-verify=false", "--format", format, "--compression-format", compression];
        podman.podman(&[&words[..], &[&name, &theirs]].concat());
        let reader = crate::host();
        reader.run(&["pull", "-q", &theirs]).prints(&format!("{theirs}\n"));
        // An OCI manifest gets a configuration that podman has translated.
        let id = match format {
            "v2s2" => rich.id(),
            _ => reader.run(&["images", "-q", "--no-trunc"]).succeeds().trim().to_owned(),
        };
        holds(&reader, &theirs, &id, &diff_ids(&rich));
    }
}

#[test]
fn zstd_layers_that_wharfie_passes_on_are_read_by_podman() {
    let (one, two) = (TestRegistry::start(), TestRegistry::start());
    let rich = rich();
    let published = Published::packed(&rich, Packing::Zstd);
    let name = one.publish("rich:1", &published);
    let host = host();
    let Some(podman) = Podman::within(&host) else { return };
    let copy = format!("{}/rich:1", two.address());
    host.run(&["pull", "-q", &name]).succeeds();
    host.run(&["tag", &name, &copy]).prints("");
    host.run(&["push", "-q", &copy]).succeeds();
    assert_eq!(two.digest("rich:1").to_string(), published.digest());
    podman.podman(&["pull", "-q", "--tls-verify=false", &copy]);
    assert_eq!(podman.identity(&copy).0, rich.id());
}
