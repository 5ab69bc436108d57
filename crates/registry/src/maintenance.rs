//! What keeps a registry in order: collection from time to time, and both collection and proof for whoever asks without a
//! server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use wharfie_oci::retention::Occasion;

use crate::auth::token::Signer;
use crate::config::Config;
use crate::event::Event;
use crate::fsck::Checked;
use crate::gc::{Collected, Mode};
use crate::key::Key;
use crate::live::Live;
use crate::name::{Reference, RepositoryName, Tag};
use crate::refusal::Refusal;
use crate::router::Registry;
use crate::server::Error;
use crate::storage::{Holding, Storage};

/// A registry that serves nobody, to be looked after.
pub struct Maintenance {
    runtime: tokio::runtime::Runtime,
    registry: Registry,
}

impl Maintenance {
    /// Opens a registry to change it: no server may have it.
    ///
    /// # Errors
    /// When it cannot be used, or a server has it.
    pub fn alone(config: &Config) -> Result<Self, Error> {
        Self::open(config, Holding::Alone)
    }

    /// Opens a registry to look at it, also beside a server.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn beside(config: &Config) -> Result<Self, Error> {
        Self::open(config, Holding::Beside)
    }

    fn open(config: &Config, holding: Holding) -> Result<Self, Error> {
        let storage = Storage::open(&config.place, holding)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
        let runtime = runtime.map_err(Error::Threads)?;
        Ok(Self { runtime, registry: Registry::new(config, storage, Signer::new(b"")) })
    }

    /// Removes what nobody can reach, or finds out what would go.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn collect(&self, mode: Mode) -> Result<Collected, Error> {
        let collecting = self.registry.collect(&self.registry.keeping.policies, mode);
        self.runtime.block_on(collecting).map_err(|why| failed(&why))
    }

    /// Proves everything.
    ///
    /// # Errors
    /// When the storage cannot be read.
    pub fn check(&self) -> Result<Checked, Error> {
        self.runtime.block_on(self.registry.check()).map_err(|why| failed(&why))
    }
}

fn failed(why: &Refusal) -> Error {
    Error::Maintenance(why.cause().unwrap_or("the storage is damaged").to_owned())
}

/// Collects from time to time, for ever, as the registry is configured then.
pub(crate) async fn keep_in_order(live: Arc<Live>) {
    loop {
        let wait = live.registry().keeping.every;
        let waiting = async {
            match wait {
                Some(every) => tokio::time::sleep(every).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = waiting => {}
            () = live.replaced.notified() => continue,
        }
        let registry = live.registry();
        match registry.collect(&registry.keeping.policies, Mode::Collect).await {
            Ok(collected) => {
                registry.metrics.collected(collected.bytes);
                registry.note(&Event::Collected { collected: Box::new(collected) });
            }
            Err(why) => {
                let cause = why.cause().unwrap_or("the storage is damaged");
                registry.note(&Event::Failed { what: format!("cannot collect: {cause}") });
            }
        }
    }
}

/// Which pulls were noted lately: not each one is worth a write.
#[derive(Default)]
pub(crate) struct Pulls(Mutex<HashMap<(RepositoryName, String), i64>>);

/// 10 min: how exact the time of the last pull is.
const NOTED: i64 = 600;
/// 100,000 names, then all are forgotten and noted again.
const MAX_NOTED: usize = 100_000;

impl Registry {
    /// Notes that a manifest was pulled, if a policy asks for it.
    pub(crate) async fn note_pull(&self, name: &RepositoryName, reference: &Reference) -> Result<(), Refusal> {
        if !self.keeping.policies.iter().any(|policy| policy.asks_for(Occasion::Pulled)) {
            return Ok(());
        }
        let now = self.now();
        {
            let mut noted = self.pulls.0.lock().unwrap_or_else(PoisonError::into_inner);
            if noted.len() >= MAX_NOTED {
                noted.clear();
            }
            let at = noted.entry((name.clone(), reference.to_string())).or_insert(i64::MIN);
            if now.saturating_sub(*at) < NOTED {
                return Ok(());
            }
            *at = now;
        }
        Ok(self.storage.put(Key::pulled(name, reference), Vec::new()).await?)
    }

    /// When a tag was pulled last, by its name or by its digest.
    pub(crate) async fn pulled(
        &self,
        name: &RepositoryName,
        tag: &Tag,
        digest: &wharfie_oci::Digest,
    ) -> Result<Option<i64>, Refusal> {
        let by_tag = self.storage.modified(&Key::pulled(name, &Reference::Tag(tag.clone()))).await?;
        let by_digest = self.storage.modified(&Key::pulled(name, &Reference::Digest(digest.clone()))).await?;
        Ok(by_tag.max(by_digest))
    }
}
