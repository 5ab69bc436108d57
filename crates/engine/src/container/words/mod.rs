//! What a user asks of a container, as types. Each is read once, where it arrives, and refused there in docker's words; each
//! is kept and shown as the text that docker writes for it.

mod capability;
mod device;
mod host;
mod log;
mod namespace;
mod network;
mod port;
mod security;
mod sysctl;
mod ulimit;

pub use capability::CapabilityName;
pub use device::DeviceMapping;
pub use host::{ExtraHost, HostAddress, MacAddress};
pub use log::LogDriver;
pub use namespace::Namespace;
pub use network::NetworkMode;
pub use port::{HostPorts, PortBinding, Protocol, expose, publish};
pub use security::SecurityOption;
pub use sysctl::Sysctl;
pub use ulimit::Ulimit;

/// A word that means nothing, and why, in docker's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadWord(String);

impl BadWord {
    pub(in crate::container) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// Keeps a type in documents as the text that it is read from.
macro_rules! kept_as_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = String::deserialize(from)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
use kept_as_text;

#[cfg(test)]
mod tests {
    use std::fmt::{Debug, Display};
    use std::str::FromStr;

    use super::*;

    fn keeps<T: FromStr<Err = BadWord> + Display + Debug>(texts: &[&str]) {
        for text in texts {
            assert_eq!(text.parse::<T>().unwrap().to_string(), *text);
        }
    }

    fn refuses<T: FromStr<Err = BadWord> + Debug>(cases: &[(&str, &str)]) {
        for (text, why) in cases {
            assert_eq!(text.parse::<T>().unwrap_err().to_string(), *why, "{text}");
        }
    }

    #[test]
    fn words_are_kept_as_they_are_written() {
        keeps::<NetworkMode>(&["default", "bridge", "host", "none", "container:web", "mine", "pasta"]);
        keeps::<Namespace>(&["", "private", "shareable", "host", "none", "container:web"]);
        keeps::<DeviceMapping>(&["/dev/null:/dev/null:rwm", "/dev/a:/dev/b:r"]);
        keeps::<Ulimit>(&["nofile=9:10", "core=-1:-1"]);
        keeps::<ExtraHost>(&["a:1.2.3.4", "a:host-gateway", "a:::1"]);
        keeps::<LogDriver>(&["json-file", "local", "none"]);
        keeps::<SecurityOption>(&[
            "no-new-privileges",
            "no-new-privileges=false",
            "seccomp=unconfined",
            "seccomp={}",
            "systempaths=unconfined",
            "label=disable",
            "apparmor=x",
        ]);
        keeps::<CapabilityName>(&["CAP_NET_ADMIN", "ALL"]);
        keeps::<MacAddress>(&["02:42:ac:11:00:02"]);
        keeps::<Sysctl>(&["net.core.somaxconn=1", "kernel.sem=1 2 3 4"]);
    }

    #[test]
    fn words_are_understood() {
        assert_eq!("".parse(), Ok(NetworkMode::Default));
        assert_eq!("/dev/a:w".parse::<DeviceMapping>().unwrap().to_string(), "/dev/a:/dev/a:w");
        assert_eq!("nofile=9".parse::<Ulimit>().unwrap().to_string(), "nofile=9:9");
        assert_eq!("a=[::1]".parse::<ExtraHost>().unwrap().to_string(), "a:::1");
        assert_eq!("no-new-privileges:true".parse(), Ok(SecurityOption::NoNewPrivileges(true)));
        assert_eq!("net_admin".parse::<CapabilityName>().unwrap().to_string(), "CAP_NET_ADMIN");
        assert_eq!("02-42-AC-11-00-ff".parse::<MacAddress>().unwrap().to_string(), "02:42:ac:11:00:ff");
    }

    #[test]
    fn what_means_nothing_is_refused_in_dockers_words() {
        refuses::<NetworkMode>(&[("container:", "Invalid network mode: invalid container format container:<name|id>")]);
        refuses::<DeviceMapping>(&[
            ("nonsense", "nonsense is not an absolute path"),
            ("/a:/b:x", "bad mode specified: x"),
            ("/a:/b:r:r", "bad format for path: /a:/b:r:r"),
        ]);
        refuses::<Ulimit>(&[
            ("nofile", "invalid ulimit argument: nofile"),
            ("foo=1", "invalid ulimit type: foo"),
            ("nofile=x", "strconv.ParseInt: parsing \"x\": invalid syntax"),
            ("nofile=2:1", "ulimit soft limit must be less than or equal to hard limit: 2 > 1"),
            (
                "nofile=-1:1",
                "ulimit soft limit must be less than or equal to hard limit: soft: -1 (unlimited), hard: 1",
            ),
        ]);
        refuses::<ExtraHost>(&[
            ("a", "bad format for add-host: \"a\""),
            ("a:999.1.1.1", "invalid IP address in add-host: \"999.1.1.1\""),
        ]);
        refuses::<SecurityOption>(&[
            ("nonsense", "invalid --security-opt: \"nonsense\""),
            ("foo=bar", "invalid --security-opt 2: \"foo=bar\""),
            ("no-new-privileges=bogus", "invalid --security-opt 2: \"no-new-privileges=bogus\""),
        ]);
        refuses::<CapabilityName>(&[("fly", "unknown capability: \"CAP_FLY\"")]);
        refuses::<MacAddress>(&[("02:42", "02:42 is not a valid mac address")]);
        refuses::<LogDriver>(&[("syslog", "logger: no log driver named 'syslog' is registered")]);
        refuses::<Sysctl>(&[
            ("vm.swappiness=1", "sysctl 'vm.swappiness=1' is not allowed"),
            ("net.x", "sysctl 'net.x' is not allowed"),
        ]);
    }
}
