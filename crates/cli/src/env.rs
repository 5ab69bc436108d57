//! The environment: the only place of the product that reads it.

use std::path::PathBuf;

/// The value of a variable, if it is set to text.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn text(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The value of a variable, if it is set and not empty.
pub fn nonempty(name: &str) -> Option<String> {
    text(name).filter(|value| !value.is_empty())
}

/// The user's home directory.
pub fn home() -> PathBuf {
    nonempty("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from)
}

/// True if the program runs as root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The time.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
pub fn now() -> wharfie_oci::Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    wharfie_oci::Timestamp { seconds, nanos: since.subsec_nanos() }
}
