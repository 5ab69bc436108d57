//! Bodies: those that are sent, and those that come in.

use std::fs::File;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use tokio::sync::mpsc;

use crate::file_body::FileBody;
use crate::storage::Passing;
use crate::wire::{Outlet, Piece};

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Body {
    /// What is in memory.
    Whole(Option<Bytes>),
    /// A part of a file.
    File(FileBody),
    /// What comes from a bucket.
    Passing(Passing),
    /// What somebody else reads for it.
    Arriving {
        /// The bytes.
        pieces: mpsc::Receiver<io::Result<Bytes>>,
        /// How many are still to come.
        left: u64,
    },
}

impl Body {
    /// Nothing.
    pub(crate) fn empty() -> Self {
        Self::Whole(None)
    }

    /// What is in memory.
    pub(crate) fn of(bytes: impl Into<Bytes>) -> Self {
        Self::Whole(Some(bytes.into()).filter(|bytes| !bytes.is_empty()))
    }

    /// All of it, in memory. Whoever asks knows that it is not too much.
    pub(crate) async fn whole(mut self) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(bytes) = self.next().await? {
            all.extend_from_slice(&bytes);
        }
        Ok(all)
    }

    /// The next bytes of a body that is read here; `None` at the end.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Bytes>> {
        let frame = std::future::poll_fn(|cx| Pin::new(&mut *self).poll_frame(cx)).await;
        match frame.transpose()?.map(Frame::into_data) {
            Some(Ok(Piece::Memory(bytes))) => Ok(Some(bytes)),
            Some(Ok(Piece::File(_))) => unreachable!("only a connection has an outlet"),
            Some(Err(_)) | None => Ok(None),
        }
    }

    /// `count` bytes of `file` from `at`.
    pub(crate) fn file(file: File, at: u64, count: u64) -> Self {
        Self::File(FileBody::new(file, at, count))
    }

    /// Lets the connection send what is a file.
    pub(crate) fn over(mut self, outlet: Option<&Outlet>) -> Self {
        if let (Self::File(body), Some(outlet)) = (&mut self, outlet) {
            body.go_through(outlet.clone());
        }
        self
    }
}

impl hyper::body::Body for Body {
    type Data = Piece;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Piece>>>> {
        let piece = match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Piece::Memory(bytes)))),
            Self::Passing(passing) => passing.poll_next(cx).map(|piece| piece.map(|piece| piece.map(Piece::Memory))),
            Self::Arriving { left: 0, .. } => Poll::Ready(None),
            Self::Arriving { pieces, left } => pieces.poll_recv(cx).map(|piece| {
                // Who reads for it and goes has not finished.
                let piece = piece.unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()));
                *left = piece.as_ref().map_or(0, |piece| left.saturating_sub(piece.len() as u64));
                Some(piece.map(Piece::Memory))
            }),
            Self::File(body) => body.poll_piece(cx),
        };
        piece.map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::File(body) => body.left() == 0,
            Self::Passing(passing) => passing.left() == 0,
            Self::Arriving { left, .. } => *left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Whole(bytes) => bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
            Self::File(body) => body.left(),
            Self::Passing(passing) => passing.left(),
            Self::Arriving { left, .. } => *left,
        })
    }
}

/// Why a request's body ends before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InboundError {
    /// Nothing came for too long.
    #[error("nothing came for {0:?}")]
    Idle(Duration),
    /// The connection broke, or the client breaks HTTP.
    #[error("the request ended early: {0}")]
    Broken(#[from] hyper::Error),
    /// More than is allowed.
    #[error("more than {0} bytes")]
    TooLarge(u64),
    /// Who else was asked for the bytes fails.
    #[error("{0}")]
    Elsewhere(io::Error),
}

/// Where bytes come in from.
enum From {
    /// A client.
    Client(Incoming),
    /// A thread that reads them elsewhere.
    Reader(mpsc::Receiver<io::Result<Bytes>>),
}

/// The body of a request, or what is fetched elsewhere, with bounds on its size and on how long it may stand still.
pub(crate) struct Inbound {
    body: From,
    idle: Duration,
    limit: u64,
    received: u64,
}

impl Inbound {
    pub(crate) fn new(body: Incoming, idle: Duration) -> Self {
        Self { body: From::Client(body), idle, limit: u64::MAX, received: 0 }
    }

    /// What a thread reads.
    pub(crate) fn read_from(pieces: mpsc::Receiver<io::Result<Bytes>>, idle: Duration) -> Self {
        Self { body: From::Reader(pieces), idle, limit: u64::MAX, received: 0 }
    }

    /// True if there is nothing more to read.
    pub(crate) fn is_over(&self) -> bool {
        match &self.body {
            From::Client(body) => body.is_end_stream(),
            From::Reader(pieces) => pieces.is_closed() && pieces.is_empty(),
        }
    }

    /// Allows at most so many bytes.
    pub(crate) fn limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// How many bytes the client has announced, if it did.
    pub(crate) fn announced(&self) -> Option<u64> {
        match &self.body {
            From::Client(body) => body.size_hint().exact(),
            From::Reader(_) => None,
        }
    }

    /// The next bytes, or `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, InboundError> {
        loop {
            let piece = tokio::time::timeout(self.idle, self.body.next()).await;
            let Some(bytes) = piece.map_err(|_| InboundError::Idle(self.idle))?? else { return Ok(None) };
            if bytes.is_empty() {
                continue;
            }
            self.received += bytes.len() as u64;
            if self.received > self.limit {
                return Err(InboundError::TooLarge(self.limit));
            }
            return Ok(Some(bytes));
        }
    }

    /// All of it, in memory.
    pub(crate) async fn whole(&mut self, limit: u64) -> Result<Bytes, InboundError> {
        if self.announced().is_some_and(|announced| announced > limit) {
            return Err(InboundError::TooLarge(limit));
        }
        self.limit(limit);
        let mut all = BytesMut::new();
        while let Some(bytes) = self.next().await? {
            if all.is_empty() && self.is_over() {
                return Ok(bytes);
            }
            all.extend_from_slice(&bytes);
        }
        Ok(all.freeze())
    }

    /// Reads on to the end of a body that nobody wants, so that the client gets to read the answer: one that is still
    /// sending when the connection closes sees only that. Gives up soon.
    pub(crate) async fn drain(mut self) {
        if self.is_over() {
            return;
        }
        let reading = async {
            self.limit(self.received.saturating_add(DRAINED));
            while let Ok(Some(_)) = self.next().await {}
        };
        let _given_up = tokio::time::timeout(DRAINING, reading).await;
    }
}

impl From {
    /// The next piece; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, InboundError> {
        match self {
            Self::Client(body) => {
                let frame = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await;
                // Trailers say nothing that matters here.
                Ok(frame.transpose()?.map(|frame| frame.into_data().unwrap_or_default()))
            }
            Self::Reader(pieces) => pieces.recv().await.transpose().map_err(InboundError::Elsewhere),
        }
    }
}

/// 16 MiB: more than clients send in a chunk, less than a layer.
const DRAINED: u64 = 16 << 20;
/// 5 s.
const DRAINING: Duration = Duration::from_secs(5);
