//! A running `wharfie serve`, and a client of it that says exactly what it is told to.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use wharfie_testkit::Host;

/// The server; it is killed when this is dropped.
pub(crate) struct Served {
    process: Child,
    said: Arc<Mutex<String>>,
    listener: Option<JoinHandle<()>>,
    /// `127.0.0.1:PORT`.
    pub(crate) address: String,
}

impl Served {
    /// Starts it with the store of `host`, on a port that it finds.
    #[track_caller]
    pub(crate) fn start(host: &Host, words: &[&str]) -> Self {
        Self::start_at(host, "127.0.0.1:0", words)
    }

    /// Starts it with the store of `host` at an address.
    #[track_caller]
    pub(crate) fn start_at(host: &Host, address: &str, words: &[&str]) -> Self {
        let words = [&["serve", "--address", address], words].concat();
        let mut command = host.command(&words);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("the program under test can be started");
        let stderr = BufReader::new(process.stderr.take().expect("it was asked for"));
        let said = Arc::new(Mutex::new(String::new()));
        // Somebody has to listen, or it waits for somebody who does.
        let into = Arc::clone(&said);
        let listener = std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                *into.lock().expect("nobody fails with it") += &format!("{line}\n");
            }
        });
        let mut served = Self { process, said, listener: Some(listener), address: String::new() };
        let line = served.wait_for("listening on");
        served.address = line.split_once("://").expect("it says where").1.to_owned();
        served
    }

    /// Waits until it says something, and gives the last line that does.
    #[track_caller]
    pub(crate) fn wait_for(&self, what: &str) -> String {
        loop {
            let has_ended = self.listener.as_ref().is_none_or(JoinHandle::is_finished);
            let log = self.log();
            if let Some(line) = log.lines().rev().find(|line| line.contains(what)) {
                return line.to_owned();
            }
            assert!(!has_ended, "it never says {what:?}: {log}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What it has said so far.
    pub(crate) fn log(&self) -> String {
        self.said.lock().expect("nobody fails with it").clone()
    }

    /// The name of an image here.
    pub(crate) fn name(&self, image: &str) -> String {
        format!("{}/{image}", self.address)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.process.id().try_into().expect("process ids are small")).expect("nor are they 0");
        kill_process(pid, signal).expect("it runs");
    }

    /// Ends it as nothing ends that is to be gone on with, and gives what it has said.
    pub(crate) fn kill(&mut self) -> String {
        self.signal(Signal::KILL);
        self.wait().1
    }

    /// Ends it as a service manager would, and gives the exit code and what it has said since it began.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        self.signal(Signal::TERM);
        self.wait()
    }

    fn wait(&mut self) -> (Option<i32>, String) {
        if let Some(listener) = self.listener.take() {
            listener.join().expect("it only listens");
        }
        (self.process.wait().expect("it is ours").code(), self.log())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _already_gone = self.process.kill();
        let _reaped = self.process.wait();
    }
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// Insists on a status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{} {}", self.head, String::from_utf8_lossy(&self.body));
        self
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// As [`ask`], of somebody who calls the server `host`.
///
/// # Errors
/// When the server is gone, or goes.
pub(crate) fn ask_as(host: &str, address: &str, method: &str, target: &str) -> io::Result<Reply> {
    exchange(host, address, method, target, &[], b"")
}

/// One request on a connection of its own.
///
/// # Errors
/// When the server is gone, or goes.
pub(crate) fn ask(
    address: &str,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Reply> {
    exchange(address, address, method, target, headers, body)
}

fn exchange(
    host: &str,
    address: &str,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Reply> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if method != "GET" {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    stream.write_all(&[head.as_bytes(), b"\r\n", body].concat())?;
    let mut all = Vec::new();
    stream.read_to_end(&mut all)?;
    let broken = || io::Error::new(io::ErrorKind::UnexpectedEof, "no whole answer");
    let end = all.windows(4).position(|w| w == b"\r\n\r\n").ok_or_else(broken)?;
    let head = String::from_utf8_lossy(&all[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(broken)?;
    let reply = Reply { status, head, body: all[end + 4..].to_vec() };
    let length = reply.header("content-length").and_then(|length| length.parse::<usize>().ok());
    if method != "HEAD" && length.is_some_and(|length| length != reply.body.len()) {
        return Err(broken());
    }
    Ok(reply)
}
