//! The two faces of every place that holds content: a [`Source`] gives it, a [`Sink`] takes it. What follows from them is in
//! [`crate::graph`], once.

use std::fs::File;
use std::io::{self, Cursor, Read};

use wharfie_oci::manifest::MAX_MANIFEST_BYTES;
use wharfie_oci::{Descriptor, DiffId, ImageConfig, ImageId};

use crate::document::Document;
use crate::event::{Observer, Outcome, TaskId};
use crate::verify::{Mismatch, Verified};

/// An error of a place, kept whole for whoever knows the place.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Who wants to know how a transfer goes on, and as which task.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// Told of progress, and once per second of waiting.
    pub observer: &'a dyn Observer,
    /// The task.
    pub task: TaskId,
}

impl Watch<'_> {
    /// Nobody wants to know.
    pub fn silent() -> Self {
        Self { observer: &(), task: TaskId::next() }
    }
}

/// Content that a manifest names: a layer, a configuration, or anything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The bytes as they travel.
    pub descriptor: Descriptor,
    /// What they unpack to, if they are a layer of an image whose configuration is known.
    pub diff_id: Option<DiffId>,
}

/// Content that was opened: its bytes, in order.
pub trait Opened: Read + Send {
    /// The bytes turned out to be wrong. True if opening the content again may bring others.
    fn disown(&mut self) -> bool {
        false
    }

    /// The file that the rest of the bytes are read from as they are, and how many they are: the kernel can copy them then.
    fn as_file(&mut self) -> Option<(&mut File, u64)> {
        None
    }
}

impl<T: AsRef<[u8]> + Send> Opened for Cursor<T> {}

/// A part of a file, from where it is read next.
pub struct FilePart {
    file: File,
    left: u64,
}

impl FilePart {
    /// The next `len` bytes of `file`.
    pub fn new(file: File, len: u64) -> Self {
        Self { file, left: len }
    }
}

impl Read for FilePart {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = (&mut self.file).take(self.left).read(buffer)?;
        self.left -= n as u64;
        Ok(n)
    }
}

impl Opened for FilePart {
    fn as_file(&mut self) -> Option<(&mut File, u64)> {
        Some((&mut self.file, self.left))
    }
}

/// A place that content can be read from.
pub trait Source: Sync {
    /// The manifest or index `descriptor`, proven. Of the root of a graph only the digest is sure: registries are asked for it
    /// by tag, and what they say of its size is no promise.
    ///
    /// # Errors
    /// When the place does not have it, it is not what it should be, or it cannot be read.
    fn document(&self, descriptor: &Descriptor, is_root: bool) -> Result<Document, BoxError>;

    /// The layers of an image that has no manifest here, bottom first, as they travel from here.
    ///
    /// # Errors
    /// When the place has no such images, or lacks a layer.
    fn layers(&self, image: &ImageId, _config: &ImageConfig) -> Result<Vec<Descriptor>, BoxError> {
        Err(format!("{image} has no manifest").into())
    }

    /// True if what a member of an index leads to is here.
    ///
    /// # Errors
    /// When the place cannot be asked.
    fn has(&self, _member: &Descriptor) -> Result<bool, BoxError> {
        Ok(true)
    }

    /// The bytes of `part`, from the start. They are *not* verified here: whoever consumes them does (see
    /// [`crate::verify::Verified`]). Errors while reading are kept within the [`io::Error`].
    ///
    /// # Errors
    /// When the place does not have it or cannot be read.
    fn open<'a>(&'a self, part: &Part, watch: Watch<'a>) -> Result<Box<dyn Opened + 'a>, BoxError>;

    /// As [`Self::open`], without the first `from` bytes: a transfer that broke off goes on.
    ///
    /// # Errors
    /// As [`Self::open`]; also when there are fewer bytes.
    fn open_from<'a>(&'a self, part: &Part, from: u64, watch: Watch<'a>) -> Result<Box<dyn Opened + 'a>, BoxError> {
        let mut opened = self.open(part, watch)?;
        let passed = io::copy(&mut (&mut opened).take(from), &mut io::sink())?;
        if passed < from {
            return Err(Box::new(io::Error::from(io::ErrorKind::UnexpectedEof)));
        }
        Ok(opened)
    }
}

/// What a sink says of a part before anything moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// It is not moved, and nobody is told: it is here and was never news, or it may not be held by anyone.
    Pass,
    /// It is here, and that is told at once.
    Exists,
    /// It is here, and that is told when its turn comes.
    Known,
    /// It is here, but is told of as if it came.
    Arrives,
    /// It is to be moved.
    Move,
}

/// What becomes of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It is what was asked for: the sink may have a name for it.
    Root,
    /// Another document, or what was asked for under several names, leads to it.
    Member,
}

/// A place that content can be put into.
pub trait Sink: Sync {
    /// True if the manifest or index and everything that it leads to is here.
    ///
    /// # Errors
    /// When the place cannot be asked.
    fn has_graph(&self, _root: &Descriptor) -> Result<bool, BoxError> {
        Ok(false)
    }

    /// Says what is to be done with the parts that a manifest names beside its configuration, in their order; `is_known` if
    /// [`Self::has_graph`] said so.
    ///
    /// # Errors
    /// When the place cannot be asked.
    fn plan(&self, _config: &Descriptor, parts: &[Part], is_known: bool) -> Result<Vec<Plan>, BoxError> {
        Ok(vec![if is_known { Plan::Known } else { Plan::Move }; parts.len()])
    }

    /// Makes sure that `part` is here, and reads it from `source` only if it is not. Idempotent. Refuses bytes that do not
    /// match the descriptor's size and digest; nothing is visible until it returns.
    ///
    /// # Errors
    /// When the bytes do not match, `source` fails, or the place cannot be written.
    fn put(&self, part: &Part, source: &dyn Source, watch: Watch<'_>) -> Result<Outcome, BoxError>;

    /// Takes a manifest or index, after everything it names.
    ///
    /// # Errors
    /// When the place cannot be written or refuses it.
    fn put_document(&self, document: &Document, place: Place) -> Result<(), BoxError>;
}

/// Why a document could not be read into memory.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is larger than any honest one.
    #[error("the configuration of {0} bytes is larger than wharfie reads into memory")]
    TooLarge(u64),
    /// The bytes are not what they should be.
    #[error(transparent)]
    Mismatch(Mismatch),
    /// The place failed.
    #[error(transparent)]
    Place(BoxError),
}

/// Reads a small part whole, and proves it.
///
/// # Errors
/// When it is not small, is not what its descriptor says, or `source` fails.
pub fn read(source: &dyn Source, descriptor: &Descriptor) -> Result<Vec<u8>, ReadError> {
    if descriptor.size > MAX_MANIFEST_BYTES {
        return Err(ReadError::TooLarge(descriptor.size));
    }
    let part = Part { descriptor: descriptor.clone(), diff_id: None };
    loop {
        let mut bytes = Vec::new();
        let mut opened = source.open(&part, Watch::silent()).map_err(ReadError::Place)?;
        let why = match Verified::new(&mut opened, descriptor).read_to_end(&mut bytes) {
            Ok(_) => return Ok(bytes),
            Err(why) => why,
        };
        match Mismatch::within(&why).cloned() {
            Some(_) if opened.disown() => {}
            Some(mismatch) => return Err(ReadError::Mismatch(mismatch)),
            None => return Err(ReadError::Place(of_stream(why))),
        }
    }
}

/// What a place put into the error of a stream of its own, or the error itself.
pub fn of_stream(why: io::Error) -> BoxError {
    let kind = why.kind();
    match why.get_ref() {
        Some(_) => why.into_inner().unwrap_or_else(|| Box::new(io::Error::from(kind))),
        None => Box::new(why),
    }
}

/// A source of one part, whose bytes are in memory.
pub struct Memory<'a>(pub &'a [u8]);

impl Source for Memory<'_> {
    fn document(&self, descriptor: &Descriptor, _is_root: bool) -> Result<Document, BoxError> {
        let content = wharfie_oci::manifest::AnyManifest::parse(self.0, &descriptor.media_type)?;
        Ok(Document { descriptor: descriptor.clone(), bytes: self.0.to_vec(), content })
    }

    fn open<'a>(&'a self, _part: &Part, _watch: Watch<'a>) -> Result<Box<dyn Opened + 'a>, BoxError> {
        Ok(Box::new(Cursor::new(self.0)))
    }
}
