//! `[[serve.upstreams]]`: other registries, of which some repositories here are caches.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use wharfie_engine::Error;
use wharfie_engine::upstream::Upstream as Reader;
use wharfie_oci::reference::is_path;
use wharfie_oci::{Descriptor, Digest, Fault, Kind, MediaType, Reference};
use wharfie_registry::upstream::{Blob, Cache, Trouble, Upstream};

use super::options::span;
use crate::failure::{Failure, Result};

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct UpstreamOptions {
    /// Its host, as references write it.
    pub registry: String,
    /// What its repositories' names begin with here; its host if not given.
    pub prefix: Option<String>,
    /// How long a tag is believed to stand for what it did.
    pub fresh: Option<String>,
}

/// One minute: a tag that is pulled by a hundred machines at once is asked for once.
const FRESH: Duration = Duration::from_secs(60);

impl UpstreamOptions {
    /// Reads it; `reader` gives the registry of a host.
    pub(super) fn read(&self, reader: impl Fn(&str) -> Reader) -> Result<Cache> {
        let named = format!("{}/x", self.registry).parse::<Reference>();
        if !named.is_ok_and(|named| named.repository().host() == self.registry) {
            let help = "write its host, for example \"docker.io\" or \"registry.example:5000\"".to_owned();
            return Err(Failure::new(format!("{:?} is not a registry", self.registry)).help(Some(help)));
        }
        let prefix = match &self.prefix {
            Some(prefix) => prefix.trim_matches('/').to_owned(),
            None => self.registry.replace(':', "-").trim_matches(['[', ']']).to_lowercase(),
        };
        if !is_path(&prefix) {
            let help = "give it a prefix, for example prefix = \"cache/hub\"".to_owned();
            let text = format!("{prefix:?} is no beginning of repositories' names");
            return Err(Failure::new(text).help(Some(help)));
        }
        Ok(Cache {
            fresh: span("fresh", self.fresh.as_deref())?.unwrap_or(FRESH),
            upstream: Arc::new(Behind(reader(&self.registry))),
            registry: self.registry.clone(),
            prefix,
        })
    }
}

/// A registry as the server asks it.
struct Behind(Reader);

impl Upstream for Behind {
    fn resolve(&self, repository: &str, reference: &str) -> Result<Descriptor, Trouble> {
        self.0.resolve(repository, reference).map_err(|why| trouble(&why))
    }

    fn manifest(&self, repository: &str, digest: &Digest) -> Result<(MediaType, Vec<u8>), Trouble> {
        let found = self.0.manifest(repository, digest).map_err(|why| trouble(&why))?;
        Ok((found.descriptor.media_type, found.bytes))
    }

    fn blob(&self, repository: &str, digest: &Digest) -> Result<Blob, Trouble> {
        let (size, bytes) = self.0.blob(repository, digest).map_err(|why| trouble(&why))?;
        Ok(Blob { size: Some(size), bytes })
    }

    fn tags(&self, repository: &str) -> Result<Vec<String>, Trouble> {
        self.0.tags(repository).map_err(|why| trouble(&why))
    }

    fn referrers(&self, repository: &str, subject: &Digest) -> Result<Vec<Descriptor>, Trouble> {
        self.0.referrers(repository, subject).map_err(|why| trouble(&why))
    }
}

pub(super) fn trouble(why: &Error) -> Trouble {
    let text = crate::compat::reasons(why);
    match why.kind() {
        Kind::NotFound => Trouble::Missing(text),
        Kind::Denied | Kind::Unauthenticated => Trouble::Denied(text),
        Kind::Unavailable | Kind::Cancelled => Trouble::Away(text),
        _ => Trouble::Refused(text),
    }
}
