//! umoci: OCI layouts, and layers unpacked by somebody else.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use wharfie_testkit::needs;

use super::{holds, pack, rich, unpack};
use crate::{host, host_with};

#[track_caller]
fn umoci(words: &[&str]) -> String {
    needs::succeeds(Command::new("umoci").args(words), "umoci")
}

fn document(layout: &Path, digest: &Value) -> Value {
    let hex = digest.as_str().and_then(|digest| digest.strip_prefix("sha256:")).expect("layouts use SHA-256");
    let bytes = fs::read(layout.join("blobs/sha256").join(hex)).expect("the layout is whole");
    serde_json::from_slice(&bytes).expect("it is JSON")
}

#[test]
fn what_umoci_makes_wharfie_loads() {
    if !needs::root("unpacking with umoci") {
        return;
    }
    let host = host();
    let (layout, bundle) = (host.path().join("layout"), host.path().join("bundle"));
    let image = format!("{}:1", layout.display());
    umoci(&["init", "--layout", &layout.to_string_lossy()]);
    umoci(&["new", "--image", &image]);
    umoci(&["unpack", "--image", &image, &bundle.to_string_lossy()]);
    fs::create_dir_all(bundle.join("rootfs/a/b")).unwrap();
    fs::write(bundle.join("rootfs/a/b/file"), "1").unwrap();
    fs::hard_link(bundle.join("rootfs/a/b/file"), bundle.join("rootfs/a/link")).unwrap();
    std::os::unix::fs::symlink("b/file", bundle.join("rootfs/a/symlink")).unwrap();
    umoci(&["repack", "--refresh-bundle", "--image", &image, &bundle.to_string_lossy()]);
    fs::remove_file(bundle.join("rootfs/a/link")).unwrap();
    umoci(&["repack", "--image", &image, &bundle.to_string_lossy()]);
    umoci(&["config", "--image", &image, "--config.cmd", "/x", "--architecture", "amd64", "--os", "linux"]);

    let index: Value = serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    let manifest = document(&layout, &index["manifests"][0]["digest"]);
    let config = document(&layout, &manifest["config"]["digest"]);
    let id = manifest["config"]["digest"].as_str().unwrap().to_owned();
    let layers: Vec<&str> = config["rootfs"]["diff_ids"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(layers.len(), 2);
    let archive = host.path().join("layout.tar");
    pack(&layout, &archive);
    host.run(&["load", "-i", &archive.to_string_lossy()]).prints(&format!("Loaded image ID: {id}\n"));
    holds(&host, &id, &id, &format!("[{}]", layers.join(" ")));
}

#[test]
fn what_wharfie_saves_umoci_unpacks_as_wharfie_mounts_it() {
    if !needs::root("mounting and unpacking") {
        return;
    }
    let host = host_with(&[(&rich(), &["rich:1"])]);
    let archive = host.path().join("ours.tar");
    host.run(&["save", "-o", &archive.to_string_lossy(), "rich:1"]).prints("");
    let (layout, bundle, mounted) =
        (host.path().join("layout"), host.path().join("bundle"), host.path().join("mounted"));
    unpack(&archive, &layout);
    assert_eq!(umoci(&["ls", "--layout", &layout.to_string_lossy()]), "1\n");
    umoci(&["unpack", "--image", &format!("{}:1", layout.display()), &bundle.to_string_lossy()]);
    fs::create_dir(&mounted).unwrap();
    host.run(&["image", "mount", "rich:1", &mounted.to_string_lossy()]).succeeds();
    let list = |folder: &Path| {
        let mut command = Command::new("find");
        // Directories that no entry describes have the times of their making.
        command.current_dir(folder).args([".", "-type", "d", "-printf", "%P %y %m %U:%G\\n", "-o"]);
        command.args(["-printf", "%P %y %m %U:%G %s %n %l %T@\\n"]);
        let mut lines: Vec<String> = needs::succeeds(&mut command, "findutils").lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let (theirs, ours) = (list(&bundle.join("rootfs")), list(&mounted));
    host.run(&["image", "unmount", &mounted.to_string_lossy()]).succeeds();
    assert_eq!(ours, theirs);
}
