//! Images that are looked into where they lie, in an archive that is a file: nothing is copied.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use wharfie_archive::{Lying, Place};
use wharfie_content::Observer;
use wharfie_layer::compression::{Compression, Decoder};
use wharfie_layer::entry::Entry;
use wharfie_layer::erofs::Inodes;
use wharfie_layer::tar::{Reader, headers};
use wharfie_layer::view::View;
use wharfie_oci::{DiffId, Digest, Digester, ImageConfig, ImageId};

use super::Look;
use super::open::{Opened, described};
use crate::engine::Engine;
use crate::error::{Error, Result};

/// The one image of an archive, as the archive says: nothing is proven yet.
pub(super) struct Found {
    file: Arc<File>,
    pub(super) id: ImageId,
    pub(super) config: ImageConfig,
    /// Bottom first, each with where it lies.
    pub(super) layers: Vec<(DiffId, Place)>,
    has_more: bool,
}

impl Engine {
    /// Finds the image of an archive without taking anything out of it. `None` if it is not the plain case: what is wrong with an
    /// archive is told by who reads all of it.
    pub(super) fn lying(&self, path: &Path, look: &Look) -> Result<Option<Found>> {
        // One that is chosen is looked for among all. A pipe is opened once, by who reads all of it: it gives its bytes to nobody twice.
        if look.image.is_some() || !path.is_file() {
            return Ok(None);
        }
        let file = File::open(path).map_err(|source| Error::File { doing: "open", path: path.into(), source })?;
        let Ok(Some(lying)) = Lying::find(&file) else { return Ok(None) };
        let Some((config, diff_ids)) = lying.configuration() else { return Ok(None) };
        let wanted = look.platform.as_ref().unwrap_or(&self.config().store.platform);
        if wanted.distance(&config.platform()).is_none() {
            return Ok(None);
        }
        let id = ImageId::new(Digest::of(&lying.config));
        let layers = diff_ids.into_iter().zip(lying.layers).collect();
        Ok(Some(Found { file: Arc::new(file), id, config, layers, has_more: lying.has_more }))
    }

    /// Opens the image of an archive where it lies. Its layers are proven first, and then read as files of the archive; each gets an
    /// index beside it. `None` if that cannot be: a layer is compressed, has sparse files, or is not what it should be.
    pub(super) fn opened_lying(&self, path: &Path, look: &Look, observer: &dyn Observer) -> Result<Option<Opened>> {
        let is_plain = |found: &Found| !found.has_more && found.layers.len() <= MAX_LAYERS && found.has_each_once();
        let Some(found) = self.lying(path, look)?.filter(is_plain) else { return Ok(None) };
        let directory = self.writer()?.root().join("tmp");
        let mut inodes = Vec::with_capacity(found.layers.len());
        for (diff_id, place) in found.layers.iter().rev() {
            if found.compression(*place) != Compression::None || !found.is_proven(diff_id, *place, observer)? {
                return Ok(None);
            }
            let beside = Inodes::beside_tar(Arc::clone(&found.file), place.offset, place.len, &directory);
            let Ok(Some(beside)) = beside else { return Ok(None) };
            inodes.push(beside);
        }
        let diff_ids: Vec<DiffId> = found.layers.into_iter().map(|(diff_id, _)| diff_id).collect();
        Ok(Some(Opened {
            view: View::of_layers(inodes),
            layers: described(&found.config, &diff_ids),
            id: Some(found.id),
            config: Some(found.config),
            ..Opened::bare(path.display().to_string())
        }))
    }
}

impl Found {
    /// Whether no layer lies where another does: each costs work, however often it is listed.
    fn has_each_once(&self) -> bool {
        let offsets: HashSet<u64> = self.layers.iter().map(|(_, place)| place.offset).collect();
        offsets.len() == self.layers.len()
    }

    fn compression(&self, place: Place) -> Compression {
        let mut prefix = [0; Compression::PREFIX];
        let len = self.file.read_at(&mut prefix, place.offset).unwrap_or_default();
        Compression::detect(&prefix[..len])
    }

    /// Whether a layer that is not compressed is the one that the configuration names.
    fn is_proven(&self, diff_id: &DiffId, place: Place, observer: &dyn Observer) -> Result<bool> {
        let mut digester = Digester::new(diff_id.digest().algorithm());
        let mut piece = Piece { file: &self.file, place, observer };
        let mut buffer = vec![0; HASHED];
        loop {
            match piece.read(&mut buffer) {
                Ok(0) => return Ok(digester.finish() == *diff_id.digest()),
                Ok(len) => digester.update(&buffer[..len]),
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    observer.check().map_err(|_| Error::Cancelled)?;
                    return Ok(false);
                }
            }
        }
    }

    /// Tells `take` of each entry of a layer, until it wants no more.
    ///
    /// # Errors
    /// When the layer is damaged. What came before was told.
    pub(super) fn headers(
        &self,
        place: Place,
        observer: &dyn Observer,
        take: &mut dyn FnMut(&Entry) -> bool,
    ) -> Result<(), wharfie_layer::Error> {
        let compression = self.compression(place);
        if compression == Compression::None {
            return headers(&self.file, place.offset, place.len, take);
        }
        let piece = Piece { file: &self.file, place, observer };
        let mut tar = Reader::new(Decoder::new(compression, BufReader::with_capacity(COMPRESSED, piece))?);
        while let Some(member) = tar.next_entry()? {
            if !take(member.entry()) {
                break;
            }
        }
        Ok(())
    }
}

/// A part of a file, read from its beginning on, unless the work is called off.
struct Piece<'a> {
    file: &'a File,
    place: Place,
    observer: &'a dyn Observer,
}

impl Read for Piece<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.observer.check().map_err(io::Error::other)?;
        let len = usize::try_from(self.place.len).unwrap_or(usize::MAX).min(out.len());
        let read = self.file.read_at(&mut out[..len], self.place.offset)?;
        self.place.offset += read as u64;
        self.place.len -= read as u64;
        Ok(read)
    }
}

/// 500 layers: as many as the kernel stacks. Each holds an index open.
const MAX_LAYERS: usize = 500;
/// 64 KiB of compressed bytes at once.
const COMPRESSED: usize = 64 << 10;
/// 128 KiB are hashed at once: they stay in the processor's cache.
const HASHED: usize = 128 << 10;
