//! Talking to the kernel's routing socket: the few messages that containers need.

use std::io;
use std::net::Ipv4Addr;
use std::num::NonZeroU32;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

use crate::error::{Error, Result};

/// Brings up `lo` of the calling process's network namespace.
pub(crate) fn loopback_up() -> Result<()> {
    let doing = "bring up the loopback device";
    let socket = Socket::routing().map_err(Error::system(doing))?;
    let mut message = Message::new(libc::RTM_NEWLINK, 0);
    message.link(LOOPBACK_INDEX, Some(true));
    socket.ask(message).map_err(Error::system(doing))
}

/// A socket to one part of the kernel.
pub(super) struct Socket(OwnedFd);

impl Socket {
    /// Devices, addresses, routes.
    pub(super) fn routing() -> io::Result<Self> {
        // The routing protocol is number 0, which is also the default.
        Self::open(None)
    }

    /// Firewalls.
    pub(super) fn filtering() -> io::Result<Self> {
        Self::open(NonZeroU32::new(NETLINK_NETFILTER).map(Protocol::from_raw))
    }

    fn open(protocol: Option<Protocol>) -> io::Result<Self> {
        Ok(Self(socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?))
    }

    /// Sends a request and takes the kernel's yes or no.
    pub(super) fn ask(&self, message: Message) -> io::Result<()> {
        send(&self.0, &message.finish(), SendFlags::empty())?;
        let mut answer = [0; 4096];
        loop {
            let (length, _) = recv(&self.0, &mut answer[..], RecvFlags::empty())?;
            if length < 20 {
                return Err(io::ErrorKind::InvalidData.into());
            }
            // The header is 16 bytes, then comes an error number: 0 is yes. What was asked for may come before it.
            let kind = u16::from_ne_bytes([answer[4], answer[5]]);
            if i32::from(kind) == libc::NLMSG_ERROR {
                return match i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]) {
                    0 => Ok(()),
                    number => Err(io::Error::from_raw_os_error(-number)),
                };
            }
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A request in the making.
pub(super) struct Message(Vec<u8>);

impl Message {
    pub(super) fn new(kind: u16, flags: i32) -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend(0_u32.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        let flags = libc::NLM_F_REQUEST | libc::NLM_F_ACK | flags;
        bytes.extend(u16::try_from(flags).unwrap_or(0).to_ne_bytes());
        // A sequence number and our port, which the kernel fills in.
        bytes.extend([0; 8]);
        Self(bytes)
    }

    /// `struct ifinfomsg`; index 0 is "by name".
    pub(super) fn link(&mut self, index: u32, is_up: Option<bool>) {
        self.0.extend([0; 4]);
        self.0.extend(index.to_ne_bytes());
        self.0.extend(if is_up == Some(true) { UP } else { 0 }.to_ne_bytes());
        self.0.extend(if is_up.is_some() { UP } else { 0 }.to_ne_bytes());
    }

    /// `struct ifaddrmsg` and its address.
    pub(super) fn address(&mut self, index: u32, address: Ipv4Addr, prefix: u8) {
        self.0.extend([INET, prefix, 0, 0]);
        self.0.extend(index.to_ne_bytes());
        self.attribute(libc::IFA_LOCAL, &address.octets());
        self.attribute(libc::IFA_ADDRESS, &address.octets());
        let broadcast = u32::from(address) | u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
        self.attribute(libc::IFA_BROADCAST, &broadcast.to_be_bytes());
    }

    /// `struct rtmsg` of a default route.
    pub(super) fn default_route(&mut self, index: u32, gateway: Ipv4Addr) {
        let (table, protocol) = (libc::RT_TABLE_MAIN, libc::RTPROT_BOOT);
        self.0.extend([INET, 0, 0, 0, table, protocol, libc::RT_SCOPE_UNIVERSE, libc::RTN_UNICAST]);
        self.0.extend([0; 4]);
        self.attribute(libc::RTA_GATEWAY, &gateway.octets());
        self.attribute(libc::RTA_OIF, &index.to_ne_bytes());
    }

    /// `struct nfgenmsg`.
    pub(super) fn firewall(&mut self, family: u8) {
        self.0.extend([family, 0, 0, 0]);
    }

    pub(super) fn attribute(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    /// A string attribute, with the zero that ends it.
    pub(super) fn text(&mut self, kind: u16, value: &str) {
        self.attribute(kind, &[value.as_bytes(), b"\0"].concat());
    }

    /// An attribute made of what `fill` adds.
    pub(super) fn nested(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let start = self.0.len();
        self.attribute(kind, &[]);
        fill(self);
        let length = u16::try_from(self.0.len() - start).unwrap_or(u16::MAX);
        self.0[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    }

    fn finish(mut self) -> Vec<u8> {
        let length = u32::try_from(self.0.len()).unwrap_or(0);
        self.0[..4].copy_from_slice(&length.to_ne_bytes());
        self.0
    }
}

/// `lo` is the first device of every network namespace.
const LOOPBACK_INDEX: u32 = 1;
/// `IFF_UP`.
const UP: u32 = 1;
/// `AF_INET`.
const INET: u8 = 2;
const NETLINK_NETFILTER: u32 = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_and_nest() {
        let mut message = Message::new(7, 0);
        message.nested(1, |inner| inner.text(2, "ab"));
        let bytes = message.finish();
        assert_eq!(bytes[0..4], 28_u32.to_ne_bytes());
        assert_eq!(bytes[16..], [&[12, 0, 1, 0, 7, 0, 2, 0][..], b"ab\0\0"].concat());
    }

    #[test]
    fn the_kernel_answers() {
        let mut message = Message::new(libc::RTM_DELLINK, 0);
        message.link(u32::MAX >> 1, None);
        assert!(Socket::routing().unwrap().ask(message).is_err());
    }
}
