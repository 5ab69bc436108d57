//! A running `wharfie serve`, and a client of it that says exactly what it is told to.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use wharfie_testkit::Host;

/// The server; it is killed when this is dropped.
pub(crate) struct Served {
    process: Child,
    said: BufReader<ChildStderr>,
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
        let mut said = BufReader::new(process.stderr.take().expect("it was asked for"));
        let mut line = String::new();
        said.read_line(&mut line).expect("it is text");
        let address = line.trim_end().split_once("://").map(|(_, address)| address.to_owned());
        let address = address.unwrap_or_else(|| panic!("it does not listen: {line}"));
        Self { process, said, address }
    }

    /// The name of an image here.
    pub(crate) fn name(&self, image: &str) -> String {
        format!("{}/{image}", self.address)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.process.id().try_into().expect("process ids are small")).expect("nor are they 0");
        kill_process(pid, signal).expect("it runs");
    }

    /// The next line that it says.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).expect("it is text");
        line
    }

    /// Ends it as nothing ends that is to be gone on with, and gives what it has said.
    pub(crate) fn kill(&mut self) -> String {
        self.signal(Signal::KILL);
        let mut log = String::new();
        self.said.read_to_string(&mut log).expect("it is text");
        let _reaped = self.process.wait();
        log
    }

    /// Ends it as a service manager would, and gives the exit code and what it has said since it began.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        self.signal(Signal::TERM);
        let mut log = String::new();
        self.said.read_to_string(&mut log).expect("it is text");
        (self.process.wait().expect("it is ours").code(), log)
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

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
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
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
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
