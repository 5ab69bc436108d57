//! Talking to the kernel's routing socket: the few messages that containers need.

use std::io;
use std::net::Ipv4Addr;
use std::num::NonZeroU32;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::buffer::spare_capacity;
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
        self.answers(message).map(drop)
    }

    /// Sends a request and gives what the kernel says to it: each answer's bytes after its header.
    pub(super) fn answers(&self, message: Message) -> io::Result<Vec<Vec<u8>>> {
        send(&self.0, &message.finish(), SendFlags::empty())?;
        let mut answers = Vec::new();
        while self.receive(&mut |answer| answers.push(answer.to_vec()))? == 0 {}
        Ok(answers)
    }

    /// Sends requests of which either all are granted or none, and takes the kernel's yes or its first no.
    pub(super) fn ask_together(self, messages: Vec<Message>) -> io::Result<()> {
        let mut left = messages.iter().filter(|message| message.wants_answer()).count();
        send(&self.0, &messages.into_iter().flat_map(Message::finish).collect::<Vec<u8>>(), SendFlags::empty())?;
        while left > 0 {
            left = left.saturating_sub(self.receive(&mut |_| ())?);
        }
        Ok(())
    }

    /// Takes what the kernel has ready, and gives how many requests that ended.
    fn receive(&self, answer: &mut dyn FnMut(&[u8])) -> io::Result<usize> {
        // Not filled with zeros first: that was a quarter of what a short container costs.
        let mut buffer = Vec::with_capacity(BUFFER);
        recv(&self.0, spare_capacity(&mut buffer), RecvFlags::empty())?;
        let mut rest = buffer.as_slice();
        let mut ended = 0;
        while let Some((header, _)) = rest.split_first_chunk::<HEADER>() {
            let size = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
            let kind = u16::from_ne_bytes([header[4], header[5]]);
            let flags = u16::from_ne_bytes([header[6], header[7]]);
            let body = rest.get(HEADER..size).ok_or(io::ErrorKind::InvalidData)?;
            if i32::from(flags) & libc::NLM_F_DUMP_INTR != 0 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            match i32::from(kind) {
                // An error number: 0 is yes.
                libc::NLMSG_ERROR | libc::NLMSG_DONE => {
                    let number = body.first_chunk().copied().map_or(0, i32::from_ne_bytes);
                    if number != 0 {
                        return Err(io::Error::from_raw_os_error(-number));
                    }
                    ended += 1;
                }
                _ => answer(body),
            }
            rest = rest.get(size.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(ended)
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
        Self::without_answer(kind, libc::NLM_F_ACK | flags)
    }

    /// One that the kernel acts on and says nothing to.
    pub(super) fn without_answer(kind: u16, flags: i32) -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend(0_u32.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(u16::try_from(libc::NLM_F_REQUEST | flags).unwrap_or(0).to_ne_bytes());
        // A sequence number and our port, which the kernel fills in.
        bytes.extend([0; 8]);
        Self(bytes)
    }

    fn wants_answer(&self) -> bool {
        i32::from(u16::from_ne_bytes([self.0[6], self.0[7]])) & libc::NLM_F_ACK != 0
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

    /// Bytes that are no attribute: the structure that a request begins with.
    pub(super) fn structure(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
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

/// The attributes in an answer's bytes: their kinds and values.
pub(super) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (header, _) = bytes.split_first_chunk::<4>()?;
        let size = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let kind = u16::from_ne_bytes([header[2], header[3]]) & ATTRIBUTE_KIND;
        let value = bytes.get(4..size)?;
        bytes = bytes.get(size.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// `struct nlmsghdr`.
const HEADER: usize = 16;
/// More than the kernel says in one piece.
const BUFFER: usize = 64 << 10;
/// `NLA_TYPE_MASK`: the other bits say how the value is written.
const ATTRIBUTE_KIND: u16 = 0x3fff;
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
    fn attributes_are_read_as_they_are_written() {
        let mut message = Message::new(7, 0);
        message.text(2, "abcde");
        message.nested(3, |inner| inner.attribute(4, &[1]));
        let bytes = message.finish();
        let read: Vec<_> = attributes(&bytes[HEADER..]).collect();
        assert_eq!(read, [(2, &b"abcde\0"[..]), (3, &[5, 0, 4, 0, 1, 0, 0, 0][..])]);
        // Sizes that are too large or too small end it.
        assert_eq!(attributes(&[9, 0, 1, 0, 0]).count() + attributes(&[3, 0, 1, 0]).count(), 0);
    }

    #[test]
    fn the_kernel_answers() {
        let mut message = Message::new(libc::RTM_DELLINK, 0);
        message.link(u32::MAX >> 1, None);
        assert!(Socket::routing().unwrap().ask(message).is_err());
    }
}
