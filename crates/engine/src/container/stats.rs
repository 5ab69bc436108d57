//! `stats`: what containers use, looked at again and again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use wharfie_oci::ContainerId;
use wharfie_runtime::Stats;

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
#[derive(Debug, Clone, PartialEq)]
pub struct Usage {
    /// As the user called it; the whole id if nobody did.
    pub called: String,
    /// Whole.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `None` if it does not run.
    pub used: Option<Used>,
}

/// What a running container uses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Used {
    /// Totals since its start, and what it has now.
    pub stats: Stats,
    /// The share of one processor since the look before, in percent: more than 100 with several processors.
    pub cpu_percent: f64,
    /// Bytes of memory that it may have.
    pub memory_limit: u64,
}

impl Used {
    /// The share of the memory that it may have, in percent.
    pub fn memory_percent(&self) -> f64 {
        match self.memory_limit {
            0 => 0.0,
            limit => self.stats.memory as f64 / limit as f64 * 100.0,
        }
    }
}

/// What containers use, time and again.
pub struct Watch<'a> {
    engine: &'a Engine,
    query: StatsQuery,
    before: Looks,
}

/// What each container had used by its id, and when.
type Looks = BTreeMap<String, (Instant, Stats)>;

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
            let used = now.get(id.as_str()).map(|look| used(*look, self.before.get(id.as_str())));
            usage.push(Usage { called, name: row.name.into(), used, id: id.into() });
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
        let all = self.engine.list_containers(&wanted)?;
        Ok(all.into_iter().map(|container| (container.row.id.to_string(), container.row.id)).collect())
    }

    /// What those of them use that run.
    fn look(&self, names: &[(String, ContainerId)]) -> Looks {
        let stats = |id: &ContainerId| {
            let (_, target) = self.engine.running(id).ok()?;
            Some((id.to_string(), (Instant::now(), target.cgroup.stats(target.pid))))
        };
        names.iter().filter_map(|(_, id)| stats(id)).collect()
    }
}

fn used((at, stats): (Instant, Stats), before: Option<&(Instant, Stats)>) -> Used {
    let (since, cpu_nanos) = before.map_or((at, stats.cpu_nanos), |(since, stats)| (*since, stats.cpu_nanos));
    let passed = at.duration_since(since).as_nanos().max(1) as f64;
    Used {
        stats,
        cpu_percent: stats.cpu_nanos.saturating_sub(cpu_nanos) as f64 / passed * 100.0,
        memory_limit: stats.memory_limit.unwrap_or_else(machine_memory),
    }
}

/// Bytes of the machine's memory; 0 if it does not say.
pub fn machine_memory() -> u64 {
    let file = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = file.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()).map_or(0, |kib| kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_differences_between_two_looks() {
        let at = Instant::now();
        let stats = |cpu_nanos, memory| Stats { cpu_nanos, memory, memory_limit: Some(200), ..Stats::default() };
        let later = at + Duration::from_secs(1);
        let found = used((later, stats(3_000_000_000, 50)), Some(&(at, stats(1_000_000_000, 0))));
        assert_eq!((found.cpu_percent, found.memory_percent()), (200.0, 25.0));
        // The first look has nothing to be compared with.
        assert_eq!(used((later, stats(3_000_000_000, 50)), None).cpu_percent, 0.0);
    }
}
