//! Parameters of the kernel that a container may have its own of.

use std::fmt;
use std::str::FromStr;

use super::{BadWord, kept_as_text};

/// `NAME=VALUE`, of a name whose value is the container's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sysctl {
    /// `net.core.somaxconn`.
    pub name: String,
    /// What is written into it.
    pub value: String,
}

impl FromStr for Sysctl {
    type Err = BadWord;

    fn from_str(text: &str) -> Result<Self, BadWord> {
        let parts = text.split_once('=');
        let is_own = |name: &str| OWN.contains(&name) || OWN_BELOW.iter().any(|prefix| name.starts_with(prefix));
        let (name, value) = parts
            .filter(|(name, _)| is_own(name))
            .ok_or_else(|| BadWord::new(format!("sysctl '{text}' is not allowed")))?;
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }
}

impl fmt::Display for Sysctl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

kept_as_text!(Sysctl);

/// Those of the memory that processes share.
const OWN: &[&str] = &[
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];
/// Those of networks and message queues.
const OWN_BELOW: &[&str] = &["net.", "fs.mqueue."];
