//! Memory that an idle container costs besides its own: that of the process which looks after it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;

/// Five containers, so that what their keepers share is not counted for each.
const CONTAINERS: usize = 5;

/// Starts idle containers with an engine's command line, and gives the MiB that each one's keeper holds: its private
/// memory and its share of what it has in common with others (`Pss`). `flags` are the engine's own for `run`.
pub(crate) fn held(engine: &dyn Fn(&[&str]) -> Command, flags: &[&str], image: &str) -> Result<f64> {
    let words: Vec<&str> = ["run", "-d", "--network", "none"].iter().chain(flags).copied().collect();
    let mut ids = Vec::new();
    for _ in 0..CONTAINERS {
        let id = said(&mut engine(&[&words[..], &[image, "sleep", "1000"]].concat()))?;
        ids.push(id.trim().to_owned());
    }
    let mut keepers = Vec::new();
    for id in &ids {
        let pid = said(&mut engine(&["inspect", "-f", "{{.State.Pid}}", id]))?;
        keepers.push(parent(pid.trim())?);
    }
    let total = keepers.iter().map(|keeper| pss(keeper)).sum::<Result<f64>>();
    for id in &ids {
        said(&mut engine(&["rm", "-f", id]))?;
    }
    Ok(total? / CONTAINERS as f64)
}

fn said(command: &mut Command) -> Result<String> {
    let output = command.output().map_err(|why| format!("cannot start {command:?}: {why}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr))),
    }
}

fn read(pid: &str, file: &str) -> Result<String> {
    let path = Path::new("/proc").join(pid).join(file);
    std::fs::read_to_string(&path).map_err(|why| format!("cannot read {}: {why}", path.display()))
}

fn line<'a>(text: &'a str, name: &str) -> Result<&'a str> {
    let found = text.lines().find_map(|line| line.strip_prefix(name));
    found.map(str::trim).ok_or_else(|| format!("the kernel does not tell {name}"))
}

fn parent(pid: &str) -> Result<String> {
    Ok(line(&read(pid, "status")?, "PPid:")?.to_owned())
}

fn pss(pid: &str) -> Result<f64> {
    let text = read(pid, "smaps_rollup")?;
    let kib = line(&text, "Pss:")?.trim_end_matches(" kB").parse::<f64>();
    kib.map(|kib| kib / 1024.0).map_err(|why| format!("the kernel's Pss is no number: {why}"))
}

/// podman with a storage of its own.
pub(crate) struct Podman {
    place: PathBuf,
}

impl Podman {
    /// One whose data is in `place`.
    pub(crate) fn within(place: &Path) -> Self {
        Self { place: place.join("podman") }
    }

    /// A podman command line for it. runc, because crun does not start beside both versions of cgroups.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("podman");
        command.arg("--root").arg(self.place.join("root")).arg("--runroot").arg(self.place.join("run"));
        command.args(["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "file"]);
        command.args(["--runtime", "runc"]).args(words);
        command
    }

    /// What its `run` needs where its own limits are above what this process may have.
    pub(crate) const FLAGS: [&str; 4] = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000"];
}
