//! Plain HTTP where encryption is spoken: told so in words that the client understands, before it is turned away.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// True if a client begins with the method of a request, and not with a handshake. Waits for its first byte, which stays there.
pub(crate) async fn is_plain(stream: &TcpStream) -> bool {
    let mut first = [0];
    matches!(stream.peek(&mut first).await, Ok(1)) && first[0].is_ascii_uppercase()
}

/// Answers whatever was asked. What the client still sends is taken: who is cut off while sending sees no answer.
pub(crate) async fn refuse(mut stream: TcpStream) -> io::Result<()> {
    // The sentence of Go's servers, which clients know.
    let words = "Client sent an HTTP request to an HTTPS server.\n";
    let head = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n";
    stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{words}", words.len()).as_bytes()).await?;
    stream.shutdown().await?;
    let mut rest = (&mut stream).take(MOST);
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
    Ok(())
}

/// 1 MiB: who sends more does not wait for an answer.
const MOST: u64 = 1 << 20;
