//! `image mount` and `image unmount`.

use std::fs;
use std::path::PathBuf;

use rustix::mount::{UnmountFlags, unmount};
use wharfie_testkit::image::tar;
use wharfie_testkit::{Image, file, needs};

use crate::host_with;

/// Unmounts when it goes: nothing may stay mounted after a test that failed half way.
struct Place(PathBuf);

impl Drop for Place {
    fn drop(&mut self) {
        let _unmounted = unmount(&self.0, UnmountFlags::DETACH);
    }
}

#[test]
fn a_mounted_image_can_be_read_and_not_be_removed() {
    if !needs::root("mounting an image") {
        return;
    }
    let web = Image::new()
        .with_layer(tar(&[file("etc/a", "1"), file("etc/b", "1")]))
        .with_layer(tar(&[file("etc/.wh.a", ""), file("etc/b", "2")]));
    for config in ["", "snapshots = \"unpacked\"\n"] {
        let host = host_with(&[(&web, &["web:1"])]);
        host.file("config.toml", config.as_bytes());
        let target = host.path().join("target");
        fs::create_dir(&target).unwrap();
        let place = target.to_string_lossy().into_owned();
        let _guard = Place(target.clone());
        host.run(&["image", "mount", "web:1", &place]).succeeds();
        assert_eq!(fs::read_to_string(target.join("etc/b")).unwrap(), "2", "{config}");
        assert!(!target.join("etc/a").exists(), "{config}");
        assert!(fs::write(target.join("new"), "x").is_err(), "{config}: it can be written");
        // Its name may go, the image stays.
        host.run(&["rmi", "web:1"]).prints("Untagged: web:1\n");
        for force in ["--force=false", "-f"] {
            host.run(&["rmi", force, &web.short()]).fails(
                1,
                &format!(
                    "Error response from daemon: conflict: unable to delete {} (cannot be forced) - image is mounted on \
                     {place}",
                    web.short()
                ),
            );
        }
        host.run(&["image", "prune", "-af"]).succeeds();
        assert_eq!(fs::read_to_string(target.join("etc/b")).unwrap(), "2", "{config}");
        host.run(&["image", "unmount", &place]).succeeds();
        assert_eq!(fs::read_dir(&target).unwrap().count(), 0, "{config}");
        let again = host.run(&["image", "unmount", &place]);
        assert!(again.code == 1 && again.stderr.contains("nothing is mounted on"), "{}", again.stderr);
        host.run(&["image", "prune", "-af"]).succeeds();
        host.run(&["images", "-aq"]).prints("");
        let left = fs::read_dir(host.store().join("unpacked")).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{config}");
    }
}

#[test]
fn what_cannot_be_mounted_is_said() {
    if !needs::root("mounting an image") {
        return;
    }
    let host = host_with(&[(&Image::new().with_file("a", "1"), &["web:1"])]);
    let refused = host.run(&["image", "mount", "web:1", "/nonexistent/x"]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.to_lowercase().contains("no such file or directory"), "{}", refused.stderr);
    let refused = host.run(&["image", "mount", "nope", "/tmp"]);
    refused.fails(1, "Error response from daemon: No such image: nope:latest");
}
