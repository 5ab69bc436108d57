//! What a running server goes by, which can be replaced while it runs.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

use crate::acme::Shown;
use crate::router::Registry;

/// The registry as it is configured now. Requests that are under way go on with what it was when they began.
pub(crate) struct Live {
    now: RwLock<(Arc<Registry>, Option<TlsAcceptor>)>,
    /// Told when it was replaced.
    pub(crate) replaced: Notify,
    /// The certificate of a registry that gets its own.
    pub(crate) shown: Arc<Shown>,
}

impl Live {
    pub(crate) fn new(registry: Arc<Registry>, acceptor: Option<TlsAcceptor>, shown: Arc<Shown>) -> Self {
        Self { now: RwLock::new((registry, acceptor)), replaced: Notify::new(), shown }
    }

    pub(crate) fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner).0)
    }

    pub(crate) fn acceptor(&self) -> Option<TlsAcceptor> {
        self.now.read().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    pub(crate) fn replace(&self, registry: Arc<Registry>, acceptor: Option<TlsAcceptor>) {
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = (registry, acceptor);
        self.replaced.notify_waiters();
    }
}
