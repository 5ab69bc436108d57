//! `stats`: what containers use, looked at again and again.

use std::collections::BTreeMap;
use std::time::Duration;

use wharfie_model::Moment;
use wharfie_model::container::stats::{
    BlockStat, BlockStats, CpuStats, CpuUsage, MemoryStats, NetworkStats, PidsStats, Stats, ThrottlingData,
};
use wharfie_oci::{ContainerId, Timestamp};
use wharfie_runtime::stats::{Device, Disk};

use super::list::ListContainers;
use crate::engine::Engine;
use crate::error::Result;

/// Whose use to watch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StatsQuery {
    /// Names and ids; none for all that run.
    pub containers: Vec<String>,
    /// Without names: also those that do not run.
    pub all: bool,
}

/// A container and what it uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// As the user called it; the whole id if nobody did.
    pub called: String,
    /// It runs.
    pub is_running: bool,
    /// What it uses.
    pub stats: Stats,
}

/// What containers use, time and again.
pub struct Watch<'a> {
    engine: &'a Engine,
    query: StatsQuery,
    before: Looks,
}

/// What each container had used by its id.
type Looks = BTreeMap<String, Look>;

/// What a container had used, and when.
struct Look {
    at: Timestamp,
    machine: Machine,
    stats: wharfie_runtime::Stats,
}

/// What the machine's processors did.
#[derive(Clone, Copy, Default)]
struct Machine {
    /// Nanoseconds, those without work included.
    nanos: u64,
    processors: u32,
}

/// 500 ms between two looks: shares of processors are differences.
const PAUSE: Duration = Duration::from_millis(500);

impl Engine {
    /// Begins to watch what containers use.
    ///
    /// # Errors
    /// When one of the names is none, or the store cannot be read.
    pub fn watch_stats(&self, query: StatsQuery) -> Result<Watch<'_>> {
        for name in &query.containers {
            self.container(name)?;
        }
        let mut watch = Watch { engine: self, query, before: Looks::new() };
        watch.before = watch.look(&watch.names()?);
        Ok(watch)
    }
}

impl Watch<'_> {
    /// True if there was nothing to be watched the last time.
    pub fn is_idle(&self) -> bool {
        self.before.is_empty()
    }

    /// Lets half a second pass and looks again.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn next_look(&mut self) -> Result<Vec<Usage>> {
        std::thread::sleep(PAUSE);
        self.look_again()
    }

    /// Looks again at once.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn look_again(&mut self) -> Result<Vec<Usage>> {
        let names = self.names()?;
        let now = self.look(&names);
        let mut usage = Vec::new();
        for (called, id) in names {
            // It may be gone by now.
            let Ok(row) = self.engine.container(&id) else { continue };
            let look = now.get(id.as_str());
            let (name, is_running) = (format!("/{}", row.name), look.is_some());
            let used = look.map(|look| document(look, self.before.get(id.as_str()))).unwrap_or_default();
            usage.push(Usage { called, is_running, stats: Stats { name, id: id.into(), ..used } });
        }
        self.before = now;
        Ok(usage)
    }

    /// What is to be shown: how the user called it, and its id.
    fn names(&self) -> Result<Vec<(String, ContainerId)>> {
        if !self.query.containers.is_empty() {
            let find = |name: &String| Some((name.clone(), self.engine.container(name).ok()?.id));
            return Ok(self.query.containers.iter().filter_map(find).collect());
        }
        let wanted = ListContainers { all: self.query.all, ..ListContainers::default() };
        let all = self.engine.listed_containers(&wanted)?;
        Ok(all.into_iter().map(|(row, _)| (row.id.to_string(), row.id)).collect())
    }

    /// What those of them use that run.
    fn look(&self, names: &[(String, ContainerId)]) -> Looks {
        let look = |id: &ContainerId| {
            let (_, target) = self.engine.running(id).ok()?;
            let stats = target.cgroup.stats(target.pid);
            let at = self.engine.reader().ok()?.now();
            Some((id.to_string(), Look { at, machine: machine(), stats }))
        };
        names.iter().filter_map(|(_, id)| look(id)).collect()
    }
}

/// A look as docker tells it, beside the look before.
fn document(now: &Look, before: Option<&Look>) -> Stats {
    let stats = &now.stats;
    let cpu_of = |look: &Look| {
        let cpu = &look.stats.cpu;
        CpuStats {
            cpu_usage: CpuUsage {
                total_usage: cpu.total,
                usage_in_kernelmode: cpu.system,
                usage_in_usermode: cpu.user,
            },
            system_cpu_usage: look.machine.nanos,
            online_cpus: look.machine.processors,
            throttling_data: ThrottlingData {
                periods: cpu.periods,
                throttled_periods: cpu.throttled_periods,
                throttled_time: cpu.throttled,
            },
        }
    };
    let figure = |disk: &Disk, op: &str, value| {
        (value > 0).then(|| BlockStat { major: disk.major, minor: disk.minor, op: op.to_owned(), value })
    };
    let bytes = |disk: &Disk| [figure(disk, "read", disk.read), figure(disk, "write", disk.written)];
    let network = |device: &Device| NetworkStats {
        rx_bytes: device.received.bytes,
        rx_packets: device.received.packets,
        rx_errors: device.received.errors,
        rx_dropped: device.received.dropped,
        tx_bytes: device.sent.bytes,
        tx_packets: device.sent.packets,
        tx_errors: device.sent.errors,
        tx_dropped: device.sent.dropped,
    };
    Stats {
        read: Moment(now.at.to_string()),
        preread: Moment(before.map_or(Timestamp::ZERO, |before| before.at).to_string()),
        pids_stats: PidsStats { current: stats.pids, limit: stats.pids_limit.unwrap_or_default() },
        blkio_stats: BlockStats {
            io_service_bytes_recursive: stats.disks.iter().flat_map(bytes).flatten().collect(),
            ..BlockStats::default()
        },
        cpu_stats: cpu_of(now),
        precpu_stats: before.map(cpu_of).unwrap_or_default(),
        memory_stats: MemoryStats {
            usage: stats.memory,
            stats: stats.memory_figures.clone(),
            limit: stats.memory_limit.unwrap_or_else(machine_memory),
        },
        networks: stats.devices.iter().map(|(name, device)| (name.clone(), network(device))).collect(),
        ..Stats::default()
    }
}

/// What the machine's processors did until now; nothing if it does not say.
fn machine() -> Machine {
    processors(&std::fs::read_to_string("/proc/stat").unwrap_or_default())
}

/// proc_stat(5): `cpu` and ticks of all processors, then `cpu0`, `cpu1`, … The last two figures are parts of others.
fn processors(text: &str) -> Machine {
    let ticks = text.lines().find_map(|line| line.strip_prefix("cpu "));
    let ticks = ticks.unwrap_or_default().split_ascii_whitespace().take(8).filter_map(|word| word.parse::<u64>().ok());
    let processors = text.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count();
    Machine { nanos: ticks.sum::<u64>() * TICK_NANOS, processors: u32::try_from(processors).unwrap_or_default() }
}

/// 10 ms: what the kernel counts processors' time in for everybody outside (USER_HZ).
const TICK_NANOS: u64 = 10_000_000;

/// Bytes of the machine's memory; 0 if it does not say.
pub(crate) fn machine_memory() -> u64 {
    let file = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = file.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()).map_or(0, |kib| kib << 10)
}

#[cfg(test)]
mod tests {
    use wharfie_runtime::stats::{Cpu, Traffic};

    use super::*;

    #[test]
    fn processors_are_counted() {
        let text = "cpu  1 2 3 4 5 6 7 8 100 100\ncpu0 1 2 3\ncpu1 1 2 3\nintr 5\n";
        let found = processors(text);
        assert_eq!((found.nanos, found.processors), (360_000_000, 2));
    }

    #[test]
    fn a_look_is_told_beside_the_one_before() {
        let look = |nanos: u64, seconds| Look {
            at: Timestamp { seconds, nanos: 0 },
            machine: Machine { nanos: nanos * 2, processors: 2 },
            stats: wharfie_runtime::Stats {
                cpu: Cpu { total: nanos, ..Cpu::default() },
                disks: vec![Disk { major: 8, minor: 1, read: 0, written: 5 }],
                devices: BTreeMap::from([(
                    "eth0".to_owned(),
                    Device { sent: Traffic { bytes: 7, ..Traffic::default() }, ..Device::default() },
                )]),
                pids: 3,
                ..wharfie_runtime::Stats::default()
            },
        };
        let (before, now) = (look(1_000, 0), look(3_000, 1));
        let told = document(&now, Some(&before));
        assert_eq!((told.read.0.as_str(), told.preread.0.as_str()), ("1970-01-01T00:00:01Z", "1970-01-01T00:00:00Z"));
        assert_eq!((told.cpu_percent(), told.pids_stats.current), (100.0, 3));
        assert_eq!((told.blkio_stats.bytes("write"), told.networks["eth0"].tx_bytes), (5, 7));
        assert_eq!(document(&now, None).preread.0, "0001-01-01T00:00:00Z");
    }
}
