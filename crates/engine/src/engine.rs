//! The engine: where everything is, opened when first needed.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use wharfie_remote::Remote;
use wharfie_store::{Options, Store};

use crate::error::Result;
use crate::trust;

/// What an engine is told by its user.
#[derive(Debug, Clone)]
pub struct Config {
    /// The store's directory, absolute.
    pub root: PathBuf,
    /// What the machine forgets when it boots, for all stores of it: addresses of containers, and what other runtimes keep.
    pub state: PathBuf,
    /// The store's settings.
    pub store: Options,
    /// Layers that are moved at once.
    pub jobs: usize,
    /// Our own program, which containers' inits and monitors run.
    pub program: PathBuf,
    /// It acts for an ordinary user, whoever it is where it runs.
    pub is_rootless: bool,
}

/// All verbs start here. Making one costs nothing: the store is opened by the first verb that needs it, for reading
/// only if that is enough.
pub struct Engine {
    pub(crate) config: Config,
    reader: OnceLock<Store>,
    writer: OnceLock<Store>,
    connect: Arc<dyn Fn() -> Remote + Send + Sync>,
    remote: OnceLock<Remote>,
    pub(crate) trust: Option<trust::Settings>,
}

impl Engine {
    /// An engine that has opened nothing yet. `connect` makes the registry client when the first verb needs it.
    pub fn new(config: Config, connect: impl Fn() -> Remote + Send + Sync + 'static) -> Self {
        let connect = Arc::new(connect);
        Self { config, reader: OnceLock::new(), writer: OnceLock::new(), connect, remote: OnceLock::new(), trust: None }
    }

    /// The same, told what the user wants of signatures; without it nobody's are asked for.
    #[must_use]
    pub fn with_trust(self, settings: trust::Settings) -> Self {
        Self { trust: Some(settings), ..self }
    }

    /// Another one for the same store, that has opened nothing yet: what it opens is closed when it is dropped.
    pub(crate) fn again(&self) -> Self {
        let (config, connect, trust) = (self.config.clone(), Arc::clone(&self.connect), self.trust.clone());
        Self { config, reader: OnceLock::new(), writer: OnceLock::new(), connect, remote: OnceLock::new(), trust }
    }

    /// An engine to remove with and see what would go: it works on a copy of what the store knows, and touches neither files
    /// nor processes nor networks. It is no engine for anything else.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn rehearsal(&self) -> Result<Self> {
        let engine = self.again();
        let copy = self.reader()?.rehearsal()?;
        Ok(Self { writer: OnceLock::from(copy), ..engine })
    }

    /// True for what [`Self::rehearsal`] gives.
    pub(crate) fn is_rehearsal(&self) -> bool {
        self.writer.get().is_some_and(Store::is_rehearsal)
    }

    /// The registries.
    pub fn remote(&self) -> &Remote {
        self.remote.get_or_init(|| (self.connect)())
    }

    /// How the registries are reached, for whoever does it more than once.
    pub(crate) fn connector(&self) -> Arc<dyn Fn() -> Remote + Send + Sync> {
        Arc::clone(&self.connect)
    }

    /// What it was told.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The store, for reading.
    ///
    /// # Errors
    /// When it cannot be read, or a newer wharfie made it.
    pub fn reader(&self) -> Result<&Store> {
        if let Some(store) = self.writer.get().or_else(|| self.reader.get()) {
            return Ok(store);
        }
        let store = Store::open_read_only(&self.config.root, self.config.store.clone())?;
        Ok(self.reader.get_or_init(|| store))
    }

    /// The store, for writing; it is made if there is none.
    ///
    /// # Errors
    /// When it cannot be written, or a newer wharfie made it.
    pub fn writer(&self) -> Result<&Store> {
        if let Some(store) = self.writer.get() {
            return Ok(store);
        }
        let store = Store::open(&self.config.root, self.config.store.clone())?;
        Ok(self.writer.get_or_init(|| store))
    }

    /// As [`Self::writer`], for verbs that free space: they work on a full disk as well.
    ///
    /// # Errors
    /// As [`Self::writer`].
    pub(crate) fn freeing_writer(&self) -> Result<&Store> {
        if let Some(store) = self.writer.get() {
            return Ok(store);
        }
        let store = Store::open_to_free(&self.config.root, self.config.store.clone())?;
        Ok(self.writer.get_or_init(|| store))
    }
}
