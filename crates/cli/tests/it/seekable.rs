//! Layers that can be read in the middle: pushed by us, read by everybody, proven block by block by us.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use wharfie_layer::entry::{Entry, Kind};
use wharfie_layer::seekable::{self, End};
use wharfie_oci::{Descriptor, MediaType};
use wharfie_testkit::image::tar;
use wharfie_testkit::{Image, Published, TestRegistry, archive};

use crate::peer::docker::Daemon;
use crate::peer::{diff_ids, holds};
use crate::{host, host_with};

/// A tar of some megabytes that does not compress to nothing.
fn large() -> Vec<u8> {
    let mut state = 1_u64;
    let mut files = Vec::new();
    for n in 0..6 {
        let data: Vec<u8> = (0..400_000)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                b"abcdefghijklmnop"[usize::try_from(state >> 60).expect("four bits are few")]
            })
            .collect();
        let path = format!("data/{n}").into_bytes();
        files.push((Entry { path, kind: Kind::File, size: data.len() as u64, mode: 0o644, ..Entry::default() }, data));
    }
    tar(&files)
}

#[test]
fn a_pushed_layer_is_read_by_everybody_and_block_by_block_by_us() {
    let (registry, image) = (TestRegistry::start(), Image::busybox().with_layer(large()));
    let name = format!("{}/team/large:1", registry.address());
    let host = host_with(&[(&image, &[&name])]);
    host.run(&["push", "-q", &name]).succeeds();
    let manifest = host.run(&["buildx", "imagetools", "inspect", "--raw", &name]).succeeds();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).expect("it is JSON");
    let layer = manifest["layers"].as_array().and_then(|layers| layers.last()).expect("there are layers");
    let note = layer["annotations"][seekable::ANNOTATION].as_str().expect("a large layer has an index");
    assert!(note.starts_with("sha256:"), "{note}");
    // The same bytes wherever they are compressed.
    let again = host_with(&[(&image, &[&name])]);
    again.run(&["push", "-q", &name]).succeeds();
    assert_eq!(registry.count("POST", "/blobs/uploads/"), 3, "two layers and a configuration");
    // A pull asks for the end of the large layer first.
    let other = crate::host();
    other.run(&["pull", "-q", &name]).succeeds();
    let target = format!("/v2/team/large/blobs/{}", layer["digest"].as_str().expect("it has one"));
    assert_eq!(registry.count("GET", &target), 2);
    holds(&other, &name, &image.id(), &diff_ids(&image));
    other.run(&["system", "fsck"]).succeeds();
    // What was pulled goes out as it came, with its annotation.
    let copy = format!("{}/team/copy:1", registry.address());
    other.run(&["tag", &name, &copy]).succeeds();
    other.run(&["push", "-q", &copy]).succeeds();
    assert_eq!(registry.digest("team/copy:1"), registry.digest("team/large:1"));
    if let Some(docker) = Daemon::get() {
        docker.run(&["pull", "-q", &name]);
        let theirs = docker.run(&["image", "inspect", "--format", "{{.Id}}", &name]);
        assert_eq!(theirs.trim(), image.id());
    }
}

/// An image whose layer has `index` behind its data in the place of its own, and a descriptor that names it.
fn published(image: &Image, change: impl FnOnce(&mut seekable::Index)) -> Published {
    let plain = image.layers().last().expect("it has layers").clone();
    let mut blob = Vec::new();
    let threads = NonZeroUsize::new(2).expect("two are some");
    seekable::compress(&mut plain.as_slice(), &mut blob, threads).expect("a vector takes everything");
    let end = End::read(&blob, blob.len() as u64).expect("it is large");
    let at = usize::try_from(end.at).expect("it is in memory");
    let mut index = end.index(&blob[at..]).expect("it is its own");
    change(&mut index);
    blob.truncate(at);
    let (members, digest) = End::members(&index.write(), end.at);
    blob.extend_from_slice(&members);
    let annotations = Some(BTreeMap::from([(seekable::ANNOTATION.to_owned(), digest.to_string())]));
    let layer = Descriptor { annotations, ..Descriptor::of(MediaType::OCI_LAYER_GZIP, &blob) };
    Published::with_layers(image, vec![(layer, blob)])
}

#[test]
fn an_index_may_refuse_a_layer_and_never_change_it() {
    let image = Image::new().with_layer(large());
    let registry = TestRegistry::start();
    let right = registry.publish("right:1", &published(&image, |_| ()));
    let host = host();
    host.run(&["pull", "-q", &right]).succeeds();
    host.run(&["inspect", "-f", "{{.Id}}", &right]).prints(&format!("{}\n", image.id()));
    host.run(&["rmi", &right]).succeeds();
    host.run(&["image", "prune", "-af"]).succeeds();
    // A block that is said to be another one, blocks that end elsewhere, fewer blocks than there are.
    type Change = fn(&mut seekable::Index);
    let changes: [Change; 3] = [
        |index| index.blocks[3].digest[0] ^= 1,
        |index| {
            index.blocks[0].compressed += 1;
            index.blocks[1].compressed -= 1;
        },
        |index| {
            index.blocks.pop();
            index.plain = index.blocks.len() as u64 * seekable::BLOCK as u64;
        },
    ];
    for (n, change) in changes.into_iter().enumerate() {
        let wrong = registry.publish(&format!("wrong:{n}"), &published(&image, change));
        let outcome = host.run(&["pull", "-q", &wrong]);
        assert_ne!(outcome.code, 0, "{n}: {}", outcome.stdout);
        host.run(&["images", "-aq"]).prints("");
    }
    // One that is not what the annotation names, and none at all, are as if nothing had been said.
    let mut lying = published(&image, |_| ());
    let note = lying.layers[0].annotations.as_mut().expect("it has some");
    note.insert(seekable::ANNOTATION.to_owned(), wharfie_oci::Digest::of(b"x").to_string());
    let plain = Published::of(&image);
    let layers: Vec<(Descriptor, Vec<u8>)> = lying
        .layers
        .iter()
        .map(|layer| {
            (layer.clone(), lying.blobs.iter().find(|(b, _)| b.digest == layer.digest).expect("it is there").1.clone())
        })
        .collect();
    let without: Vec<(Descriptor, Vec<u8>)> = plain
        .layers
        .iter()
        .map(|layer| {
            let annotations = lying.layers[0].annotations.clone();
            let bytes = plain.blobs.iter().find(|(b, _)| b.digest == layer.digest).expect("it is there").1.clone();
            (Descriptor { annotations, ..layer.clone() }, bytes)
        })
        .collect();
    for (name, layers) in [("lying:1", layers), ("without:1", without)] {
        let name = registry.publish(name, &Published::with_layers(&image, layers));
        host.run(&["pull", "-q", &name]).succeeds();
        host.run(&["rmi", &name]).succeeds();
        host.run(&["image", "prune", "-af"]).succeeds();
    }
    host.run_with(&["load", "-q"], &archive(&[(&image, &["x:1"])])).succeeds();
}
