//! Where a container's packets go.

use std::fmt;
use std::str::FromStr;

use super::{BadWord, kept_as_text};

/// The network that a container was made for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum NetworkMode {
    /// The bridge, or what an ordinary user has instead; nobody asked for it.
    #[default]
    Default,
    /// The bridge.
    Bridge,
    /// The host's own.
    Host,
    /// Nothing but its loopback.
    None,
    /// That of another container, by its name or id.
    Container(String),
    /// One of the user's own, or the program that makes an ordinary user's.
    Named(String),
}

impl NetworkMode {
    /// True for the machine's bridge, whether somebody asked for it or not.
    pub fn is_bridge(&self) -> bool {
        matches!(self, Self::Default | Self::Bridge)
    }

    /// True if the container has no network that is its alone.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Host | Self::Container(_))
    }
}

impl FromStr for NetworkMode {
    type Err = BadWord;

    fn from_str(text: &str) -> Result<Self, BadWord> {
        Ok(match text {
            "" | "default" => Self::Default,
            "bridge" => Self::Bridge,
            "host" => Self::Host,
            "none" => Self::None,
            other => match other.strip_prefix("container:") {
                Some("") => {
                    let why = "Invalid network mode: invalid container format container:<name|id>";
                    return Err(BadWord::new(why));
                }
                Some(container) => Self::Container(container.to_owned()),
                None => Self::Named(other.to_owned()),
            },
        })
    }
}

impl fmt::Display for NetworkMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Bridge => f.write_str("bridge"),
            Self::Host => f.write_str("host"),
            Self::None => f.write_str("none"),
            Self::Container(name) => write!(f, "container:{name}"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

kept_as_text!(NetworkMode);
