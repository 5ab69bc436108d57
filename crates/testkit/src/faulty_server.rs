//! An HTTP server that misbehaves as a test tells it: the test answers each request with raw bytes.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// A request as it was heard.
#[derive(Debug, Clone)]
pub struct Heard {
    /// `GET`, ….
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, if it came with a length; empty while the client waits for leave to send it.
    pub body: Vec<u8>,
    /// How many requests with this method and target came before.
    pub earlier: usize,
}

impl Heard {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }

    /// `METHOD TARGET`.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

/// The server; it ends when dropped.
pub struct FaultyServer {
    address: String,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

/// Raw bytes for a request.
type Answer = dyn Fn(&Heard) -> Vec<u8> + Send + Sync;

struct Shared {
    answer: Box<Answer>,
    heard: Mutex<Vec<Heard>>,
    is_over: AtomicBool,
}

impl FaultyServer {
    /// Answers every request with what `answer` makes of it (see [`reply`]); each connection ends after one answer.
    ///
    /// # Panics
    /// When loopback has no free port.
    pub fn start(answer: impl Fn(&Heard) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound").to_string();
        let shared =
            Arc::new(Shared { answer: Box::new(answer), heard: Mutex::default(), is_over: AtomicBool::new(false) });
        let listening = Arc::clone(&shared);
        let listener = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if listening.is_over.load(Ordering::Relaxed) {
                    break;
                }
                let shared = Arc::clone(&listening);
                std::thread::spawn(move || serve(&shared, &stream));
            }
        });
        Self { address, shared, listener: Some(listener) }
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// All requests so far, in order of arrival.
    pub fn heard(&self) -> Vec<Heard> {
        self.shared.heard.lock().expect("no holder panics").clone()
    }

    /// All requests so far as `METHOD TARGET`.
    pub fn lines(&self) -> Vec<String> {
        self.heard().iter().map(Heard::line).collect()
    }
}

impl Drop for FaultyServer {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        // Wakes the listener, which sees that it is over.
        let _woken = TcpStream::connect(&self.address);
        if let Some(listener) = self.listener.take() {
            let _ended = listener.join();
        }
    }
}

/// An answer with `Content-Length` and `Connection: close`; a `Content-Length` among `headers` wins.
pub fn reply(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} Status\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

/// Tells a client that asked first (`Expect: 100-continue`) to send its body; the request is then answered again, with it.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

fn serve(shared: &Shared, mut stream: &TcpStream) {
    let mut reader = BufReader::new(stream);
    let Some(mut heard) = hear(&mut reader) else { return };
    if heard.header("expect").is_none() && listen_on(&mut reader, &mut heard).is_none() {
        return;
    }
    remember(shared, &mut heard);
    let mut answer = (shared.answer)(&heard);
    if answer == CONTINUE {
        // Whoever asks first is told to go on, and answered a second time.
        if stream.write_all(CONTINUE).is_err() || listen_on(&mut reader, &mut heard).is_none() {
            return;
        }
        heard.headers.retain(|(name, _)| name != "expect");
        answer = (shared.answer)(&heard);
    }
    // The other side may be gone; then nobody wants the answer.
    let _sent = stream.write_all(&answer);
    let _closed = stream.shutdown(Shutdown::Write);
    let _drained = std::io::copy(&mut stream, &mut std::io::sink());
}

fn hear(reader: &mut impl BufRead) -> Option<Heard> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Some(Heard { method, target, headers, body: Vec::new(), earlier: 0 })
}

fn listen_on(reader: &mut impl BufRead, heard: &mut Heard) -> Option<()> {
    heard.body = vec![0; heard.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0)];
    reader.read_exact(&mut heard.body).ok()
}

fn remember(shared: &Shared, heard: &mut Heard) {
    let mut all = shared.heard.lock().expect("no holder panics");
    heard.earlier = all.iter().filter(|other| other.line() == heard.line()).count();
    all.push(heard.clone());
}
