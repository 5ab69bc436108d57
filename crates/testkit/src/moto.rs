//! A stand-in for a service that keeps buckets: `moto`, which answers as Amazon's S3 does.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// The service; it ends with its keeper, which ends when this process does.
#[derive(Debug)]
pub struct Moto {
    port: u16,
    _keeper: Child,
}

/// Starts the service, waits for the end of standard input, and ends it.
const KEEPER: &str = "moto_server -H 127.0.0.1 -p \"$1\" & moto=$!; cat > /dev/null; kill $moto";

impl Moto {
    /// The service of this process, started when it is asked for first; `None`, and said once, where it is not installed.
    pub fn get() -> Option<&'static Self> {
        static MOTO: OnceLock<Option<Moto>> = OnceLock::new();
        let moto = MOTO.get_or_init(Self::start).as_ref();
        if moto.is_none() {
            crate::needs::skipped("moto_server is missing (pip install 'moto[s3,server]')");
        }
        moto
    }

    fn start() -> Option<Self> {
        let mut asked = Command::new("moto_server");
        let answer = asked.arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status();
        answer.ok().filter(std::process::ExitStatus::success)?;
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).ok()?.port();
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "sh", &port.to_string()]).stdin(Stdio::piped());
        let keeper = keeper.stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let moto = Self { port, _keeper: keeper };
        (0..600).find(|_| {
            std::thread::sleep(Duration::from_millis(100));
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        })?;
        Some(moto)
    }

    /// Where it is, as `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Makes a bucket.
    ///
    /// # Panics
    /// When the service refuses.
    pub fn make_bucket(&self, name: &str) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it was reached before");
        let request =
            format!("PUT /{name} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it listens");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers in text");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}
