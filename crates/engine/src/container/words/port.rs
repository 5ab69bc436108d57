//! Ports: those that a container listens on, and those of the host that lead there.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{BadWord, kept_as_text};

/// How packets are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// Connections.
    Tcp,
    /// Datagrams.
    Udp,
}

impl FromStr for Protocol {
    type Err = BadWord;

    fn from_str(text: &str) -> Result<Self, BadWord> {
        match text.to_ascii_lowercase().as_str() {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            _ => Err(BadWord::new(format!("invalid proto: {text}"))),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

kept_as_text!(Protocol);

/// A port of the container at a port of the host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PortBinding {
    /// Inside.
    pub container: u16,
    /// Of both.
    pub protocol: Protocol,
    /// Address on the host; every one if not given.
    #[serde(with = "address")]
    pub address: Option<IpAddr>,
    /// On the host.
    pub host: HostPorts,
}

impl PortBinding {
    /// `80/tcp`, as the container's port is called.
    pub fn inside(&self) -> String {
        format!("{}/{}", self.container, self.protocol)
    }

    /// The address on the host as text; empty if none was given.
    pub fn address_text(&self) -> String {
        self.address.map(|address| address.to_string()).unwrap_or_default()
    }
}

/// Ports of the host of which one is taken: the first that is free. 0 alone is any free one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct HostPorts {
    /// The lowest.
    pub first: u16,
    /// The highest.
    pub last: u16,
}

impl HostPorts {
    /// Any that is free.
    pub const ANY: Self = Self { first: 0, last: 0 };

    /// No other will do.
    pub fn one(port: u16) -> Self {
        Self { first: port, last: port }
    }
}

impl fmt::Display for HostPorts {
    /// Empty for any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { first: 0, .. } => Ok(()),
            Self { first, last } if first == last => write!(f, "{first}"),
            Self { first, last } => write!(f, "{first}-{last}"),
        }
    }
}

/// A number for one port, as documents have always had it, and two for several.
impl Serialize for HostPorts {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self { first, last } if first == last => to.serialize_u16(*first),
            Self { first, last } => (first, last).serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for HostPorts {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            One(u16),
            Several(u16, u16),
        }
        Ok(match Form::deserialize(from)? {
            Form::One(port) => Self::one(port),
            Form::Several(first, last) => Self { first, last },
        })
    }
}

/// An address as text, empty for every one.
mod address {
    use super::{Deserialize, Deserializer, IpAddr, Serializer};

    pub(super) fn serialize<S: Serializer>(address: &Option<IpAddr>, to: S) -> Result<S::Ok, S::Error> {
        match address {
            Some(address) => to.collect_str(address),
            None => to.serialize_str(""),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<IpAddr>, D::Error> {
        match String::deserialize(from)?.as_str() {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(serde::de::Error::custom),
        }
    }
}

/// Reads `[[ADDRESS:]HOST:]CONTAINER[/PROTOCOL]`, each port also as a range: one binding for each port of the container.
///
/// # Errors
/// Docker's texts for what is none.
pub fn publish(text: &str) -> Result<Vec<PortBinding>, BadWord> {
    let parts: Vec<&str> = text.rsplitn(3, ':').collect();
    let (container, host, address) = match parts.as_slice() {
        [container] => (*container, "", ""),
        [container, host] => (*container, *host, ""),
        [container, host, address] => (*container, *host, *address),
        _ => ("", "", ""),
    };
    let (container, protocol) = container.split_once('/').unwrap_or((container, "tcp"));
    let bare = address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(address);
    let address = match bare {
        "" => None,
        bare => Some(bare.parse().map_err(|_| BadWord::new(format!("invalid IP address: {address}")))?),
    };
    if container.is_empty() {
        return Err(BadWord::new(format!("no port specified: {text}<empty>")));
    }
    let (first, last) = range(container).ok_or_else(|| BadWord::new(format!("invalid containerPort: {container}")))?;
    let ports = match host {
        "" => HostPorts::ANY,
        host => {
            let (first, last) = range(host).ok_or_else(|| BadWord::new(format!("invalid hostPort: {host}")))?;
            HostPorts { first, last }
        }
    };
    let has_one_for_each = ports == HostPorts::ANY || ports.last - ports.first == last - first;
    // Several ports of the host for one of the container: any of them will do.
    if !has_one_for_each && first != last {
        let why = format!("invalid ranges specified for container and host Ports: {container} and {host}");
        return Err(BadWord::new(why));
    }
    let protocol = protocol.parse()?;
    let of_host = |port: u16| match ports {
        HostPorts::ANY => HostPorts::ANY,
        ports if has_one_for_each => HostPorts::one(ports.first + (port - first)),
        ports => ports,
    };
    let binding = |container| PortBinding { container, protocol, address, host: of_host(container) };
    Ok((first..=last).map(binding).collect())
}

/// Reads `PORT[/PROTOCOL]` of `--expose`, also a range: `80/tcp` for each.
///
/// # Errors
/// Docker's texts for what is none.
pub fn expose(text: &str) -> Result<Vec<String>, BadWord> {
    if text.contains(':') {
        return Err(BadWord::new(format!("invalid port format for --expose: {text}")));
    }
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let invalid = |why: &str| BadWord::new(format!("invalid range format for --expose: {text}, error: {why}"));
    let Some((first, last)) = range(ports) else {
        let bounds = ports.split_once('-').unwrap_or((ports, ports));
        let bad = [bounds.0, bounds.1].into_iter().find(|bound| bound.parse::<u16>().is_err());
        return Err(match (ports, bad) {
            ("", _) => invalid("empty string specified for ports"),
            (_, Some(bad)) => {
                let is_number = !bad.is_empty() && bad.bytes().all(|byte| byte.is_ascii_digit());
                let why = if is_number { "value out of range" } else { "invalid syntax" };
                invalid(&format!("strconv.ParseUint: parsing \"{bad}\": {why}"))
            }
            (_, None) => invalid(&format!("invalid range specified for port: {ports}")),
        });
    };
    let protocol: Protocol = protocol.parse()?;
    Ok((first..=last).map(|port| format!("{port}/{protocol}")).collect())
}

/// `8000` or `8000-8010`.
fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_is_understood() {
        fn check(text: &str, expected: &[(&str, &str, &str)]) {
            let found = publish(text).unwrap();
            let found: Vec<_> = found.iter().map(|p| (p.address_text(), p.host.to_string(), p.inside())).collect();
            let found: Vec<_> = found.iter().map(|(a, h, c)| (a.as_str(), h.as_str(), c.as_str())).collect();
            assert_eq!(found, expected, "{text}");
        }
        check("80", &[("", "", "80/tcp")]);
        check("8080:80", &[("", "8080", "80/tcp")]);
        check("127.0.0.1:8080:80/UDP", &[("127.0.0.1", "8080", "80/udp")]);
        check("127.0.0.1::80", &[("127.0.0.1", "", "80/tcp")]);
        check("[::1]:1:2", &[("::1", "1", "2/tcp")]);
        check("7000-7001:8000-8001", &[("", "7000", "8000/tcp"), ("", "7001", "8001/tcp")]);
        check("8000-8002:80", &[("", "8000-8002", "80/tcp")]);
        check("0:80", &[("", "", "80/tcp")]);
    }

    #[test]
    fn what_cannot_be_published_is_refused_in_dockers_words() {
        for (text, why) in [
            ("x", "invalid containerPort: x"),
            ("", "no port specified: <empty>"),
            ("80:80:80:80", "invalid IP address: 80:80"),
            ("1.2.3.4.5::80", "invalid IP address: 1.2.3.4.5"),
            ("1.2.3.4:80", "invalid hostPort: 1.2.3.4"),
            ("99999:1", "invalid hostPort: 99999"),
            ("1-3:3-4", "invalid ranges specified for container and host Ports: 3-4 and 1-3"),
            ("1/icmp", "invalid proto: icmp"),
        ] {
            assert_eq!(publish(text).unwrap_err().to_string(), why, "{text}");
        }
    }

    #[test]
    fn what_is_exposed_is_understood() {
        assert_eq!(expose("80-81/udp").unwrap(), ["80/udp", "81/udp"]);
        for (text, why) in [
            ("x", "invalid range format for --expose: x, error: strconv.ParseUint: parsing \"x\": invalid syntax"),
            (
                "99999",
                "invalid range format for --expose: 99999, error: strconv.ParseUint: parsing \"99999\": value out of range",
            ),
            ("70-60", "invalid range format for --expose: 70-60, error: invalid range specified for port: 70-60"),
            ("1:2", "invalid port format for --expose: 1:2"),
            ("1/icmp", "invalid proto: icmp"),
        ] {
            assert_eq!(expose(text).unwrap_err().to_string(), why, "{text}");
        }
    }

    #[test]
    fn documents_of_before_are_read() {
        let old = r#"{"container":80,"protocol":"tcp","address":"","host":8080}"#;
        let binding: PortBinding = serde_json::from_str(old).unwrap();
        assert_eq!(binding, publish("8080:80").unwrap()[0]);
        assert_eq!(serde_json::to_string(&binding).unwrap(), old);
        let several = &publish("8000-8002:80").unwrap()[0];
        let text = serde_json::to_string(several).unwrap();
        assert_eq!(serde_json::from_str::<PortBinding>(&text).unwrap(), *several);
    }
}
