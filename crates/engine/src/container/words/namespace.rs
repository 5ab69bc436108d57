//! Whose processes, memory, host name and cgroups a container sees.

use std::fmt;
use std::str::FromStr;

use super::{BadWord, kept_as_text};

/// A namespace of a container. Not each kind of namespace has all of these.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Namespace {
    /// Its own; nobody asked for it.
    #[default]
    Default,
    /// Its own.
    Private,
    /// Its own, which other containers may join.
    Shareable,
    /// The host's.
    Host,
    /// Its own, which nothing can be shared through.
    None,
    /// That of another container, by its name or id.
    Container(String),
}

impl Namespace {
    /// Reads `--pid`.
    ///
    /// # Errors
    /// For anything but `host` and `container:NAME`.
    pub fn pid(text: &str) -> Result<Self, BadWord> {
        let is_fine = |mode: &Self| matches!(mode, Self::Default | Self::Host | Self::Container(_));
        Self::one_of(text, "--pid: invalid PID mode", is_fine)
    }

    /// Reads `--uts`.
    ///
    /// # Errors
    /// For anything but `host`.
    pub fn uts(text: &str) -> Result<Self, BadWord> {
        Self::one_of(text, "--uts: invalid UTS mode", |mode| matches!(mode, Self::Default | Self::Host))
    }

    /// Judges `--userns`. Containers of root have no user namespace, which is what `host` asks for.
    ///
    /// # Errors
    /// For anything but `host`.
    pub fn user(text: &str) -> Result<Self, BadWord> {
        Self::one_of(text, "--userns: invalid USER mode", |mode| matches!(mode, Self::Default | Self::Host))
    }

    /// Reads `--cgroupns`.
    ///
    /// # Errors
    /// For anything but `host` and `private`.
    pub fn cgroup(text: &str) -> Result<Self, BadWord> {
        let is_fine = |mode: &Self| matches!(mode, Self::Default | Self::Host | Self::Private);
        Self::one_of(text, "--cgroupns: invalid CGROUP mode", is_fine)
    }

    fn one_of(text: &str, why: &str, is_fine: fn(&Self) -> bool) -> Result<Self, BadWord> {
        text.parse().ok().filter(is_fine).ok_or_else(|| BadWord::new(why))
    }
}

impl FromStr for Namespace {
    type Err = BadWord;

    fn from_str(text: &str) -> Result<Self, BadWord> {
        Ok(match text {
            "" => Self::Default,
            "private" => Self::Private,
            "shareable" => Self::Shareable,
            "host" => Self::Host,
            "none" => Self::None,
            other => match other.strip_prefix("container:") {
                Some(name) if !name.is_empty() => Self::Container(name.to_owned()),
                _ => return Err(BadWord::new(format!("invalid IPC mode: {other}"))),
            },
        })
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => Ok(()),
            Self::Private => f.write_str("private"),
            Self::Shareable => f.write_str("shareable"),
            Self::Host => f.write_str("host"),
            Self::None => f.write_str("none"),
            Self::Container(name) => write!(f, "container:{name}"),
        }
    }
}

kept_as_text!(Namespace);
