//! The few calls of the kernel that no safe crate offers. The only file of the product that may say `unsafe`.
//!
//! Each function here is safe to call: what the kernel call needs for that is checked or made true inside.

#![expect(unsafe_code, reason = "raw system calls; every block says why it is sound")]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use libc::c_long;
use rustix::mount::MountAttrFlags;

/// Which side of [`clone_process`] this is.
pub(crate) enum Cloned {
    /// The new process.
    Child,
    /// The old one: the new one's id, as seen from here, and its descriptor.
    Parent(u32, OwnedFd),
}

/// `clone3(2)` of the whole process with new namespaces. The child is a copy that goes on from here; with
/// `as_sibling` its parent is this process's own parent. `cgroup` is the version 2 cgroup it starts in.
///
/// # Errors
/// The kernel's, and `EINVAL` when this process has other threads: the copy would have their locks but not them.
pub(crate) fn clone_process(namespaces: u64, as_sibling: bool, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Cloned> {
    // SAFETY: asking to unshare the thread group changes nothing; it only fails when there is another thread.
    check(unsafe { libc::syscall(libc::SYS_unshare, libc::CLONE_THREAD) })?;
    let mut pidfd: RawFd = -1;
    let mut flags = namespaces | libc::CLONE_PIDFD as u64;
    if as_sibling {
        flags |= libc::CLONE_PARENT as u64;
    }
    if cgroup.is_some() {
        flags |= CLONE_INTO_CGROUP;
    }
    let arguments = libc::clone_args {
        flags,
        pidfd: std::ptr::from_mut(&mut pidfd) as u64,
        child_tid: 0,
        parent_tid: 0,
        // A sibling inherits the signal of its parent's parent, and the kernel refuses another one.
        exit_signal: if as_sibling { 0 } else { libc::SIGCHLD as u64 },
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: cgroup.map_or(0, |fd| fd.as_raw_fd() as u64),
    };
    // SAFETY: `arguments` is a whole `clone_args`, and `pidfd` outlives the call. Memory and stack are not shared
    // (no CLONE_VM), so the child is what `fork` makes; there is one thread, so no lock is held by a missing one.
    let result = unsafe { libc::syscall(libc::SYS_clone3, &raw const arguments, size_of::<libc::clone_args>()) };
    match check(result)? {
        0 => Ok(Cloned::Child),
        pid => {
            // SAFETY: the kernel has just opened it for us, and nobody else knows it.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Cloned::Parent(u32::try_from(pid).unwrap_or(0), pidfd))
        }
    }
}

/// Moves this process into new namespaces; with `user` among them it may do everything there.
///
/// # Errors
/// The kernel's, and `EINVAL` for a user namespace when this process has other threads.
pub(crate) fn unshare(namespaces: Unshared) -> io::Result<()> {
    let flags = match namespaces {
        Unshared::UserAndMounts => libc::CLONE_NEWUSER | libc::CLONE_NEWNS,
        Unshared::Mounts => libc::CLONE_NEWNS,
    };
    // SAFETY: flags only, none of which takes memory, descriptors or signal handlers from anybody.
    check(unsafe { libc::syscall(libc::SYS_unshare, flags) }).map(drop)
}

/// What [`unshare`] makes new.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unshared {
    /// Ids and capabilities, and the mounts with them.
    UserAndMounts,
    /// The mounts alone.
    Mounts,
}

/// The user namespace that the one behind `namespace` was made in.
///
/// # Errors
/// The kernel's: `EPERM` when that is not beneath the caller's.
pub(crate) fn parent_of_user_namespace(namespace: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // SAFETY: the request takes no argument, and the kernel refuses it for anything but a namespace.
    let fd = check(unsafe { libc::syscall(libc::SYS_ioctl, namespace.as_raw_fd(), NS_GET_PARENT) })?;
    let fd = RawFd::try_from(fd).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
    // SAFETY: the kernel has just opened it for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Which mounts [`set_mount_attributes`] changes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// This one.
    One,
    /// And all beneath it.
    Tree,
}

/// `mount_setattr(2)` on an open mount: sets `set`, and the propagation if it is not 0 (`MS_PRIVATE`, …).
pub(crate) fn set_mount_attributes(
    mount: impl AsFd,
    reach: Reach,
    set: MountAttrFlags,
    propagation: u64,
) -> io::Result<()> {
    let attributes = libc::mount_attr { attr_set: set.bits().into(), attr_clr: 0, propagation, userns_fd: 0 };
    let flags = libc::AT_EMPTY_PATH | if reach == Reach::Tree { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the descriptor is open, the path is an empty C string, `attributes` is a whole `mount_attr`.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_fd().as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    check(result).map(drop)
}

/// One instruction of classic BPF, as `sock_filter` is laid out.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Instruction {
    pub(crate) code: u16,
    pub(crate) if_true: u8,
    pub(crate) if_false: u8,
    pub(crate) value: u32,
}

/// Puts a system call filter on this thread, for good.
///
/// # Errors
/// The kernel's: a malformed program, or neither CAP_SYS_ADMIN nor no-new-privileges.
pub(crate) fn install_filter(program: &[Instruction]) -> io::Result<()> {
    let length = u16::try_from(program.len()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let program = libc::sock_fprog { len: length, filter: program.as_ptr().cast::<libc::sock_filter>().cast_mut() };
    // SAFETY: `Instruction` has the layout of `sock_filter`, the slice is `length` long and outlives the call, and
    // the kernel copies and verifies it without writing to it.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) };
    check(result).map(drop)
}

/// Loads an eBPF program for a cgroup's devices and attaches it to the directory behind `cgroup`, beside those that
/// are there. It lives as long as the cgroup.
pub(crate) fn attach_device_program(program: &[u64], cgroup: BorrowedFd<'_>) -> io::Result<()> {
    #[repr(C)]
    struct Load {
        kind: u32,
        count: u32,
        program: u64,
        license: u64,
        log: [u64; 2],
        rest: [u64; 12],
    }
    #[repr(C)]
    struct Attach {
        target: i32,
        program: i32,
        kind: u32,
        flags: u32,
        rest: [u64; 2],
    }
    let load = Load {
        kind: BPF_PROG_TYPE_CGROUP_DEVICE,
        count: u32::try_from(program.len()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?,
        program: program.as_ptr() as u64,
        license: c"MIT".as_ptr() as u64,
        log: [0; 2],
        rest: [0; 12],
    };
    // SAFETY: the attributes are of the layout and size that the command wants, unused ones zero; the program is
    // `count` instructions of 8 bytes, the licence a C string, and both outlive the call, which copies them.
    let loaded = check(unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_LOAD, &raw const load, size_of::<Load>()) })?;
    let loaded = RawFd::try_from(loaded).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
    // SAFETY: the kernel has just opened it for us, and nobody else knows it.
    let loaded = unsafe { OwnedFd::from_raw_fd(loaded) };
    let attach = Attach {
        target: cgroup.as_raw_fd(),
        program: loaded.as_raw_fd(),
        kind: BPF_CGROUP_DEVICE,
        flags: BPF_F_ALLOW_MULTI,
        rest: [0; 2],
    };
    // SAFETY: two open descriptors in attributes of the layout and size that the command wants.
    let result = unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_ATTACH, &raw const attach, size_of::<Attach>()) };
    check(result).map(drop)
}

/// Gives every signal its default action and blocks none, which `execve` would pass on.
pub(crate) fn reset_signals() {
    // As the kernel lays it out: handler, flags, restorer, mask. All zero is SIG_DFL without a flag.
    let default = [0_u64; 4];
    for signal in 1..=64 {
        // SAFETY: SIG_DFL is no handler, so nothing of ours can be called; the block is as long as the kernel reads, with
        // a mask of 8 bytes. Signals without an action are refused.
        // WHY UNSAFE: the C library's own call refuses the two signals that it uses itself, which posix_spawn(3) ignores.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                std::ptr::null_mut::<u64>(),
                size_of::<u64>(),
            )
        };
    }
    // SAFETY: an empty set is made before it is used.
    unsafe {
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Ends of children are told to us, whatever the program before us made of them.
pub(crate) fn wait_for_children() {
    // SAFETY: SIG_DFL is no handler, so nothing of ours can be called.
    // WHY UNSAFE: it is a function of the C library; safe crates set handlers and no defaults.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
}

/// Writing to a pipe that nobody reads is an error and not the end of the process.
pub(crate) fn ignore_broken_pipes() {
    // SAFETY: SIG_IGN is no handler, so nothing of ours can be called.
    // WHY UNSAFE: as above.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

/// Blocks every signal and waits for the next one, which it takes. For the init that only passes them on.
pub(crate) fn next_signal() -> i32 {
    let mut signal = 0;
    // SAFETY: the set is filled before it is used; `sigwait` writes to `signal` only.
    unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut());
        libc::sigwait(&raw const all, &raw mut signal);
    }
    signal
}

/// Blocks every signal, so that none is lost before [`next_signal`].
pub(crate) fn block_signals() {
    // SAFETY: the set is filled before it is used.
    unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut());
    }
}

/// Sends a signal by number, real-time ones included, to the process behind a descriptor.
pub(crate) fn send_signal(process: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    // SAFETY: an open descriptor and two numbers; no information block is passed.
    let result = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), signal, std::ptr::null::<libc::siginfo_t>(), 0)
    };
    check(result).map(drop)
}

/// Sends a signal by number to a process by id. For ids that cannot go away meanwhile: one's own children.
pub(crate) fn kill(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: two numbers.
    check(c_long::from(unsafe { libc::kill(pid, signal) })).map(drop)
}

/// Leaves the caller's keys behind for an empty ring. Kernels without keys have none to leave behind.
pub(crate) fn new_session_keyring() {
    // SAFETY: a number and a null pointer, which asks for a ring without a name.
    unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, std::ptr::null::<libc::c_char>()) };
}

/// Closes all descriptors from `first` on when a program is executed.
pub(crate) fn close_on_exec(first: u32) -> io::Result<()> {
    // SAFETY: marking closes nothing now, so nobody's descriptor becomes another's.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) }).map(drop)
}

/// Closes all descriptors from `first` on. For a process that goes on without anything it had open.
pub(crate) fn close_all(first: u32) -> io::Result<()> {
    // SAFETY: who calls this owns no descriptor that it uses or closes afterwards: it never returns to other code.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) }).map(drop)
}

/// Becomes another program. Returns only when that fails.
pub(crate) fn execute(path: &CString, arguments: &[CString], environment: &[CString]) -> io::Error {
    let pointers = |strings: &[CString]| {
        let ends = std::iter::once(std::ptr::null());
        strings.iter().map(|string| string.as_ptr()).chain(ends).collect::<Vec<_>>()
    };
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // SAFETY: both lists hold pointers to living C strings and end with null.
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

/// Leaves this process at once: no destructors, no buffers. For copies of a process that must not finish its work.
pub(crate) fn leave(code: i32) -> ! {
    // SAFETY: never returns, and touches no memory of ours.
    unsafe { libc::_exit(code) }
}

fn check(result: c_long) -> io::Result<c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// From the kernel's `sched.h`; too wide for the type that `libc` gives it.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
// From the kernel's `bpf.h`.
const BPF_PROG_LOAD: u32 = 5;
const BPF_PROG_ATTACH: u32 = 8;
const BPF_PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const BPF_CGROUP_DEVICE: u32 = 6;
const BPF_F_ALLOW_MULTI: u32 = 2;
/// From the kernel's `keyctl.h`.
const KEYCTL_JOIN_SESSION_KEYRING: c_long = 1;
/// `_IO(0xb7, 0x2)`, from the kernel's `nsfs.h`.
const NS_GET_PARENT: c_long = 0xb702;

/// One heap for all threads instead of one for each: for processes that only copy and wait.
pub(crate) fn share_one_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets a number of the allocator's, under its own lock; a value that it does not like is ignored.
    // WHY UNSAFE: it is a function of the C library, for which there is no crate.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Gives free memory of the heap back to the kernel.
pub(crate) fn trim_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: returns pages that no allocation uses, under the allocator's own lock.
    // WHY UNSAFE: as above.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Forgets pages of a mapping that cannot be written and that a file backs: they come back from the file when they are
/// used. `start` and `end` are from this process's own list of mappings.
pub(crate) fn forget_pages(start: usize, end: usize) {
    // SAFETY: for a private mapping without write permission that was never written to, which the caller has read from
    // the kernel, the file's contents and the memory's are the same before and after. A range that is not mapped any
    // more is an error and nothing else.
    // WHY UNSAFE: the kernel's call takes an address; no wrapper can know what is there.
    unsafe {
        libc::madvise(start as *mut libc::c_void, end.saturating_sub(start), libc::MADV_DONTNEED);
    }
}
