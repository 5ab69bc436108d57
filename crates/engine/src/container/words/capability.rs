//! Rights of root, one by one.

use std::fmt;
use std::str::FromStr;

use wharfie_runtime::Capabilities;

use super::{BadWord, kept_as_text};

/// `CAP_NET_ADMIN`, or `ALL`. Read in any case, with or without `CAP_`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapabilityName(String);

impl FromStr for CapabilityName {
    type Err = BadWord;

    fn from_str(text: &str) -> Result<Self, BadWord> {
        let upper = text.to_ascii_uppercase();
        if upper == "ALL" {
            return Ok(Self(upper));
        }
        let whole = format!("CAP_{}", upper.strip_prefix("CAP_").unwrap_or(&upper));
        match Capabilities::NONE.adjust(&[&whole], &[]) {
            Ok(_) => Ok(Self(whole)),
            Err(_) => Err(BadWord::new(format!("unknown capability: \"{whole}\""))),
        }
    }
}

impl AsRef<str> for CapabilityName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CapabilityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

kept_as_text!(CapabilityName);
