//! What every source and every sink of content promises, checked on any of them.

use std::collections::HashMap;
use std::io::{self, Cursor, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use wharfie_content::graph::{self, Copied, Images, Options, Order, Platforms};
use wharfie_content::place::{BoxError, Place};
use wharfie_content::{Document, Mismatch, Opened, Outcome, Part, Sink, Source, Verified, Watch};
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Descriptor, Digest};

use crate::{Image, Packing, Published};

/// A place in memory: a source that counts what was asked of it, and the simplest sink there is.
#[derive(Debug, Default)]
pub struct Memory {
    documents: Mutex<HashMap<Digest, Document>>,
    blobs: Mutex<HashMap<Digest, Vec<u8>>>,
    opened: AtomicUsize,
}

impl Memory {
    /// A place that has `image` and everything beneath it.
    ///
    /// # Panics
    /// When its documents are none.
    pub fn with(image: &Published) -> Self {
        let memory = Self::default();
        memory.add(image);
        memory
    }

    fn add(&self, image: &Published) {
        let Published { descriptor, bytes, blobs, members, .. } = image;
        let content = AnyManifest::parse(bytes, &descriptor.media_type).expect("it is a manifest");
        let document = Document { descriptor: descriptor.clone(), bytes: bytes.clone(), content };
        locked(&self.documents).insert(descriptor.digest.clone(), document);
        for (blob, bytes) in blobs {
            locked(&self.blobs).insert(blob.digest.clone(), bytes.clone());
        }
        members.iter().for_each(|member| self.add(member));
    }

    /// How often a part was opened.
    pub fn opened(&self) -> usize {
        self.opened.load(Ordering::Relaxed)
    }

    /// Its documents and parts, by digest.
    pub fn content(&self) -> HashMap<Digest, Vec<u8>> {
        let documents = locked(&self.documents);
        let mut all: HashMap<Digest, Vec<u8>> =
            documents.iter().map(|(digest, document)| (digest.clone(), document.bytes.clone())).collect();
        all.extend(locked(&self.blobs).clone());
        all
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Source for Memory {
    fn document(&self, descriptor: &Descriptor, _is_root: bool) -> Result<Document, BoxError> {
        locked(&self.documents).get(&descriptor.digest).cloned().ok_or_else(|| "no such document".into())
    }

    fn has(&self, member: &Descriptor) -> Result<bool, BoxError> {
        Ok(locked(&self.documents).contains_key(&member.digest))
    }

    fn open<'a>(&'a self, part: &Part, _watch: Watch<'a>) -> Result<Box<dyn Opened + 'a>, BoxError> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        let bytes = locked(&self.blobs).get(&part.descriptor.digest).cloned();
        Ok(Box::new(Cursor::new(bytes.ok_or("no such part")?)))
    }
}

impl Sink for Memory {
    fn has_graph(&self, root: &Descriptor) -> Result<bool, BoxError> {
        let has = |one: &Descriptor| {
            let is_document = locked(&self.documents).contains_key(&one.digest);
            Ok(is_document || locked(&self.blobs).contains_key(&one.digest))
        };
        graph::is_whole(self, root, &has)
    }

    fn put(&self, part: &Part, source: &dyn Source, watch: Watch<'_>) -> Result<Outcome, BoxError> {
        if locked(&self.blobs).contains_key(&part.descriptor.digest) {
            return Ok(Outcome::Exists);
        }
        let mut bytes = Vec::new();
        let mut opened = source.open(part, watch)?;
        let read = Verified::new(&mut opened, &part.descriptor).read_to_end(&mut bytes);
        read.map_err(wharfie_content::place::of_stream)?;
        locked(&self.blobs).insert(part.descriptor.digest.clone(), bytes);
        Ok(Outcome::Done)
    }

    fn put_document(&self, document: &Document, _place: Place) -> Result<(), BoxError> {
        locked(&self.documents).insert(document.descriptor.digest.clone(), document.clone());
        Ok(())
    }
}

/// An index of two images that share a layer, one packed and one not.
pub fn fixture() -> Published {
    let image = |platform: &str| Image::new().with_file("shared", "1").with_file(platform, platform);
    let one = Published::packed(&image("amd64").on("linux", "amd64"), Packing::Gzip);
    let two = Published::packed(&image("arm64").on("linux", "arm64"), Packing::Plain);
    Published::index(&[("linux/amd64", &one), ("linux/arm64", &two)])
}

/// Copies all of `root`, and reads images as such.
///
/// # Errors
/// As [`graph::copy`].
pub fn copy_all(source: &dyn Source, sink: &dyn Sink, root: &Descriptor) -> Result<Vec<Copied>, graph::Error> {
    let options = Options {
        platforms: Platforms::All,
        jobs: 2,
        observer: &(),
        naming: None,
        order: Order::BottomFirst,
        images: Images::Known,
        check: &|_| Ok(()),
    };
    graph::copy(source, sink, root, &options)
}

/// Insists that a graph that `sink` took can be read back from `back`, the same place, byte for byte; and that taking it again
/// asks the source for nothing but its documents and configurations.
///
/// # Panics
/// When it is not so.
#[track_caller]
pub fn a_graph_comes_back(sink: &dyn Sink, back: &dyn Source) {
    let fixture = fixture();
    let source = Memory::with(&fixture);
    copy_all(&source, sink, &fixture.descriptor).expect("the sink takes a graph");
    let returned = Memory::default();
    let copied = copy_all(back, &returned, &fixture.descriptor).expect("the graph comes back");
    assert_eq!(copied.last().and_then(|root| root.document.as_ref()).map(|root| &root.bytes), Some(&fixture.bytes));
    assert_eq!(returned.content(), source.content());
    let before = source.opened();
    copy_all(&source, sink, &fixture.descriptor).expect("the sink takes a graph again");
    assert!(source.opened() <= before + fixture.members.len(), "layers were read again");
}

/// Insists that a sink refuses bytes that are not what their descriptor says, shorter or other ones, and that what it says of
/// it is the mismatch; that a source's own failure is passed on as it is; and that a good copy can follow. What comes after
/// the right bytes a sink may refuse or leave alone.
///
/// # Panics
/// When it is not so.
#[track_caller]
pub fn wrong_bytes_are_refused(sink: &dyn Sink, is_mismatch: impl Fn(&BoxError) -> bool) {
    let good = Published::packed(&Image::new().with_file("wrong", "bytes"), Packing::Plain);
    let part = |n: usize| Part { descriptor: good.blobs[n].0.clone(), diff_id: None };
    for (n, (blob, bytes)) in good.blobs.iter().enumerate() {
        let mut other = bytes.clone();
        other[0] ^= 1;
        for wrong in [other, bytes[..bytes.len() - 1].to_vec()] {
            let source = Memory::default();
            locked(&source.blobs).insert(blob.digest.clone(), wrong);
            let why = sink.put(&part(n), &source, Watch::silent()).expect_err("the bytes are wrong");
            assert!(is_mismatch(&why), "{why:?}");
        }
        let why = sink.put(&part(n), &Broken, Watch::silent()).expect_err("the source fails");
        assert!(said_by(&why, "the source is broken"), "{why:?}");
        let outcome = sink.put(&part(n), &Memory::with(&good), Watch::silent()).expect("the bytes are right");
        assert_eq!(outcome, Outcome::Done);
    }
}

/// True if an error is a [`Mismatch`], or has one among its sources.
pub fn is_mismatch(why: &BoxError) -> bool {
    let mut at: Option<&(dyn std::error::Error + 'static)> = Some(why.as_ref());
    while let Some(error) = at {
        if error.is::<Mismatch>() {
            return true;
        }
        if let Some(error) = error.downcast_ref::<io::Error>()
            && Mismatch::within(error).is_some()
        {
            return true;
        }
        at = error.source();
    }
    false
}

fn said_by(why: &BoxError, text: &str) -> bool {
    let mut at: Option<&(dyn std::error::Error + 'static)> = Some(why.as_ref());
    while let Some(error) = at {
        if error.to_string().contains(text) {
            return true;
        }
        at = error.source();
    }
    false
}

/// A source whose parts break off after some bytes.
struct Broken;

impl Source for Broken {
    fn document(&self, _: &Descriptor, _: bool) -> Result<Document, BoxError> {
        Err("the source is broken".into())
    }

    fn open<'a>(&'a self, _: &Part, _: Watch<'a>) -> Result<Box<dyn Opened + 'a>, BoxError> {
        Ok(Box::new(BrokenOff(false)))
    }
}

struct BrokenOff(bool);

impl Read for BrokenOff {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if std::mem::replace(&mut self.0, true) {
            return Err(io::Error::other("the source is broken"));
        }
        let n = buffer.len().min(10);
        buffer[..n].fill(0);
        Ok(n)
    }
}

impl Opened for BrokenOff {}
