//! Files go from the system's cache into a connection without passing through this process (`sendfile`).
//!
//! hyper knows memory only: it asks the pieces of a body for slices and hands those to the connection. The piece of a file shows
//! [`STAND_IN`], memory that nobody reads, and puts the file into the connection's [`Outlet`]; the [`Wire`] knows that memory by its
//! address and sends the file's bytes in its place. Pieces are sent in the order in which they were made.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// A part of a body.
#[derive(Debug)]
pub(crate) enum Piece {
    /// What is in memory.
    Memory(Bytes),
    /// So many bytes of the file that is next in the connection's outlet.
    File(usize),
}

/// What stands for a file's bytes. It is never read, so that no page of it is ever in memory.
static STAND_IN: [u8; LARGEST_PIECE] = [0; LARGEST_PIECE];

/// 1 MiB: the most that one piece of a file stands for.
pub(crate) const LARGEST_PIECE: usize = 1 << 20;

/// The parts of files that a connection has still to send.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outlet(Arc<Mutex<VecDeque<Part>>>);

#[derive(Debug)]
struct Part {
    file: Arc<File>,
    at: u64,
    left: usize,
}

/// A connection that sends files by itself.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    outlet: Outlet,
}

impl Outlet {
    /// The piece that stands for `count` bytes of `file` from `at`: at most [`LARGEST_PIECE`].
    pub(crate) fn piece(&self, file: &Arc<File>, at: u64, count: usize) -> Piece {
        let left = count.min(LARGEST_PIECE);
        self.parts().push_back(Part { file: Arc::clone(file), at, left });
        Piece::File(left)
    }

    fn parts(&self) -> std::sync::MutexGuard<'_, VecDeque<Part>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        match self {
            Self::Memory(bytes) => bytes.len(),
            Self::File(left) => *left,
        }
    }

    fn chunk(&self) -> &[u8] {
        match self {
            Self::Memory(bytes) => bytes,
            // Whoever copied the stand-in would send zeros: better to break this connection.
            Self::File(_) => unreachable!("a connection with an outlet is written to in slices"),
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let bytes = match self {
            Self::Memory(bytes) => bytes.as_ref(),
            Self::File(left) => &STAND_IN[..*left],
        };
        match slices.first_mut().filter(|_| !bytes.is_empty()) {
            Some(slice) => {
                *slice = IoSlice::new(bytes);
                1
            }
            None => 0,
        }
    }

    fn advance(&mut self, count: usize) {
        match self {
            Self::Memory(bytes) => bytes.advance(count),
            Self::File(left) => *left -= count,
        }
    }
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, outlet: Outlet::default() }
    }

    /// Where the files of this connection's answers go.
    pub(crate) fn outlet(&self) -> Outlet {
        self.outlet.clone()
    }

    /// Sends at most so many bytes of the part that is next.
    fn poll_send(&self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<usize>> {
        let mut parts = self.outlet.parts();
        let Some(part) = parts.front_mut() else { return Poll::Ready(Err(io::Error::other("nothing is to be sent"))) };
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            let count = most.min(part.left);
            let mut at = part.at;
            let sent = self.stream.try_io(Interest::WRITABLE, || {
                Ok(rustix::fs::sendfile(&self.stream, &part.file, Some(&mut at), count)?)
            });
            match sent {
                // The head has said how much comes: the client sees that it is less.
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Ok(sent) => {
                    part.at = at;
                    part.left -= sent;
                    if part.left == 0 {
                        parts.pop_front();
                    }
                    return Poll::Ready(Ok(sent));
                }
                Err(why) if matches!(why.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(why) => return Poll::Ready(Err(why)),
            }
        }
    }
}

/// True if these bytes only stand for a file's.
fn stands_in(slice: &[u8]) -> bool {
    !slice.is_empty() && std::ptr::eq(slice.as_ptr(), STAND_IN.as_ptr())
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if stands_in(bytes) {
            return self.poll_send(cx, bytes.len());
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match slices.iter().position(|slice| stands_in(slice)) {
            Some(0) => self.poll_send(cx, slices[0].len()),
            Some(file) => Pin::new(&mut self.stream).poll_write_vectored(cx, &slices[..file]),
            None => Pin::new(&mut self.stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use tokio::io::AsyncWriteExt;

    use super::*;

    fn of_file(bytes: &[u8]) -> Arc<File> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Arc::new(file)
    }

    /// Writes pieces as hyper does: slices of all of them, and on from where the last write ended.
    async fn send(wire: &mut Wire, mut pieces: VecDeque<Piece>) -> io::Result<()> {
        while let Some(first) = pieces.front() {
            if !first.has_remaining() {
                pieces.pop_front();
                continue;
            }
            let mut slices = [IoSlice::new(&[]); 8];
            let mut count = 0;
            for piece in pieces.iter().take(slices.len()) {
                count += piece.chunks_vectored(&mut slices[count..]);
            }
            let mut sent = wire.write_vectored(&slices[..count]).await?;
            for piece in &mut pieces {
                let of_it = sent.min(piece.remaining());
                piece.advance(of_it);
                sent -= of_it;
            }
        }
        Ok(())
    }

    /// Sends pieces to a client that reads everything.
    fn received(make: impl FnOnce(&Outlet) -> VecDeque<Piece>) -> (io::Result<()>, Vec<u8>) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        server.set_nonblocking(true).unwrap();
        let reading = std::thread::spawn(move || {
            let mut all = Vec::new();
            client.read_to_end(&mut all).unwrap();
            all
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let sent = runtime.block_on(async {
            let mut wire = Wire::new(TcpStream::from_std(server).unwrap());
            let pieces = make(&wire.outlet());
            send(&mut wire, pieces).await
        });
        (sent, reading.join().unwrap())
    }

    #[test]
    fn files_and_memory_come_in_their_order() {
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
        let (first, second) = (of_file(&bytes), of_file(b"short"));
        let memory = |text: &'static str| Piece::Memory(Bytes::from_static(text.as_bytes()));
        let (sent, all) = received(|outlet| {
            let large = outlet.piece(&first, 7, bytes.len());
            let rest = outlet.piece(&first, 7 + LARGEST_PIECE as u64, 1000);
            let short = outlet.piece(&second, 0, 5);
            [memory("head"), large, rest, memory("between"), short, memory("end")].into()
        });
        sent.unwrap();
        let middle = &bytes[7..7 + LARGEST_PIECE + 1000];
        assert!(all == [b"head", middle, b"between", b"short", b"end"].concat(), "{} bytes", all.len());
    }

    #[test]
    fn a_file_that_is_shorter_than_it_was_ends_the_connection() {
        let file = of_file(b"12345");
        let (sent, all) = received(|outlet| [outlet.piece(&file, 0, 10)].into());
        assert_eq!(sent.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(all, b"12345");
    }

    #[test]
    fn what_stands_in_is_never_sent() {
        let (sent, all) = received(|_| [Piece::File(10)].into());
        assert!(sent.is_err() && all.is_empty());
    }
}
