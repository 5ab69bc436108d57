//! A container's ports on one line, as `ps` shows them: neighbours are drawn together, what has another number outside than
//! inside comes last.

use wharfie_model::container::Port;

/// Consecutive ports that are told of as one.
struct Group<'a> {
    /// Their address on the host, if they are published, and their protocol.
    kind: (Option<&'a str>, &'a str),
    first: u16,
    last: u16,
}

/// The ports on one line.
pub(super) fn line(ports: &[Port]) -> String {
    let mut ports: Vec<(u16, Option<&str>, u16, &str)> = ports
        .iter()
        .map(|port| {
            let address = (!port.ip.is_empty()).then_some(port.ip.as_str());
            (port.private_port, address, port.public_port, port.kind.as_str())
        })
        .collect();
    ports.sort_unstable();
    let mut begun: Vec<Group<'_>> = Vec::new();
    let mut texts = Vec::new();
    let mut renumbered = Vec::new();
    for (inside, address, outside, protocol) in ports {
        if let Some(address) = address.filter(|_| outside != inside) {
            renumbered.push(format!("{}:{outside}->{inside}/{protocol}", bracketed(address)));
            continue;
        }
        let kind = (address, protocol);
        match begun.iter_mut().find(|group| group.kind == kind) {
            Some(group) if inside == group.last + 1 => group.last = inside,
            Some(group) => {
                texts.push(text(group));
                (group.first, group.last) = (inside, inside);
            }
            None => begun.push(Group { kind, first: inside, last: inside }),
        }
    }
    texts.extend(begun.iter().map(text));
    texts.append(&mut renumbered);
    texts.join(", ")
}

fn text(group: &Group<'_>) -> String {
    let Group { kind: (address, protocol), first, last } = group;
    let numbers = if first == last { first.to_string() } else { format!("{first}-{last}") };
    match address {
        Some(address) => format!("{}:{numbers}->{numbers}/{protocol}", bracketed(address)),
        None => format!("{numbers}/{protocol}"),
    }
}

/// An address as it stands before a port.
pub(super) fn bracketed(address: &str) -> String {
    if address.contains(':') { format!("[{address}]") } else { address.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_drawn_together() {
        fn check(open: &[(&str, u16, u16, &str)], exposed: &[&str], expected: &str) {
            let port = |ip: &str, public_port: u16, private_port: u16, kind: &str| Port {
                ip: ip.to_owned(),
                private_port,
                public_port,
                kind: kind.to_owned(),
            };
            let mut ports: Vec<Port> =
                open.iter().map(|&(ip, host, container, kind)| port(ip, host, container, kind)).collect();
            ports.extend(exposed.iter().map(|text| {
                let (number, kind) = text.split_once('/').unwrap();
                port("", 0, number.parse().unwrap(), kind)
            }));
            assert_eq!(line(&ports), expected);
        }
        check(&[], &[], "");
        check(&[], &["80/tcp"], "80/tcp");
        check(&[], &["82/tcp", "80/tcp", "81/tcp", "53/udp", "90/tcp"], "80-82/tcp, 53/udp, 90/tcp");
        check(&[("0.0.0.0", 80, 80, "tcp")], &["81/tcp"], "0.0.0.0:80->80/tcp, 81/tcp");
        check(
            &[("0.0.0.0", 8000, 8000, "tcp"), ("0.0.0.0", 8001, 8001, "tcp"), ("::", 8000, 8000, "tcp")],
            &[],
            "0.0.0.0:8000-8001->8000-8001/tcp, [::]:8000->8000/tcp",
        );
        check(
            &[("0.0.0.0", 8080, 80, "tcp"), ("0.0.0.0", 443, 443, "tcp"), ("127.0.0.1", 5353, 53, "udp")],
            &["9000/tcp"],
            "0.0.0.0:443->443/tcp, 9000/tcp, 127.0.0.1:5353->53/udp, 0.0.0.0:8080->80/tcp",
        );
    }
}
