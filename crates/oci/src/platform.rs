//! Platforms: what an image runs on, and which image suits a machine.
//! Source: image-spec, image-index.md, "platform"; fallbacks as Go's toolchain and containerd define them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Operating system, architecture and variant, normalised when parsed from user input.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
pub struct Platform {
    /// CPU architecture in Go's spelling: `amd64`, `arm64`.
    #[serde(default)]
    pub architecture: String,
    /// Operating system in Go's spelling: `linux`.
    #[serde(default)]
    pub os: String,
    /// Operating system version (Windows).
    #[serde(rename = "os.version", default, skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// Required operating system features (Windows).
    #[serde(rename = "os.features", default, skip_serializing_if = "Option::is_none")]
    pub os_features: Option<Vec<String>>,
    /// CPU variant: `v7`, `v8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// Why a text names no platform. The texts are the ones docker prints.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParsePlatformError {
    /// A single word that is neither an operating system nor an architecture.
    #[error("{0:?}: unknown operating system or architecture: invalid argument")]
    Unknown(String),
    /// Too many parts, or characters that platforms do not have.
    #[error("{0:?}: cannot parse platform specifier: invalid argument")]
    Malformed(String),
}

impl Platform {
    /// The platform that this program was compiled for.
    pub fn host() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            "powerpc64" => "ppc64le",
            other => other,
        };
        Self { architecture: architecture.to_owned(), os: std::env::consts::OS.to_owned(), ..Self::default() }
    }

    /// How far `offered` is from what `self` asks for: 0 is exact, larger is a weaker fallback, `None` cannot serve.
    pub fn distance(&self, offered: &Self) -> Option<usize> {
        if self.os != offered.os {
            return None;
        }
        if let (Some(wanted), Some(offered)) = (&self.os_version, &offered.os_version)
            && !offered.starts_with(wanted.as_str())
        {
            return None;
        }
        let (architecture, variant) = normalise(&offered.architecture, offered.variant.as_deref());
        self.fallbacks().iter().position(|(a, v)| *a == architecture && *v == variant)
    }

    /// Architecture and variant pairs that run on `self`, best first.
    fn fallbacks(&self) -> Vec<(String, String)> {
        let (architecture, variant) = normalise(&self.architecture, self.variant.as_deref());
        let numbered = |lowest: u32| {
            let top = variant.strip_prefix('v').and_then(|n| n.parse::<u32>().ok());
            match top {
                Some(top) if top <= 16 => (lowest..=top.max(lowest))
                    .rev()
                    .filter(|n| *n <= top)
                    .map(|n| (architecture.clone(), format!("v{n}")))
                    .collect(),
                _ => vec![(architecture.clone(), variant.clone())],
            }
        };
        match architecture.as_str() {
            "arm" => numbered(5),
            "arm64" => numbered(8),
            "amd64" => numbered(1),
            _ => vec![(architecture.clone(), variant.clone())],
        }
    }
}

/// Brings aliases and implied variants to one spelling: `x86_64` is `amd64` `v1`, `arm64` is `v8`, `arm` is `v7`.
fn normalise(architecture: &str, variant: Option<&str>) -> (String, String) {
    let architecture = architecture.to_ascii_lowercase();
    let variant = variant.unwrap_or_default().to_ascii_lowercase();
    let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
        ("x86_64" | "x86-64" | "amd64", "" | "v1") => ("amd64", "v1"),
        ("x86_64" | "x86-64" | "amd64", v) => ("amd64", v),
        ("aarch64" | "arm64", "" | "8" | "v8") => ("arm64", "v8"),
        ("aarch64" | "arm64", v) => ("arm64", v),
        ("armhf" | "arm", "" | "7" | "v7") => ("arm", "v7"),
        ("armel", "" | "6" | "v6") | ("arm", "6") => ("arm", "v6"),
        ("arm", "5") => ("arm", "v5"),
        ("i386" | "386", _) => ("386", ""),
        (a, v) => (a, v),
    };
    (architecture.to_owned(), variant.to_owned())
}

const SYSTEMS: &[&str] = &[
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "illumos",
    "js",
    "linux",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "wasip1",
    "windows",
    "zos",
];
const ARCHITECTURES: &[&str] = &[
    "386", "aarch64", "amd64", "arm", "arm64", "armel", "armhf", "i386", "loong64", "mips", "mips64", "mips64le",
    "mipsle", "ppc64", "ppc64le", "riscv64", "s390x", "wasm", "x86-64", "x86_64",
];

impl FromStr for Platform {
    type Err = ParsePlatformError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || ParsePlatformError::Malformed(text.to_owned());
        let parts: Vec<&str> = text.split('/').collect();
        let is_word = |part: &&str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
        };
        if parts.len() > 3 || !parts.iter().all(is_word) {
            return Err(malformed());
        }
        let os = |name: &str| match name.to_ascii_lowercase().as_str() {
            "macos" => "darwin".to_owned(),
            other => other.to_owned(),
        };
        let host = Self::host();
        let (os, architecture, variant) = match parts.as_slice() {
            [one] if SYSTEMS.contains(&os(one).as_str()) => (os(one), host.architecture, None),
            [one] if ARCHITECTURES.contains(&one.to_ascii_lowercase().as_str()) => (host.os, (*one).to_owned(), None),
            [one] => return Err(ParsePlatformError::Unknown((*one).to_owned())),
            [o, a] => (os(o), (*a).to_owned(), None),
            [o, a, v] => (os(o), (*a).to_owned(), Some((*v).to_owned())),
            _ => return Err(malformed()),
        };
        let (architecture, variant) = normalise(&architecture, variant.as_deref());
        // The variants that everything has are left out again, as docker prints platforms.
        let variant = match (architecture.as_str(), variant.as_str()) {
            (_, "") | ("amd64", "v1") | ("arm64", "v8") => None,
            (_, v) => Some(v.to_owned()),
        };
        Ok(Self { architecture, os, variant, ..Self::default() })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_are_normalised() {
        fn check(text: &str, expected: &str) {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), expected, "{text}");
        }
        check("linux/x86_64", "linux/amd64");
        check("linux/aarch64", "linux/arm64");
        check("linux/arm64/v8", "linux/arm64");
        check("linux/arm", "linux/arm/v7");
        check("Linux/ARM/v6", "linux/arm/v6");
        check("windows/amd64", "windows/amd64");
        check("s390x", &format!("{}/s390x", std::env::consts::OS));
    }

    #[test]
    fn refusals_use_dockers_words() {
        fn check(text: &str, expected: &str) {
            assert_eq!(text.parse::<Platform>().unwrap_err().to_string(), expected);
        }
        check("foo", "\"foo\": unknown operating system or architecture: invalid argument");
        check("foo/bar/baz/x", "\"foo/bar/baz/x\": cannot parse platform specifier: invalid argument");
        check("", "\"\": cannot parse platform specifier: invalid argument");
    }
}
