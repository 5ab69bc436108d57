//! Checking the store.

pub use wharfie_store::fsck::{Finding, Report};

use crate::engine::Engine;
use crate::error::Result;

impl Engine {
    /// Proves every digest of the store and mends what can be mended, and takes away what containers, and makers of
    /// data bases, that were killed have left on the machine; `progress` is told how many bytes were read.
    ///
    /// # Errors
    /// When the store cannot be read or written at all.
    pub fn fsck(&self, progress: &dyn Fn(u64)) -> Result<Report> {
        let mut report = self.writer()?.fsck(progress)?;
        report.findings.extend(self.withdraw_leftovers()?.into_iter().map(Finding::Leftover));
        let swept = self.sweep_advisories().into_iter().map(|path| path.display().to_string());
        report.findings.extend(swept.map(Finding::Leftover));
        Ok(report)
    }

    /// Makes the metadata anew from layers and blobs, for when the database is damaged.
    ///
    /// # Errors
    /// When the store cannot be read or written at all.
    pub fn rebuild(&self) -> Result<Report> {
        Ok(wharfie_store::rebuild::rebuild(&self.config().root, self.config().store.clone())?)
    }
}
