//! Which device nodes a container may use, said to the `devices` controller of version 1.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::cgroup::{Cgroup, write};
use crate::error::{Error, Result};

/// One kind of device that is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rule {
    /// `c` or `b`.
    pub(crate) kind: char,
    /// `None` is any.
    pub(crate) major: Option<u32>,
    /// `None` is any.
    pub(crate) minor: Option<u32>,
    /// Some of `rwm`.
    pub(crate) access: String,
}

/// Docker's: any node may be made, and the harmless ones used.
const USUAL: &[&str] = &[
    "c *:* m",
    "b *:* m",
    "c 1:3 rwm",
    "c 1:5 rwm",
    "c 1:7 rwm",
    "c 1:8 rwm",
    "c 1:9 rwm",
    "c 5:0 rwm",
    "c 5:1 rwm",
    "c 5:2 rwm",
    "c 136:* rwm",
];

impl Cgroup {
    /// Allows the usual devices and `rules`, and nothing else. False if nothing here can filter.
    pub(crate) fn allow_devices(&self, rules: &[Rule]) -> Result<bool> {
        let Some((_, path)) = self.version1.iter().find(|(name, _)| name == "devices") else { return Ok(false) };
        let tell = |file: &str, value: &str| {
            write(&path.join(file), value).map_err(Error::system(format!("write {}", Path::join(path, file).display())))
        };
        tell("devices.deny", "a")?;
        for rule in USUAL {
            tell("devices.allow", rule)?;
        }
        for Rule { kind, major, minor, access } in rules {
            let number = |number: &Option<u32>| number.map_or("*".to_owned(), |number| number.to_string());
            tell("devices.allow", &format!("{kind} {}:{} {access}", number(major), number(minor)))?;
        }
        Ok(true)
    }
}
