//! What a container has used.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::cgroup::{Cgroup, Version};

/// What a container has used. Zero where nothing counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stats {
    /// Time on processors, in nanoseconds.
    pub cpu_nanos: u64,
    /// Memory in bytes, without file pages that can be dropped at once.
    pub memory: u64,
    /// Its limit in bytes; `None` is the machine's memory.
    pub memory_limit: Option<u64>,
    /// Processes and threads.
    pub pids: u64,
    /// Bytes read from disks.
    pub block_read: u64,
    /// Bytes written to disks.
    pub block_written: u64,
    /// Bytes received from the network, without `lo`.
    pub network_received: u64,
    /// Bytes sent to the network, without `lo`.
    pub network_sent: u64,
}

impl Cgroup {
    /// True if the kernel killed a process of it for want of memory.
    pub fn oom_killed(&self) -> bool {
        match self.directory_of("memory") {
            Some((path, Version::One)) => field(path, "memory.oom_control", "oom_kill") > 0,
            Some((path, Version::Two)) => field(path, "memory.events", "oom_kill") > 0,
            None => false,
        }
    }

    /// What it has used. `pid`, its first process, is asked for the network's figures.
    pub fn stats(&self, pid: u32) -> Stats {
        let mut stats = Stats::default();
        if let Some((path, version)) = self.directory_of("memory") {
            let (usage, limit, inactive) = match version {
                Version::One => ("memory.usage_in_bytes", "memory.limit_in_bytes", "total_inactive_file"),
                Version::Two => ("memory.current", "memory.max", "inactive_file"),
            };
            stats.memory = number(path, usage).saturating_sub(field(path, "memory.stat", inactive));
            stats.memory_limit = Some(number(path, limit)).filter(|limit| *limit != 0 && *limit < UNLIMITED);
        }
        if let Some((path, Version::One)) = self.directory_of("cpuacct") {
            stats.cpu_nanos = number(path, "cpuacct.usage");
        } else if let Some(path) = &self.version2 {
            stats.cpu_nanos = field(path, "cpu.stat", "usage_usec") * 1000;
        }
        stats.pids = match self.directory_of("pids") {
            Some((path, _)) => number(path, "pids.current"),
            None => self.processes().len() as u64,
        };
        if let Some((path, Version::One)) = self.directory_of("blkio") {
            (stats.block_read, stats.block_written) = blocks(&text(path, "blkio.throttle.io_service_bytes"));
        } else if let Some((path, Version::Two)) = self.directory_of("io") {
            (stats.block_read, stats.block_written) = blocks(&text(path, "io.stat"));
        }
        let devices = std::fs::read_to_string(format!("/proc/{pid}/net/dev")).unwrap_or_default();
        (stats.network_received, stats.network_sent) = network(&devices);
        stats
    }
}

fn text(path: &Path, file: &str) -> String {
    std::fs::read_to_string(path.join(file)).unwrap_or_default()
}

fn number(path: &Path, file: &str) -> u64 {
    text(path, file).trim().parse().unwrap_or(0)
}

fn field(path: &Path, file: &str, name: &str) -> u64 {
    let text = text(path, file);
    let values = text.lines().filter_map(|line| line.split_once(' '));
    values.filter(|(key, _)| *key == name).find_map(|(_, value)| value.trim().parse().ok()).unwrap_or(0)
}

/// Version 1: `8:0 Read 123`; version 2: `8:0 rbytes=1 wbytes=2 …`.
fn blocks(text: &str) -> (u64, u64) {
    let (mut read, mut written) = (0, 0);
    for line in text.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        if let [_, what, bytes] = words[..] {
            let bytes: u64 = bytes.parse().unwrap_or(0);
            match what {
                "Read" => read += bytes,
                "Write" => written += bytes,
                _ => {}
            }
        }
        for word in words {
            read += word.strip_prefix("rbytes=").and_then(|bytes| bytes.parse::<u64>().ok()).unwrap_or(0);
            written += word.strip_prefix("wbytes=").and_then(|bytes| bytes.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    (read, written)
}

/// proc_pid_net(5): `eth0: received-bytes + 7 others, sent-bytes …`.
fn network(text: &str) -> (u64, u64) {
    let (mut received, mut sent) = (0, 0);
    for (name, figures) in text.lines().filter_map(|line| line.split_once(':')) {
        if name.trim() == "lo" {
            continue;
        }
        let figures: Vec<u64> = figures.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect();
        received += figures.first().copied().unwrap_or(0);
        sent += figures.get(8).copied().unwrap_or(0);
    }
    (received, sent)
}

/// Version 1 writes "no limit" as the largest multiple of a page.
const UNLIMITED: u64 = 1 << 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_disk_figures_are_summed() {
        assert_eq!(blocks("8:0 Read 10\n8:0 Write 5\n8:0 Sync 3\n8:16 Read 1\nTotal 19\n"), (11, 5));
        assert_eq!(blocks("8:0 rbytes=7 wbytes=8 rios=1\n8:16 rbytes=1 wbytes=1 rios=1\n"), (8, 9));
    }

    #[test]
    fn network_figures_leave_out_the_loopback() {
        let text = "Inter-|   Receive\n face |bytes\n    lo: 9 9 0 0 0 0 0 0 9 9\n  eth0: 100 1 0 0 0 0 0 0 200 2 0\n";
        assert_eq!(network(text), (100, 200));
    }
}
