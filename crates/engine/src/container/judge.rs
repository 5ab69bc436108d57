//! What is asked of a container, judged as a whole: each word is fine, and together they contradict each other, or the machine.
//! The texts are those of docker's daemon.

use wharfie_oci::config::Healthcheck;
use wharfie_runtime::Resources;

use super::create::Create;
use super::words::{BadWord, Namespace, NetworkMode};

type Result<T = (), E = BadWord> = std::result::Result<T, E>;

/// Judges everything that a new container is asked for.
///
/// # Errors
/// For the first contradiction.
pub(super) fn check(create: &Create) -> Result {
    network(create)?;
    let asked = &create.settings.resources;
    resources(asked)?;
    // What runs may have a limit of memory already.
    if asked.memory.is_none() && asked.memory_swap.is_some_and(is_limit) {
        let why = "You should always set the Memory limit when using Memoryswap limit, see usage";
        return Err(BadWord::new(why));
    }
    create.healthcheck.as_ref().map_or(Ok(()), health)
}

/// Who has another's network is another's host, too.
fn network(create: &Create) -> Result {
    let settings = &create.settings;
    let is_container = matches!(settings.network, NetworkMode::Container(_));
    let cases = [
        (is_container && !settings.hostname.is_empty(), "hostname and the network mode"),
        (settings.uts_mode == Namespace::Host && !settings.hostname.is_empty(), "hostname and the UTS mode"),
        (
            is_container && !create.links.is_empty(),
            "container type network can't be used with links. This would result in undefined behavior",
        ),
        (is_container && !settings.dns.is_empty(), "dns and the network mode"),
        (is_container && !settings.extra_hosts.is_empty(), "custom host-to-IP mapping and the network mode"),
        (settings.network.is_shared() && settings.mac_address.is_some(), "mac-address and the network mode"),
        (
            is_container && (!settings.ports.is_empty() || settings.publish_all),
            "port publishing and the container type network mode",
        ),
        (is_container && !create.expose.is_empty(), "port exposing and the container type network mode"),
    ];
    match cases.into_iter().find(|(is_so, _)| *is_so) {
        Some((_, why)) => Err(BadWord::new(format!("conflicting options: {why}"))),
        None => Ok(()),
    }
}

/// Judges limits, of a new container or to be changed.
///
/// # Errors
/// For limits that nothing can run in, that contradict each other, or that the machine does not have.
pub(super) fn resources(asked: &Resources) -> Result {
    let Resources { memory, memory_swap, memory_reservation, milli_cpus, cpu_quota, cpu_period, .. } = *asked;
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
    let is_below = |value: Option<u64>, least: u64| value.is_some_and(|value| value < least);
    let swap = memory_swap.filter(|swap| is_limit(*swap));
    let cases = [
        (is_below(memory, MIN_MEMORY), "Minimum memory limit allowed is 6MB"),
        (
            memory.is_some() && is_below(swap, memory.unwrap_or_default()),
            "Minimum memoryswap limit should be larger than memory limit, see usage",
        ),
        (is_below(memory_reservation, MIN_MEMORY), "Minimum memory reservation allowed is 6MB"),
        (
            is_below(memory, memory_reservation.unwrap_or_default()),
            "Minimum memory limit can not be less than memory reservation limit, see usage",
        ),
        (
            milli_cpus.is_some() && cpu_period.is_some(),
            "conflicting options: Nano CPUs and CPU Period cannot both be set",
        ),
        (
            milli_cpus.is_some() && cpu_quota.is_some(),
            "conflicting options: Nano CPUs and CPU Quota cannot both be set",
        ),
        (
            cpu_period.is_some_and(|period| !PERIODS.contains(&period)),
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
        ),
        (is_below(cpu_quota, *PERIODS.start()), "CPU cfs quota can not be less than 1ms (i.e. 1000)"),
    ];
    if let Some((_, why)) = cases.into_iter().find(|(is_so, _)| *is_so) {
        return Err(BadWord::new(why));
    }
    if milli_cpus.is_some_and(|milli| milli > cpus * 1000) {
        let why = format!("range of CPUs is from 0.01 to {cpus}.00, as there are only {cpus} CPUs available");
        return Err(BadWord::new(why));
    }
    Ok(())
}

/// False for no limit at all, in either spelling.
fn is_limit(swap: u64) -> bool {
    swap > 0 && swap != u64::MAX
}

fn health(check: &Healthcheck) -> Result {
    let times = [
        ("Interval", check.interval),
        ("Timeout", check.timeout),
        ("StartPeriod", check.start_period),
        ("StartInterval", check.start_interval),
    ];
    if let Some((name, _)) = times.into_iter().find(|(_, nanos)| *nanos != 0 && *nanos < MILLISECOND) {
        return Err(BadWord::new(format!("{name} in Healthcheck cannot be less than 1ms")));
    }
    if check.retries < 0 {
        return Err(BadWord::new("Retries in Healthcheck cannot be negative"));
    }
    Ok(())
}

/// 6 MiB: less than that no container starts in, says docker.
const MIN_MEMORY: u64 = 6 << 20;
/// Microseconds.
const PERIODS: std::ops::RangeInclusive<u64> = 1000..=1_000_000;
/// In nanoseconds.
const MILLISECOND: i64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refuses(why: &str, change: impl FnOnce(&mut Create)) {
        let mut create = Create::default();
        change(&mut create);
        assert_eq!(check(&create).unwrap_err().to_string(), why);
    }

    #[test]
    fn contradictions_are_told_in_dockers_words() {
        assert_eq!(check(&Create::default()), Ok(()));
        let of = |name: &str| NetworkMode::Container(name.to_owned());
        refuses("conflicting options: hostname and the network mode", |create| {
            create.settings.network = of("web");
            create.settings.hostname = "x".to_owned();
        });
        refuses("conflicting options: port exposing and the container type network mode", |create| {
            create.settings.network = of("web");
            create.expose = vec!["80/tcp".to_owned()];
        });
        refuses("conflicting options: hostname and the UTS mode", |create| {
            create.settings.uts_mode = Namespace::Host;
            create.settings.hostname = "x".to_owned();
        });
        refuses("Minimum memory limit can not be less than memory reservation limit, see usage", |create| {
            create.settings.resources.memory = Some(10 << 20);
            create.settings.resources.memory_reservation = Some(20 << 20);
        });
        refuses("CPU cfs quota can not be less than 1ms (i.e. 1000)", |create| {
            create.settings.resources.cpu_quota = Some(500);
        });
        refuses("Interval in Healthcheck cannot be less than 1ms", |create| {
            create.healthcheck = Some(Healthcheck { interval: 1000, ..Healthcheck::default() });
        });
    }
}
