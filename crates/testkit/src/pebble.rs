//! An authority that gives certificates by ACME: `pebble`, with the name server that it asks.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::needs;
use crate::tls::Authority;

/// The authority; it ends when this is dropped.
#[derive(Debug)]
pub struct Pebble {
    processes: Vec<Child>,
    folder: PathBuf,
    own: Authority,
    port: u16,
    management: u16,
}

/// A port of this machine that nobody has.
///
/// # Panics
/// When there is none.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are ports");
    listener.local_addr().expect("it has one").port()
}

impl Pebble {
    /// Starts it at `port` with files in `folder`. It looks for proofs at these ports of whatever machine, and takes every
    /// name for this machine's; its certificates are good for so many seconds.
    ///
    /// # Panics
    /// When it is not installed.
    pub fn start(folder: &Path, port: u16, http: u16, tls: u16, seconds: u64) -> Self {
        let folder = folder.join("pebble");
        fs::create_dir_all(&folder).expect("the test's own folder takes folders");
        let own = Authority::new(&folder);
        let (certificate, key) = own.server();
        let (management, names_management) = (free_port(), free_port());
        let names = {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("there are ports");
            socket.local_addr().expect("it has one").port()
        };
        let config = format!(
            "{{\"pebble\":{{\"listenAddress\":\"127.0.0.1:{port}\",\"managementListenAddress\":\"127.0.0.1:{management}\",\
             \"certificate\":\"{}\",\"privateKey\":\"{}\",\"httpPort\":{http},\"tlsPort\":{tls},\"ocspResponderURL\":\"\",\
             \"externalAccountBindingRequired\":false,\"certificateValidityPeriod\":{seconds}}}}}",
            certificate.display(),
            key.display()
        );
        fs::write(folder.join("pebble.json"), config).expect("the folder takes files");
        let mut resolver = Command::new("pebble-challtestsrv");
        resolver.args(["-dns01", &format!("127.0.0.1:{names}"), "-http01", "", "-https01", "", "-tlsalpn01", ""]);
        resolver.args(["-management", &format!("127.0.0.1:{names_management}"), "-defaultIPv6", ""]);
        let mut pebble = Command::new("pebble");
        pebble.arg("-config").arg(folder.join("pebble.json")).args(["-dnsserver", &format!("127.0.0.1:{names}")]);
        pebble.env("PEBBLE_VA_NOSLEEP", "1");
        let mut processes = Vec::new();
        for command in [&mut resolver, &mut pebble] {
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let started = command.spawn();
            processes
                .push(started.unwrap_or_else(|why| panic!("pebble cannot be run ({why}): install the package pebble")));
        }
        for port in [port, management] {
            let is_there = || {
                std::thread::sleep(Duration::from_millis(50));
                std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
            };
            assert!((0..600).any(|_| is_there()), "pebble does not listen");
        }
        Self { processes, folder, own, port, management }
    }

    /// Where its directory is.
    pub fn directory(&self) -> String {
        format!("https://127.0.0.1:{}/dir", self.port)
    }

    /// Who vouches for the directory's own certificate.
    pub fn directory_authority(&self) -> PathBuf {
        self.own.certificate()
    }

    /// Who vouches for the certificates that it gives.
    ///
    /// # Panics
    /// When it does not say.
    pub fn root(&self) -> PathBuf {
        let path = self.folder.join("root.pem");
        let mut curl = Command::new("curl");
        curl.args(["-sSf", "--cacert"]).arg(self.own.certificate()).arg("-o").arg(&path);
        curl.arg(format!("https://127.0.0.1:{}/roots/0", self.management));
        needs::succeeds(&mut curl, "curl");
        path
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _already_gone = process.kill();
            let _reaped = process.wait();
        }
    }
}
