//! The flags of `run` and `create`, some of which other commands have as well.

use wharfie_engine::container::words;

use super::checks;
use crate::commands::choices;
use crate::context::Context;
use crate::flags::{Complete, Matches, Number, Switch, Text, Texts};

/// `--add-host`.
pub(crate) const ADD_HOST: Texts =
    Texts::new("add-host", "Add a custom host-to-IP mapping (host:ip)").check(checks::word::<words::ExtraHost>);
/// `--attach`.
pub(crate) const ATTACH: Texts = Texts::new("attach", "Attach to STDIN, STDOUT or STDERR")
    .complete(choices::STREAMS)
    .short('a')
    .check(checks::stream);
/// `--cap-add`.
pub(crate) const CAP_ADD: Texts = Texts::new("cap-add", "Add Linux capabilities").complete(choices::CAPABILITIES);
/// `--cap-drop`.
pub(crate) const CAP_DROP: Texts = Texts::new("cap-drop", "Drop Linux capabilities").complete(choices::CAPABILITIES);
/// `--cgroup-parent`.
pub(crate) const CGROUP_PARENT: Text = Text::new("cgroup-parent", "Optional parent cgroup for the container");
/// `--cgroupns`.
pub(crate) const CGROUPNS: Text =
    Text::new("cgroupns", "Cgroup namespace to use (host|private)").complete(choices::CGROUP_NAMESPACES);
/// `--cidfile`.
pub(crate) const CIDFILE: Text = Text::new("cidfile", "Write the container ID to the file");
/// `--cpu-period`.
pub(crate) const CPU_PERIOD: Number = Number::new("cpu-period", "Limit CPU CFS (Completely Fair Scheduler) period");
/// `--cpu-quota`.
pub(crate) const CPU_QUOTA: Number = Number::new("cpu-quota", "Limit CPU CFS (Completely Fair Scheduler) quota");
/// `--cpu-shares`.
pub(crate) const CPU_SHARES: Number = Number::new("cpu-shares", "CPU shares (relative weight)").short('c');
/// `--cpus`.
pub(crate) const CPUS: Text = Text::new("cpus", "Number of CPUs").value_name("decimal").check(checks::cpus);
/// `--cpuset-cpus`.
pub(crate) const CPUSET_CPUS: Text = Text::new("cpuset-cpus", "CPUs in which to allow execution (0-3, 0,1)");
/// `--cpuset-mems`.
pub(crate) const CPUSET_MEMS: Text = Text::new("cpuset-mems", "MEMs in which to allow execution (0-3, 0,1)");
/// `--device`.
pub(crate) const DEVICE: Texts = Texts::new("device", "Add a host device to the container");
/// `--disable-content-trust`.
pub(crate) const DISABLE_CONTENT_TRUST: Switch =
    Switch::new("disable-content-trust", "Skip image verification").default("true");
/// `--dns`.
pub(crate) const DNS: Texts = Texts::new("dns", "Set custom DNS servers").check(checks::address);
/// `--dns-option`.
pub(crate) const DNS_OPTION: Texts = Texts::new("dns-option", "Set DNS options");
/// `--dns-search`.
pub(crate) const DNS_SEARCH: Texts = Texts::new("dns-search", "Set custom DNS search domains");
/// `--domainname`.
pub(crate) const DOMAINNAME: Text = Text::new("domainname", "Container NIS domain name");
/// `--entrypoint`.
pub(crate) const ENTRYPOINT: Text = Text::new("entrypoint", "Overwrite the default ENTRYPOINT of the image");
/// `--env`.
pub(crate) const ENV: Texts = Texts::new("env", "Set environment variables").short('e').check(checks::env);
/// `--env-file`.
pub(crate) const ENV_FILE: Texts = Texts::new("env-file", "Read in a file of environment variables");
/// `--expose`.
pub(crate) const EXPOSE: Texts = Texts::new("expose", "Expose a port or a range of ports");
/// `--group-add`.
pub(crate) const GROUP_ADD: Texts = Texts::new("group-add", "Add additional groups to join");
/// `--health-cmd`.
pub(crate) const HEALTH_CMD: Text = Text::new("health-cmd", "Command to run to check health");
/// `--health-interval`.
pub(crate) const HEALTH_INTERVAL: Text = Text::new("health-interval", "Time between running the check (ms|s|m|h)")
    .value_name("duration")
    .check(checks::duration);
/// `--health-retries`.
pub(crate) const HEALTH_RETRIES: Number =
    Number::new("health-retries", "Consecutive failures needed to report unhealthy");
/// `--health-start-interval`.
pub(crate) const HEALTH_START_INTERVAL: Text =
    Text::new("health-start-interval", "Time between running the check during the start period (ms|s|m|h)")
        .value_name("duration")
        .check(checks::duration);
/// `--health-start-period`.
pub(crate) const HEALTH_START_PERIOD: Text = Text::new(
    "health-start-period",
    "Start period for the container to initialize before starting health-retries countdown (ms|s|m|h)",
)
.value_name("duration")
.check(checks::duration);
/// `--health-timeout`.
pub(crate) const HEALTH_TIMEOUT: Text =
    Text::new("health-timeout", "Maximum time to allow one check to run (ms|s|m|h)")
        .value_name("duration")
        .check(checks::duration);
/// `--hostname`.
pub(crate) const HOSTNAME: Text = Text::new("hostname", "Container host name").complete(Complete::Nothing).short('h');
/// `--init`.
pub(crate) const INIT: Switch =
    Switch::new("init", "Run an init inside the container that forwards signals and reaps processes");
/// `--interactive`.
pub(crate) const INTERACTIVE: Switch = Switch::new("interactive", "Keep STDIN open even if not attached").short('i');
/// `--ip`.
pub(crate) const IP: Text =
    Text::new("ip", "IPv4 address (e.g., 172.30.100.104)").value_name("ip").check(checks::address);
/// `--ipc`.
pub(crate) const IPC: Text = Text::new("ipc", "IPC mode to use").complete(choices::IPC);
/// `--label`.
pub(crate) const LABEL: Texts = Texts::new("label", "Set meta data on a container").short('l').check(checks::label);
/// `--label-file`.
pub(crate) const LABEL_FILE: Texts = Texts::new("label-file", "Read in a line delimited file of labels");
/// `--log-driver`.
pub(crate) const LOG_DRIVER: Text =
    Text::new("log-driver", "Logging driver for the container (json-file, local, none)").complete(choices::LOG_DRIVERS);
/// `--link`.
pub(crate) const LINK: Texts = Texts::new("link", "Add link to another container").complete(Complete::Containers);
/// `--log-opt`.
pub(crate) const LOG_OPT: Texts = Texts::new("log-opt", "Log driver options").unsupported();
/// `--mac-address`.
pub(crate) const MAC_ADDRESS: Text = Text::new("mac-address", "Container MAC address (e.g., 92:d0:c6:0a:29:33)");
/// `--memory`.
pub(crate) const MEMORY: Text = Text::new("memory", "Memory limit").short('m').value_name("bytes").check(checks::bytes);
/// `--memory-reservation`.
pub(crate) const MEMORY_RESERVATION: Text =
    Text::new("memory-reservation", "Memory soft limit").value_name("bytes").check(checks::bytes);
/// `--memory-swap`.
pub(crate) const MEMORY_SWAP: Text =
    Text::new("memory-swap", "Swap limit equal to memory plus swap: '-1' to enable unlimited swap")
        .value_name("bytes")
        .check(checks::bytes);
/// `--mount`.
pub(crate) const MOUNT: Texts = Texts::new("mount", "Attach a filesystem mount to the container").check(checks::mount);
/// `--name`.
pub(crate) const NAME: Text = Text::new("name", "Assign a name to the container").complete(Complete::Nothing);
/// `--network`.
pub(crate) const NETWORK: Text =
    Text::new("network", "Connect a container to a network").complete(Complete::Networks).value_name("network");
/// `--network-alias`.
pub(crate) const NETWORK_ALIAS: Texts = Texts::new("network-alias", "Add network-scoped alias for the container");
/// `--no-healthcheck`.
pub(crate) const NO_HEALTHCHECK: Switch = Switch::new("no-healthcheck", "Disable any container-specified HEALTHCHECK");
/// `--oom-score-adj`.
pub(crate) const OOM_SCORE_ADJ: Number = Number::new("oom-score-adj", "Tune host's OOM preferences (-1000 to 1000)");
/// `--pid`.
pub(crate) const PID: Text = Text::new("pid", "PID namespace to use").complete(choices::HOST);
/// `--pids-limit`.
pub(crate) const PIDS_LIMIT: Number = Number::new("pids-limit", "Tune container pids limit (set -1 for unlimited)");
/// `--platform`.
pub(crate) const PLATFORM: Text =
    Text::new("platform", "Set platform if server is multi-platform capable").complete(choices::PLATFORMS);
/// `--privileged`.
pub(crate) const PRIVILEGED: Switch = Switch::new("privileged", "Give extended privileges to this container");
/// `--publish`.
pub(crate) const PUBLISH: Texts = Texts::new("publish", "Publish a container's port(s) to the host").short('p');
/// `--publish-all`.
pub(crate) const PUBLISH_ALL: Switch =
    Switch::new("publish-all", "Publish all exposed ports to random ports").short('P');
/// `--pull`.
pub(crate) const PULL: Text = Text::new("pull", "Pull image before running (\"always\", \"missing\", \"never\")")
    .complete(choices::PULL)
    .default("missing");
/// `--quiet`.
pub(crate) const QUIET: Switch = Switch::new("quiet", "Suppress the pull output").short('q');
/// `--read-only`.
pub(crate) const READ_ONLY: Switch = Switch::new("read-only", "Mount the container's root filesystem as read only");
/// `--restart`.
pub(crate) const RESTART: Text =
    Text::new("restart", "Restart policy to apply when a container exits").complete(choices::RESTART).default("no");
/// `--rm`.
pub(crate) const RM: Switch = Switch::new("rm", "Automatically remove the container when it exits");
/// `--runtime`.
pub(crate) const RUNTIME: Text = Text::new("runtime", "Runtime to use for this container (wharfie, runc, crun, youki)");
/// `--security-opt`.
pub(crate) const SECURITY_OPT: Texts = Texts::new("security-opt", "Security Options");
/// `--shm-size`.
pub(crate) const SHM_SIZE: Text = Text::new("shm-size", "Size of /dev/shm").value_name("bytes").check(checks::bytes);
/// `--stop-signal`.
pub(crate) const STOP_SIGNAL: Text =
    Text::new("stop-signal", "Signal to stop the container").complete(choices::SIGNALS);
/// `--stop-timeout`.
pub(crate) const STOP_TIMEOUT: Number = Number::new("stop-timeout", "Timeout (in seconds) to stop a container");
/// `--sysctl`.
pub(crate) const SYSCTL: Texts = Texts::new("sysctl", "Sysctl options").check(checks::word::<words::Sysctl>);
/// `--tmpfs`.
pub(crate) const TMPFS: Texts = Texts::new("tmpfs", "Mount a tmpfs directory");
/// `--tty`.
pub(crate) const TTY: Switch = Switch::new("tty", "Allocate a pseudo-TTY").short('t');
/// `--ulimit`.
pub(crate) const ULIMIT: Texts = Texts::new("ulimit", "Ulimit options").check(checks::word::<words::Ulimit>);
/// `--user`.
pub(crate) const USER: Text = Text::new("user", "Username or UID (format: <name|uid>[:<group|gid>])").short('u');
/// `--userns`.
pub(crate) const USERNS: Text = Text::new("userns", "User namespace to use").complete(choices::HOST);
/// `--uts`.
pub(crate) const UTS: Text = Text::new("uts", "UTS namespace to use").complete(choices::HOST);
/// `--volume`.
pub(crate) const VOLUME: Texts = Texts::new("volume", "Bind mount a volume").short('v');
/// `--volumes-from`.
pub(crate) const VOLUMES_FROM: Texts =
    Texts::new("volumes-from", "Mount volumes from the specified container(s)").complete(Complete::Containers);
/// `--workdir`.
pub(crate) const WORKDIR: Text = Text::new("workdir", "Working directory inside the container").short('w');

/// Every flag that `create` has; `run` adds its own.
macro_rules! create_flags {
    ($($more:expr),* $(,)?) => {
        &[
            create_flags::ADD_HOST.flag(),
            create_flags::ATTACH.flag(),
            create_flags::CAP_ADD.flag(),
            create_flags::CAP_DROP.flag(),
            create_flags::CGROUP_PARENT.flag(),
            create_flags::CGROUPNS.flag(),
            create_flags::CIDFILE.flag(),
            create_flags::CPU_PERIOD.flag(),
            create_flags::CPU_QUOTA.flag(),
            create_flags::CPU_SHARES.flag(),
            create_flags::CPUS.flag(),
            create_flags::CPUSET_CPUS.flag(),
            create_flags::CPUSET_MEMS.flag(),
            create_flags::DEVICE.flag(),
            create_flags::DISABLE_CONTENT_TRUST.flag(),
            create_flags::DNS.flag(),
            create_flags::DNS_OPTION.flag(),
            create_flags::DNS_OPTION.also("dns-opt"),
            create_flags::DNS_SEARCH.flag(),
            create_flags::DOMAINNAME.flag(),
            create_flags::ENTRYPOINT.flag(),
            create_flags::ENV.flag(),
            create_flags::ENV_FILE.flag(),
            create_flags::EXPOSE.flag(),
            create_flags::GROUP_ADD.flag(),
            create_flags::HEALTH_CMD.flag(),
            create_flags::HEALTH_INTERVAL.flag(),
            create_flags::HEALTH_RETRIES.flag(),
            create_flags::HEALTH_START_INTERVAL.flag(),
            create_flags::HEALTH_START_PERIOD.flag(),
            create_flags::HEALTH_TIMEOUT.flag(),
            create_flags::HOSTNAME.flag(),
            create_flags::INIT.flag(),
            create_flags::INTERACTIVE.flag(),
            create_flags::IP.flag(),
            create_flags::IPC.flag(),
            create_flags::LABEL.flag(),
            create_flags::LABEL_FILE.flag(),
            create_flags::LOG_DRIVER.flag(),
            create_flags::LINK.flag(),
            create_flags::LOG_OPT.flag(),
            create_flags::MAC_ADDRESS.flag(),
            create_flags::MEMORY.flag(),
            create_flags::MEMORY_RESERVATION.flag(),
            create_flags::MEMORY_SWAP.flag(),
            create_flags::MOUNT.flag(),
            create_flags::NAME.flag(),
            create_flags::NETWORK.flag(),
            create_flags::NETWORK_ALIAS.flag(),
            create_flags::NETWORK_ALIAS.also("net-alias"),
            create_flags::NETWORK.also("net"),
            create_flags::NO_HEALTHCHECK.flag(),
            create_flags::OOM_SCORE_ADJ.flag(),
            create_flags::PID.flag(),
            create_flags::PIDS_LIMIT.flag(),
            create_flags::PLATFORM.flag(),
            create_flags::PRIVILEGED.flag(),
            create_flags::PUBLISH.flag(),
            create_flags::PUBLISH_ALL.flag(),
            create_flags::PULL.flag(),
            create_flags::QUIET.flag(),
            create_flags::READ_ONLY.flag(),
            create_flags::RESTART.flag(),
            create_flags::RM.flag(),
            create_flags::RUNTIME.flag(),
            create_flags::SECURITY_OPT.flag(),
            create_flags::SHM_SIZE.flag(),
            create_flags::STOP_SIGNAL.flag(),
            create_flags::STOP_TIMEOUT.flag(),
            create_flags::SYSCTL.flag(),
            create_flags::TMPFS.flag(),
            create_flags::TTY.flag(),
            create_flags::ULIMIT.flag(),
            create_flags::USER.flag(),
            create_flags::USERNS.flag(),
            create_flags::UTS.flag(),
            create_flags::VOLUME.flag(),
            create_flags::VOLUMES_FROM.flag(),
            create_flags::WORKDIR.flag(),
            // What docker has and we have not: accepted with a warning, so that scripts go on.
            Flag::list("annotation", "Not supported").hidden().unsupported(),
            Flag::int("blkio-weight", "Not supported").hidden().unsupported(),
            Flag::list("blkio-weight-device", "Not supported").hidden().unsupported(),
            Flag::int("cpu-rt-period", "Not supported").hidden().unsupported(),
            Flag::int("cpu-rt-runtime", "Not supported").hidden().unsupported(),
            Flag::list("device-cgroup-rule", "Not supported").hidden().unsupported(),
            Flag::list("device-read-bps", "Not supported").hidden().unsupported(),
            Flag::list("device-read-iops", "Not supported").hidden().unsupported(),
            Flag::list("device-write-bps", "Not supported").hidden().unsupported(),
            Flag::list("device-write-iops", "Not supported").hidden().unsupported(),
            Flag::str("gpus", "Not supported").hidden().unsupported(),
            Flag::str("ip6", "Not supported").hidden().unsupported(),
            Flag::str("isolation", "Not supported").hidden().unsupported(),
            Flag::str("kernel-memory", "Not supported").hidden().unsupported(),
            Flag::list("link-local-ip", "Not supported").hidden().unsupported(),
            Flag::int("memory-swappiness", "Not supported").hidden().unsupported(),
            Flag::bool("oom-kill-disable", "Not supported").hidden().unsupported(),
            Flag::list("storage-opt", "Not supported").hidden().unsupported(),
            Flag::str("volume-driver", "Not supported").hidden().unsupported(),
            $($more),*
        ]
    };
}
pub(crate) use create_flags;

/// Says which of the given flags change nothing.
pub(crate) fn warn_of_unsupported(cx: &Context, matches: &Matches) {
    for name in matches.unsupported() {
        cx.warn(&format!("WARNING: --{name} is not supported and changes nothing"));
    }
}
