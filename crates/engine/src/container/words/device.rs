//! Devices of the host that a container may use.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::{BadWord, kept_as_text};

/// A device of the host and where it is inside: `SOURCE[:TARGET][:ACCESS]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceMapping {
    /// Absolute path on the host; a directory stands for all devices in it.
    pub source: String,
    /// Absolute path inside.
    pub target: String,
    /// Some of `rwm`: read, write, make nodes.
    pub access: String,
}

impl FromStr for DeviceMapping {
    type Err = BadWord;

    fn from_str(text: &str) -> Result<Self, BadWord> {
        let parts: Vec<&str> = text.split(':').collect();
        let (source, target, access) = match parts.as_slice() {
            [source] => (*source, *source, ALL),
            [source, access] if is_access(access) => (*source, *source, *access),
            [source, target] => (*source, *target, ALL),
            [source, target, access] => (*source, *target, *access),
            _ => return Err(BadWord::new(format!("bad format for path: {text}"))),
        };
        if !is_access(access) {
            return Err(BadWord::new(format!("bad mode specified: {access}")));
        }
        if let Some(path) = [source, target].into_iter().find(|path| !path.starts_with('/')) {
            return Err(BadWord::new(format!("{path} is not an absolute path")));
        }
        Ok(Self { source: source.to_owned(), target: target.to_owned(), access: access.to_owned() })
    }
}

fn is_access(text: &str) -> bool {
    let letters: BTreeSet<char> = text.chars().collect();
    !text.is_empty() && letters.len() == text.len() && letters.iter().all(|letter| ALL.contains(*letter))
}

impl fmt::Display for DeviceMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.source, self.target, self.access)
    }
}

kept_as_text!(DeviceMapping);

const ALL: &str = "rwm";
