//! A real registry on 127.0.0.1, one per test: Debian's `docker-registry`.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use tempfile::TempDir;

use crate::Authority;

/// A running registry; it ends, and its storage goes, when this is dropped.
#[derive(Debug)]
pub struct TestRegistry {
    process: Child,
    address: String,
    authority: Option<Authority>,
    folder: Option<TempDir>,
}

/// A registry about to be started.
#[derive(Debug, Default)]
pub struct Builder {
    user: Option<(String, String)>,
    has_tls: bool,
    wants_clients: bool,
    of_itself: Option<(String, (String, String))>,
}

impl Builder {
    /// Lets in only this user, by Basic authentication.
    #[must_use]
    pub fn with_auth(mut self, username: &str, password: &str) -> Self {
        self.user = Some((username.to_owned(), password.to_owned()));
        self
    }

    /// Speaks TLS, with a certificate of its own [`Authority`].
    #[must_use]
    pub fn with_tls(mut self) -> Self {
        self.has_tls = true;
        self
    }

    /// Speaks TLS and lets in only clients with a certificate of its [`Authority`].
    #[must_use]
    pub fn with_client_certificates(mut self) -> Self {
        self.has_tls = true;
        self.wants_clients = true;
        self
    }

    /// Speaks TLS with a certificate of [`Authority::of_itself`], for `names` and between `dates`.
    #[must_use]
    pub fn with_certificate_of_itself(mut self, names: &str, dates: (&str, &str)) -> Self {
        self.has_tls = true;
        self.of_itself = Some((names.to_owned(), (dates.0.to_owned(), dates.1.to_owned())));
        self
    }

    /// Starts it and waits until it answers.
    ///
    /// # Panics
    /// When a program is missing or the registry does not come up.
    pub fn start(self) -> TestRegistry {
        let folder = TempDir::new().expect("temporary folders can be made");
        let authority = self.has_tls.then(|| match &self.of_itself {
            Some((names, (from, until))) => Authority::of_itself(folder.path(), names, (from, until)),
            None => Authority::new(folder.path()),
        });
        if let Some((username, password)) = &self.user {
            let output = Command::new("htpasswd").args(["-Bbn", username, password]).output().unwrap_or_else(|why| {
                panic!("the program htpasswd cannot be run ({why}): install the package apache2-utils")
            });
            fs::write(folder.path().join("htpasswd"), output.stdout).expect("the temporary folder can be written");
        }
        // Between choosing a port and listening on it another process may take it: choose again.
        let mut folder = folder;
        for _ in 0..ATTEMPTS {
            let address = format!("127.0.0.1:{}", free_port());
            let config = folder.path().join("config.yml");
            fs::write(&config, self.config(&address, folder.path(), authority.as_ref())).expect("it can be written");
            let process = serve(&config, &folder.path().join("log"));
            let mut registry = TestRegistry { process, address, authority: None, folder: Some(folder) };
            if registry.is_up() {
                registry.authority = authority;
                return registry;
            }
            let log = registry.log();
            assert!(log.contains("address already in use"), "docker-registry ended:\n{log}");
            folder = registry.folder.take().expect("it was put there");
        }
        panic!("no port stays free")
    }

    fn config(&self, address: &str, folder: &Path, authority: Option<&Authority>) -> String {
        let mut text = format!(
            "version: 0.1\nlog:\n  level: info\n  accesslog:\n    disabled: false\nstorage:\n  filesystem:\n    rootdirectory: {}\n  delete:\n    enabled: true\nhttp:\n  addr: {address}\n",
            folder.join("storage").display()
        );
        if let Some(authority) = authority {
            let (certificate, key) = authority.server();
            text += &format!("  tls:\n    certificate: {}\n    key: {}\n", certificate.display(), key.display());
            if self.wants_clients {
                text += &format!("    clientcas:\n      - {}\n", authority.certificate().display());
            }
        }
        if self.user.is_some() {
            text += &format!("auth:\n  htpasswd:\n    realm: test\n    path: {}\n", folder.join("htpasswd").display());
        }
        text
    }
}

impl TestRegistry {
    /// An open registry without TLS.
    ///
    /// # Panics
    /// When the program is missing or does not come up.
    pub fn start() -> Self {
        Builder::default().start()
    }

    /// A registry with more to it.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// `127.0.0.1:PORT`: the host of its references.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Who signed its certificate, if it speaks TLS.
    pub fn authority(&self) -> Option<&Authority> {
        self.authority.as_ref()
    }

    /// Where it keeps its content.
    pub fn storage(&self) -> PathBuf {
        self.folder().join("storage")
    }

    /// Lines of the access log so far, each `"METHOD PATH HTTP/1.1" STATUS …` somewhere in it.
    pub fn requests(&self) -> Vec<String> {
        self.log().lines().filter(|line| line.contains(" HTTP/1.1\" ")).map(str::to_owned).collect()
    }

    /// How many requests of this method for paths with `part` in them it has answered.
    pub fn count(&self, method: &str, part: &str) -> usize {
        let start = format!("\"{method} /v2/");
        self.requests().iter().filter(|line| line.contains(&start) && line.contains(part)).count()
    }

    /// How many blobs it has served.
    pub fn blobs_served(&self) -> usize {
        self.count("GET", "/blobs/sha256:")
    }

    fn folder(&self) -> &Path {
        self.folder.as_ref().expect("only given up together with the registry").path()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder().join("log")).unwrap_or_default()
    }

    /// True once the registry listens *and* answers; false if it has ended.
    fn is_up(&mut self) -> bool {
        for _ in 0..PATIENCE {
            if self.process.try_wait().is_ok_and(|ended| ended.is_some()) {
                return false;
            }
            // Its own word for it first: whoever else may have taken the port would answer as well.
            if self.log().contains("listening on") && answers(&self.address) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("docker-registry does not come up:\n{}", self.log())
    }
}

impl Drop for TestRegistry {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _already_gone = self.process.kill();
        let _reaped = self.process.wait();
    }
}

/// True if something at `address` answers in HTTP, be it only to say that it wants TLS.
fn answers(address: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let mut answer = [0; 5];
    stream.write_all(b"GET /v2/ HTTP/1.0\r\n\r\n").is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && &answer == b"HTTP/"
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    listener.local_addr().expect("it is bound").port()
}

fn serve(config: &Path, log: &Path) -> Child {
    let log = File::create(log).expect("it can be written");
    Command::new("docker-registry")
        .arg("serve")
        .arg(config)
        .stdout(log.try_clone().expect("descriptors are left"))
        .stderr(log)
        .spawn()
        .unwrap_or_else(|why| {
            panic!("the program docker-registry cannot be run ({why}): install the package docker-registry")
        })
}

/// 5 ports in a row that others take within a millisecond is no accident.
const ATTEMPTS: usize = 5;
/// 3000 × 10 ms: half a minute, for machines under load.
const PATIENCE: usize = 3000;
