//! Identifiers and names of what a machine makes: containers, volumes, networks.
//!
//! Each is a type of its own, so that a name never stands where an id is wanted, and none of them is ever a path. All read
//! as text; no text becomes one of them without being looked at.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A text that is no identifier or no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {what}")]
pub struct ParseObjectError {
    /// What it should have been.
    pub what: &'static str,
    /// What it was.
    pub text: String,
}

macro_rules! object {
    ($(#[$doc:meta])* $name:ident, $what:literal, $is_valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// As text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = ParseObjectError;

            fn from_str(text: &str) -> Result<Self, ParseObjectError> {
                Self::try_from(text.to_owned())
            }
        }

        impl TryFrom<String> for $name {
            type Error = ParseObjectError;

            fn try_from(text: String) -> Result<Self, ParseObjectError> {
                let is_valid: fn(&str) -> bool = $is_valid;
                if is_valid(&text) { Ok(Self(text)) } else { Err(ParseObjectError { what: $what, text }) }
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, text: &str) -> bool {
                self.0 == text
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, text: &&str) -> bool {
                self.0 == *text
            }
        }

        impl PartialEq<String> for $name {
            fn eq(&self, text: &String) -> bool {
                self.0 == *text
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

macro_rules! random {
    ($name:ident) => {
        impl $name {
            /// Of 32 random bytes.
            pub fn from_random(bytes: [u8; 32]) -> Self {
                Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
            }
        }
    };
}

macro_rules! short {
    ($name:ident) => {
        impl $name {
            /// The first twelve digits: what tables show.
            pub fn short(&self) -> &str {
                &self.0[..SHORT]
            }
        }
    };
}

object!(
    /// A container: 64 hexadecimal digits, random.
    ContainerId, "id of a container", is_id
);
random!(ContainerId);
short!(ContainerId);

object!(
    /// What a container is called: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`, without a slash.
    ContainerName, "name of a container", is_name
);

object!(
    /// What a volume is called: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`.
    VolumeName, "name of a volume", is_name
);
random!(VolumeName);

impl VolumeName {
    /// True for a name that nobody chose: volumes that have one go with their container.
    pub fn is_random(&self) -> bool {
        self.0.len() == ID
    }
}

object!(
    /// A network: 64 hexadecimal digits.
    NetworkId, "id of a network", is_id
);
random!(NetworkId);
short!(NetworkId);

object!(
    /// What a network is called: `[a-zA-Z0-9][a-zA-Z0-9_.-]*`.
    NetworkName, "name of a network", is_word
);

/// Digits of an id.
const ID: usize = 64;
/// Digits of a short id.
const SHORT: usize = 12;

fn is_id(text: &str) -> bool {
    text.len() == ID && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

/// As docker wants names of containers and volumes.
fn is_name(text: &str) -> bool {
    text.len() > 1 && is_word(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_never_paths() {
        for text in ["", ".", "..", "a", "/etc", "../x", "a/b", "a\0b", "-a", ".hidden", "a b", "ä1"] {
            assert!(text.parse::<VolumeName>().is_err() && text.parse::<ContainerName>().is_err(), "{text:?}");
        }
        for text in ["ab", "a.b", "0_-", "A.."] {
            assert_eq!(text.parse::<VolumeName>().unwrap(), text);
        }
        assert_eq!("a".parse::<NetworkName>().unwrap(), "a");
        assert!("".parse::<NetworkName>().is_err() && "/a".parse::<NetworkName>().is_err());
    }

    #[test]
    fn ids_are_64_digits() {
        let id = ContainerId::from_random([0xa7; 32]);
        assert_eq!(id.to_string().parse(), Ok(id.clone()));
        assert_eq!((id.len(), id.short()), (64, "a7a7a7a7a7a7"));
        for text in ["", "a7", &"A7".repeat(32), &"g7".repeat(32), &"a7".repeat(33)] {
            assert!(text.parse::<ContainerId>().is_err(), "{text:?}");
        }
        assert!(VolumeName::from_random([1; 32]).is_random());
    }

    #[test]
    fn what_is_stored_is_looked_at_when_it_is_read() {
        assert!(serde_json::from_str::<ContainerName>("\"../x\"").is_err());
        let name: ContainerName = serde_json::from_str("\"web\"").unwrap();
        assert_eq!(serde_json::to_string(&name).unwrap(), "\"web\"");
    }
}
