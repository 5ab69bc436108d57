//! Bytes from one thread to another, in blocks that go round: cheaper than a pipe, which copies all of them twice more.

use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

/// 64 KiB.
const BLOCK: usize = 64 << 10;
/// Blocks that wait to be read at most.
const WAITING: usize = 4;

/// The end that is written to. What is left in it when it is dropped is lost: flush it.
pub(crate) struct Writer {
    block: Vec<u8>,
    full: SyncSender<Vec<u8>>,
    empty: Receiver<Vec<u8>>,
}

/// The end that is read from; it ends when the other one is dropped.
pub(crate) struct Reader {
    block: Vec<u8>,
    read: usize,
    full: Receiver<Vec<u8>>,
    empty: SyncSender<Vec<u8>>,
}

/// A new way from the one end to the other.
pub(crate) fn new() -> (Writer, Reader) {
    let (full, fulls) = sync_channel(WAITING);
    // All that there can be: who gives one back never waits.
    let (empty, empties) = sync_channel(WAITING + 2);
    let writer = Writer { block: Vec::with_capacity(BLOCK), full, empty: empties };
    (writer, Reader { block: Vec::new(), read: 0, full: fulls, empty })
}

impl Writer {
    fn send(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let next = match self.empty.try_recv() {
            Ok(block) => block,
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => Vec::with_capacity(BLOCK),
        };
        let block = std::mem::replace(&mut self.block, next);
        self.full.send(block).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.block.len() == BLOCK {
            self.send()?;
        }
        let n = bytes.len().min(BLOCK - self.block.len());
        self.block.extend_from_slice(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.block.len() {
            let Ok(next) = self.full.recv() else { return Ok(0) };
            let mut done = std::mem::replace(&mut self.block, next);
            self.read = 0;
            done.clear();
            if done.capacity() > 0 {
                let _ = self.empty.try_send(done);
            }
        }
        let n = buffer.len().min(self.block.len() - self.read);
        buffer[..n].copy_from_slice(&self.block[self.read..self.read + n]);
        self.read += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_arrive_as_they_were_sent() {
        for size in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 20 * BLOCK + 7] {
            let sent: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
            let (mut writer, mut reader) = new();
            let (sent, mut arrived) = (&sent, Vec::new());
            std::thread::scope(|scope| {
                scope.spawn(move || {
                    sent.chunks(4_999).for_each(|part| writer.write_all(part).unwrap());
                    writer.flush().unwrap();
                    drop(writer);
                });
                reader.read_to_end(&mut arrived).unwrap();
            });
            assert!(arrived == *sent, "{size}");
        }
    }

    #[test]
    fn who_writes_for_nobody_is_told() {
        let (mut writer, reader) = new();
        drop(reader);
        let failed = writer.write_all(&vec![1; 2 * BLOCK]).and_then(|()| writer.flush());
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
