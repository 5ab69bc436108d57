//! Lists of hosts as people configure them: names, suffixes, addresses, networks, ports.

use std::net::{IpAddr, ToSocketAddrs};

use crate::url::split_port;

/// True if `host` on `port` is one of `insecure`: `host`, `host:port` or `address/bits`. Names are compared whole; those that
/// are in no list are looked up if there are networks that their addresses may be in.
pub(crate) fn is_insecure(insecure: &[String], host: &str, port: u16) -> bool {
    is_insecure_by(insecure, host, port, &addresses)
}

fn addresses(host: &str) -> Vec<IpAddr> {
    // The port matters to nobody here.
    let found = (host, 0).to_socket_addrs().into_iter().flatten();
    found.map(|address| address.ip()).collect()
}

fn is_insecure_by(insecure: &[String], host: &str, port: u16, look_up: &dyn Fn(&str) -> Vec<IpAddr>) -> bool {
    let bare = |pattern: &String| {
        let pattern = pattern.trim();
        pattern.split_once("://").map_or(pattern, |(_, rest)| rest).to_owned()
    };
    let patterns: Vec<String> = insecure.iter().map(bare).collect();
    let is_named = patterns.iter().any(|pattern| {
        if is_in_network(pattern, host) {
            return true;
        }
        let (name, wanted) = split_port(pattern.trim_end_matches('/'));
        name.eq_ignore_ascii_case(host) && wanted.is_none_or(|wanted| wanted == port)
    });
    let is_network = |pattern: &&String| {
        pattern
            .split_once('/')
            .is_some_and(|(network, bits)| network.parse::<IpAddr>().is_ok() && bits.parse::<u32>().is_ok())
    };
    let networks: Vec<&String> = patterns.iter().filter(is_network).collect();
    if is_named || networks.is_empty() || host.parse::<IpAddr>().is_ok() {
        return is_named;
    }
    let is_inside = |address: IpAddr| networks.iter().any(|network| is_in_network(network, &address.to_string()));
    look_up(host).into_iter().any(is_inside)
}

/// True if `no_proxy` exempts `host` on `port`: `*`, `name` (and everything below it), `.name` or `*.name` (only what is
/// below it), addresses, networks, each but the first with an optional port. The meaning is Go's, thus docker's.
pub(crate) fn is_exempt(no_proxy: &str, host: &str, port: u16) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    no_proxy.split([',', ' ']).map(|entry| entry.trim().to_ascii_lowercase()).any(|entry| {
        if entry == "*" || is_in_network(&entry, &host) {
            return true;
        }
        let (name, wanted) = split_port(&entry);
        if name.is_empty() || wanted.is_some_and(|wanted| wanted != port) {
            return false;
        }
        let name = name.strip_prefix('*').unwrap_or(name);
        match name.strip_prefix('.') {
            Some(_) => host.ends_with(name),
            None => host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')),
        }
    })
}

/// True if `pattern` is a network in CIDR notation that has the address `host` in it.
fn is_in_network(pattern: &str, host: &str) -> bool {
    let Some((network, bits)) = pattern.split_once('/') else { return false };
    let (Ok(network), Ok(bits), Ok(address)) = (network.parse(), bits.parse::<u32>(), host.parse()) else {
        return false;
    };
    match (network, address) {
        (IpAddr::V4(a), IpAddr::V4(b)) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            u32::from(a) & mask == u32::from(b) & mask
        }
        (IpAddr::V6(a), IpAddr::V6(b)) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            u128::from(a) & mask == u128::from(b) & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_bypassed_as_go_does() {
        fn check(no_proxy: &str, host: &str, port: u16, expected: bool) {
            assert_eq!(is_exempt(no_proxy, host, port), expected, "{no_proxy:?} {host}:{port}");
        }
        check("", "a.example", 443, false);
        check("*", "a.example", 443, true);
        check("example", "a.example", 443, true);
        check("example", "example", 443, true);
        check("example", "myexample", 443, false);
        check(".example", "a.example", 443, true);
        check(".example", "example", 443, false);
        check("*.example", "a.example", 443, true);
        check("A.Example", "a.example", 443, true);
        check("a.example:443", "a.example", 443, true);
        check("a.example:80", "a.example", 443, false);
        check("x, a.example", "a.example", 443, true);
        check("10.0.0.0/8", "10.1.2.3", 443, true);
        check("10.0.0.0/8", "11.1.2.3", 443, false);
        check("10.1.2.3", "10.1.2.3", 443, true);
        check("0.0.0.0/0", "11.1.2.3", 443, true);
        check("fd00::/8", "fd00::1", 443, true);
        check("10.0.0.0/99", "10.1.2.3", 443, false);
    }

    #[test]
    fn insecure_hosts_are_named_whole() {
        fn check(pattern: &str, host: &str, port: u16, expected: bool) {
            let look_up = |host: &str| match host {
                "inside" => vec!["192.0.2.1".parse().unwrap(), "10.1.2.3".parse().unwrap()],
                _ => vec!["192.0.2.1".parse().unwrap()],
            };
            let found = is_insecure_by(&[pattern.to_owned()], host, port, &look_up);
            assert_eq!(found, expected, "{pattern} {host}:{port}");
        }
        check("10.0.0.0/8", "inside", 5000, true);
        check("10.0.0.0/8", "outside", 5000, false);
        check("10.0.0.0/8/", "inside", 5000, false);
        check("h", "h", 5000, true);
        check("h:5000", "h", 5000, true);
        check("h:5001", "h", 5000, false);
        check("h", "sub.h", 5000, false);
        check("http://h:5000/", "h", 5000, true);
        check("10.0.0.0/8", "10.9.9.9", 5000, true);
        check("[fd00::1]:5000", "fd00::1", 5000, true);
    }
}
