//! The last steps: from a process that may everything to the command that may what it should.

use std::convert::Infallible;
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FileType, Gid, Mode, OFlags, Uid};
use rustix::process::Signal;
use rustix::thread::{CapabilitySet, CapabilitySets};

use crate::accounts::{self, Identity};
use crate::capability::Capabilities;
use crate::error::{Error, Result};
use crate::init::{find, masks};
use crate::seccomp;
use crate::spec::{Process, Seccomp, Security};
use crate::sys::{self, Instruction};
use crate::warning::Warning;

/// What surrounds the process besides its own rights.
pub(super) struct Walls<'a> {
    pub(super) security: &'a Security,
    pub(super) die_with_parent: bool,
    pub(super) has_user_namespace: bool,
}

/// Makes the given files standard input, output and error; the null device stands in for one that is not given. What the
/// container calls so need not be it.
pub(super) fn use_streams(stdio: [Option<OwnedFd>; 3]) -> Result<()> {
    let doing = "use the standard streams";
    let null = |given: Option<OwnedFd>| match given {
        Some(fd) => Ok(fd),
        None => masks::open_null().map_err(Error::system(doing)),
    };
    let [stdin, stdout, stderr] = stdio;
    rustix::stdio::dup2_stdin(null(stdin)?).map_err(Error::system(doing))?;
    rustix::stdio::dup2_stdout(null(stdout)?).map_err(Error::system(doing))?;
    rustix::stdio::dup2_stderr(null(stderr)?).map_err(Error::system(doing))
}

/// Becomes the command of `process`, in the container that is already around this process.
pub(super) fn become_command(
    process: &Process,
    walls: &Walls<'_>,
    warn: &mut dyn FnMut(Warning),
) -> Result<Infallible> {
    let root = rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(Error::system("open /"))?;
    let identity = accounts::look_up(root.as_fd(), &process.user, &process.groups)?;
    drop(root);
    let filter = match walls.security.privileged && walls.security.seccomp == Seccomp::Default {
        true => None,
        false => seccomp::compile(&walls.security.seccomp, process.capabilities)?,
    };
    let may_raise = capabilities_now()?.effective.contains(CapabilitySet::SYS_RESOURCE) && !walls.has_user_namespace;
    for limit in &process.rlimits {
        limit.apply(may_raise, warn)?;
    }
    let environment = environment(process, &identity)?;
    enter_directory(&process.cwd)?;
    own_streams(&identity);
    sys::reset_signals();
    rustix::process::umask(Mode::from_raw_mode(0o022));
    // Nothing of ours is to stay open in the command, whatever we forgot. Before the filter, which need not allow it.
    sys::close_on_exec(3).map_err(Error::system("close what is open"))?;
    let filter = filter.as_deref();
    let may_filter_late = process.no_new_privileges;
    let has_asked_groups = !process.groups.is_empty();
    drop_rights(process.capabilities, &identity, walls, has_asked_groups, if may_filter_late { None } else { filter })?;
    if walls.die_with_parent {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
            .map_err(Error::system("tie to the starter"))?;
    }
    if process.no_new_privileges {
        rustix::thread::set_no_new_privs(true).map_err(Error::system("forbid new privileges"))?;
        install(filter)?;
    }
    find::execute(&process.args, &process.env, &environment)
}

fn environment(process: &Process, identity: &Identity) -> Result<Vec<CString>> {
    // An empty one is none, as for docker.
    let is_empty = |one: &&String| *one == "HOME=";
    let is_set = process.env.iter().any(|one| one.starts_with("HOME=") && one != "HOME=");
    let home = (!is_set).then(|| format!("HOME={}", identity.home));
    let all = process.env.iter().filter(|one| !is_empty(one)).cloned().chain(home);
    all.map(|one| c_string(&one, "environment")).collect()
}

pub(super) fn c_string(text: &str, what: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::invalid(what, text.replace('\0', "\\0"), "it holds a zero byte"))
}

/// Goes to the working directory.
fn enter_directory(path: &str) -> Result<()> {
    let path = if path.is_empty() { "/" } else { path };
    let doing = || format!("use the working directory {path}");
    if !path.starts_with('/') {
        return Err(Error::invalid("working directory", path, "not an absolute path"));
    }
    rustix::process::chdir(path).map_err(|why| {
        let reason = crate::error::reason_of(&why.into());
        Error::WorkingDirectory { path: path.to_owned(), reason }
    })?;
    // A link to a descriptor of ours could have led out of the container (CVE-2024-21626).
    let here = rustix::process::getcwd(Vec::new()).map_err(Error::system(doing()))?;
    if !here.to_bytes().starts_with(b"/") {
        return Err(Error::invalid("working directory", path, "it is outside of the container"));
    }
    Ok(())
}

/// Pipes and the terminal become the user's, so that `/dev/stdout` can be opened again by who is not root. Files and
/// terminals of the host stay what they are.
fn own_streams(identity: &Identity) {
    if identity.uid == 0 {
        return;
    }
    let streams = [
        std::io::stdin().as_fd().try_clone_to_owned(),
        std::io::stdout().as_fd().try_clone_to_owned(),
        std::io::stderr().as_fd().try_clone_to_owned(),
    ];
    for fd in streams.into_iter().flatten() {
        let Ok(stat) = rustix::fs::fstat(&fd) else { continue };
        let is_pipe = FileType::from_raw_mode(stat.st_mode) == FileType::Fifo;
        let is_own_terminal = rustix::termios::ttyname(&fd, Vec::new()).is_ok();
        if is_pipe || is_own_terminal {
            let _ = rustix::fs::fchown(&fd, Some(Uid::from_raw(identity.uid)), None);
        }
    }
}

/// From here on the process has the user's ids and the given capabilities. A filter goes in while that is allowed.
fn drop_rights(
    wanted: Capabilities,
    identity: &Identity,
    walls: &Walls<'_>,
    has_asked_groups: bool,
    filter: Option<&[Instruction]>,
) -> Result<()> {
    let doing = "drop privileges";
    for number in 0..64 {
        let bit = CapabilitySet::from_bits_retain(1 << number);
        if wanted.mask() & bit.bits() == 0 {
            match rustix::thread::remove_capability_from_bounding_set(bit) {
                // The kernel knows no more.
                Err(rustix::io::Errno::INVAL) => break,
                other => other.map_err(Error::system(doing))?,
            }
        }
    }
    let groups: Vec<Gid> = identity.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
    match rustix::thread::set_thread_groups(&groups) {
        // One mapped id, and the kernel forbids to drop groups that may deny something. Those that were asked for by the
        // user may deny something too, and then their lack must be said.
        Err(rustix::io::Errno::PERM) if walls.has_user_namespace && !has_asked_groups => {}
        // One that is not mapped; without it all others would be gone as well.
        other => other.map_err(Error::system("set the groups of the process (setgroups)"))?,
    }
    install(filter)?;
    let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
    rustix::thread::set_keep_capabilities(true).map_err(Error::system(doing))?;
    let become_ = |kind: &'static str, id: u32| {
        move |why: rustix::io::Errno| match why {
            // Not mapped in the user namespace.
            rustix::io::Errno::INVAL => Error::NoSuchId { kind: kind.to_owned(), id },
            why => Error::system(format!("become the {kind}"))(why),
        }
    };
    rustix::thread::set_thread_res_gid(gid, gid, gid).map_err(become_("group", identity.gid))?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(become_("user", identity.uid))?;
    rustix::thread::set_keep_capabilities(false).map_err(Error::system(doing))?;
    keep_capabilities(wanted)?;
    if identity.uid == 0 {
        return Ok(());
    }
    // The kernel takes them from another user with the next program; whether that may be executed is asked before.
    let sets = CapabilitySets { effective: CapabilitySet::empty(), ..capabilities_now()? };
    rustix::thread::set_capabilities(None, sets).map_err(Error::system(doing))
}

/// Gives up all capabilities but these; those that this process does not hold it does not get.
pub(super) fn keep_capabilities(wanted: Capabilities) -> Result<()> {
    let kept = CapabilitySet::from_bits_retain(wanted.held_by(capabilities_now()?.permitted.bits()).mask());
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    rustix::thread::set_capabilities(None, sets).map_err(Error::system("drop privileges"))
}

fn install(filter: Option<&[Instruction]>) -> Result<()> {
    match filter {
        Some(filter) => sys::install_filter(filter).map_err(Error::system("filter system calls")),
        None => Ok(()),
    }
}

fn capabilities_now() -> Result<CapabilitySets> {
    rustix::thread::capabilities(None).map_err(Error::system("read the capabilities"))
}
