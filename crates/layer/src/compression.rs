//! The compressions a layer can come in: told apart by their first bytes, undone while streaming.

use std::io::{self, BufRead, BufReader, Read, Write};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use lzma_rust2::XzReader;

use crate::error::{Error, Result};

/// How bytes are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all, as far as the first bytes tell.
    None,
    /// gzip (RFC 1952), any number of members.
    Gzip,
    /// bzip2, any number of streams.
    Bzip2,
    /// xz, any number of streams.
    Xz,
    /// Zstandard (RFC 8878), any number of frames.
    Zstd,
}

impl Compression {
    /// How many first bytes [`Self::detect`] looks at.
    pub const PREFIX: usize = 6;

    /// Tells the compression by the first bytes of a stream. A short prefix is enough if there are no more bytes.
    pub fn detect(prefix: &[u8]) -> Self {
        match prefix {
            [0x1f, 0x8b, 8, ..] => Self::Gzip,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            // A skippable frame: what seekable and chunked zstd files may start with.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }

    /// The compression's usual name.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "tar",
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
        }
    }
}

/// Undoes a compression while reading. Memory is bounded whatever the input says.
pub struct Decoder<R: BufRead> {
    inner: Inner<R>,
}

enum Inner<R: BufRead> {
    Plain(R),
    Gzip(Members<R>),
    Bzip2(Box<MultiBzDecoder<R>>),
    Xz(Box<XzReader<R>>),
    Zstd(Box<zstd::Decoder<'static, R>>),
}

impl<R: BufRead> Decoder<R> {
    /// A decoder for `inner`, which starts with the compressed bytes. Ends where the compressed data ends.
    ///
    /// # Errors
    /// If the decoder cannot be set up.
    pub fn new(compression: Compression, inner: R) -> Result<Self> {
        let failed = |source| Error::Decompress { format: compression.name(), source };
        let inner = match compression {
            Compression::None => Inner::Plain(inner),
            Compression::Gzip => Inner::Gzip(Members::Inside(Box::new(GzDecoder::new(inner)))),
            Compression::Bzip2 => Inner::Bzip2(Box::new(MultiBzDecoder::new(inner))),
            Compression::Xz => Inner::Xz(Box::new(XzReader::new_mem_limit(inner, true, XZ_MEMORY_KIB))),
            Compression::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(inner).map_err(failed)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(failed)?;
                Inner::Zstd(Box::new(decoder))
            }
        };
        Ok(Self { inner })
    }
}

/// A reader whose first bytes were looked at and put back.
pub type Peeked<R> = BufReader<io::Chain<io::Cursor<Vec<u8>>, R>>;

impl<R: Read> Decoder<Peeked<R>> {
    /// Looks at the first bytes of `inner` and sets up the right decoder.
    ///
    /// # Errors
    /// If the first bytes cannot be read or the decoder cannot be set up.
    pub fn detect(mut inner: R) -> Result<(Compression, Self)> {
        let mut prefix = Vec::with_capacity(Compression::PREFIX);
        let first = (&mut inner).take(Compression::PREFIX as u64).read_to_end(&mut prefix);
        first.map_err(Error::io("read the layer"))?;
        let compression = Compression::detect(&prefix);
        let inner = BufReader::with_capacity(BUFFER, io::Cursor::new(prefix).chain(inner));
        Ok((compression, Self::new(compression, inner)?))
    }
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match &mut self.inner {
            Inner::Plain(inner) => inner.read(out),
            Inner::Gzip(inner) => inner.read(out),
            Inner::Bzip2(inner) => inner.read(out),
            Inner::Xz(inner) => inner.read(out),
            Inner::Zstd(inner) => inner.read(out),
        }
    }
}

/// The members of a gzip file. Zeros may follow the last one, as tapes and `dd` leave them.
enum Members<R: BufRead> {
    Inside(Box<GzDecoder<R>>),
    Ended,
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            let Self::Inside(decoder) = self else {
                return Ok(0);
            };
            let read = decoder.read(out)?;
            if read > 0 {
                return Ok(read);
            }
            let Self::Inside(decoder) = std::mem::replace(self, Self::Ended) else {
                return Ok(0);
            };
            let mut inner = decoder.into_inner();
            let Some(first) = peek(&mut inner)? else {
                return Ok(0);
            };
            if first == 0 {
                zeros_only(&mut inner)?;
                return Ok(0);
            }
            *self = Self::Inside(Box::new(GzDecoder::new(inner)));
        }
    }
}

fn peek(inner: &mut impl BufRead) -> io::Result<Option<u8>> {
    loop {
        match inner.fill_buf() {
            Ok(bytes) => return Ok(bytes.first().copied()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn zeros_only(inner: &mut impl BufRead) -> io::Result<()> {
    while peek(inner)?.is_some() {
        let bytes = inner.fill_buf()?;
        if bytes.iter().any(|&b| b != 0) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "something other than zeros follows the gzip data"));
        }
        let len = bytes.len();
        inner.consume(len);
    }
    Ok(())
}

/// Compresses with gzip so that equal input gives equal bytes: no time, no name, operating system "unknown".
/// Level 6, the default of everything that pushes images. Call [`GzEncoder::finish`] at the end.
pub fn gzip_encoder<W: Write>(inner: W) -> GzEncoder<W> {
    flate2::GzBuilder::new().mtime(0).operating_system(255).write(inner, flate2::Compression::new(GZIP_LEVEL))
}

/// 64 KiB of compressed bytes at a time.
const BUFFER: usize = 64 << 10;
const GZIP_LEVEL: u32 = 6;
/// 96 MiB: what `xz -9` needs is 64 MiB of dictionary and a little more.
const XZ_MEMORY_KIB: u32 = 96 << 10;
/// 128 MiB: the largest window that `zstd` itself opens without being asked to (`--long=27`). Ordinary levels use 2 to 8 MiB.
const ZSTD_WINDOW_LOG: u32 = 27;
