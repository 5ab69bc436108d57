//! Seams: layers that are made here, for what a layer leaves open about those below it ([`wharfie_layer::seam`]).
//!
//! A seam depends on the whole stack up to its layer, so it is known by that stack's chain id. It is made when an image is
//! recorded, lies right above its layer wherever a stack is shown, and goes when its layer goes. Manifests, configurations
//! and archives know nothing of it.

use std::io::{Seek, Write};

use rusqlite::{OptionalExtension, Transaction, params};
use wharfie_layer::erofs::Inodes;
use wharfie_layer::seam;
use wharfie_oci::{ChainId, DiffId};

use crate::error::{Error, Result};
use crate::ingest::Ingest;
use crate::lease::Lease;
use crate::store::Store;
use crate::temp::TempFile;

/// A seam that was found or made.
pub(crate) struct Seam {
    chain_id: ChainId,
    /// The layer that it belongs to.
    layer: DiffId,
    /// The seam itself.
    diff_id: DiffId,
}

impl Store {
    /// The layers of a stack as they are to be shown, bottom first: with the seams that its layers have on this stack.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn sewn(&self, layers: &[DiffId]) -> Result<Vec<DiffId>> {
        // A store that may only be read can be of the version before seams.
        let has_seams = self.read(|db| db.query_row("SELECT EXISTS (SELECT 1 FROM seam)", [], |row| row.get(0)));
        if !has_seams.unwrap_or(false) {
            return Ok(layers.to_vec());
        }
        let mut shown = Vec::with_capacity(layers.len());
        for (layer, chain_id) in layers.iter().zip(ChainId::stack(layers)) {
            shown.push(layer.clone());
            shown.extend(self.seam_of(&chain_id)?);
        }
        Ok(shown)
    }

    /// Makes the seams again that were lost, of all images whose layers are here.
    ///
    /// # Errors
    /// When the metadata cannot be read or changed.
    pub(crate) fn mend_seams(&self) -> Result<()> {
        let lost: bool = self.read(|db| {
            let sql = "SELECT EXISTS (SELECT 1 FROM seam WHERE diff_id NOT IN (SELECT diff_id FROM layer))";
            db.query_row(sql, [], |row| row.get(0))
        })?;
        if !lost {
            return Ok(());
        }
        let lease = self.lease()?;
        for image in self.images()? {
            let layers: Vec<DiffId> = self.layers_of(&image.id)?.into_iter().map(|layer| layer.diff_id).collect();
            // Whoever lacks a layer was told of already.
            let Ok(seams) = lease.sew(&layers) else { continue };
            self.write(|db| record(db, &seams).map_err(self.metadata_error()))?;
        }
        Ok(())
    }

    fn seam_of(&self, chain_id: &ChainId) -> Result<Option<DiffId>> {
        let sql = "SELECT diff_id FROM seam WHERE chain_id = ?1";
        let found: Option<String> =
            self.read(|db| db.query_row(sql, [chain_id.as_str()], |row| row.get(0)).optional())?;
        Ok(found.and_then(|text| text.parse().ok()))
    }
}

impl Lease<'_> {
    /// Makes the seams that a stack of layers needs, bottom first, as far as they are not here.
    ///
    /// # Errors
    /// When a hard link names what no layer has, a layer is missing, or the store cannot be written.
    pub(crate) fn sew(&self, layers: &[DiffId]) -> Result<Vec<Seam>> {
        let store = self.store();
        let mut seams = Vec::new();
        // Bottom first, with the seams so far: what is shown of the layers below.
        let mut below: Vec<DiffId> = Vec::new();
        let mut chains = None;
        for (at, layer) in layers.iter().enumerate() {
            let top = store.open_inodes(layer)?;
            let mut seam = None;
            if top.has_loose_ends() {
                let chains = chains.get_or_insert_with(|| ChainId::stack(layers));
                seam = self.seam_over(&chains[at], layer, top, &below)?;
            }
            below.push(layer.clone());
            if let Some(seam) = seam {
                below.push(seam.diff_id.clone());
                seams.push(seam);
            }
        }
        Ok(seams)
    }

    fn seam_over(&self, chain_id: &ChainId, layer: &DiffId, top: Inodes, below: &[DiffId]) -> Result<Option<Seam>> {
        let store = self.store();
        let seam = |diff_id| Seam { chain_id: chain_id.clone(), layer: layer.clone(), diff_id };
        if let Some(known) = store.seam_of(chain_id)?
            && self.hold_layer(&known)?.is_some()
        {
            return Ok(Some(seam(known)));
        }
        let mut stack = vec![top];
        for layer in below.iter().rev() {
            stack.push(store.open_inodes(layer)?);
        }
        let file = TempFile::create(&store.layer_directory(), &store.staging())?;
        let out = std::io::BufWriter::new(file.file());
        let Some(mut out) = seam::sew(&mut stack, out).map_err(Error::Layer)? else { return Ok(None) };
        let io = |source| Error::io("write", store.staging())(source);
        out.flush().map_err(io)?;
        drop(out);
        let mut tar = file.file();
        tar.rewind().map_err(io)?;
        let ingested = self.ingest(&mut tar, Ingest::default(), &|| ())?;
        Ok(Some(seam(ingested.layer.diff_id)))
    }
}

/// Remembers seams, in the transaction that records their image.
pub(crate) fn record(db: &Transaction<'_>, seams: &[Seam]) -> rusqlite::Result<()> {
    for seam in seams {
        db.execute(
            "INSERT OR REPLACE INTO seam (chain_id, layer, diff_id) VALUES (?1, ?2, ?3)",
            params![seam.chain_id.as_str(), seam.layer.as_str(), seam.diff_id.as_str()],
        )?;
    }
    Ok(())
}

/// Forgets the seams whose layers are gone.
pub(crate) fn forget_dead(db: &Transaction<'_>) -> rusqlite::Result<()> {
    db.execute("DELETE FROM seam WHERE layer NOT IN (SELECT diff_id FROM layer)", [])?;
    Ok(())
}
