//! What a registry tells of itself: facts, for whoever renders them.

use std::net::SocketAddr;
use std::time::Duration;

use wharfie_oci::Timestamp;

/// Something happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// It accepts connections here.
    Listening {
        /// The address, with the port that was found.
        address: SocketAddr,
        /// It encrypts.
        is_secure: bool,
    },
    /// A request was answered. The body may still be on its way.
    Answered {
        /// From where.
        client: SocketAddr,
        /// As whom; empty for nobody in particular.
        user: String,
        /// The method.
        method: String,
        /// Path and query, as they came: a client's text.
        target: String,
        /// What it was answered.
        status: u16,
        /// How long the answer took.
        took: Duration,
    },
    /// Something failed that is not the client's fault.
    Failed {
        /// What, with its reasons.
        what: String,
    },
    /// What nobody can reach was removed.
    Collected {
        /// What went.
        collected: Box<crate::gc::Collected>,
    },
    /// An authority gave a certificate, which is shown from now on.
    Certified {
        /// What it is for.
        names: String,
        /// How long it is good.
        until: Timestamp,
    },
    /// Answers the authority that gives certificates, and sends everybody else on.
    Proving {
        /// Where, with the port that was found.
        address: SocketAddr,
    },
    /// It accepts nothing any more and waits for requests to end.
    Ending,
}

/// Is told what happens, on threads of the server: it should not keep them.
pub trait Log: Send + Sync {
    /// Takes note.
    fn note(&self, event: &Event);
}

/// Nobody listens.
impl Log for () {
    fn note(&self, _: &Event) {}
}
