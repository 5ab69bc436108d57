//! Bodies that a bucket's service sends, to its client and on to ours.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use object_store::client::{HttpError, HttpErrorKind};
use tokio::time::{Instant, Sleep, sleep};

/// What a service sends, which may not stand still for too long.
pub(super) struct Received {
    body: Incoming,
    patience: Duration,
    deadline: Pin<Box<Sleep>>,
}

impl Received {
    pub(super) fn new(body: Incoming, patience: Duration) -> Self {
        Self { body, patience, deadline: Box::pin(sleep(patience)) }
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            ready!(self.deadline.as_mut().poll(cx));
            let why = io::Error::new(io::ErrorKind::TimedOut, "the service stands still");
            return Poll::Ready(Some(Err(HttpError::new(HttpErrorKind::Timeout, why))));
        };
        let until = Instant::now() + self.patience;
        self.deadline.as_mut().reset(until);
        Poll::Ready(frame.map(|frame| frame.map_err(|why| HttpError::new(HttpErrorKind::Interrupted, why))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

type Pieces = Pin<Box<dyn Stream<Item = object_store::Result<Bytes>> + Send>>;

/// Data on its way through. A stream is for one task at a time; the lock only says so to the compiler.
pub(crate) struct Passing {
    pieces: Mutex<Pieces>,
    left: u64,
}

impl std::fmt::Debug for Passing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passing").field("left", &self.left).finish_non_exhaustive()
    }
}

impl Passing {
    pub(super) fn new(pieces: Pieces, count: u64) -> Self {
        Self { pieces: Mutex::new(pieces), left: count }
    }

    /// How many bytes are still to come.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// The next bytes; an end before the end is an error.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let pieces = self.pieces.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        let piece = match ready!(pieces.as_mut().poll_next(cx)) {
            None => Err(io::ErrorKind::UnexpectedEof.into()),
            Some(Err(why)) => Err(io::Error::other(why)),
            Some(Ok(piece)) if piece.len() as u64 > self.left => {
                Err(io::Error::other("more bytes than were asked for"))
            }
            Some(Ok(piece)) => Ok(piece),
        };
        self.left = piece.as_ref().map_or(0, |piece| self.left - piece.len() as u64);
        Poll::Ready(Some(piece))
    }
}
