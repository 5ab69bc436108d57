//! A stand-in for a service that keeps buckets: `moto`, which answers as Amazon's S3 does.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::buckets::{is_listening, skip};
use crate::pebble::free_port;
use crate::service::Service;

/// The service.
#[derive(Debug)]
pub(crate) struct Moto {
    pub(crate) port: u16,
    _service: Service,
}

impl Moto {
    /// Starts it; `None`, and said, where it is not installed.
    pub(crate) fn start() -> Option<Self> {
        let program = program();
        let answer = Command::new(&program).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !answer.is_ok_and(|status| status.success()) {
            return skip("moto_server is missing (cargo xtask test installs it)");
        }
        let port = free_port();
        let service = Service::start(&program, &["-H", "127.0.0.1", "-p", &port.to_string()])?;
        is_listening(port).then_some(Self { port, _service: service })
    }

    /// Makes a bucket; this service wants no signature.
    pub(crate) fn make_bucket(&self, name: &str) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it was reached before");
        let request =
            format!("PUT /{name} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it listens");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers in text");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

/// Where `cargo xtask test` installs it: beside what is built, where this test lies as well. Else whatever is on the path.
fn program() -> PathBuf {
    let this = std::env::current_exe().unwrap_or_default();
    let installed = this.ancestors().map(|folder| folder.join("moto/bin/moto_server")).find(|path| path.exists());
    installed.unwrap_or_else(|| "moto_server".into())
}
