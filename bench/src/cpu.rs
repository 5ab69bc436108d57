//! CPU time by control group: everything that a command starts is counted, also what outlives it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Result;

/// A control group whose processes are counted.
pub(crate) struct Meter {
    group: PathBuf,
    parent: PathBuf,
    usage: Usage,
}

/// Where the kernel tells how much was used.
enum Usage {
    /// Version 1: nanoseconds.
    V1,
    /// Version 2: microseconds in a line of `cpu.stat`.
    V2,
}

impl Meter {
    /// A new group of this name.
    pub(crate) fn new(name: &str) -> Result<Self> {
        let (parent, usage) = match Path::new("/sys/fs/cgroup/cpuacct").is_dir() {
            true => (PathBuf::from("/sys/fs/cgroup/cpuacct"), Usage::V1),
            false => (PathBuf::from("/sys/fs/cgroup"), Usage::V2),
        };
        let group = parent.join(format!("wharfie-bench-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&group).map_err(|why| format!("cannot make {}: {why}", group.display()))?;
        Ok(Self { group, parent, usage })
    }

    /// The option of `run` that keeps a container's own group inside this one.
    pub(crate) fn cgroup_parent(&self) -> String {
        let name = self.group.file_name().unwrap_or_default();
        format!("--cgroup-parent=/{}", name.to_string_lossy())
    }

    fn seconds(&self) -> Result<f64> {
        let read = |name: &str| {
            let path = self.group.join(name);
            std::fs::read_to_string(&path).map_err(|why| format!("cannot read {}: {why}", path.display()))
        };
        let number = |text: &str| text.trim().parse::<f64>().map_err(|why| format!("{text:?} is no number: {why}"));
        match self.usage {
            Usage::V1 => Ok(number(&read("cpuacct.usage")?)? / 1e9),
            Usage::V2 => {
                let stat = read("cpu.stat")?;
                let line = stat.lines().find_map(|line| line.strip_prefix("usage_usec "));
                Ok(number(line.ok_or("cpu.stat has no usage_usec")?)? / 1e6)
            }
        }
    }

    fn enter(group: &Path) -> Result {
        let path = group.join("cgroup.procs");
        std::fs::write(&path, "0").map_err(|why| format!("cannot enter {}: {why}", path.display()))
    }

    /// Starts a command inside the group; it is not waited for.
    pub(crate) fn spawn(&self, command: &mut Command) -> Result<std::process::Child> {
        // The child is born where its parent is; what the parent itself uses in between is a fork.
        Self::enter(&self.group)?;
        let child = command.spawn();
        Self::enter(&self.parent)?;
        child.map_err(|why| format!("cannot start {command:?}: {why}"))
    }

    /// Runs a command and gives the CPU seconds that it and the group's daemons used meanwhile. A short rest lets
    /// daemons finish what they began.
    pub(crate) fn measure(&self, command: &mut Command) -> Result<f64> {
        touch_memory();
        self.measure_as_it_is(command)
    }

    /// As [`Self::measure`], for commands that hardly write: the memory is left as it is, and with it the processor's caches.
    pub(crate) fn measure_as_it_is(&self, command: &mut Command) -> Result<f64> {
        let before = self.seconds()?;
        let output = self
            .spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()))?
            .wait_with_output()
            .map_err(|why| format!("cannot wait for {command:?}: {why}"))?;
        if !output.status.success() {
            return Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr)));
        }
        std::thread::sleep(REST);
        Ok(self.seconds()? - before)
    }

    /// Gives the CPU seconds that the group's processes use while something else is done.
    pub(crate) fn meanwhile(&self, work: impl FnOnce() -> Result) -> Result<f64> {
        let before = self.seconds()?;
        work()?;
        std::thread::sleep(REST);
        Ok(self.seconds()? - before)
    }

    /// Runs a command and gives the seconds that whoever called it has waited.
    pub(crate) fn wait(&self, command: &mut Command) -> Result<f64> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let began = std::time::Instant::now();
        let status = self.spawn(command)?.wait().map_err(|why| format!("cannot wait for {command:?}: {why}"))?;
        let seconds = began.elapsed().as_secs_f64();
        std::thread::sleep(REST);
        if status.success() { Ok(seconds) } else { Err(format!("{command:?} failed: {status}")) }
    }

    /// Measures work of this process.
    pub(crate) fn measure_here(&self, work: impl FnOnce() -> Result) -> Result<f64> {
        touch_memory();
        Self::enter(&self.group)?;
        let before = self.seconds()?;
        let result = work();
        let after = self.seconds()?;
        Self::enter(&self.parent)?;
        result.map(|()| after - before)
    }
}

/// Has the machine bring in the memory that is written next. Virtual machines give freed memory back to their host within
/// seconds, and whoever writes there first pays for its return, three times what the copy itself costs; on a machine
/// of one's own nobody does.
fn touch_memory() {
    let mut memory = vec![0_u8; TOUCHED];
    memory.iter_mut().step_by(PAGE).for_each(|byte| *byte = 1);
    std::hint::black_box(&memory);
}

/// 768 MiB: four copies of the Debian image, and less than a second.
const TOUCHED: usize = 768 << 20;
/// 4 KiB.
const PAGE: usize = 4 << 10;

/// 50 ms.
const REST: std::time::Duration = std::time::Duration::from_millis(50);

impl Drop for Meter {
    fn drop(&mut self) {
        // A group with processes in it stays; the next boot sweeps it.
        let _ = std::fs::remove_dir(&self.group);
    }
}

/// MiB that a command's own process takes at most; `note` is a file for that.
pub(crate) fn peak(command: &Command, note: &Path) -> Result<f64> {
    let mut timed = Command::new("/usr/bin/time");
    timed.args(["-f", "%M", "-o"]).arg(note).arg(command.get_program()).args(command.get_args());
    timed.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = timed.stdin(Stdio::null()).output().map_err(|why| format!("cannot start {timed:?}: {why}"))?;
    if !output.status.success() {
        return Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let text = std::fs::read_to_string(note).map_err(|why| why.to_string())?;
    text.trim().parse::<f64>().map(|kib| kib / 1024.0).map_err(|why| format!("{text:?} is no number: {why}"))
}
