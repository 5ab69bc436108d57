//! The main job on real input, step by step, on the screen.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::Result;
use crate::packages::{self, DEMO};
use crate::process::{self, root, say};

/// Starts a registry on loopback, pushes a real Debian root file system to it, pulls it back, and goes through an
/// image's whole life.
pub(crate) fn run() -> Result {
    packages::ensure(DEMO)?;
    process::run("cargo", &["build", "--locked", "--package", "wharfie"])?;
    let place = root().join("target/demo");
    let _ = std::fs::remove_dir_all(place.join("run"));
    std::fs::create_dir_all(place.join("run")).map_err(|why| why.to_string())?;
    let tar = place.join("debian.tar");
    if !tar.exists() {
        let aside = place.join("debian.tar.tmp.tar");
        run_quietly("mmdebstrap", &["--variant=minbase", "bookworm", &aside.to_string_lossy()])?;
        std::fs::rename(&aside, &tar).map_err(|why| why.to_string())?;
    }
    let registry = Registry::start(&place.join("run"))?;
    let name = format!("{}/demo/debian:12", registry.address);
    let host = Host { place: place.join("run") };
    let tar = tar.to_string_lossy().into_owned();
    let archive = place.join("run/debian-image.tar").to_string_lossy().into_owned();

    host.wharfie(&["import", "-c", "CMD [\"/bin/bash\"]", &tar, &name])?;
    host.wharfie(&["push", &name])?;
    host.wharfie(&["tags", name.trim_end_matches(":12")])?;
    host.wharfie(&["rmi", &name])?;
    host.wharfie(&["image", "prune", "-f"])?;
    host.wharfie(&["pull", &name])?;
    host.wharfie(&["pull", &name])?;
    host.wharfie(&["images", "--digests"])?;
    host.wharfie(&["inspect", "-f", "{{.Os}}/{{.Architecture}} {{.Config.Cmd}} {{.Size}}", &name])?;
    host.wharfie(&["history", &name])?;
    host.wharfie(&["save", "-o", &archive, &name])?;
    host.wharfie(&["rmi", &name])?;
    host.wharfie(&["image", "restore"])?;
    host.wharfie(&["image", "restore", &name])?;
    host.wharfie(&["rmi", &name])?;
    host.wharfie(&["load", "-i", &archive])?;
    host.wharfie(&["system", "df"])?;
    host.wharfie(&["system", "fsck"])?;
    host.wharfie(&["image", "prune", "-af"])?;
    host.wharfie(&["images"])?;
    say("\nThat was an image's whole life. Try it yourself: target/debug/wharfie --help");
    Ok(())
}

fn run_quietly(program: &str, words: &[&str]) -> Result {
    say(&format!("making a Debian root file system with {program} (once; about a minute)"));
    process::run(program, words)
}

/// A store and a configuration of the demo's own.
struct Host {
    place: std::path::PathBuf,
}

impl Host {
    fn wharfie(&self, words: &[&str]) -> Result {
        say(&format!("\n$ wharfie {}", words.join(" ")));
        let status = Command::new(root().join("target/debug/wharfie"))
            .args(words)
            .env("WHARFIE_ROOT", self.place.join("store"))
            .env("DOCKER_CONFIG", self.place.join("docker"))
            .status();
        let status = status.map_err(|why| format!("cannot start wharfie: {why}"))?;
        if status.success() { Ok(()) } else { Err(format!("wharfie {} failed: {status}", words.join(" "))) }
    }
}

/// Our own registry, as on another machine, until dropped.
struct Registry {
    child: Child,
    address: String,
}

impl Registry {
    fn start(place: &Path) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|why| why.to_string())?;
        let address = listener.local_addr().map_err(|why| why.to_string())?.to_string();
        drop(listener);
        say(&format!("\n$ wharfie serve --address {address} &"));
        let log = std::fs::File::create(place.join("registry.log")).map_err(|why| why.to_string())?;
        let child = Command::new(root().join("target/debug/wharfie"))
            .args(["serve", "--address", &address])
            .env("WHARFIE_ROOT", place.join("registry"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|why| format!("cannot start wharfie: {why}"))?;
        let registry = Self { child, address };
        for _ in 0..100 {
            if registry.answers() {
                say(&format!("a registry answers at {}", registry.address));
                return Ok(registry);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Err("the registry does not answer; see target/demo/run/registry.log".to_owned())
    }

    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(&self.address) else { return false };
        let mut answer = [0; 12];
        stream.write_all(b"GET /v2/ HTTP/1.0\r\n\r\n").is_ok()
            && stream.read_exact(&mut answer).is_ok()
            && answer.ends_with(b"200")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
