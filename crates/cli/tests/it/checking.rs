//! `system fsck`: damage is found, mended where this machine can, and named where it cannot.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use wharfie_oci::{DiffId, Digest};
use wharfie_testkit::{Host, Image, Published, TestRegistry};

use crate::{host, host_with};

fn web() -> Image {
    Image::new().with_file("a", &"hello ".repeat(2000)).with_file("b", "2")
}

fn layer(host: &Host, image: &Image, n: usize) -> PathBuf {
    host.store().join("layers").join(Digest::of(&image.layers()[n]).hex())
}

fn blob(host: &Host, digest: &str) -> PathBuf {
    host.store().join("blobs/sha256").join(digest.trim_start_matches("sha256:"))
}

fn diff_id(image: &Image, n: usize) -> String {
    DiffId::new(Digest::of(&image.layers()[n])).to_string()
}

/// Flips one bit.
fn spoil(path: &Path, at: u64) {
    let file = fs::File::options().read(true).write(true).open(path).expect("the file is there");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("it is as long as that");
    file.write_all_at(&[byte[0] ^ 1], at).expect("the disk has room");
}

/// A host with an image pulled, so that every layer is here compressed as well.
fn pulled(registry: &TestRegistry) -> (Host, String, Published) {
    let published = Published::of(&web());
    let reference = registry.publish("web:1", &published);
    let host = host();
    host.run(&["pull", "-q", &reference]).succeeds();
    (host, reference, published)
}

#[test]
fn a_damaged_layer_is_made_again_from_its_blob() {
    let registry = TestRegistry::start();
    let web = web();
    // The superblock, the tar, the index behind it; and a file that is cut, or gone.
    let damages: [&dyn Fn(&Path); 5] = [
        &|path| spoil(path, 1024 + 16),
        &|path| spoil(path, 4096 + 512 + 100),
        &|path| spoil(path, fs::metadata(path).expect("it is there").len() - 500),
        &|path| fs::File::options().write(true).open(path).and_then(|file| file.set_len(5000)).expect("it is there"),
        &|path| fs::remove_file(path).expect("it is there"),
    ];
    for (number, damage) in damages.iter().enumerate() {
        let (host, reference, _) = pulled(&registry);
        damage(&layer(&host, &web, 0));
        let checked = host.run(&["system", "fsck"]);
        let word = if number == 4 { "Missing layer" } else { "Deleted damaged layer" };
        let id = diff_id(&web, 0);
        checked.prints(&format!(
            "{word} {id}\nRestored layer {id} from its blob\nChecked 4 blobs, 2 layers and 1 image: 2 faults\n"
        ));
        host.run(&["system", "fsck"]).prints("Checked 4 blobs, 2 layers and 1 image: no faults\n");
        host.run(&["inspect", "-f", "{{.Id}}", &reference]).prints(&format!("{}\n", web.id()));
        let saved = host.command(&["save", &reference]).output().unwrap();
        assert!(saved.status.success(), "damage {number}");
    }
}

#[test]
fn a_damaged_blob_comes_back_with_the_next_pull() {
    let registry = TestRegistry::start();
    let (host, reference, published) = pulled(&registry);
    let (compressed, config) = (published.layers[0].digest.to_string(), web().id());
    spoil(&blob(&host, &compressed), 30);
    host.run(&["system", "fsck"])
        .prints(&format!("Deleted damaged blob {compressed}\nChecked 3 blobs, 2 layers and 1 image: 1 fault\n"));
    // Nothing that runs or is saved needs it.
    host.run(&["system", "fsck"]).prints("Checked 3 blobs, 2 layers and 1 image: no faults\n");
    // Without its configuration an image is none.
    spoil(&blob(&host, &config), 5);
    let checked = host.run(&["system", "fsck"]);
    assert_eq!(checked.code, 1);
    assert!(checked.stdout.contains(&format!("Broken image {config} ({reference}, ")), "{}", checked.stdout);
    assert!(checked.stderr.contains("pull or load them again"), "{}", checked.stderr);
    host.run(&["pull", "-q", &reference]).prints(&format!("{reference}\n"));
    let checked = host.run(&["system", "fsck"]).succeeds();
    assert!(checked.ends_with(": no faults\n"), "{checked}");
    host.run(&["inspect", "-f", "{{.Id}}", &reference]).prints(&format!("{config}\n"));
}

#[test]
fn a_broken_image_is_named_until_it_is_loaded_again() {
    let web = web();
    let host = host_with(&[(&web, &["web:1", "web:2"])]);
    fs::remove_file(layer(&host, &web, 1)).unwrap();
    for first in [true, false] {
        let checked = host.run(&["system", "fsck"]);
        assert_eq!(checked.code, 1, "{}", checked.stdout);
        let missing = format!("Missing layer {}\n", diff_id(&web, 1));
        assert_eq!(checked.stdout.contains(&missing), first, "{}", checked.stdout);
        assert!(checked.stdout.contains(&format!("Broken image {} (web:1, web:2)\n", web.id())), "{}", checked.stdout);
    }
    // It is still listed; what needs the layer says what is wrong.
    host.run(&["images", "-q"]).prints(&format!("{0}\n{0}\n", web.short()));
    let saved = host.run(&["save", "-o", "x.tar", "web:1"]);
    assert!(saved.code == 1 && saved.stderr.contains("wharfie system fsck"), "{}", saved.stderr);
    host.run_with(&["load", "-q"], &wharfie_testkit::archive(&[(&web, &["web:1"])])).succeeds();
    host.run(&["system", "fsck"]).prints("Checked 1 blob, 2 layers and 1 image: no faults\n");
    host.run(&["save", "-o", "x.tar", "web:1"]).prints("");
}

#[test]
fn a_file_gone_by_hand_is_fetched_again_without_a_check() {
    let registry = TestRegistry::start();
    let web = web();
    let (host, _, _) = pulled(&registry);
    let other = registry.publish("other:1", &Published::of(&web.clone().with_file("c", "3")));
    fs::remove_file(layer(&host, &web, 0)).unwrap();
    host.run(&["pull", "-q", &other]).succeeds();
    let checked = host.run(&["system", "fsck"]).succeeds();
    assert!(checked.ends_with(": no faults\n"), "{checked}");
}

#[test]
fn leftovers_are_swept() {
    let host = host_with(&[(&web(), &["web:1"])]);
    let name = "a".repeat(64);
    for folder in ["layers", "blobs/sha256", "blobs/sha512", "tmp", "leases"] {
        fs::write(host.store().join(folder).join(&name), "x").unwrap();
    }
    let checked = host.run(&["system", "fsck"]).succeeds();
    assert_eq!(checked.matches("Deleted leftover ").count(), 5, "{checked}");
    host.run(&["system", "fsck"]).prints("Checked 1 blob, 2 layers and 1 image: no faults\n");
}

#[test]
fn metadata_that_is_gone_or_garbage_is_made_anew_from_the_files() {
    let web = web();
    for garbage in [&b"this is no database, and was never one"[..], &[0; 8192]] {
        let host = host_with(&[(&web, &["web:1"])]);
        for suffix in ["-wal", "-shm"] {
            let _gone = fs::remove_file(host.store().join(format!("metadata.db{suffix}")));
        }
        fs::write(host.store().join("metadata.db"), garbage).unwrap();
        let listed = host.run(&["images"]);
        assert_eq!(listed.code, 1, "{}", listed.stdout);
        assert!(listed.stderr.contains(" help: run `wharfie system fsck"), "{}", listed.stderr);
        let rebuilt = host.run(&["system", "fsck", "--rebuild"]).succeeds();
        assert!(rebuilt.contains("Rebuilt the metadata: 1 images, without names"), "{rebuilt}");
        host.run(&["images", "--no-trunc", "-q"]).prints(&format!("{}\n", web.id()));
        host.run(&["tag", &web.short(), "web:1"]).prints("");
        host.run(&["system", "fsck"]).prints("Checked 1 blob, 2 layers and 1 image: no faults\n");
        host.run(&["save", "-o", "x.tar", "web:1"]).prints("");
    }
}

#[test]
fn a_store_of_a_newer_version_is_refused_politely() {
    let host = host_with(&[(&web(), &["web:1"])]);
    let store = host.store();
    // Where the version stands in the file: SQLite's `user_version`, big-endian, at 60.
    let file = fs::File::options().write(true).open(store.join("metadata.db")).unwrap();
    file.write_all_at(&99_u32.to_be_bytes(), 60).unwrap();
    for suffix in ["-wal", "-shm"] {
        let _gone = fs::remove_file(store.join(format!("metadata.db{suffix}")));
    }
    for words in [&["images"][..], &["rmi", "web:1"], &["system", "fsck"], &["tag", "web:1", "x"]] {
        let refused = host.run(words);
        assert_eq!(refused.code, 1, "{words:?}");
        assert!(refused.stderr.contains("has format 99, this wharfie knows formats up to "), "{}", refused.stderr);
    }
}
