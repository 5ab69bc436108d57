//! A container on a bridge: one pair of virtual cables, one end in the container.

use std::io;

use crate::error::{Error, Result};
use crate::net::firewall;
use crate::net::netlink::{Message, Socket};
use crate::net::pool::Bridge;

/// Makes the bridge and the way out of it, if they are missing. Gives the bridge's index.
pub(crate) fn prepare(bridge: &Bridge) -> Result<u32> {
    let doing = |what: &str| format!("{what} {}", bridge.device);
    let socket = Socket::routing().map_err(Error::system(doing("configure")))?;
    let index = ensure(&socket, bridge).map_err(Error::system(doing("make the bridge")))?;
    firewall::ensure(bridge)?;
    forward()?;
    firewall::open_ways(bridge)?;
    Ok(index)
}

/// The host's side: a cable from the bridge into the network namespace of `pid`.
pub(crate) fn connect(bridge: &Bridge, id: &str, pid: u32) -> Result<()> {
    let doing = |what: &str| format!("{what} {}", bridge.device);
    let master = prepare(bridge)?;
    let socket = Socket::routing().map_err(Error::system(doing("configure")))?;
    let made = match socket.ask(new_cable(bridge, id, pid, master)) {
        // Of the same container's last run: the kernel takes its time to remove what belonged to a namespace.
        Err(why) if why.raw_os_error() == Some(libc::EEXIST) => {
            disconnect(id, bridge.device_number)?;
            socket.ask(new_cable(bridge, id, pid, master))
        }
        other => other,
    };
    made.map_err(Error::system(doing("connect the container to")))
}

fn new_cable(bridge: &Bridge, id: &str, pid: u32, master: u32) -> Message {
    let mut message = Message::new(libc::RTM_NEWLINK, libc::NLM_F_CREATE | libc::NLM_F_EXCL);
    message.link(0, Some(true));
    message.text(libc::IFLA_IFNAME, &cable(id, bridge.device_number));
    message.attribute(libc::IFLA_MASTER, &master.to_ne_bytes());
    let mtu = bridge.mtu.map(u32::to_ne_bytes);
    if let Some(mtu) = &mtu {
        message.attribute(libc::IFLA_MTU, mtu);
    }
    message.nested(libc::IFLA_LINKINFO, |info| {
        info.text(libc::IFLA_INFO_KIND, "veth");
        info.nested(libc::IFLA_INFO_DATA, |data| {
            data.nested(VETH_INFO_PEER, |peer| {
                peer.link(0, None);
                peer.text(libc::IFLA_IFNAME, &inside(bridge));
                peer.attribute(libc::IFLA_ADDRESS, &bridge.hardware_address());
                if let Some(mtu) = &mtu {
                    peer.attribute(libc::IFLA_MTU, mtu);
                }
                peer.attribute(libc::IFLA_NET_NS_PID, &pid.to_ne_bytes());
            });
        });
    });
    message
}

/// The container's side, in its namespace, once the cable is there.
pub(crate) fn configure(bridge: &Bridge) -> Result<()> {
    let doing = "configure the container's network";
    let socket = Socket::routing().map_err(Error::system(doing))?;
    let index = index_of(&inside(bridge)).ok_or(io::ErrorKind::NotFound).map_err(Error::system(doing))?;
    let mut address = Message::new(libc::RTM_NEWADDR, libc::NLM_F_CREATE | libc::NLM_F_EXCL);
    address.address(index, bridge.address, bridge.prefix);
    socket.ask(address).map_err(Error::system(doing))?;
    // The bridge hears no IPv6; this keeps the container from thinking that it could speak it. Its `/proc/sys` is read-only
    // by now, and a kernel without IPv6 refuses.
    let mut silent = Message::new(libc::RTM_NEWLINK, 0);
    silent.link(index, None);
    silent.nested(libc::IFLA_AF_SPEC, |families| {
        families.nested(INET6, |options| options.attribute(INET6_ADDRESSES, &[NO_ADDRESSES]));
    });
    let _ = socket.ask(silent);
    let mut up = Message::new(libc::RTM_NEWLINK, 0);
    up.link(index, Some(true));
    socket.ask(up).map_err(Error::system(doing))?;
    if bridge.is_way_out { lead_out(bridge) } else { Ok(()) }
}

/// Makes the bridge the way out of the namespace that this is called in, unless that has one.
pub(crate) fn lead_out(bridge: &Bridge) -> Result<()> {
    let doing = "configure the container's network";
    let socket = Socket::routing().map_err(Error::system(doing))?;
    let index = index_of(&inside(bridge)).ok_or(io::ErrorKind::NotFound).map_err(Error::system(doing))?;
    let mut route = Message::new(libc::RTM_NEWROUTE, libc::NLM_F_CREATE | libc::NLM_F_EXCL);
    route.default_route(index, bridge.gateway);
    match socket.ask(route) {
        // There is another one already, which stays.
        Err(why) if why.raw_os_error() == Some(libc::EEXIST) => Ok(()),
        other => other.map_err(Error::system(doing)),
    }
}

/// Removes a container's cable. It goes by itself with the last process of its namespace; this is for those that
/// something else keeps alive. Idempotent.
pub(crate) fn disconnect(id: &str, device_number: u8) -> Result<()> {
    remove_device(&cable(id, device_number))
}

/// Removes a device of the host. Idempotent.
pub(super) fn remove_device(name: &str) -> Result<()> {
    let doing = || format!("remove the network device {name}");
    let Some(index) = index_of(name) else { return Ok(()) };
    let mut message = Message::new(libc::RTM_DELLINK, 0);
    message.link(index, None);
    match Socket::routing().map_err(Error::system(doing()))?.ask(message) {
        Err(why) if why.raw_os_error() == Some(libc::ENODEV) => Ok(()),
        other => other.map_err(Error::system(doing())),
    }
}

/// Makes of the bridge what is missing, which after a crash may be any part of it. Returns its index.
fn ensure(socket: &Socket, bridge: &Bridge) -> io::Result<u32> {
    let is_there = |result: io::Result<()>| match result {
        // It was there, or another process was faster.
        Err(why) if why.raw_os_error() == Some(libc::EEXIST) => Ok(()),
        other => other,
    };
    if index_of(&bridge.device).is_none() {
        let mut message = Message::new(libc::RTM_NEWLINK, libc::NLM_F_CREATE | libc::NLM_F_EXCL);
        message.link(0, None);
        message.text(libc::IFLA_IFNAME, &bridge.device);
        message.nested(libc::IFLA_LINKINFO, |info| info.text(libc::IFLA_INFO_KIND, "bridge"));
        is_there(socket.ask(message))?;
    }
    let index = index_of(&bridge.device).ok_or(io::ErrorKind::NotFound)?;
    speak_no_ipv6(&bridge.device)?;
    believe_no_routers(&bridge.device)?;
    let mut address = Message::new(libc::RTM_NEWADDR, libc::NLM_F_CREATE | libc::NLM_F_EXCL);
    address.address(index, bridge.gateway, bridge.prefix);
    is_there(socket.ask(address))?;
    let mut up = Message::new(libc::RTM_NEWLINK, 0);
    up.link(index, Some(true));
    socket.ask(up)?;
    Ok(index)
}

/// Before the device is up: our networks have no IPv6, and none of our rules sees it. The machine would have an address on
/// the bridge by itself, and would send on what a container sends there, also from an internal network.
fn speak_no_ipv6(device: &str) -> io::Result<()> {
    let path = format!("/proc/sys/net/ipv6/conf/{device}/disable_ipv6");
    match std::fs::read(&path) {
        Ok(state) if !state.starts_with(b"1") => std::fs::write(&path, "1"),
        // A kernel without IPv6 speaks none.
        _ => Ok(()),
    }
}

/// What a container says about IPv6 routes is not for this machine (CVE-2020-13401), also if somebody turns IPv6 on.
fn believe_no_routers(device: &str) -> io::Result<()> {
    let path = format!("/proc/sys/net/ipv6/conf/{device}/accept_ra");
    match std::fs::read(&path) {
        Ok(state) if !state.starts_with(b"0") => std::fs::write(&path, "0"),
        // A kernel without IPv6 hears none.
        _ => Ok(()),
    }
}

/// Lets packets of containers leave this machine, and those of nobody else: who turns forwarding on for the whole
/// machine must not make it a router between networks that are none of ours.
fn forward() -> Result<()> {
    if std::fs::read(FORWARD).is_ok_and(|state| state.starts_with(b"1")) {
        return Ok(());
    }
    firewall::forward_nothing()?;
    std::fs::write(FORWARD, "1").map_err(Error::system("turn on the forwarding of packets"))
}

pub(super) fn index_of(name: &str) -> Option<u32> {
    let socket = Socket::routing().ok()?;
    rustix::net::netdevice::name_to_index(&socket, name).ok()
}

/// The host's end of a container's cable: 15 characters are a device name's limit, and ids are random from the start.
/// Other ids are told apart by all of their characters.
fn cable(id: &str, device_number: u8) -> String {
    let first = match device_number {
        0 => "wh".to_owned(),
        number => format!("w{number}"),
    };
    let is_random = id.len() >= 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_random {
        return format!("{first}{}", &id[..12]);
    }
    // FNV-1a: nothing hostile chooses these.
    let hash = id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{first}{:012x}", hash & 0xffff_ffff_ffff)
}

/// The container's end, as docker calls it.
fn inside(bridge: &Bridge) -> String {
    format!("eth{}", bridge.device_number)
}

/// Above every device number: a cable's name has room for one digit.
pub const MAX_DEVICE_NUMBER: u8 = 10;
const FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";
/// `AF_INET6`, `IFLA_INET6_ADDR_GEN_MODE`, `IN6_ADDR_GEN_MODE_NONE`.
const INET6: u16 = 10;
const INET6_ADDRESSES: u16 = 8;
const NO_ADDRESSES: u8 = 1;
/// From the kernel's `veth.h`.
const VETH_INFO_PEER: u16 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cables_have_names_that_fit_and_differ() {
        let id = "0123456789abcdef0123456789abcdef";
        assert_eq!(cable(id, 0), "wh0123456789ab");
        assert_ne!(cable("test-1", 0), cable("test-2", 0));
        assert_eq!(cable("test-1", 0).len(), 14);
        assert_eq!(cable(id, MAX_DEVICE_NUMBER - 1), "w90123456789ab");
    }
}
