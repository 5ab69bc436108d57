//! Import: a root file system's tar becomes an image of one layer.

use std::io::{self, Read};

use wharfie_content::event::{Subject, task};
use wharfie_content::{Counted, Observer, Outcome};
use wharfie_oci::config::{ContainerConfig, History, RootFs};
use wharfie_oci::{ImageConfig, ImageId, Platform, Reference};
use wharfie_store::images::{Name, Recording};
use wharfie_store::{Ingest, NewImage};

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::{change, names};

/// What to import and how to call it.
#[derive(Debug, Clone, Default)]
pub struct Import {
    /// Where the tar comes from, as the user wrote it: a URL, a file, or `-` for a stream.
    pub from: String,
    /// Bytes of the source, compressed or not, if they are known.
    pub size: Option<u64>,
    /// `REPOSITORY[:TAG]` to call it.
    pub reference: Option<String>,
    /// Instructions for its configuration.
    pub changes: Vec<String>,
    /// A comment instead of `Imported from …`.
    pub message: Option<String>,
    /// What it runs on; the machine's own platform if not given.
    pub platform: Option<Platform>,
}

impl Import {
    /// True if the tar comes from the web.
    pub fn is_from_url(&self) -> bool {
        self.from.starts_with("http://") || self.from.starts_with("https://")
    }

    /// What the image's comment says of the source. Names of files stay on the machine that has them, as with docker.
    fn origin(&self) -> &str {
        if self.is_from_url() { &self.from } else { "-" }
    }
}

/// Bytes of an empty tar: two blocks of zeros.
const EMPTY_TAR: &[u8] = &[0; 1024];

impl Engine {
    /// Reads the name an import is to get; done before anything is read.
    ///
    /// # Errors
    /// When it is no name, or one by digest.
    pub fn import_target(&self, import: &Import) -> Result<Option<Reference>> {
        let Some(text) = &import.reference else { return Ok(None) };
        match names::target(text) {
            Err(Error::DigestTarget) => Err(Error::ImportDigest),
            target => target.map(Some),
        }
    }

    /// Makes an image of the tar that `source` yields, plain or compressed.
    ///
    /// # Errors
    /// When a change makes no sense, the stream is no tar, or the store cannot be written.
    pub fn import(&self, import: &Import, source: &mut (dyn Read + Send), observer: &dyn Observer) -> Result<ImageId> {
        self.import_now(import, source, observer).map_err(|why| why.of_work(observer))
    }

    fn import_now(&self, import: &Import, source: &mut (dyn Read + Send), observer: &dyn Observer) -> Result<ImageId> {
        let target = self.import_target(import)?;
        let mut config = ContainerConfig::default();
        change::apply(&mut config, &import.changes)?;

        let store = self.writer()?;
        let lease = store.lease()?;
        let what = Subject::Import { from: import.from.clone() };
        let layer = task(observer, what, |task| -> Result<_> {
            let mut first = [0];
            let n = wharfie_layer::fill(source, &mut first).map_err(wharfie_store::Error::Source)?;
            let mut empty = EMPTY_TAR;
            let mut whole = io::Cursor::new(&first[..n]).chain(source);
            let source: &mut (dyn Read + Send) = if n == 0 { &mut empty } else { &mut whole };
            let source = &mut Counted::new(source, import.size, task, observer);
            Ok((lease.ingest(source, Ingest::default(), &|| ())?.layer, Outcome::Done))
        })?;

        let now = store.now();
        let platform = import.platform.clone().unwrap_or_else(|| self.config.store.platform.clone());
        let comment = import.message.clone().unwrap_or_else(|| format!("Imported from {}", import.origin()));
        let document = ImageConfig {
            architecture: platform.architecture,
            os: platform.os,
            variant: platform.variant,
            config: Some(config),
            comment: Some(comment.clone()),
            created: Some(now.to_string()),
            history: vec![History { created: Some(now.to_string()), comment: Some(comment), ..History::default() }],
            rootfs: RootFs { diff_ids: vec![layer.diff_id.clone()], ..RootFs::default() },
            ..ImageConfig::default()
        };
        let bytes = serde_json::to_vec(&document).map_err(Error::Document)?;
        let id = ImageId::new(lease.put_blob(&bytes)?);
        let image = NewImage {
            id: id.clone(),
            created: Some(now.seconds),
            platform: document.platform(),
            layers: vec![layer.diff_id],
            parent: None,
        };
        let names = target.map(|target| Name::new(target, id.digest().clone())).into_iter().collect();
        let recording = Recording { images: vec![image], names, ..Recording::default() };
        let event = crate::events::of_image(&id, "import", id.as_str());
        lease.store().noting(vec![event], |_| lease.record(&recording))?;
        Ok(id)
    }
}
