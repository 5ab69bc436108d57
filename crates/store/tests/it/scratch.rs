//! Root file systems of their own, written without a container.

use std::collections::BTreeSet;
use std::io::Write;

use rustix::fs::{Mode, OFlags, openat};
use wharfie_testkit::image::tar;
use wharfie_testkit::{file, needs};

use crate::shown::Place;

#[test]
fn what_is_written_in_one_becomes_a_layer_and_leaves_nothing() {
    if !needs::root("mounting a root file system") {
        return;
    }
    let place = Place::new();
    let base = place.ingest(&tar(&[file("below", "1")])).expect("it is a layer");
    let lease = place.store.lease().expect("the store can be written");
    let scratch = lease.scratch(vec![base]).expect("the layer is here");
    let root = scratch.view(&place.store).expect("root can mount");
    let flags = OFlags::CREATE | OFlags::WRONLY;
    let made = openat(&root, "above", flags, Mode::from_raw_mode(0o644)).expect("it can be written");
    std::fs::File::from(made).write_all(b"2").expect("it can be written");
    openat(&root, "skipped", flags, Mode::from_raw_mode(0o644)).expect("it can be written");
    assert!(openat(&root, "below", OFlags::RDONLY, Mode::empty()).is_ok());
    drop(root);
    let captured = scratch.capture_changes(&lease, BTreeSet::from([b"skipped".to_vec()]), None);
    let layer = captured.expect("it can be read").expect("something has changed").diff_id;
    let (file, offset, len) = place.store.open_tar(&layer).expect("it is here");
    let mut bytes = vec![0; usize::try_from(len).expect("it is small")];
    std::os::unix::fs::FileExt::read_exact_at(&file, &mut bytes, offset).expect("it can be read");
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("above") && !text.contains("skipped") && !text.contains("below"), "{text}");
    drop(scratch);
    assert_eq!(std::fs::read_dir(place.store.root().join("scratch")).expect("it is there").count(), 0);
}

#[test]
fn one_whose_owner_was_killed_goes_with_the_lease() {
    let place = Place::new();
    let lease = place.store.lease().expect("the store can be written");
    let scratch = lease.scratch(Vec::new()).expect("it needs nothing");
    let upper = scratch.upper.clone();
    std::fs::write(upper.join("file"), "1").expect("it can be written");
    // As if the process ended here: nothing is tidied up, and the kernel drops the lock.
    std::mem::forget(scratch);
    lease.abandon();
    assert!(upper.exists());
    place.store.collect(wharfie_store::gc::Kept::All).expect("the store can be written");
    assert!(!upper.exists());
}

#[test]
fn a_layer_that_is_not_here_is_missed() {
    let place = Place::new();
    let lease = place.store.lease().expect("the store can be written");
    let missing = wharfie_oci::DiffId::new(wharfie_oci::Digest::of(b"nowhere"));
    assert!(matches!(lease.scratch(vec![missing]), Err(wharfie_store::Error::MissingLayer(_))));
}
