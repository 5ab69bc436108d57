//! What a container's processes must not, beyond capabilities.

use std::fmt;
use std::str::FromStr;

use super::{BadWord, kept_as_text};

/// One `--security-opt`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecurityOption {
    /// Nobody inside gets rights that he did not start with.
    NoNewPrivileges(bool),
    /// All system calls are allowed.
    SeccompUnconfined,
    /// Docker's own profile.
    SeccompBuiltin,
    /// The system calls that a profile allows: its text, not its place.
    Seccomp(String),
    /// Nothing of `/proc` and `/sys` is hidden.
    SystemPathsUnconfined,
    /// A label of mandatory access control, which is the machine's business: without it there is nothing to label.
    Label(String),
    /// A profile of mandatory access control; the same.
    AppArmor(String),
}

impl FromStr for SecurityOption {
    type Err = BadWord;

    fn from_str(text: &str) -> Result<Self, BadWord> {
        if text == NO_NEW_PRIVILEGES {
            return Ok(Self::NoNewPrivileges(true));
        }
        // The equals sign was a colon once.
        let parts = text.split_once('=').or_else(|| text.split_once(':'));
        let (name, value) = parts.ok_or_else(|| BadWord::new(format!("invalid --security-opt: {text:?}")))?;
        Ok(match (name, value) {
            (NO_NEW_PRIVILEGES, "1" | "t" | "T" | "true" | "TRUE" | "True") => Self::NoNewPrivileges(true),
            (NO_NEW_PRIVILEGES, "0" | "f" | "F" | "false" | "FALSE" | "False") => Self::NoNewPrivileges(false),
            ("seccomp", "unconfined") => Self::SeccompUnconfined,
            ("seccomp", "builtin") => Self::SeccompBuiltin,
            ("seccomp", profile) => Self::Seccomp(profile.to_owned()),
            ("systempaths", "unconfined") => Self::SystemPathsUnconfined,
            ("label", label) => Self::Label(label.to_owned()),
            ("apparmor", profile) => Self::AppArmor(profile.to_owned()),
            _ => return Err(BadWord::new(format!("invalid --security-opt 2: {text:?}"))),
        })
    }
}

impl fmt::Display for SecurityOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNewPrivileges(true) => f.write_str(NO_NEW_PRIVILEGES),
            Self::NoNewPrivileges(false) => write!(f, "{NO_NEW_PRIVILEGES}=false"),
            Self::SeccompUnconfined => f.write_str("seccomp=unconfined"),
            Self::SeccompBuiltin => f.write_str("seccomp=builtin"),
            Self::Seccomp(profile) => write!(f, "seccomp={profile}"),
            Self::SystemPathsUnconfined => f.write_str("systempaths=unconfined"),
            Self::Label(label) => write!(f, "label={label}"),
            Self::AppArmor(profile) => write!(f, "apparmor={profile}"),
        }
    }
}

kept_as_text!(SecurityOption);

const NO_NEW_PRIVILEGES: &str = "no-new-privileges";
