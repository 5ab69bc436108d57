//! Files as the bodies of answers.

use std::fs::File;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, ReadWriteFlags};
use tokio::task::JoinHandle;

use crate::wire::{LARGEST_PIECE, Outlet, Piece};

/// Sends a part of a file, a piece at a time: without memory of ours over a connection that sends files by itself, else with as
/// much as one piece. Only what the system has to fetch from a disk is waited for, by a thread that may wait.
#[derive(Debug)]
pub(crate) struct FileBody {
    part: Part,
    outlet: Option<Outlet>,
    waiting: Option<JoinHandle<io::Result<Piece>>>,
}

/// What is left to send.
#[derive(Debug, Clone)]
struct Part {
    file: Arc<File>,
    at: u64,
    left: u64,
}

impl FileBody {
    /// `count` bytes of `file` from `at`.
    pub(crate) fn new(file: File, at: u64, count: u64) -> Self {
        Self { part: Part { file: Arc::new(file), at, left: count }, outlet: None, waiting: None }
    }

    /// Lets the connection send the file.
    pub(crate) fn go_through(&mut self, outlet: Outlet) {
        self.outlet = Some(outlet);
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> u64 {
        self.part.left
    }

    /// The next piece; `None` at the end.
    pub(crate) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Piece>>> {
        if self.part.left == 0 {
            return Poll::Ready(None);
        }
        let at_once = if self.waiting.is_none() { self.at_once() } else { None };
        let piece = match at_once {
            Some(piece) => Ok(piece),
            None => {
                let waiting = self.waiting.get_or_insert_with(|| wait_for(self.part.clone(), self.outlet.clone()));
                let waited = ready!(Pin::new(waiting).poll(cx));
                self.waiting = None;
                waited.map_err(io::Error::other).and_then(|piece| piece)
            }
        };
        let count = piece.as_ref().map_or(self.part.left, |piece| piece.remaining() as u64);
        self.part.at += count;
        self.part.left -= count;
        Poll::Ready(Some(piece))
    }

    /// The next piece if the system has it in memory. It need not be waited for then, and what does not wait needs no thread.
    fn at_once(&self) -> Option<Piece> {
        match &self.outlet {
            Some(outlet) => {
                let cached = self.part.cached();
                (cached > 0).then(|| outlet.piece(&self.part.file, self.part.at, cached))
            }
            None => self.part.read_cached().map(Piece::Memory),
        }
    }
}

/// Has a thread wait for the next piece.
fn wait_for(part: Part, outlet: Option<Outlet>) -> JoinHandle<io::Result<Piece>> {
    tokio::task::spawn_blocking(move || match outlet {
        Some(outlet) => {
            let count = part.at_most(LARGEST_PIECE);
            part.fetch(count)?;
            Ok(outlet.piece(&part.file, part.at, count))
        }
        None => part.read().map(Piece::Memory),
    })
}

impl Part {
    fn at_most(&self, most: usize) -> usize {
        usize::try_from(self.left).unwrap_or(most).min(most)
    }

    /// How many bytes the system has in memory, as far as can be seen from the last byte of each step: it reads ahead. A mistake
    /// costs a wait and nothing else.
    fn cached(&self) -> usize {
        let mut last = [0];
        let mut is_cached = |end: &usize| {
            let into = &mut [io::IoSliceMut::new(&mut last)];
            rustix::io::preadv2(&self.file, into, self.at + *end as u64 - 1, ReadWriteFlags::NOWAIT) == Ok(1)
        };
        steps(self.at_most(LARGEST_PIECE)).take_while(&mut is_cached).last().unwrap_or(0)
    }

    /// Brings so many bytes into the system's memory.
    fn fetch(&self, count: usize) -> io::Result<()> {
        let length = std::num::NonZeroU64::new(count as u64);
        rustix::fs::fadvise(&self.file, self.at, length, rustix::fs::Advice::WillNeed)?;
        for end in steps(count) {
            let read = rustix::io::retry_on_intr(|| rustix::io::pread(&self.file, &mut [0], self.at + end as u64 - 1))?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    /// The next bytes if the system has them in memory.
    fn read_cached(&self) -> Option<Bytes> {
        let mut piece = vec![0; self.at_most(PIECE)];
        let into = &mut [io::IoSliceMut::new(&mut piece)];
        let read = rustix::io::preadv2(&self.file, into, self.at, ReadWriteFlags::NOWAIT).ok()?;
        piece.truncate(read);
        Some(Bytes::from(piece)).filter(|piece| !piece.is_empty())
    }

    /// The next bytes.
    fn read(&self) -> io::Result<Bytes> {
        let count = self.at_most(PIECE);
        let mut piece = Vec::with_capacity(count);
        while piece.len() < count {
            // What is read need not be zero before.
            let at = self.at + piece.len() as u64;
            match rustix::io::pread(&self.file, spare_capacity(&mut piece), at) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(why) => return Err(why.into()),
            }
        }
        // A vector may have got more room than it asked for, and the file may have more than is wanted.
        piece.truncate(count);
        Ok(Bytes::from(piece))
    }
}

/// Where each step of a piece of so many bytes ends.
fn steps(count: usize) -> impl Iterator<Item = usize> {
    (STEP..count).step_by(STEP).chain([count])
}

/// 64 KiB: what a processor keeps near itself between reading and sending; larger pieces cost more, for memory that is new each time.
const PIECE: usize = 64 << 10;
/// 64 KiB: how far it is from one look at what the system has in memory to the next.
const STEP: usize = 64 << 10;
