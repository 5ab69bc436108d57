//! Builds that are remembered.

use std::fs::File;

use rustix::fs::{FlockOperation, flock};
use wharfie_oci::{ImageId, Timestamp};
use wharfie_store::build_cache::BuildRow;

use super::BuiltOn;
use super::error::BuildError;
use super::fetch::file_error;
use super::record::{BuildDocument, LOG};
use crate::engine::Engine;
use crate::error::{Error, Result};

/// A build that is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildSummary {
    /// Its own name.
    pub id: String,
    /// What it is called: the first tag, or the Dockerfile.
    pub name: String,
    /// The Dockerfile.
    pub dockerfile: String,
    /// Its target, if one was chosen.
    pub target: String,
    /// `Running`, `Completed`, `Error` or `Canceled`.
    pub status: String,
    /// Why it failed.
    pub error: String,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// Steps that are over.
    pub total_steps: u64,
    /// Those of them whose results were there.
    pub cached_steps: u64,
}

impl Engine {
    /// Every build that is remembered, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn builds(&self) -> Result<Vec<BuildSummary>> {
        let rows = self.reader()?.builds()?;
        rows.into_iter().map(|row| self.build_summary(row)).collect()
    }

    /// What a remembered build says that this image was built from.
    pub(crate) fn built_from(&self, id: &ImageId) -> Result<Option<BuiltOn>> {
        for row in self.reader()?.builds()? {
            // One that is written by another version says nothing.
            let Ok(document) = serde_json::from_str::<BuildDocument>(&row.document) else { continue };
            if let Some(image) = document.images.into_iter().find(|image| image.id == id.as_str()) {
                let digest = image.digest.and_then(|digest| digest.parse().ok());
                return Ok(Some(BuiltOn { name: image.base, digest, layers: image.layers }));
            }
        }
        Ok(None)
    }

    /// The build that `id` begins the name of; the newest one if it is empty or `^0`, `^N` the Nth before it.
    ///
    /// # Errors
    /// When there is none, or several.
    pub fn find_build(&self, id: &str) -> Result<BuildSummary> {
        let builds = self.builds()?;
        let missing = || Error::from(BuildError::NoSuchBuild(id.to_owned()));
        let back = if id.is_empty() { Some("0") } else { id.strip_prefix('^') };
        if let Some(back) = back.and_then(|back| back.parse::<usize>().ok()) {
            return builds.into_iter().nth(back).ok_or_else(missing);
        }
        // As buildx writes names: builder, node, build.
        let bare = id.rsplit('/').next().unwrap_or_default();
        let mut fitting = builds.into_iter().filter(|build| build.id.starts_with(bare));
        match (fitting.next(), fitting.next()) {
            (Some(build), None) => Ok(build),
            (Some(_), Some(_)) => Err(BuildError::SeveralBuilds(id.to_owned()).into()),
            (None, _) => Err(missing()),
        }
    }

    /// Everything that a build and its steps wrote.
    ///
    /// # Errors
    /// When it is not here.
    pub fn build_log(&self, build: &BuildSummary) -> Result<File> {
        let path = self.reader()?.build_directory(&build.id).join(LOG);
        File::open(&path).map_err(file_error("open", &path))
    }

    /// Forgets a build.
    ///
    /// # Errors
    /// When it is going on, or the store cannot be written.
    pub fn forget_build(&self, build: &BuildSummary) -> Result<()> {
        if build.status == RUNNING {
            return Err(BuildError::StillRunning(build.id.clone()).into());
        }
        Ok(self.freeing_writer()?.forget_build(&build.id)?)
    }

    fn build_summary(&self, row: BuildRow) -> Result<BuildSummary> {
        let mut document: BuildDocument = serde_json::from_str(&row.document).map_err(Error::Document)?;
        if row.finished.is_none() && !self.is_going_on(&row.id)? {
            // It was killed, and could not say so.
            document.status = CANCELED.to_owned();
        }
        let BuildDocument { name, dockerfile, target, status, error, total_steps, cached_steps, images: _ } = document;
        Ok(BuildSummary {
            id: row.id,
            name,
            dockerfile,
            target,
            status,
            error,
            started: row.started,
            finished: row.finished,
            total_steps,
            cached_steps,
        })
    }

    /// Whoever builds keeps the log locked.
    fn is_going_on(&self, id: &str) -> Result<bool> {
        let path = self.reader()?.build_directory(id).join(LOG);
        let Ok(log) = File::open(path) else { return Ok(false) };
        Ok(flock(&log, FlockOperation::NonBlockingLockShared).is_err())
    }
}

/// The status of a build that goes on.
pub(super) const RUNNING: &str = "Running";
/// The status of a build that was called off or killed.
pub(super) const CANCELED: &str = "Canceled";
