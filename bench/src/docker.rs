//! The peer: a dockerd of the benchmark's own, and a registry.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::Result;
use crate::cpu::Meter;

/// A running dockerd.
pub(crate) struct Docker {
    child: Child,
    socket: String,
}

impl Docker {
    /// Starts one whose data is in `place`, counted by `meter`.
    pub(crate) fn start(place: &Path, meter: &Meter) -> Result<Self> {
        let path = |name: &str| place.join(name).to_string_lossy().into_owned();
        let socket = format!("unix://{}", path("docker.sock"));
        let log = std::fs::File::create(place.join("dockerd.log")).map_err(|why| why.to_string())?;
        let mut command = Command::new("dockerd");
        command
            .args(["--iptables=false", "--bridge=none", "-H", &socket])
            .args(["--data-root", &path("data"), "--exec-root", &path("exec"), "-p", &path("docker.pid")])
            .stdout(Stdio::null())
            .stderr(log);
        let docker = Self { child: meter.spawn(&mut command)?, socket };
        wait(|| docker.command(&["version"]).output().is_ok_and(|output| output.status.success()))
            .then_some(docker)
            .ok_or_else(|| {
                let log = std::fs::read_to_string(place.join("dockerd.log")).unwrap_or_default();
                format!("dockerd does not answer:\n{log}")
            })
    }

    /// A docker command line for it.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.args(["-H", &self.socket]).args(words);
        command
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        // SIGTERM lets it end its containerd too.
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id().cast_signed()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

/// Debian's registry on a port of its own.
pub(crate) struct Registry {
    child: Child,
    /// `127.0.0.1:port`.
    pub(crate) address: String,
    _config: PathBuf,
}

impl Registry {
    /// Starts an empty one in `place`.
    pub(crate) fn start(place: &Path) -> Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(|why| why.to_string())?;
        let address = listener.local_addr().map_err(|why| why.to_string())?.to_string();
        drop(listener);
        let storage = place.join(format!("registry-{address}"));
        let config = place.join(format!("registry-{address}.yml"));
        let text = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n",
            storage.display()
        );
        std::fs::write(&config, text).map_err(|why| why.to_string())?;
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|why| format!("cannot start docker-registry: {why}"))?;
        let registry = Self { child, address, _config: config };
        match wait(|| std::net::TcpStream::connect(&registry.address).is_ok()) {
            true => Ok(registry),
            false => Err("docker-registry does not answer".to_owned()),
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks for up to half a minute.
fn wait(is_ready: impl Fn() -> bool) -> bool {
    (0..300).any(|_| {
        let ready = is_ready();
        if !ready {
            std::thread::sleep(Duration::from_millis(100));
        }
        ready
    })
}
