//! What becomes of a container's output.

use std::fmt;
use std::str::FromStr;

use super::{BadWord, kept_as_text};

/// Where output is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogDriver {
    /// In a file, line by line; nobody asked for it, or who asked named it so.
    #[default]
    JsonFile,
    /// In the same file: docker's other format is no better here.
    Local,
    /// Nowhere.
    None,
}

impl FromStr for LogDriver {
    type Err = BadWord;

    fn from_str(text: &str) -> Result<Self, BadWord> {
        match text {
            "" | "json-file" => Ok(Self::JsonFile),
            "local" => Ok(Self::Local),
            "none" => Ok(Self::None),
            other => Err(BadWord::new(format!("logger: no log driver named '{other}' is registered"))),
        }
    }
}

impl fmt::Display for LogDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::JsonFile => "json-file",
            Self::Local => "local",
            Self::None => "none",
        })
    }
}

kept_as_text!(LogDriver);
