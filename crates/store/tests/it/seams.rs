//! What layers leave open about those below them: hard links, and parents that no entry describes.

use std::fs::File;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use wharfie_layer::entry::{Entry, Kind};
use wharfie_layer::erofs::LayerIndex;
use wharfie_oci::{DiffId, ImageId};
use wharfie_store::gc::Kept;
use wharfie_store::trash::Removal;
use wharfie_testkit::file;
use wharfie_testkit::image::tar;

use crate::shown::Place;
use crate::stack::{image, try_image};

type Member = (Entry, Vec<u8>);

fn dir(path: &str, mode: u16, uid: u32) -> Member {
    let path = path.as_bytes().to_vec();
    (Entry { path, kind: Kind::Directory, mode, uid, gid: uid, ..Entry::default() }, Vec::new())
}

fn link(path: &str, kind: Kind, target: &str) -> Member {
    let (path, link) = (path.as_bytes().to_vec(), target.as_bytes().to_vec());
    (Entry { path, kind, link, mode: 0o777, ..Entry::default() }, Vec::new())
}

fn owned(path: &str, content: &str, uid: u32) -> Member {
    let (entry, bytes) = file(path, content);
    (Entry { uid, mode: 0o640, ..entry }, bytes)
}

fn layers(place: &Place, layers: &[&[Member]]) -> Vec<DiffId> {
    layers.iter().map(|members| place.ingest(&tar(members)).expect("the tar is sound")).collect()
}

fn look(place: &Place, id: &ImageId, look: impl FnOnce(&Path)) {
    let target = place.folder.path().join("mount");
    place.store.mount(id, &target).expect("root can mount");
    look(&target);
    place.store.unmount(&target).expect("nothing is open beneath it");
}

#[test]
fn a_hard_link_to_a_file_of_a_lower_layer_is_that_file() {
    let place = Place::new();
    if place.kinds().is_empty() {
        return;
    }
    let below = [dir("srv", 0o755, 0), owned("srv/data", "hello", 7), link("s", Kind::Symlink, "srv")];
    let middle = [
        dir("opt", 0o700, 3),
        link("opt/a", Kind::Hardlink, "srv/data"),
        link("opt/b", Kind::Hardlink, "/s/data"),
        link("t", Kind::Hardlink, "s"),
    ];
    let top = [link("opt/c", Kind::Hardlink, "opt/a"), file("opt/new", "x")];
    let id = image(&place, layers(&place, &[&below, &middle, &top]));
    look(&place, &id, |folder| {
        for name in ["opt/a", "opt/b", "opt/c", "srv/data"] {
            let found = folder.join(name).symlink_metadata().expect("it is there");
            assert_eq!((found.uid(), found.permissions().mode() & 0o7777), (7, 0o640), "{name}");
            assert_eq!(std::fs::read_to_string(folder.join(name)).expect("it can be read"), "hello", "{name}");
        }
        let number = |name: &str| folder.join(name).metadata().expect("it is there").ino();
        assert_eq!(number("opt/a"), number("opt/b"), "links of one layer to one file are one file");
        assert_eq!(folder.join("t").read_link().expect("it is a link"), Path::new("srv"));
        let opt = folder.join("opt").metadata().expect("it is there");
        assert_eq!((opt.uid(), opt.permissions().mode() & 0o7777), (3, 0o700));
    });
}

#[test]
fn a_hard_link_to_what_no_layer_has_is_refused() {
    let place = Place::new();
    let below = [file("gone", "x"), dir("d", 0o755, 0)];
    let hidden = [file(".wh.gone", "")];
    for (target, reason) in [("nothing", "nor one below it has"), ("gone", "nor one below it has"), ("d", "directory")]
    {
        let top = [link("a", Kind::Hardlink, target)];
        let refused =
            try_image(&place, layers(&place, &[&below, &hidden, &top])).expect_err("there is nothing to link");
        let why = std::error::Error::source(&refused).map(ToString::to_string).unwrap_or_default();
        assert!(why.contains(reason), "{target}: {refused}: {why}");
    }
    let alone = [link("a", Kind::Hardlink, "b")];
    try_image(&place, layers(&place, &[&alone])).expect_err("the lowest layer has nothing below it");
}

#[test]
fn parents_that_no_entry_describes_stay_as_they_are_below() {
    let place = Place::new();
    if place.kinds().is_empty() {
        return;
    }
    let below = [
        dir("tmp", 0o1777, 0),
        dir("srv", 0o750, 33),
        dir("srv/in", 0o700, 34),
        dir("old", 0o700, 35),
        dir("same", 0o755, 0),
    ];
    let top = [
        file("tmp/new", "x"),
        file("srv/in/new", "y"),
        file(".wh.old", ""),
        file("old/new", "z"),
        file("same/new", "z"),
        file("fresh/new", "z"),
    ];
    let id = image(&place, layers(&place, &[&below, &top]));
    look(&place, &id, |folder| {
        let check = |name: &str, expected: (u32, u32)| {
            let found = folder.join(name).metadata().expect("it is there");
            assert_eq!((found.permissions().mode() & 0o7777, found.uid()), expected, "{name}");
        };
        check("tmp", (0o1777, 0));
        check("srv", (0o750, 33));
        check("srv/in", (0o700, 34));
        check("old", (0o755, 0));
        check("same", (0o755, 0));
        check("fresh", (0o755, 0));
        check("srv/in/new", (0o644, 0));
    });
}

#[test]
fn seams_go_with_their_layers() {
    let place = Place::new();
    let below = [dir("tmp", 0o1777, 0)];
    let stack = layers(&place, &[&below, &[file("tmp/new", "x")]]);
    let id = image(&place, stack.clone());
    let shown = place.store.sewn(&stack).expect("the store can be read");
    assert_eq!(shown.len(), 3, "a seam lies above the second layer");
    place.store.collect(Kept::All).expect("the store can be written");
    assert!(place.store.layer_path(&shown[2]).exists(), "what is used is not collected");
    // Another stack has another seam, or none.
    assert_eq!(place.store.sewn(&stack[1..]).expect("the store can be read").len(), 1);
    place.store.remove_image(&id, Removal::Final).expect("the store can be written");
    place.store.collect(Kept::All).expect("the store can be written");
    assert!(shown.iter().all(|layer| !place.store.layer_path(layer).exists()), "all of them are gone");
    assert_eq!(place.store.sewn(&stack).expect("the store can be read").len(), 2);
}

#[test]
fn a_lost_seam_is_made_again() {
    let place = Place::new();
    let stack = layers(&place, &[&[dir("tmp", 0o1777, 0)], &[file("tmp/new", "x")]]);
    image(&place, stack.clone());
    let seam = place.store.sewn(&stack).expect("the store can be read").pop().expect("there is one");
    let path = place.store.layer_path(&seam);
    let bytes = std::fs::read(&path).expect("it is there");
    std::fs::remove_file(&path).expect("it is there");
    place.store.fsck(&|_| ()).expect("the store can be read");
    assert_eq!(std::fs::read(&path).expect("it is there again"), bytes);
    assert_eq!(place.store.fsck(&|_| ()).expect("the store can be read").findings, []);
}

#[test]
fn layers_from_before_marks_are_sound() {
    let place = Place::new();
    let members = [file("d/x", "1"), file("e/.wh.y", "")];
    let id = layers(&place, &[&members]).remove(0);
    let path = place.store.layer_path(&id);
    assert!(place.store.open_inodes(&id).expect("it is there").has_loose_ends());
    let bytes = tar(&members);
    let file = File::options().read(true).write(true).open(&path).expect("it is there");
    let mut index = LayerIndex::new(place.folder.path()).expect("the folder is ours");
    let mut reader = wharfie_layer::tar::Reader::new(bytes.as_slice());
    while let Some(member) = reader.next_entry().expect("the tar is sound") {
        index.add(member.entry()).expect("they were taken before");
    }
    index.without_marks().write(&file, bytes.len() as u64).expect("the file can be written");
    assert!(!place.store.open_inodes(&id).expect("it is there").has_loose_ends());
    image(&place, vec![id]);
    assert_eq!(place.store.fsck(&|_| ()).expect("the store can be read").findings, []);
}
