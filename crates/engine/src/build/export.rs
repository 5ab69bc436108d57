//! What was built as plain files: a tar, or a directory.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;

use wharfie_layer::merge::pack_merged;
use wharfie_layer::unpack::unpack_for_caller;
use wharfie_oci::DiffId;

use super::copy::of_layer;
use super::fetch::file_error;
use crate::engine::Engine;
use crate::error::Result;

impl Engine {
    /// Writes the files that `layers` make, bottom first, to `out` as a tar.
    ///
    /// # Errors
    /// When a layer is not here, or `out` cannot be written.
    pub fn export_layers(&self, layers: &[DiffId], out: impl Write) -> Result<()> {
        let store = self.writer()?;
        let lease = store.lease()?;
        // Nothing was changed over them.
        let nothing = lease.scratch(layers.to_vec())?;
        let upper = File::open(&nothing.upper).map_err(file_error("open", &nothing.upper))?;
        let mut sewn = store.sewn(layers)?;
        sewn.reverse();
        let inodes = sewn.iter().map(|layer| store.open_inodes(layer)).collect::<Result<Vec<_>, _>>()?;
        let mut out = pack_merged(upper.as_fd(), inodes, out).map_err(of_layer)?;
        // Dropping would hide that the last bytes did not arrive.
        out.flush().map_err(file_error("write", "a tar".as_ref()))
    }

    /// Writes the files that `layers` make into `directory`, which is made if it is missing, over what is there. They become
    /// the caller's, as with BuildKit: owners of an image are nobody on this machine.
    ///
    /// # Errors
    /// When a layer is not here, or a file cannot be written.
    pub fn unpack_layers(&self, layers: &[DiffId], directory: &Path) -> Result<()> {
        std::fs::create_dir_all(directory).map_err(file_error("create", directory))?;
        let root = File::open(directory).map_err(file_error("open", directory))?;
        let (mut reader, writer) = std::io::pipe().map_err(file_error("make", "a pipe".as_ref()))?;
        std::thread::scope(|scope| {
            let writing = scope.spawn(|| self.export_layers(layers, std::io::BufWriter::new(writer)));
            let unpacked = unpack_for_caller(&mut reader, root.as_fd()).map_err(of_layer);
            drop(reader);
            let written = writing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            unpacked.and(written)
        })
    }
}
