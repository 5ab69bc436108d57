//! What a container may use, as flags say it.

use wharfie_oci::size::{self, Units};
use wharfie_runtime::Resources;

use crate::flags::Matches;

/// What a container may use; `None` for what was not said.
pub(crate) fn resources(matches: &Matches) -> Result<Resources, String> {
    let bytes = |name: &str| match matches.value(name) {
        Some("-1") => Ok(Some(u64::MAX)),
        Some(text) => size::parse(text, Units::Binary).map(Some).ok_or_else(|| format!("invalid size: '{text}'")),
        None => Ok(None),
    };
    let milli_cpus = match matches.value("cpus").map(str::parse::<f64>) {
        // As far out of every machine's range as can be.
        Some(Ok(cpus)) if cpus < 0.0 => Some(u64::MAX),
        Some(Ok(cpus)) => Some((cpus * 1000.0) as u64).filter(|milli| *milli > 0),
        // Refused while it was parsed.
        Some(Err(_)) | None => None,
    };
    let positive = |name: &str| u64::try_from(matches.int(name)).ok().filter(|value| *value > 0);
    Ok(Resources {
        memory: bytes("memory")?.filter(|size| *size > 0),
        memory_swap: bytes("memory-swap")?,
        memory_reservation: bytes("memory-reservation")?,
        milli_cpus,
        cpu_quota: positive("cpu-quota"),
        cpu_period: positive("cpu-period"),
        cpu_shares: positive("cpu-shares"),
        cpuset_cpus: matches.value("cpuset-cpus").map(str::to_owned),
        cpuset_mems: matches.value("cpuset-mems").map(str::to_owned),
        pids: positive("pids-limit"),
        ..Resources::default()
    })
}
