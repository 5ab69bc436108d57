//! A container's ports on one line, as `ps` shows them: neighbours are drawn together, what has another number outside than
//! inside comes last.

use wharfie_engine::container::words::PortBinding;

/// Consecutive ports that are told of as one.
struct Group {
    /// Their address on the host, if they are published, and their protocol.
    kind: (Option<String>, String),
    first: u16,
    last: u16,
}

/// `open` ports of the host that lead into the container, and the ports it `exposes`, such as `80/tcp`.
pub(super) fn line<'a>(open: &[PortBinding], exposes: impl Iterator<Item = &'a str>) -> String {
    let mut ports: Vec<(u16, Option<String>, u16, String)> = open
        .iter()
        .map(|port| (port.container, Some(port.address_text()), port.host.first, port.protocol.to_string()))
        .collect();
    for port in exposes {
        let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
        let Ok(number) = number.parse::<u16>() else { continue };
        if !open.iter().any(|known| known.container == number && known.protocol.to_string() == protocol) {
            ports.push((number, None, 0, protocol.to_owned()));
        }
    }
    ports.sort();
    let mut begun: Vec<Group> = Vec::new();
    let mut texts = Vec::new();
    let mut renumbered = Vec::new();
    for (inside, address, outside, protocol) in ports {
        if let Some(address) = address.as_ref().filter(|_| outside != inside) {
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

fn text(group: &Group) -> String {
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
    use wharfie_engine::container::words::HostPorts;

    use super::*;

    #[test]
    fn neighbours_are_drawn_together() {
        fn check(open: &[(&str, u16, u16, &str)], exposed: &[&str], expected: &str) {
            let open: Vec<PortBinding> = open
                .iter()
                .map(|&(address, host, container, protocol)| PortBinding {
                    container,
                    protocol: protocol.parse().unwrap(),
                    address: address.parse().ok(),
                    host: HostPorts::one(host),
                })
                .collect();
            assert_eq!(line(&open, exposed.iter().copied()), expected);
        }
        check(&[], &[], "");
        check(&[], &["80/tcp"], "80/tcp");
        check(&[], &["82/tcp", "80/tcp", "81/tcp", "53/udp", "90/tcp"], "80-82/tcp, 53/udp, 90/tcp");
        check(&[("0.0.0.0", 80, 80, "tcp")], &["80/tcp", "81/tcp"], "0.0.0.0:80->80/tcp, 81/tcp");
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
