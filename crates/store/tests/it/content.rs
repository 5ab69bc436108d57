//! The store keeps what sources and sinks of content promise.

use std::io::{self, Read};
use std::sync::Mutex;

use wharfie_content::{BoxError, Document, Opened, Part, Sink, Source, Watch};
use wharfie_oci::{Descriptor, DiffId, Digest};
use wharfie_store::{Error, Store, StoreSink, StoreSource};
use wharfie_testkit::image::tar;
use wharfie_testkit::{Image, Packing, Published, contract, file};

use crate::shown::Place;

#[test]
fn the_store_keeps_what_sources_and_sinks_promise() {
    let place = Place::new();
    let store: &Store = &place.store;
    let lease = store.lease().expect("the store can be written");
    contract::a_graph_comes_back(&StoreSink::new(&lease), &StoreSource::new(store));
    let is_mismatch = |why: &BoxError| matches!(why.downcast_ref(), Some(Error::Mismatch(_)));
    contract::wrong_bytes_are_refused(&StoreSink::new(&lease), is_mismatch);
    drop(lease);
    // Nothing of it was recorded: it goes with the lease.
    let collected = store.collect(wharfie_store::gc::Kept::All).expect("the store can be written");
    assert!(collected.bytes > 0);
    assert_eq!(std::fs::read_dir(store.root().join("blobs/sha256")).expect("it is there").count(), 0);
}

/// A source of one blob, whose stream breaks off after so many bytes; tells where it was opened.
struct Breaking {
    bytes: Vec<u8>,
    after: usize,
    opened_at: Mutex<Vec<u64>>,
}

impl Source for Breaking {
    fn document(&self, _: &Descriptor, _: bool) -> Result<Document, BoxError> {
        Err("it has only a blob".into())
    }

    fn open<'a>(&'a self, part: &Part, watch: Watch<'a>) -> Result<Box<dyn Opened + 'a>, BoxError> {
        self.open_from(part, 0, watch)
    }

    fn open_from<'a>(&'a self, _: &Part, from: u64, _: Watch<'a>) -> Result<Box<dyn Opened + 'a>, BoxError> {
        self.opened_at.lock().expect("no holder panics").push(from);
        let rest = &self.bytes[usize::try_from(from)?..];
        let end = self.after.min(rest.len());
        Ok(Box::new(BreakingOff { left: &rest[..end], is_whole: end == rest.len() }))
    }
}

struct BreakingOff<'a> {
    left: &'a [u8],
    is_whole: bool,
}

impl Read for BreakingOff<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.is_empty() && !self.is_whole {
            return Err(io::Error::other("the line broke"));
        }
        self.left.read(buffer)
    }
}

impl Opened for BreakingOff<'_> {}

/// A gzip layer of some three megabytes that do not compress.
fn large_layer() -> (Part, Vec<u8>) {
    let mut noise = vec![0; 3 << 20];
    let mut state = 1_u64;
    for byte in &mut noise {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *byte = (state >> 56) as u8;
    }
    let (mut entry, _) = file("noise", "");
    entry.size = noise.len() as u64;
    let tar = tar(&[(entry, noise)]);
    let diff_id = DiffId::new(Digest::of(&tar));
    let published = Published::packed(&Image::new().with_layer(tar), Packing::Gzip);
    let (descriptor, bytes) = published.blobs.into_iter().find(|(blob, _)| blob.media_type.is_layer()).expect("one");
    (Part { descriptor, diff_id: Some(diff_id) }, bytes)
}

#[test]
fn what_broke_off_is_gone_on_with_by_who_comes_next() {
    let place = Place::new();
    let (part, bytes) = large_layer();
    let source = Breaking { bytes, after: 1 << 20, opened_at: Mutex::default() };
    let mut rounds = 0;
    loop {
        // Each time another command.
        let lease = place.store.lease().expect("the store can be written");
        match StoreSink::new(&lease).put(&part, &source, Watch::silent()) {
            Ok(_) => break,
            Err(why) => assert_eq!(why.to_string(), "the line broke"),
        }
        rounds += 1;
        assert!(rounds < 10, "nothing is gained");
    }
    let opened_at = source.opened_at.lock().expect("no holder panics").clone();
    assert_eq!(opened_at, [0, 1 << 20, 2 << 20, 3 << 20]);
    assert_eq!(std::fs::read_dir(place.store.root().join("partial")).expect("it is there").count(), 0);
}

#[test]
fn a_wrong_beginning_is_forgotten() {
    let place = Place::new();
    let (part, bytes) = large_layer();
    let source = Breaking { bytes, after: usize::MAX, opened_at: Mutex::default() };
    let digest = &part.descriptor.digest;
    let left = place.store.root().join("partial").join(format!("sha256-{}", digest.hex()));
    std::fs::create_dir_all(left.parent().expect("it has one")).expect("the store can be written");
    let good = source.bytes.clone();
    let mut flipped = good[..2 << 20].to_vec();
    flipped[1 << 20] ^= 1;
    let whole_but_wrong = [&flipped[..], &good[2 << 20..]].concat();
    let longer = [good.as_slice(), b"and more"].concat();
    let mut zeros = good[..1 << 20].to_vec();
    zeros.resize(2 << 20, 0);
    let mut garbage = vec![0x1f, 0x8b, 8];
    garbage.resize(1 << 20, 0xa5);
    let plain = [vec![7; 1 << 20], vec![7; 8 << 20]];
    for wrong in [flipped, whole_but_wrong, longer, zeros, garbage].into_iter().chain(plain) {
        std::fs::write(&left, wrong).expect("the store can be written");
        let lease = place.store.lease().expect("the store can be written");
        StoreSink::new(&lease).put(&part, &source, Watch::silent()).expect("the source has it all");
        assert!(place.store.blob_path(digest).exists() && !left.exists());
        std::fs::remove_file(place.store.blob_path(digest)).expect("it is there");
    }
}

/// A source that gives everything or nothing.
struct Whole(Vec<u8>);

impl Source for Whole {
    fn document(&self, _: &Descriptor, _: bool) -> Result<Document, BoxError> {
        Err("it has only a blob".into())
    }

    fn open<'a>(&'a self, _: &Part, _: Watch<'a>) -> Result<Box<dyn Opened + 'a>, BoxError> {
        Ok(Box::new(io::Cursor::new(&self.0)))
    }

    fn open_from<'a>(&'a self, _: &Part, _: u64, _: Watch<'a>) -> Result<Box<dyn Opened + 'a>, BoxError> {
        Err("416 Requested Range Not Satisfiable".into())
    }
}

#[test]
fn who_gives_no_parts_gives_all_and_a_refusal_loses_nothing() {
    let place = Place::new();
    let (part, bytes) = large_layer();
    let left = place.store.root().join("partial").join(format!("sha256-{}", part.descriptor.digest.hex()));
    std::fs::create_dir_all(left.parent().expect("it has one")).expect("the store can be written");
    std::fs::write(&left, &bytes[..1 << 20]).expect("the store can be written");
    let lease = place.store.lease().expect("the store can be written");
    // Somebody who has nothing at all.
    StoreSink::new(&lease).put(&part, &contract::Memory::default(), Watch::silent()).expect_err("it is not there");
    assert_eq!(std::fs::metadata(&left).expect("it stays").len(), 1 << 20);
    StoreSink::new(&lease).put(&part, &Whole(bytes), Watch::silent()).expect("all of it is there");
    assert!(!left.exists());
}

#[test]
fn what_is_no_file_is_in_nobodys_way() {
    let place = Place::new();
    let (part, bytes) = large_layer();
    let left = place.store.root().join("partial").join(format!("sha256-{}", part.descriptor.digest.hex()));
    std::fs::create_dir_all(&left).expect("the store can be written");
    let lease = place.store.lease().expect("the store can be written");
    StoreSink::new(&lease).put(&part, &Whole(bytes), Watch::silent()).expect("all of it is there");
}

#[test]
fn what_somebody_else_fetches_is_left_to_them() {
    let place = Place::new();
    let (part, bytes) = large_layer();
    let source = Breaking { bytes, after: usize::MAX, opened_at: Mutex::default() };
    let left = place.store.root().join("partial").join(format!("sha256-{}", part.descriptor.digest.hex()));
    std::fs::create_dir_all(left.parent().expect("it has one")).expect("the store can be written");
    let other = std::fs::File::create(&left).expect("the store can be written");
    other.lock().expect("nobody else has it");
    let lease = place.store.lease().expect("the store can be written");
    StoreSink::new(&lease).put(&part, &source, Watch::silent()).expect("the source has it all");
    assert!(left.exists(), "it is not ours");
    drop(lease);
    place.store.collect(wharfie_store::gc::Kept::All).expect("the store can be written");
    assert!(left.exists(), "it is not ours");
    drop(other);
    place.store.collect(wharfie_store::gc::Kept::All).expect("the store can be written");
    assert!(!left.exists());
}
