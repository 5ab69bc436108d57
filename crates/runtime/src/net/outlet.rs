//! A way out of a network namespace that needs no privileges: pasta or slirp4netns, programs of the system that carry
//! packets between a device in the namespace and ordinary sockets of the host.
//!
//! Such a program holds on to the namespace, so it would outlive the container. A guard looks after it: a copy of the
//! maker, with nothing of it open, that is the first process of a process namespace with the program as its only other
//! one. The guard ends with the container, and whenever and however it ends the kernel ends the program with it. So
//! nothing is left behind, whoever is killed.

use std::io::Read;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, IntoRawFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Access, MemfdFlags, Mode, OFlags};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};

use crate::channel::Channel;
use crate::error::{Error, Result};
use crate::idmap::find_program;
use crate::sys::{self, Cloned};

/// A program that carries the packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Helper {
    /// Of the package `passt`.
    Pasta,
    /// Of the package of the same name.
    Slirp4netns,
}

impl Helper {
    /// Its name, which is also what `--network` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pasta => "pasta",
            Self::Slirp4netns => "slirp4netns",
        }
    }
}

/// A way out through a program that is installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outlet {
    /// Which one.
    pub helper: Helper,
    /// Where it is.
    pub program: PathBuf,
}

impl Outlet {
    /// The container's address; the same in every container, since nobody else is in its network.
    pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 100);
    /// Where its packets go.
    pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
    /// Answers for the host's name servers, also for those on the host's loopback.
    pub const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 3);

    /// The way out through `wanted`, or through whichever is installed; `None` if none is.
    pub fn find(wanted: Option<Helper>) -> Option<Self> {
        // Without a way out of its own, pasta may refuse what slirp4netns does all the same.
        let order = match has_default_route("self") {
            true => [Helper::Pasta, Helper::Slirp4netns],
            false => [Helper::Slirp4netns, Helper::Pasta],
        };
        let mut wanted = order.into_iter().filter(|helper| wanted.is_none_or(|wanted| wanted == *helper));
        wanted.find_map(|helper| find_program(helper.name()).map(|program| Self { helper, program }))
    }

    /// False for pasta on a machine without a way out of its own: many versions of it then refuse to start.
    pub fn is_likely_to_work(&self) -> bool {
        self.helper != Helper::Pasta || has_default_route("self")
    }

    /// The device that both programs need.
    ///
    /// # Errors
    /// When this user may not use it.
    pub fn check_device() -> Result<()> {
        rustix::fs::access(TUN, Access::READ_OK | Access::WRITE_OK).map_err(Error::system(format!("use {TUN}")))
    }

    fn command(&self, pid: u32) -> Command {
        let mut command = Command::new(&self.program);
        match self.helper {
            Helper::Pasta => command
                .args(["--foreground", "--quiet", "--config-net", "--ipv4-only", "--no-map-gw"])
                .args(["--ns-ifname", INSIDE, "--netmask", "24"])
                .args(["--address", &Self::ADDRESS.to_string(), "--gateway", &Self::GATEWAY.to_string()])
                .args(["--dns-forward", &Self::NAME_SERVER.to_string()])
                // Ports are published by our own relays, which refuse what is taken before anything starts.
                .args(["--tcp-ports", "none", "--udp-ports", "none", "--tcp-ns", "none", "--udp-ns", "none"])
                .arg(pid.to_string()),
            Helper::Slirp4netns => command
                .args(["--configure", "--mtu=65520", "--disable-host-loopback", "--enable-sandbox", "--enable-seccomp"])
                .args([&pid.to_string(), INSIDE]),
        };
        command
    }
}

/// Looks after the way out, from before there is a container to after its end.
pub(crate) struct Guard(Channel);

/// What the guard is to do, with the container's descriptor.
#[derive(Debug, Serialize, Deserialize)]
struct Connect {
    pid: u32,
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
struct Connected(Option<Error>);

impl Guard {
    /// Starts one, before this process has entered anybody's namespaces or cgroups.
    pub(crate) fn start(outlet: &Outlet) -> Result<Self> {
        let (ours, theirs) = Channel::pair()?;
        // The flag is a bit of a C int.
        let namespaces = u64::from(libc::CLONE_NEWPID.cast_unsigned());
        match sys::clone_process(namespaces, false, None).map_err(Error::system("start the network's guard"))? {
            Cloned::Child => {
                let _ = watch(theirs, outlet);
                sys::leave(0)
            }
            Cloned::Parent(..) => Ok(Self(ours)),
        }
    }

    /// Gives the network namespace of `pid` its way out; it is there when this returns. The guard goes on alone.
    pub(crate) fn connect(self, pid: u32, container: &OwnedFd) -> Result<()> {
        self.0.send(&Connect { pid }, &[container.as_fd()])?;
        match self.0.receive::<Connected>()? {
            Some((Connected(None), _)) => Ok(()),
            Some((Connected(Some(why)), _)) => Err(why),
            None => Err(Error::InitDied),
        }
    }
}

/// What the guard does.
fn watch(channel: Channel, outlet: &Outlet) -> Result<()> {
    let doing = "guard the network";
    // Whoever waits for the end of the maker's streams, or of its channel, does not wait for us.
    let channel = channel.into_fd();
    rustix::stdio::dup2_stdin(&channel).map_err(Error::system(doing))?;
    // It is closed with everything else, and nobody else is to do that.
    let _ = channel.into_raw_fd();
    sys::close_all(3).map_err(Error::system(doing))?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR, Mode::empty()).map_err(Error::system(doing))?;
    rustix::stdio::dup2_stdout(&null).map_err(Error::system(doing))?;
    rustix::stdio::dup2_stderr(&null).map_err(Error::system(doing))?;
    let _ = rustix::process::setsid();
    let channel = std::io::stdin().as_fd().try_clone_to_owned().map_err(Error::system(doing))?;
    let channel = Channel::from_fd(channel);
    let Some((Connect { pid }, files)) = channel.receive::<Connect>()? else { return Ok(()) };
    let container = files.into_iter().next().ok_or(Error::InitDied)?;
    let (helper, why) = match run(outlet, pid, &container) {
        Ok(helper) => (Some(helper), None),
        Err(why) => (None, Some(why)),
    };
    channel.send(&Connected(why), &[])?;
    if let Some(helper) = helper {
        let _ = wait_for_end(&[&container, &helper], None);
    }
    Ok(())
}

/// Starts the program and waits until it has configured the namespace. Gives its descriptor.
fn run(outlet: &Outlet, pid: u32, container: &OwnedFd) -> Result<OwnedFd> {
    let name = outlet.helper.name();
    let failed = |output: String| Error::Program { program: name.to_owned(), output };
    let said = rustix::fs::memfd_create("wharfie-said", MemfdFlags::CLOEXEC).map_err(Error::system("make a file"))?;
    let stream = || said.try_clone().map(Stdio::from).map_err(Error::system("share a file"));
    let mut command = outlet.command(pid);
    command.stdin(Stdio::null()).stdout(stream()?).stderr(stream()?);
    let child: Child = command.spawn().map_err(Error::system(format!("run {}", outlet.program.display())))?;
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(Error::InitDied)?;
    let helper = pidfd_open(id, PidfdFlags::empty()).map_err(Error::system(format!("watch {name}")))?;
    let until = Instant::now() + PATIENCE;
    while !has_default_route(&pid.to_string()) {
        if wait_for_end(&[container, &helper], Some(PAUSE))? {
            let mut file = std::fs::File::from(said);
            let mut output = String::new();
            let _ = std::io::Seek::rewind(&mut file).and_then(|()| file.take(MAX_SAID).read_to_string(&mut output));
            // Of pasta's complaints that there is nobody to complain to, nobody learns anything.
            let lines = output.lines().filter(|line| !line.ends_with("bytes to syslog") && !line.is_empty());
            return Err(failed(lines.collect::<Vec<_>>().join("; ")));
        }
        if Instant::now() > until {
            return Err(failed("it did not configure the network in time".to_owned()));
        }
    }
    Ok(helper)
}

/// Waits until one of the processes has ended; false if the time is over before.
fn wait_for_end(processes: &[&OwnedFd], limit: Option<Duration>) -> Result<bool> {
    let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
    let mut polled: Vec<PollFd<'_>> = processes.iter().map(|one| PollFd::new(one, PollFlags::IN)).collect();
    loop {
        match poll(&mut polled, limit.as_ref()) {
            Ok(count) => return Ok(count > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(why) => return Err(Error::system("wait for the container")(why)),
        }
    }
}

/// True if the network namespace of a process has a way out. It is the last thing that is configured.
fn has_default_route(pid: &str) -> bool {
    let routes = std::fs::read_to_string(format!("/proc/{pid}/net/route")).unwrap_or_default();
    routes.lines().any(|line| line.split_ascii_whitespace().nth(1) == Some("00000000"))
}

/// As docker calls it.
const INSIDE: &str = "eth0";
const TUN: &str = "/dev/net/tun";
/// Both programs need some milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(1);
/// 4 KiB of what a program that failed has to say.
const MAX_SAID: u64 = 4 << 10;
