//! From what was asked for to what the controllers' files want to hear.

use crate::cgroup::{Cgroup, Version, write};
use crate::error::{Error, Result};
use crate::spec::Resources;

/// One file to write.
#[derive(Debug, PartialEq, Eq)]
struct Setting {
    /// As the user calls it.
    limit: &'static str,
    controller: &'static str,
    version1: (&'static str, String),
    version2: (&'static str, String),
    /// Docker does not mind if the kernel does not have it.
    may_be_missing: bool,
}

impl Cgroup {
    /// Sets everything that was asked for. Also for a container that runs.
    ///
    /// # Errors
    /// When one of them cannot be set.
    pub fn limit(&self, resources: &Resources) -> Result<()> {
        for setting in settings(resources) {
            let Setting { limit, controller, .. } = setting;
            let failed =
                |value: &str, reason: String| Error::Limit { limit: limit.to_owned(), value: value.to_owned(), reason };
            let controller2 = if controller == "blkio" { "io" } else { controller };
            let found = self.directory_of(controller).or_else(|| self.directory_of(controller2));
            let Some((path, version)) = found else {
                return Err(failed(&setting.version1.1, format!("there is no cgroup controller {controller} here")));
            };
            let (file, value) = if version == Version::One { setting.version1 } else { setting.version2 };
            if file.is_empty() {
                continue;
            }
            match write(&path.join(file), &value) {
                Err(why) if why.kind() == std::io::ErrorKind::NotFound && setting.may_be_missing => {}
                other => other.map_err(|why| failed(&value, why.to_string()))?,
            }
        }
        Ok(())
    }
}

fn settings(resources: &Resources) -> Vec<Setting> {
    let mut all = Vec::new();
    let mut set =
        |limit, controller, version1: (&'static str, String), version2: (&'static str, String), may_be_missing| {
            all.push(Setting { limit, controller, version1, version2, may_be_missing });
        };
    if let Some(memory) = resources.memory {
        let bytes = memory.to_string();
        set("memory", "memory", ("memory.limit_in_bytes", bytes.clone()), ("memory.max", bytes), false);
        let total = resources.memory_swap.unwrap_or(memory.saturating_mul(2));
        let is_unlimited = total == u64::MAX;
        let one = if is_unlimited { "-1".to_owned() } else { total.to_string() };
        let two = if is_unlimited { "max".to_owned() } else { total.saturating_sub(memory).to_string() };
        // Kernels without accounting of swap have neither file, and no swap to speak of.
        set("memory-swap", "memory", ("memory.memsw.limit_in_bytes", one), ("memory.swap.max", two), true);
    }
    if let Some(bytes) = resources.memory_reservation {
        let bytes = bytes.to_string();
        set(
            "memory-reservation",
            "memory",
            ("memory.soft_limit_in_bytes", bytes.clone()),
            ("memory.low", bytes),
            false,
        );
    }
    if let Some((quota, period)) = resources.cpu_time() {
        let quota = quota.map(|quota| quota.max(MIN_QUOTA_MICROS).to_string());
        let (one, two) = (quota.clone().unwrap_or("-1".to_owned()), quota.unwrap_or("max".to_owned()));
        set("cpus", "cpu", ("cpu.cfs_period_us", period.to_string()), ("", String::new()), false);
        set("cpus", "cpu", ("cpu.cfs_quota_us", one), ("cpu.max", format!("{two} {period}")), false);
    }
    if let Some(shares) = resources.cpu_shares {
        let weight = 1 + (shares.clamp(2, 262_144) - 2) * 9_999 / 262_142;
        set("cpu-shares", "cpu", ("cpu.shares", shares.to_string()), ("cpu.weight", weight.to_string()), false);
    }
    if let Some(cpus) = &resources.cpuset_cpus {
        set("cpuset-cpus", "cpuset", ("cpuset.cpus", cpus.clone()), ("cpuset.cpus", cpus.clone()), false);
    }
    if let Some(mems) = &resources.cpuset_mems {
        set("cpuset-mems", "cpuset", ("cpuset.mems", mems.clone()), ("cpuset.mems", mems.clone()), false);
    }
    if let Some(pids) = resources.pids {
        let pids = if pids == u64::MAX { "max".to_owned() } else { pids.to_string() };
        set("pids-limit", "pids", ("pids.max", pids.clone()), ("pids.max", pids), false);
    }
    if let Some(weight) = resources.blkio_weight {
        let io = 1 + (u64::from(weight.clamp(10, 1000)) - 10) * 9_999 / 990;
        set(
            "blkio-weight",
            "blkio",
            ("blkio.weight", weight.to_string()),
            ("io.weight", format!("default {io}")),
            true,
        );
    }
    all
}

/// The kernel refuses less.
const MIN_QUOTA_MICROS: u64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(resources: &Resources, version1: &[(&str, &str)], version2: &[(&str, &str)]) {
        let all = settings(resources);
        let one: Vec<_> = all.iter().map(|s| (s.version1.0, s.version1.1.as_str())).collect();
        let two: Vec<_> =
            all.iter().map(|s| (s.version2.0, s.version2.1.as_str())).filter(|(f, _)| !f.is_empty()).collect();
        assert_eq!(one, version1);
        assert_eq!(two, version2);
    }

    #[test]
    fn limits_become_what_each_version_understands() {
        check(
            &Resources { memory: Some(1000), ..Resources::default() },
            &[("memory.limit_in_bytes", "1000"), ("memory.memsw.limit_in_bytes", "2000")],
            &[("memory.max", "1000"), ("memory.swap.max", "1000")],
        );
        check(
            &Resources { memory: Some(1000), memory_swap: Some(u64::MAX), ..Resources::default() },
            &[("memory.limit_in_bytes", "1000"), ("memory.memsw.limit_in_bytes", "-1")],
            &[("memory.max", "1000"), ("memory.swap.max", "max")],
        );
        check(
            &Resources { milli_cpus: Some(1500), ..Resources::default() },
            &[("cpu.cfs_period_us", "100000"), ("cpu.cfs_quota_us", "150000")],
            &[("cpu.max", "150000 100000")],
        );
        check(
            &Resources { cpu_quota: Some(5000), cpu_period: Some(20_000), ..Resources::default() },
            &[("cpu.cfs_period_us", "20000"), ("cpu.cfs_quota_us", "5000")],
            &[("cpu.max", "5000 20000")],
        );
        check(
            &Resources { cpu_period: Some(20_000), ..Resources::default() },
            &[("cpu.cfs_period_us", "20000"), ("cpu.cfs_quota_us", "-1")],
            &[("cpu.max", "max 20000")],
        );
        check(
            &Resources { cpu_shares: Some(1024), pids: Some(7), ..Resources::default() },
            &[("cpu.shares", "1024"), ("pids.max", "7")],
            &[("cpu.weight", "39"), ("pids.max", "7")],
        );
    }
}
