//! A connection that does not wait for ever for a client to read.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Ends when nothing can be written for too long: whoever asks for much and reads nothing would keep his place for ever.
pub(crate) struct Patient<S> {
    stream: S,
    patience: Duration,
    /// Until when something has to be written, while nothing can be.
    until: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
}

impl<S> Patient<S> {
    /// Waits so long for a client.
    pub(crate) fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, until: None, is_waiting: false }
    }

    /// What writing came to, or that it took too long.
    fn bounded<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.is_waiting = false;
            return written;
        }
        let deadline = Instant::now() + self.patience;
        let until = self.until.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if !std::mem::replace(&mut self.is_waiting, true) {
            until.as_mut().reset(deadline);
        }
        match until.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.bounded(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.bounded(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.bounded(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.bounded(cx, ended)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn run(work: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work);
    }

    #[test]
    fn whoever_reads_nothing_is_not_waited_for() {
        run(async {
            let (ours, theirs) = tokio::io::duplex(16);
            let written = Patient::new(ours, Duration::from_millis(20)).write_all(&[0; 100]).await;
            assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
            drop(theirs);
        });
    }

    #[test]
    fn whoever_reads_slowly_is() {
        run(async {
            let (ours, mut theirs) = tokio::io::duplex(4);
            let reading = async {
                let (mut all, mut some) = (Vec::new(), [0; 4]);
                loop {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    match theirs.read(&mut some).await.unwrap() {
                        0 => return all,
                        count => all.extend_from_slice(&some[..count]),
                    }
                }
            };
            // Long enough for each pause, and not for all of them.
            let mut ours = Patient::new(ours, Duration::from_millis(400));
            let writing = async {
                ours.write_all(&[7; 600]).await.unwrap();
                drop(ours);
            };
            let (all, ()) = tokio::join!(reading, writing);
            assert_eq!(all, [7; 600]);
        });
    }
}
