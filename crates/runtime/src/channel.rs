//! Messages with open files between two processes of our own program: who wants a container and the init that makes it, or
//! a command and the process that goes on when the command is done.
//!
//! A pair of sequenced-packet sockets: one message is one piece of JSON and any descriptors with it. It closes when
//! the init executes the command, and that is how the starter knows that all went well.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::warning::Warning;

/// The starter's message to the init. The first is followed by as many more as there are layers left to pass.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Handover {
    /// How many descriptors of layers come in further messages.
    pub(crate) lowers: usize,
    /// Which of standard input, output and error come with this one, after the specification.
    pub(crate) stdio: [bool; 3],
}

/// What the init has to say.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// The process exists; its descriptor comes along.
    Started {
        /// As seen by the starter.
        pid: u32,
        /// Where it is accounted.
        cgroup: crate::Cgroup,
    },
    /// The terminal's end for the starter comes along.
    Terminal,
    /// Not as asked, but it goes on.
    Warned(Warning),
    /// It does not go on.
    Failed(Error),
}

/// One end.
#[derive(Debug)]
pub struct Channel(OwnedFd);

impl Channel {
    /// Two ends; both close when a program is executed.
    ///
    /// # Errors
    /// When there is no descriptor left.
    pub fn pair() -> Result<(Self, Self)> {
        let (one, other) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .map_err(Error::system("make a socket pair"))?;
        Ok((Self(one), Self(other)))
    }

    /// The end that another process handed over as this descriptor.
    pub fn from_fd(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// The descriptor, to be handed over.
    pub fn into_fd(self) -> OwnedFd {
        self.0
    }

    /// Sends a message of at most 64 KiB, and these files with it.
    ///
    /// # Errors
    /// When the other end is closed, or the message is too long.
    pub fn send<T: Serialize>(&self, message: &T, files: &[BorrowedFd<'_>]) -> Result<()> {
        let bytes =
            serde_json::to_vec(message).map_err(std::io::Error::from).map_err(Error::system("write a message"))?;
        if bytes.len() > MAX_MESSAGE_BYTES {
            return Err(Error::system("pass a message between processes")(rustix::io::Errno::MSGSIZE));
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FILES))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !files.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(files));
        }
        sendmsg(&self.0, &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::NOSIGNAL)
            .map_err(Error::system("pass a message between processes"))?;
        Ok(())
    }

    /// The next message and the files that came with it, or `None` when the other end is closed.
    ///
    /// # Errors
    /// When what comes is none.
    pub fn receive<T: for<'de> Deserialize<'de>>(&self) -> Result<Option<(T, Vec<OwnedFd>)>> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FILES))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut bytes = vec![0; MAX_MESSAGE_BYTES];
        let message = loop {
            match recvmsg(&self.0, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
                Err(rustix::io::Errno::INTR) => {}
                // The other process ended with unread messages of ours: it is closed all the same.
                Err(rustix::io::Errno::CONNRESET) => return Ok(None),
                other => break other.map_err(Error::system("read a message between processes"))?,
            }
        };
        if message.bytes == 0 {
            return Ok(None);
        }
        let mut files = Vec::new();
        for part in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(passed) = part {
                files.extend(passed);
            }
        }
        let value = serde_json::from_slice(&bytes[..message.bytes]).map_err(std::io::Error::from);
        Ok(Some((value.map_err(Error::system("understand a message between processes"))?, files)))
    }

    /// Passes descriptors in as many messages as they need.
    pub(crate) fn send_files(&self, files: &[OwnedFd]) -> Result<()> {
        for part in files.chunks(MAX_FILES) {
            self.send(&part.len(), &part.iter().map(AsFd::as_fd).collect::<Vec<_>>())?;
        }
        Ok(())
    }

    /// Takes `count` descriptors that [`Channel::send_files`] passed.
    pub(crate) fn receive_files(&self, count: usize) -> Result<Vec<OwnedFd>> {
        let mut files = Vec::with_capacity(count);
        while files.len() < count {
            let (_, part) = self.receive::<usize>()?.ok_or(Error::InitDied)?;
            files.extend(part);
        }
        Ok(files)
    }
}

/// 253 is the kernel's limit a message (`SCM_MAX_FD`); a round number beneath it.
const MAX_FILES: usize = 250;
/// Far above any report, and within a socket's buffer.
const MAX_MESSAGE_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_files_arrive_and_the_end_is_seen() {
        let (one, other) = Channel::pair().unwrap();
        let files: Vec<OwnedFd> = (0..600).map(|_| std::fs::File::open("/dev/null").unwrap().into()).collect();
        one.send(&Report::Warned(Warning::NoDeviceFilter), &[]).unwrap();
        one.send_files(&files).unwrap();
        drop(one);
        let (report, none) = other.receive::<Report>().unwrap().unwrap();
        assert!(matches!(report, Report::Warned(Warning::NoDeviceFilter)) && none.is_empty());
        assert_eq!(other.receive_files(600).unwrap().len(), 600);
        assert!(other.receive::<Report>().unwrap().is_none());
    }

    #[test]
    fn errors_survive_the_way() {
        let (one, other) = Channel::pair().unwrap();
        one.send(&Report::Failed(Error::system("try")(rustix::io::Errno::PERM)), &[]).unwrap();
        let (report, _) = other.receive::<Report>().unwrap().unwrap();
        let Report::Failed(Error::System { doing, source }) = report else { panic!("{report:?}") };
        assert_eq!((doing.as_str(), source.kind()), ("try", std::io::ErrorKind::PermissionDenied));
    }
}
