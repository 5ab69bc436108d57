//! What every error of wharfie can say of itself, so that each face maps it once.

/// The short list of reasons why anything fails.
/// Faces map it once: to an exit code, an HTTP status, a distribution error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The named thing does not exist.
    NotFound,
    /// The named thing exists already.
    Exists,
    /// Something still uses it.
    InUse,
    /// Credentials are missing or were refused.
    Unauthenticated,
    /// Credentials are fine, the action is not allowed.
    Denied,
    /// The caller's input makes no sense.
    Invalid,
    /// Bytes are not what their digest, size or format promises.
    Corrupt,
    /// Understood, but not something wharfie or this machine can do.
    Unsupported,
    /// Might work later: network, busy server, full disk.
    Unavailable,
    /// The caller gave up.
    Cancelled,
    /// A defect of wharfie.
    Internal,
}

/// Who of docker's two would say it. There is one program here, but scripts know which of the two speaks by what stands
/// before an error's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Speaker {
    /// The program that reads the command line.
    #[default]
    Client,
    /// The one that does the work.
    Daemon,
}

/// Implemented by every crate's error.
pub trait Fault: std::error::Error {
    /// Why it failed, in one word.
    fn kind(&self) -> Kind;

    /// Who would say it with docker.
    fn speaker(&self) -> Speaker {
        Speaker::Client
    }

    /// What the user can do about it, as one sentence without a final stop.
    fn help(&self) -> Option<String> {
        None
    }
}
