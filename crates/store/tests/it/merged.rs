//! A container's tree as a tar, read from the layers' files: the bytes are those that a walk through the kernel's own
//! overlay gives.

use std::fs::File;
use std::os::fd::AsFd;

use proptest::prelude::*;
use wharfie_layer::entry::{Entry, Kind};
use wharfie_layer::merge::pack_merged;
use wharfie_layer::pack::{self, pack};
use wharfie_oci::DiffId;
use wharfie_store::mounts::View;
use wharfie_store::snapshots::{self, Tree};
use wharfie_testkit::file;
use wharfie_testkit::image::tar;

use crate::property;
use crate::shown::{Place, same};

/// Insists that both ways give the same for these layers, bottom first, and for this one as a directory on top.
fn agree(place: &Place, layers: &[DiffId], changes: &DiffId) {
    let stack: Vec<DiffId> = layers.iter().chain([changes]).cloned().collect();
    let view = place.store.view(&stack, &View::Image).expect("root can mount");
    let mounted = pack(view.as_fd(), &pack::Options::default(), Vec::new()).expect("the mount can be read");

    let upper = match place.store.tree(changes, snapshots::Kind::Unpacked).expect("root can unpack") {
        Tree::Directory(path) => File::open(path).expect("it was just made"),
        Tree::Mount(_) => panic!("unpacked layers are directories"),
    };
    let indexes = layers.iter().rev().map(|layer| place.store.open_inodes(layer).expect("the layer is there"));
    let merged = pack_merged(upper.as_fd(), indexes.collect(), Vec::new()).expect("the layers can be read");
    if mounted != merged {
        same(&listed(&mounted), &listed(&merged));
        panic!("the same entries, other bytes");
    }
}

fn listed(tar: &[u8]) -> Vec<String> {
    let mut reader = wharfie_layer::tar::Reader::new(tar);
    let mut lines = Vec::new();
    while let Some(mut entry) = reader.next_entry().expect("the tar is sound") {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).expect("the tar is sound");
        lines.push(format!("{:?} {:?}", entry.entry(), String::from_utf8_lossy(&bytes)));
    }
    lines
}

#[test]
fn what_is_exported_is_what_is_mounted() {
    let place = Place::new();
    if place.kinds().is_empty() {
        return;
    }
    let config =
        ProptestConfig { cases: 96, failure_persistence: None, max_shrink_iters: 500, ..ProptestConfig::default() };
    let layer = || prop::collection::vec(property::member(), 0..16);
    proptest!(config, |(layers in prop::collection::vec(layer(), 1..4), changes in layer())| {
        let layers: Vec<DiffId> = layers.iter().map(|members| property::ingest(&place, members).0).collect();
        let mut changes = changes;
        for (entry, _) in changes.iter_mut().filter(|(entry, _)| entry.kind == Kind::Symlink) {
            // No directory can hold a link of another mode.
            entry.mode = 0o777;
        }
        agree(&place, &layers, &property::ingest(&place, &changes).0);
    });
}

#[test]
fn large_files_many_names_and_attributes_survive() {
    let place = Place::new();
    if place.kinds().is_empty() {
        return;
    }
    let large: String = (0..100_000).map(|n| format!("{n}\n")).collect();
    let mut below = vec![file("large", &large), file("usr/empty", "")];
    let names: Vec<String> = (0..700).map(|n| format!("many/a name that is not short at all, number {n:04}")).collect();
    below.extend(names.iter().map(|name| file(name, name)));
    let mut capable = file("usr/ping", "elf");
    capable.0.xattrs = vec![
        (b"security.capability".to_vec(), b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec()),
        (b"user.note".to_vec(), b"kept".to_vec()),
    ];
    below.push(capable);
    let target = "t".repeat(600);
    let link = Entry { path: b"usr/long".to_vec(), kind: Kind::Symlink, link: target.into_bytes(), ..Entry::default() };
    let device =
        Entry { path: b"usr/device".to_vec(), kind: Kind::BlockDevice, major: 259, minor: 70_000, ..Entry::default() };
    let again = Entry { path: b"zz".to_vec(), kind: Kind::Hardlink, link: b"large".to_vec(), ..Entry::default() };
    below.extend([link, device, again].map(|entry| (entry, Vec::new())));
    let below = place.ingest(&tar(&below)).expect("the tar is sound");
    let changes = [
        file("many/.wh.a name that is not short at all, number 0007", ""),
        file("usr/.wh.empty", ""),
        file("usr/new", "x"),
    ];
    let changes = place.ingest(&tar(&changes)).expect("the tar is sound");
    agree(&place, &[below], &changes);
}

#[test]
fn a_damaged_index_is_an_error() {
    let place = Place::new();
    if place.kinds().is_empty() {
        return;
    }
    let layer = place.ingest(&tar(&[file("a/b", "1"), file("c", "2")])).expect("the tar is sound");
    let path = place.store.layer_path(&layer);
    let sound = std::fs::read(&path).expect("the layer is there");
    let folder = File::open(place.folder.path().join("mount")).expect("it was made");
    // Every byte of superblock and index in turn: an error or some tar, never a panic.
    let index = sound.len() - 1024;
    for at in (1024..1536).chain(index..sound.len()) {
        for value in [0, 0xff, sound[at] ^ 1] {
            let mut bytes = sound.clone();
            bytes[at] = value;
            std::fs::write(&path, bytes).expect("root can write");
            let _whatever = place
                .store
                .open_inodes(&layer)
                .map(|index| pack_merged(folder.as_fd(), vec![index], std::io::sink()).is_ok());
        }
    }
    std::fs::write(&path, &sound[..sound.len() - 512]).expect("root can write");
    let index = place.store.open_inodes(&layer).expect("the superblock is whole");
    let cut = pack_merged(folder.as_fd(), vec![index], std::io::sink());
    assert!(cut.is_err_and(|why| why.to_string().contains("index of a layer is damaged")), "a cut file is noticed");
}
