//! What a container may use, as flags say it.

use wharfie_runtime::Resources;

use crate::flags::Matches;

/// What a container may use; `None` for what was not said.
pub(crate) fn resources(matches: &Matches) -> Result<Resources, String> {
    let size = |name: &str| match matches.value(name) {
        Some("-1") => Ok(Some(u64::MAX)),
        Some(text) => bytes(text).map(Some).ok_or_else(|| format!("invalid size: '{text}'")),
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
        memory: size("memory")?.filter(|size| *size > 0),
        memory_swap: size("memory-swap")?,
        memory_reservation: size("memory-reservation")?,
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

/// A size in docker's notation: `64m`, `1g`, `512kb`, `1.5GiB`; powers of 1024.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let shift = match text[end..].trim().trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        _ => return None,
    };
    Some((number * (1_u64 << shift) as f64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, expected) in
            [("64m", 64 << 20), ("1g", 1 << 30), ("512KB", 512 << 10), ("1.5GiB", 3 << 29), ("10", 10)]
        {
            assert_eq!(bytes(text), Some(expected), "{text}");
        }
        assert_eq!(bytes("much"), None);
    }
}
