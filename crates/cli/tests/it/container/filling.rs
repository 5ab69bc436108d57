//! Volumes that are filled with an image's files while others use them, are killed, or wish harm.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;

use wharfie_layer::entry::{Entry, Kind};
use wharfie_testkit::image::{file, tar};
use wharfie_testkit::{Host, Image, needs};

use super::box_host;
use crate::host_with;

const MANY: usize = 8000;

/// A host with `many:1`: `/vol` has a file in `d`, thousands in `e`, and another name of the first in `z`.
fn many_host() -> Option<Host> {
    let entry = |path: &str, kind, link: &str| {
        let (path, link) = (path.as_bytes().to_vec(), link.as_bytes().to_vec());
        (Entry { path, kind, mode: 0o755, link, ..Entry::default() }, Vec::new())
    };
    let directory = |path: &str| entry(path, Kind::Directory, "");
    let mut entries: Vec<_> = ["vol/", "vol/d/", "vol/e/", "vol/z/"].map(directory).into();
    entries.push(file("vol/d/target", "the image's\n"));
    entries.extend((0..MANY).map(|number| file(&format!("vol/e/{number:05}"), "")));
    entries.push(entry("vol/z/got", Kind::Hardlink, "vol/d/target"));
    needs::root("running a container").then(|| {
        host_with(&[(&Image::busybox().with_layer(tar(&entries)), &["many:1"]), (&Image::busybox(), &["box:1"])])
    })
}

/// How many files there are, in a tree that somebody may be changing.
fn files(top: &Path) -> usize {
    let entries = fs::read_dir(top).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => files(&entry.path()),
            _ => 1,
        })
        .sum()
}

const COUNT: &str = "busybox ls /vol/e | wc -l; busybox ls -A /vol";

fn all() -> String {
    format!("{MANY}\nd\ne\nz\n")
}

#[test]
fn a_hard_link_of_the_image_leads_to_nothing_outside_of_the_volume() {
    let Some(host) = many_host() else { return };
    let secret = host.file("outside/target", b"the host's\n");
    let outside = host.path().join("outside").display().to_string();
    let script = format!(
        "until test -e /v/e/00100; do :; done; busybox mv /v/d /v/old; ln -s {outside} /v/d; \
         until test -e /v/z/got; do :; done; cat /v/z/got; sleep 1000"
    );
    let words = ["run", "-d", "--name", "aa", "--network", "none", "-v", "hv:/v:nocopy", "box:1", "sh", "-c", &script];
    host.run(&words).succeeds();
    host.run(&["run", "--rm", "--network", "none", "-v", "hv:/vol", "many:1", "true"]);
    let got = fs::metadata(host.store().join("volumes/hv/_data/z/got")).expect("the volume is filled").ino();
    let secret = fs::metadata(&secret).unwrap();
    assert!(secret.nlink() == 1 && got != secret.ino(), "a file of the host has a name in a volume");
    host.run(&["rm", "-f", "aa"]).succeeds();
}

#[test]
fn a_copy_that_is_killed_is_begun_anew() {
    let Some(host) = many_host() else { return };
    let volume = host.store().join("volumes/fv");
    let words = ["run", "--rm", "--network", "none", "-v", "fv:/vol", "many:1", "true"];
    let mut child = host.command(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while files(&volume) < 10 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before anything was copied");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(files(&volume) < MANY, "it was killed too late");
    host.run(&["run", "--rm", "-v", "fv:/vol", "many:1", "sh", "-c", COUNT]).prints(&all());
    assert_eq!(fs::read_dir(&volume).unwrap().count(), 1, "something is left beside the volume");
}

#[test]
fn a_copy_that_was_whole_and_half_moved_is_moved() {
    let Some(host) = many_host() else { return };
    let words = ["run", "--rm", "-v", "fv:/vol", "many:1", "sh", "-c", COUNT];
    host.run(&words).prints(&all());
    let volume = host.store().join("volumes/fv");
    // As whoever was killed between two moves leaves it.
    let filled = volume.join(".wharfie-filled");
    fs::create_dir_all(filled.join("tree")).unwrap();
    fs::set_permissions(&filled, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    fs::rename(volume.join("_data/e"), filled.join("tree/e")).unwrap();
    host.run(&words).prints(&all());
    assert_eq!(fs::read_dir(&volume).unwrap().count(), 1, "something is left beside the volume");
}

#[test]
fn a_volume_that_is_mounted_is_filled_within() {
    let Some(host) = many_host() else { return };
    let place = host.path().join("elsewhere");
    fs::create_dir(&place).unwrap();
    let device = format!("device={}", place.display());
    host.run(&["volume", "create", "-o", "type=none", "-o", "o=bind", "-o", &device, "fv"]).succeeds();
    let words = ["run", "--rm", "-v", "fv:/vol", "many:1", "sh", "-c", COUNT];
    host.run(&words).prints(&all());
    // A copy that was not whole, one that a user of the volume claims to have been whole, and a link as one.
    fs::create_dir_all(place.join(".wharfie-filling/tree/x")).unwrap();
    fs::create_dir_all(place.join(".wharfie-filled/tree/x")).unwrap();
    host.run(&words).prints(&all());
    std::os::unix::fs::symlink(host.path(), place.join(".wharfie-filled")).unwrap();
    host.run(&words).prints(&all());
    assert!(host.store().exists());
}

#[test]
fn two_who_fill_a_volume_at_once_find_it_whole() {
    let Some(host) = many_host() else { return };
    let words = ["run", "--rm", "--network", "none", "-v", "fv:/vol", "many:1", "sh", "-c", COUNT];
    let start = || host.command(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let children = [start(), start(), start()];
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), all(), "{output:?}");
    }
}

#[test]
fn no_lock_of_a_container_keeps_others_from_a_volume() {
    let Some(host) = box_host() else { return };
    host.run(&["volume", "create", "shared"]).succeeds();
    // As a container may that has it mounted: the directory is the same.
    let data = fs::File::open(host.store().join("volumes/shared/_data")).unwrap();
    rustix::fs::flock(&data, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    // Only who waits for ever is ended.
    let words = ["run", "--rm", "--network", "none", "-v", "shared:/data", "box:1", "true"];
    let output = host.command_under(&["timeout", "20"], &words).output().unwrap();
    assert!(output.status.success(), "it waited for a lock that a container has: {output:?}");
}
