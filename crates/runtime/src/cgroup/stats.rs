//! What a container has used.

use std::collections::BTreeMap;
use std::path::Path;

use crate::cgroup::{Cgroup, Version};

/// What a container has used. Zero where nothing counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stats {
    /// Processors.
    pub cpu: Cpu,
    /// Memory in bytes, file pages that can be dropped at once included.
    pub memory: u64,
    /// The kernel's figures of it by their names.
    pub memory_figures: BTreeMap<String, u64>,
    /// Its limit in bytes; `None` is the machine's memory.
    pub memory_limit: Option<u64>,
    /// Processes and threads.
    pub pids: u64,
    /// Their limit.
    pub pids_limit: Option<u64>,
    /// Disks.
    pub disks: Vec<Disk>,
    /// Devices of the network by their names, without `lo`.
    pub devices: BTreeMap<String, Device>,
}

/// Time on processors, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cpu {
    /// All.
    pub total: u64,
    /// Its own.
    pub user: u64,
    /// The kernel's on its behalf.
    pub system: u64,
    /// Periods in which a limit was watched.
    pub periods: u64,
    /// Those in which it had to wait.
    pub throttled_periods: u64,
    /// How long it waited.
    pub throttled: u64,
}

/// Bytes that went to and from a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Disk {
    /// The disk's driver.
    pub major: u64,
    /// The disk.
    pub minor: u64,
    /// Bytes read.
    pub read: u64,
    /// Bytes written.
    pub written: u64,
}

/// What went through a device of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Device {
    /// What came.
    pub received: Traffic,
    /// What went.
    pub sent: Traffic,
}

/// What went one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// Damaged ones.
    pub errors: u64,
    /// Those that found no room.
    pub dropped: u64,
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
            let (usage, limit) = match version {
                Version::One => ("memory.usage_in_bytes", "memory.limit_in_bytes"),
                Version::Two => ("memory.current", "memory.max"),
            };
            stats.memory = number(path, usage);
            stats.memory_figures = figures(&text(path, "memory.stat"));
            stats.memory_limit = Some(number(path, limit)).filter(|limit| *limit != 0 && *limit < UNLIMITED);
        }
        stats.cpu = self.cpu();
        if let Some((path, _)) = self.directory_of("pids") {
            stats.pids = number(path, "pids.current");
            stats.pids_limit = Some(number(path, "pids.max")).filter(|limit| *limit != 0);
        } else {
            stats.pids = self.processes().len() as u64;
        }
        if let Some((path, Version::One)) = self.directory_of("blkio") {
            stats.disks = disks(&text(path, "blkio.throttle.io_service_bytes"));
        } else if let Some((path, Version::Two)) = self.directory_of("io") {
            stats.disks = disks(&text(path, "io.stat"));
        }
        let devices_text = std::fs::read_to_string(format!("/proc/{pid}/net/dev")).unwrap_or_default();
        stats.devices = devices(&devices_text);
        stats
    }

    fn cpu(&self) -> Cpu {
        if let Some((path, Version::One)) = self.directory_of("cpuacct") {
            let throttling = match self.directory_of("cpu") {
                Some((path, Version::One)) => figures(&text(path, "cpu.stat")),
                _ => BTreeMap::new(),
            };
            let of = |name: &str| throttling.get(name).copied().unwrap_or_default();
            return Cpu {
                total: number(path, "cpuacct.usage"),
                user: number(path, "cpuacct.usage_user"),
                system: number(path, "cpuacct.usage_sys"),
                periods: of("nr_periods"),
                throttled_periods: of("nr_throttled"),
                throttled: of("throttled_time"),
            };
        }
        let Some(path) = &self.version2 else { return Cpu::default() };
        let figures = figures(&text(path, "cpu.stat"));
        let of = |name: &str| figures.get(name).copied().unwrap_or_default();
        Cpu {
            total: of("usage_usec") * 1000,
            user: of("user_usec") * 1000,
            system: of("system_usec") * 1000,
            periods: of("nr_periods"),
            throttled_periods: of("nr_throttled"),
            throttled: of("throttled_usec") * 1000,
        }
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

/// `name number`, one a line.
fn figures(text: &str) -> BTreeMap<String, u64> {
    let figures = text.lines().filter_map(|line| line.split_once(' '));
    figures.filter_map(|(name, number)| Some((name.to_owned(), number.trim().parse().ok()?))).collect()
}

/// Version 1: `8:0 Read 123`; version 2: `8:0 rbytes=1 wbytes=2 …`.
fn disks(text: &str) -> Vec<Disk> {
    let mut disks: BTreeMap<(u64, u64), Disk> = BTreeMap::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let number = words.first().and_then(|word| word.split_once(':'));
        let Some((Ok(major), Ok(minor))) = number.map(|(major, minor)| (major.parse(), minor.parse())) else {
            continue;
        };
        let disk = disks.entry((major, minor)).or_insert(Disk { major, minor, ..Disk::default() });
        if let [_, what, bytes] = words[..] {
            let bytes: u64 = bytes.parse().unwrap_or(0);
            match what {
                "Read" => disk.read += bytes,
                "Write" => disk.written += bytes,
                _ => {}
            }
        }
        for word in words {
            disk.read += word.strip_prefix("rbytes=").and_then(|bytes| bytes.parse::<u64>().ok()).unwrap_or(0);
            disk.written += word.strip_prefix("wbytes=").and_then(|bytes| bytes.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    disks.into_values().collect()
}

/// proc_pid_net(5): `eth0:` and eight figures of what was received, then eight of what was sent.
fn devices(text: &str) -> BTreeMap<String, Device> {
    let mut devices = BTreeMap::new();
    for (name, figures) in text.lines().filter_map(|line| line.split_once(':')) {
        let name = name.trim();
        if name == "lo" {
            continue;
        }
        let figures: Vec<u64> = figures.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect();
        let traffic = |at: usize| {
            let figure = |n: usize| figures.get(at + n).copied().unwrap_or(0);
            Traffic { bytes: figure(0), packets: figure(1), errors: figure(2), dropped: figure(3) }
        };
        devices.insert(name.to_owned(), Device { received: traffic(0), sent: traffic(8) });
    }
    devices
}

/// Version 1 writes "no limit" as the largest multiple of a page.
const UNLIMITED: u64 = 1 << 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_disk_figures_are_read() {
        let disk = |minor, read, written| Disk { major: 8, minor, read, written };
        let one = "8:0 Read 10\n8:0 Write 5\n8:0 Sync 3\n8:16 Read 1\nTotal 19\n";
        assert_eq!(disks(one), [disk(0, 10, 5), disk(16, 1, 0)]);
        let two = "8:0 rbytes=7 wbytes=8 rios=1\n8:16 rbytes=1 wbytes=1 rios=1\n";
        assert_eq!(disks(two), [disk(0, 7, 8), disk(16, 1, 1)]);
    }

    #[test]
    fn network_figures_leave_out_the_loopback() {
        let text =
            "Inter-|   Receive\n face |bytes\n    lo: 9 9 0 0 0 0 0 0 9 9\n  eth0: 100 1 2 3 0 0 0 0 200 4 5 6\n";
        let device = Device {
            received: Traffic { bytes: 100, packets: 1, errors: 2, dropped: 3 },
            sent: Traffic { bytes: 200, packets: 4, errors: 5, dropped: 6 },
        };
        assert_eq!(devices(text), BTreeMap::from([("eth0".to_owned(), device)]));
    }
}
