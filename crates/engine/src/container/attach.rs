//! How clients reach a detached container: a socket beside it, and frames over that.
//!
//! A frame is one byte that says what it is, four bytes of length (big-endian), and the content.

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use wharfie_store::containers::{ContainerRow, Status};

use super::ContainerError;
use super::{is_alive, readable_settings};
use crate::engine::Engine;
use crate::error::Result;

/// What travels between a client and a monitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Client: for the container's standard input.
    Input(Vec<u8>),
    /// Client: no more input.
    InputEnd,
    /// Client: the terminal has this many rows and columns.
    Resize(u16, u16),
    /// Client: a signal of this number for the container.
    Signal(u8),
    /// Client: the container is not to be started again.
    Wake,
    /// Monitor: the container's standard output.
    Output(Vec<u8>),
    /// Monitor: the container's standard error.
    ErrorOutput(Vec<u8>),
    /// Monitor: it ended with this code.
    End(i32),
}

/// 64 KiB: larger frames are not made, and not taken.
const MAX_FRAME: usize = 64 << 10;

impl Frame {
    /// Writes the frame.
    ///
    /// # Errors
    /// When the other side is gone.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let (kind, content): (u8, &[u8]) = match self {
            Self::Input(bytes) => (0, bytes),
            Self::InputEnd => (1, &[]),
            Self::Wake => (7, &[]),
            Self::Resize(rows, columns) => {
                let [a, b] = rows.to_be_bytes();
                let [c, d] = columns.to_be_bytes();
                return write(out, 2, &[a, b, c, d]);
            }
            Self::Signal(number) => return write(out, 6, &[*number]),
            Self::Output(bytes) => (3, bytes),
            Self::ErrorOutput(bytes) => (4, bytes),
            Self::End(code) => return write(out, 5, &code.to_be_bytes()),
        };
        write(out, kind, content)
    }

    /// Reads a frame; `None` when the other side has closed.
    ///
    /// # Errors
    /// When the connection breaks, or what comes is no frame.
    pub fn read(source: &mut impl Read) -> io::Result<Option<Self>> {
        let mut head = [0; 5];
        let mut have = 0;
        while have < head.len() {
            match source.read(&mut head[have..]) {
                Ok(0) if have == 0 => return Ok(None),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => have += n,
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                Err(why) => return Err(why),
            }
        }
        let [kind, a, b, c, d] = head;
        let len = u32::from_be_bytes([a, b, c, d]) as usize;
        if len > MAX_FRAME {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is longer than any that is made"));
        }
        let mut content = vec![0; len];
        source.read_exact(&mut content)?;
        let frame = match (kind, content.as_slice()) {
            (0, _) => Self::Input(content),
            (1, _) => Self::InputEnd,
            (7, _) => Self::Wake,
            (2, &[a, b, c, d]) => Self::Resize(u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])),
            (6, &[number]) => Self::Signal(number),
            (3, _) => Self::Output(content),
            (4, _) => Self::ErrorOutput(content),
            (5, &[a, b, c, d]) => Self::End(i32::from_be_bytes([a, b, c, d])),
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "an unknown frame")),
        };
        Ok(Some(frame))
    }
}

fn write(out: &mut impl Write, kind: u8, content: &[u8]) -> io::Result<()> {
    let len = u32::try_from(content.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut frame = Vec::with_capacity(5 + content.len());
    frame.push(kind);
    frame.extend_from_slice(&len.to_be_bytes());
    frame.extend_from_slice(content);
    out.write_all(&frame)
}

impl Engine {
    /// Connects to a detached container that runs. Gives the connection and whether it has a terminal.
    ///
    /// # Errors
    /// When there is no such container, it does not run, or it runs in the foreground of another command.
    pub fn attach(&self, name: &str) -> Result<(UnixStream, bool)> {
        let row = self.container(name)?;
        let settings = readable_settings(&row);
        let refusal = match row.state.status() {
            Status::Restarting => Some(ContainerError::AttachRestarting),
            Status::Paused => Some(ContainerError::AttachPaused),
            _ if !is_alive(&row) => Some(ContainerError::AttachStopped),
            _ => None,
        };
        if let Some(refusal) = refusal {
            return Err(refusal.into());
        }
        Ok((self.connect(&row)?, settings.tty))
    }

    /// Connects to the monitor of a container, whether the container runs already or not.
    ///
    /// # Errors
    /// When it has none.
    pub fn connect(&self, row: &ContainerRow) -> Result<UnixStream> {
        let place = Socket::new(&self.reader()?.container_directory(&row.id));
        let stream = place.and_then(|place| UnixStream::connect(place.path()));
        stream.map_err(|_| ContainerError::InForeground(row.id.clone()).into())
    }
}

/// Where a container's terminal and streams can be reached while it runs.
pub(crate) struct Socket(OwnedFd);

impl Socket {
    /// The socket in this directory.
    pub(crate) fn new(directory: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(directory, flags, Mode::empty())?))
    }

    /// Its path, short enough for the kernel wherever the store is: a socket's may have 107 bytes.
    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/attach.sock", self.0.as_raw_fd()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_the_wire() {
        let frames = [
            Frame::Input(b"x".to_vec()),
            Frame::InputEnd,
            Frame::Resize(24, 80),
            Frame::Signal(15),
            Frame::Wake,
            Frame::Output(vec![7; 1000]),
            Frame::ErrorOutput(Vec::new()),
            Frame::End(-1),
        ];
        let mut wire = Vec::new();
        for frame in &frames {
            frame.write(&mut wire).unwrap();
        }
        let mut source = wire.as_slice();
        for frame in frames {
            assert_eq!(Frame::read(&mut source).unwrap(), Some(frame));
        }
        assert_eq!(Frame::read(&mut source).unwrap(), None);
        assert!(Frame::read(&mut &[3, 255, 255, 255, 255][..]).is_err());
        assert!(Frame::read(&mut &[3, 0][..]).is_err());
    }
}
