//! Values of flags that are refused before anything is done, as docker refuses them: with the command's usage.

/// The value of a flag that is a size.
pub(crate) fn bytes(text: &str) -> Result<(), String> {
    if text == "-1" || super::options::bytes(text).is_some() { Ok(()) } else { Err(format!("invalid size: '{text}'")) }
}

/// The value of `--cpus`.
pub(crate) fn cpus(text: &str) -> Result<(), String> {
    text.parse::<f64>().map(drop).map_err(|_| format!("failed to parse {text} as a rational number"))
}

/// The value of `--attach`.
pub(crate) fn stream(text: &str) -> Result<(), String> {
    match text.to_ascii_lowercase().as_str() {
        "stdin" | "stdout" | "stderr" => Ok(()),
        _ => Err("valid streams are STDIN, STDOUT and STDERR".to_owned()),
    }
}

/// The value of `--add-host`.
pub(crate) fn host(text: &str) -> Result<(), String> {
    if text.contains([':', '=']) { Ok(()) } else { Err(format!("bad format for add-host: {text:?}")) }
}

/// The value of `--ulimit`; the numbers are judged later.
pub(crate) fn ulimit(text: &str) -> Result<(), String> {
    if text.contains('=') { Ok(()) } else { Err(format!("invalid ulimit argument: {text}")) }
}

/// The value of `--device`: `SOURCE[:TARGET[:MODE]]`, or `SOURCE:MODE`.
pub(crate) fn device(text: &str) -> Result<(), String> {
    let parts: Vec<&str> = text.split(':').collect();
    let is_mode = |text: &str| {
        let words: std::collections::BTreeSet<char> = text.chars().collect();
        !text.is_empty() && words.len() == text.len() && words.iter().all(|c| matches!(c, 'r' | 'w' | 'm'))
    };
    let (paths, mode) = match parts.as_slice() {
        [source] => (vec![*source], None),
        [source, mode] if is_mode(mode) => (vec![*source], None),
        [source, target] => (vec![*source, *target], None),
        [source, target, mode] => (vec![*source, *target], Some(*mode)),
        _ => return Err(format!("bad format for path: {text}")),
    };
    if let Some(mode) = mode.filter(|mode| !is_mode(mode)) {
        return Err(format!("bad mode specified: {mode}"));
    }
    match paths.iter().find(|path| !path.starts_with('/')) {
        Some(path) => Err(format!("{path} is not an absolute path")),
        None => Ok(()),
    }
}

/// The value of `--dns`.
pub(crate) fn address(text: &str) -> Result<(), String> {
    let parsed = text.trim().parse::<std::net::IpAddr>();
    parsed.map(drop).map_err(|_| format!("IP address is not correctly formatted: {text}"))
}

/// The value of `--sysctl`.
pub(crate) fn sysctl(text: &str) -> Result<(), String> {
    match text.split_once('=') {
        Some((name, _)) if !name.is_empty() => Ok(()),
        _ => Err(format!("sysctl '{text}' is not allowed")),
    }
}

/// The value of `--env`.
pub(crate) fn env(text: &str) -> Result<(), String> {
    match text.is_empty() || text.starts_with('=') {
        true => Err(format!("invalid environment variable: {text}")),
        false => Ok(()),
    }
}

/// The value of a flag that is a duration.
pub(crate) fn duration(text: &str) -> Result<(), String> {
    wharfie_oci::duration::parse(text).map(drop).ok_or_else(|| format!("time: invalid duration \"{text}\""))
}

/// The value of `--mount`. Whether its source exists is for later, as with docker.
pub(crate) fn mount(text: &str) -> Result<(), String> {
    super::mount_flag::fields(text).map(drop)
}

/// A limit in which nothing can run.
pub(crate) fn minimum_memory(resources: &wharfie_runtime::Resources) -> Result<(), String> {
    match resources.memory {
        Some(memory) if memory < MIN_MEMORY_BYTES => {
            Err(format!("{}Minimum memory limit allowed is 6MB", crate::compat::DAEMON))
        }
        _ => Ok(()),
    }
}

/// Limits that contradict each other or the machine, which docker's daemon refuses.
pub(crate) fn limits(resources: &wharfie_runtime::Resources) -> Result<(), String> {
    let refused = |why: String| Err(format!("{}{why}", crate::compat::DAEMON));
    minimum_memory(resources)?;
    match (resources.memory, resources.memory_swap) {
        (None, Some(swap)) if swap != u64::MAX && swap > 0 => {
            let text = "You should always set the Memory limit when using Memoryswap limit, see usage";
            return refused(text.to_owned());
        }
        (Some(memory), Some(both)) if both > 0 && both < memory => {
            let text = "Minimum memoryswap limit should be larger than memory limit, see usage";
            return refused(text.to_owned());
        }
        _ => {}
    }
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if resources.milli_cpus.is_some_and(|milli| milli > cpus as u64 * 1000) {
        let text = format!("range of CPUs is from 0.01 to {cpus}.00, as there are only {cpus} CPUs available");
        return refused(text);
    }
    Ok(())
}

/// 6 MiB: less than that no container starts in, says docker.
const MIN_MEMORY_BYTES: u64 = 6 << 20;
