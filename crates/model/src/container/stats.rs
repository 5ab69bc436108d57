//! What a container uses.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{Moment, NilList};

/// What a container uses, beside what it had used at the look before: `GET /containers/ID/stats`. A container that does not
/// run has zeros.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Its name behind a slash.
    pub name: String,
    /// 64 hexadecimal digits.
    pub id: String,
    /// When this was looked at; year 1 if it does not run.
    pub read: Moment,
    /// When the look before was; year 1 if there was none.
    pub preread: Moment,
    /// Processes and threads.
    pub pids_stats: PidsStats,
    /// Disks.
    pub blkio_stats: BlockStats,
    /// Processors of the machine (Windows).
    pub num_procs: u32,
    /// Disks (Windows).
    pub storage_stats: StorageStats,
    /// Processors.
    pub cpu_stats: CpuStats,
    /// Processors at the look before.
    pub precpu_stats: CpuStats,
    /// Memory.
    pub memory_stats: MemoryStats,
    /// Networks by the names of their devices inside.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub networks: BTreeMap<String, NetworkStats>,
}

impl Default for Stats {
    fn default() -> Self {
        let never = || Moment("0001-01-01T00:00:00Z".to_owned());
        Self {
            name: String::new(),
            id: String::new(),
            read: never(),
            preread: never(),
            pids_stats: PidsStats::default(),
            blkio_stats: BlockStats::default(),
            num_procs: 0,
            storage_stats: StorageStats {},
            cpu_stats: CpuStats::default(),
            precpu_stats: CpuStats::default(),
            memory_stats: MemoryStats::default(),
            networks: BTreeMap::new(),
        }
    }
}

impl Stats {
    /// The share of one processor since the look before, in percent: more than 100 with several processors.
    pub fn cpu_percent(&self) -> f64 {
        let (now, before) = (&self.cpu_stats, &self.precpu_stats);
        let of = |now: u64, before: u64| now.saturating_sub(before) as f64;
        let all = of(now.system_cpu_usage, before.system_cpu_usage);
        if before.system_cpu_usage == 0 || all == 0.0 {
            return 0.0;
        }
        of(now.cpu_usage.total_usage, before.cpu_usage.total_usage) / all * f64::from(now.online_cpus) * 100.0
    }

    /// Bytes of memory, without file pages that can be dropped at once.
    pub fn memory(&self) -> u64 {
        let figure = |name: &str| self.memory_stats.stats.get(name).copied();
        // The first is the name of control groups version 1, where the second is without their children.
        let inactive = figure("total_inactive_file").or_else(|| figure("inactive_file"));
        self.memory_stats.usage.saturating_sub(inactive.unwrap_or_default())
    }

    /// The share of the memory that it may have, in percent.
    pub fn memory_percent(&self) -> f64 {
        match self.memory_stats.limit {
            0 => 0.0,
            limit => self.memory() as f64 / limit as f64 * 100.0,
        }
    }
}

/// Processes and threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct PidsStats {
    /// How many there are.
    #[serde(skip_serializing_if = "is_zero")]
    pub current: u64,
    /// How many there may be.
    #[serde(skip_serializing_if = "is_zero")]
    pub limit: u64,
}

/// Disks. Only the bytes are told by today's kernels.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct BlockStats {
    /// Bytes.
    pub io_service_bytes_recursive: NilList<BlockStat>,
    /// Never given.
    pub io_serviced_recursive: NilList<BlockStat>,
    /// Never given.
    pub io_queue_recursive: NilList<BlockStat>,
    /// Never given.
    pub io_service_time_recursive: NilList<BlockStat>,
    /// Never given.
    pub io_wait_time_recursive: NilList<BlockStat>,
    /// Never given.
    pub io_merged_recursive: NilList<BlockStat>,
    /// Never given.
    pub io_time_recursive: NilList<BlockStat>,
    /// Never given.
    pub sectors_recursive: NilList<BlockStat>,
}

impl BlockStats {
    /// Bytes that were read, or written.
    pub fn bytes(&self, op: &str) -> u64 {
        self.io_service_bytes_recursive.0.iter().filter(|entry| entry.op == op).map(|entry| entry.value).sum()
    }
}

/// One figure of one disk.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct BlockStat {
    /// The disk's driver.
    pub major: u64,
    /// The disk.
    pub minor: u64,
    /// `read`, `write`.
    pub op: String,
    /// The figure.
    pub value: u64,
}

/// Disks (Windows).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct StorageStats {}

/// Processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct CpuStats {
    /// What the container used.
    pub cpu_usage: CpuUsage,
    /// Nanoseconds of all processors of the machine, idle ones included.
    #[serde(skip_serializing_if = "is_zero")]
    pub system_cpu_usage: u64,
    /// How many processors there are.
    #[serde(skip_serializing_if = "is_none")]
    pub online_cpus: u32,
    /// How often it had to wait because of its limit.
    pub throttling_data: ThrottlingData,
}

/// Nanoseconds that a container used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct CpuUsage {
    /// All.
    pub total_usage: u64,
    /// The kernel's on its behalf.
    pub usage_in_kernelmode: u64,
    /// Its own.
    pub usage_in_usermode: u64,
}

/// How often a container had to wait because of its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct ThrottlingData {
    /// Periods that were counted.
    pub periods: u64,
    /// Those in which it had to wait.
    pub throttled_periods: u64,
    /// Nanoseconds that it waited.
    pub throttled_time: u64,
}

/// Memory.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct MemoryStats {
    /// Bytes, file pages included.
    #[serde(skip_serializing_if = "is_zero")]
    pub usage: u64,
    /// The kernel's figures by their names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub stats: BTreeMap<String, u64>,
    /// Bytes that it may have.
    #[serde(skip_serializing_if = "is_zero")]
    pub limit: u64,
}

/// What went through a device of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct NetworkStats {
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets received.
    pub rx_packets: u64,
    /// Packets that came damaged.
    pub rx_errors: u64,
    /// Packets that came and had no room.
    pub rx_dropped: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Packets that could not be sent.
    pub tx_errors: u64,
    /// Packets that had no room to be sent.
    pub tx_dropped: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn is_none(number: &u32) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_dockers() {
        let networks = BTreeMap::from([("eth0".to_owned(), NetworkStats { rx_bytes: 1, ..NetworkStats::default() })]);
        let stats = Stats {
            name: "/web".to_owned(),
            id: "a1".to_owned(),
            pids_stats: PidsStats { current: 2, limit: 0 },
            memory_stats: MemoryStats { usage: 3, stats: BTreeMap::from([("anon".to_owned(), 1)]), limit: 4 },
            networks,
            ..Stats::default()
        };
        let cpu = concat!(
            r#"{"cpu_usage":{"total_usage":0,"usage_in_kernelmode":0,"usage_in_usermode":0},"#,
            r#""throttling_data":{"periods":0,"throttled_periods":0,"throttled_time":0}}"#
        );
        let expected = format!(
            concat!(
                r#"{{"name":"/web","id":"a1","read":"0001-01-01T00:00:00Z","preread":"0001-01-01T00:00:00Z","#,
                r#""pids_stats":{{"current":2}},"blkio_stats":{{"io_service_bytes_recursive":null,"#,
                r#""io_serviced_recursive":null,"io_queue_recursive":null,"io_service_time_recursive":null,"#,
                r#""io_wait_time_recursive":null,"io_merged_recursive":null,"io_time_recursive":null,"#,
                r#""sectors_recursive":null}},"num_procs":0,"storage_stats":{{}},"cpu_stats":{0},"#,
                r#""precpu_stats":{0},"memory_stats":{{"usage":3,"stats":{{"anon":1}},"limit":4}},"#,
                r#""networks":{{"eth0":{{"rx_bytes":1,"rx_packets":0,"rx_errors":0,"rx_dropped":0,"#,
                r#""tx_bytes":0,"tx_packets":0,"tx_errors":0,"tx_dropped":0}}}}}}"#
            ),
            cpu
        );
        assert_eq!(serde_json::to_string(&stats).unwrap(), expected);
    }

    #[test]
    fn shares_are_differences_between_two_looks() {
        let cpu = |own, system_cpu_usage| CpuStats {
            cpu_usage: CpuUsage { total_usage: own, ..CpuUsage::default() },
            system_cpu_usage,
            online_cpus: 2,
            ..CpuStats::default()
        };
        let (cpu_stats, precpu_stats) = (cpu(3_000, 14_000), cpu(1_000, 10_000));
        let memory_stats =
            MemoryStats { usage: 60, stats: BTreeMap::from([("inactive_file".to_owned(), 10)]), limit: 200 };
        let stats = Stats { cpu_stats, precpu_stats, memory_stats, ..Stats::default() };
        assert_eq!((stats.cpu_percent(), stats.memory_percent()), (100.0, 25.0));
        // The first look has nothing to be compared with.
        let first = Stats { precpu_stats: CpuStats::default(), ..stats };
        assert_eq!(first.cpu_percent(), 0.0);
    }
}
