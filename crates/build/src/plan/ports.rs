//! EXPOSE: `[address:][port:]port[/protocol]`, of which only the last port and the protocol count.

use std::net::IpAddr;

use crate::dockerfile::quoted;
use crate::{Error, Result};

/// What one word of EXPOSE says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Port {
    /// As configurations name them: `80/tcp`.
    pub(super) names: Vec<String>,
    /// Whether the protocol has upper case letters.
    pub(super) is_shouted: bool,
    /// Whether an address or a port of the host was given.
    pub(super) has_host: bool,
}

impl Port {
    /// Reads a word. What could be better about it is known before what is wrong with it, so `judge` is told first.
    pub(super) fn parse(text: &str, judge: &mut dyn FnMut(bool, bool)) -> Result<Self> {
        let (front, container) = text.rsplit_once(':').unwrap_or(("", text));
        let (address, host) = front.rsplit_once(':').unwrap_or(("", front));
        let (port, protocol) = container.split_once('/').unwrap_or((container, ""));
        let fault = |what: &str| Error::new(format!("invalid port: {}: {what}", quoted(text)));
        if port.is_empty() {
            return Err(fault("no port specified"));
        }
        let protocol = if protocol.is_empty() { "tcp" } else { protocol };
        if !matches!(protocol.to_lowercase().as_str(), "tcp" | "udp" | "sctp") {
            return Err(fault(&format!("invalid proto: {protocol}")));
        }
        let is_shouted = protocol != protocol.to_lowercase();
        let has_host = !address.is_empty() || !host.is_empty();
        judge(is_shouted, has_host);
        judge_address(address)?;
        let wrong = |what: &str, text: &str| Error::new(format!("invalid {what}: {text}"));
        let (first, last) = range(port).ok_or_else(|| wrong("containerPort", port))?;
        if !host.is_empty() {
            let (host_first, host_last) = range(host).ok_or_else(|| wrong("hostPort", host))?;
            if last - first != host_last - host_first && first != last {
                let text = format!("invalid ranges specified for container and host Ports: {port} and {host}");
                return Err(Error::new(text));
            }
        }
        let protocol = protocol.to_lowercase();
        let names = (first..=last).map(|port| format!("{port}/{protocol}")).collect();
        Ok(Self { names, is_shouted, has_host })
    }
}

fn judge_address(text: &str) -> Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let address = match text.strip_prefix('[') {
        Some(rest) => rest
            .strip_suffix(']')
            .ok_or_else(|| Error::new(format!("invalid IP address {text}: address {text}:: missing ']' in address")))?,
        None => text,
    };
    match address.parse::<IpAddr>() {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::new(format!("invalid IP address: {address}"))),
    }
}

fn range(text: &str) -> Option<(u32, u32)> {
    match text.split_once('-') {
        Some((first, last)) if first != last => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some((first, last))
        }
        Some((first, _)) => number(first).map(|port| (port, port)),
        None => number(text).map(|port| (port, port)),
    }
}

/// A number as Go reads it: a sign is fine.
fn number(text: &str) -> Option<u32> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse::<i64>().ok().filter(|port| (0..=65_535).contains(port)).and_then(|port| u32::try_from(port).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let found = match Port::parse(text, &mut |_, _| {}) {
            Ok(port) => {
                let shouted = if port.is_shouted { " shouted" } else { "" };
                format!("{}{shouted}{}", port.names.join(","), if port.has_host { " host" } else { "" })
            }
            Err(why) => why.to_string(),
        };
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn words_name_ports() {
        check("80", "80/tcp");
        check("80/", "80/tcp");
        check("+80", "80/tcp");
        check("08", "8/tcp");
        check("53/UDP", "53/udp shouted");
        check("8080:80", "80/tcp host");
        check("127.0.0.1:8080:80", "80/tcp host");
        check("[::1]:8080:80", "80/tcp host");
        check("80-82/sctp", "80/sctp,81/sctp,82/sctp");
        check("80-80", "80/tcp");
        check("1-3:80", "80/tcp host");
    }

    #[test]
    fn what_is_none_is_told() {
        check("", "invalid port: \"\": no port specified");
        check("80/x", "invalid port: \"80/x\": invalid proto: x");
        check("a", "invalid containerPort: a");
        check("65536", "invalid containerPort: 65536");
        check("82-80", "invalid containerPort: 82-80");
        check("x:80", "invalid hostPort: x");
        check("1.2:1:80", "invalid IP address: 1.2");
        check("1-2:80-90", "invalid ranges specified for container and host Ports: 80-90 and 1-2");
    }
}
