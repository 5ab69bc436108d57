//! Talking to the kernel's routing socket: the few messages that containers need.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

use crate::error::{Error, Result};

/// Brings up `lo` of the calling process's network namespace.
pub(crate) fn loopback_up() -> Result<()> {
    let doing = "bring up the loopback device";
    let socket = Socket::open().map_err(Error::system(doing))?;
    let mut message = Message::new(libc::RTM_NEWLINK, 0);
    message.link(LOOPBACK_INDEX, UP, UP);
    socket.ask(message).map_err(Error::system(doing))
}

/// A routing socket.
pub(super) struct Socket(OwnedFd);

impl Socket {
    pub(super) fn open() -> io::Result<Self> {
        // The routing protocol is number 0, which is also the default.
        let fd = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
        Ok(Self(fd))
    }

    /// Sends a request and takes the kernel's yes or no.
    pub(super) fn ask(&self, message: Message) -> io::Result<()> {
        send(&self.0, &message.finish(), SendFlags::empty())?;
        let mut answer = [0; 4096];
        let (length, _) = recv(&self.0, &mut answer[..], RecvFlags::empty())?;
        // The header is 16 bytes, then comes an error number: 0 is yes.
        let kind = u16::from_ne_bytes([answer[4], answer[5]]);
        if length < 20 || i32::from(kind) != libc::NLMSG_ERROR {
            return Err(io::ErrorKind::InvalidData.into());
        }
        match i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]) {
            0 => Ok(()),
            number => Err(io::Error::from_raw_os_error(-number)),
        }
    }
}

/// A request in the making.
pub(super) struct Message(Vec<u8>);

impl Message {
    pub(super) fn new(kind: u16, flags: i32) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend(0_u32.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        let flags = libc::NLM_F_REQUEST | libc::NLM_F_ACK | flags;
        bytes.extend(u16::try_from(flags).unwrap_or(0).to_ne_bytes());
        // A sequence number and our port, which the kernel fills in.
        bytes.extend([0; 8]);
        Self(bytes)
    }

    /// `struct ifinfomsg`.
    pub(super) fn link(&mut self, index: i32, flags: u32, change: u32) {
        self.0.extend([0; 4]);
        self.0.extend(index.to_ne_bytes());
        self.0.extend(flags.to_ne_bytes());
        self.0.extend(change.to_ne_bytes());
    }

    fn finish(mut self) -> Vec<u8> {
        let length = u32::try_from(self.0.len()).unwrap_or(0);
        self.0[..4].copy_from_slice(&length.to_ne_bytes());
        self.0
    }
}

/// `lo` is the first device of every network namespace.
const LOOPBACK_INDEX: i32 = 1;
/// `IFF_UP`.
const UP: u32 = 1;
