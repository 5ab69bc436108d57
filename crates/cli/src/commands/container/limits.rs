//! What a container may use, as flags say it.

use wharfie_oci::size::{self, Units};
use wharfie_runtime::Resources;

use super::create_flags;
use crate::flags::{Matches, Number, Text};

/// What a container may use; `None` for what was not said.
pub(crate) fn resources(matches: &Matches) -> Result<Resources, String> {
    let bytes = |flag: &Text| match matches.get(flag) {
        Some("-1") => Ok(Some(u64::MAX)),
        Some(text) => size::parse(text, Units::Binary).map(Some).ok_or_else(|| format!("invalid size: '{text}'")),
        None => Ok(None),
    };
    let milli_cpus = match matches.get(&create_flags::CPUS).map(str::parse::<f64>) {
        // As far out of every machine's range as can be.
        Some(Ok(cpus)) if cpus < 0.0 => Some(u64::MAX),
        Some(Ok(cpus)) => Some((cpus * 1000.0) as u64).filter(|milli| *milli > 0),
        // Refused while it was parsed.
        Some(Err(_)) | None => None,
    };
    let positive = |flag: &Number| u64::try_from(matches.get(flag)).ok().filter(|value| *value > 0);
    Ok(Resources {
        memory: bytes(&create_flags::MEMORY)?.filter(|size| *size > 0),
        memory_swap: bytes(&create_flags::MEMORY_SWAP)?,
        memory_reservation: bytes(&create_flags::MEMORY_RESERVATION)?,
        milli_cpus,
        cpu_quota: positive(&create_flags::CPU_QUOTA),
        cpu_period: positive(&create_flags::CPU_PERIOD),
        cpu_shares: positive(&create_flags::CPU_SHARES),
        cpuset_cpus: matches.get(&create_flags::CPUSET_CPUS).map(str::to_owned),
        cpuset_mems: matches.get(&create_flags::CPUSET_MEMS).map(str::to_owned),
        pids: positive(&create_flags::PIDS_LIMIT),
        ..Resources::default()
    })
}
