//! Images that decide what the runtime's own special files are, and what holds against each.

use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::Path;

use wharfie_runtime::{Bind, Error, Io, Mount, MountKind, Share, Size, Tmpfs, start};

use crate::harness::{Container, init, pipe, read};

fn bind(source: &Path, target: &str) -> Mount {
    Mount { target: target.into(), kind: MountKind::Bind(Bind::new(source)), read_only: false }
}

/// A `/dev` of the user's, which an image's volume is too.
fn own_dev(script: &str, fill: impl FnOnce(&Path)) -> Container {
    let container = Container::shell(script);
    let dev = container.directory.path().join("dev");
    std::fs::create_dir(&dev).expect("the directory is new");
    fill(&dev);
    container.with(|spec| spec.mounts = vec![bind(&dev, "/dev")])
}

#[test]
fn what_hides_files_is_the_machines_null_device_and_no_link() {
    // Before, this wrote to the file that the link names, with nothing protected yet.
    let container = own_dev("cat /proc/keys; (echo 61 > /proc/keys) 2>&1", |dev| {
        symlink("/proc/sys/vm/swappiness", dev.join("null")).unwrap();
    });
    let ((out, stdout), (input, _ours)) = (pipe(), pipe());
    let io = Io { stdin: Some(input.into()), stdout: Some(stdout), stderr: None };
    let outcome = start(&container.spec, Vec::new(), io, init());
    // Standard error would be the link: the runtime refuses to use it.
    assert!(outcome.is_err(), "a link was opened as the null device");
    drop(out);
    let ((out, stdout), (input, _ours), (err, stderr)) = (pipe(), pipe(), pipe());
    let io = Io { stdin: Some(input.into()), stdout: Some(stdout), stderr: Some(stderr) };
    let started = start(&container.spec, Vec::new(), io, init()).unwrap();
    let said = read(out) + &read(err);
    started.wait().unwrap();
    started.cgroup.remove().unwrap();
    assert_eq!(said, "", "what is hidden shows or refuses something, so it is not the null device");
}

#[test]
fn a_terminal_is_never_what_a_link_names() {
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret");
    std::fs::write(&secret, "secret\n").unwrap();
    let container = own_dev("cat /dev/console; echo owned >> /dev/console", |dev| {
        std::fs::create_dir(dev.join("pts")).unwrap();
        symlink("/dev/ptmx", dev.join("pts/ptmx")).unwrap();
        for number in 0..64 {
            symlink(&secret, dev.join(format!("pts/{number}"))).unwrap();
        }
        symlink(&secret, dev.join("console")).unwrap();
    });
    let container = container.with(|spec| spec.process.terminal = Some(Size { rows: 5, columns: 5 }));
    let outcome = start(&container.spec, Vec::new(), Io::default(), init());
    assert!(matches!(&outcome, Err(Error::HostileTarget(path)) if path == Path::new("/dev/console")), "{outcome:?}");
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "secret\n");

    // Without the last link there is a terminal, and it is a new one.
    std::fs::remove_file(container.directory.path().join("dev/console")).unwrap();
    let container = container.with(|spec| {
        spec.process.args = ["/bin/sh", "-c", "stat -f -c %T /dev/console"].map(str::to_owned).to_vec();
    });
    let started = start(&container.spec, Vec::new(), Io::default(), init()).unwrap();
    let mut master = std::fs::File::from(started.terminal.as_ref().unwrap().try_clone().unwrap());
    let mut said = [0; 256];
    let n = master.read(&mut said).unwrap_or(0);
    started.wait().unwrap();
    started.cgroup.remove().unwrap();
    assert!(!String::from_utf8_lossy(&said[..n]).contains("secret"));
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "secret\n");
}

#[test]
fn nothing_is_mounted_in_proc_by_any_road() {
    let memory =
        |target: &str| Mount { target: target.into(), kind: MountKind::Tmpfs(Tmpfs::default()), read_only: false };
    let refused = |mount: Mount, is_root: bool| {
        let target = mount.target.clone();
        let container = Container::new(&["true"]).image(|root| symlink("/proc", root.join("x")).unwrap());
        let outcome = container.with(|spec| spec.mounts = vec![mount]).try_run();
        let is_right = matches!(&outcome, Err(Error::InProc { is_root: found, .. }) if *found == is_root);
        assert!(is_right, "{}: {outcome:?}", target.display());
    };
    let place = tempfile::tempdir().unwrap();
    for target in ["/proc/sys/kernel", "/proc/self/attr", "/x/sys/kernel", "/x/self", "/x", "/dev/../proc/sys"] {
        refused(bind(place.path(), target), false);
    }
    refused(memory("/proc/sys"), false);
    refused(bind(place.path(), "/proc"), true);
    refused(memory("/proc"), true);
    let file = place.path().join("uptime");
    std::fs::write(&file, "1 1\n").unwrap();
    Container::shell("cat /proc/uptime").with(|spec| spec.mounts = vec![bind(&file, "/proc/uptime")]).says("1 1");
}

#[test]
fn no_signal_is_ignored_inside() {
    Container::shell("grep -E 'SigIgn|SigBlk' /proc/self/status | tr -d '\\t'")
        .says("SigBlk:0000000000000000\nSigIgn:0000000000000000");
}

#[test]
fn who_shares_an_ipc_namespace_shares_its_memory() {
    let mut donor = Container::shell("echo up; while ! [ -e /dev/shm/f ]; do sleep 0.05; done; echo seen").spawn();
    assert_eq!(donor.line(), "up");
    let path = format!("/proc/{}/ns/ipc", donor.started.pid);
    Container::shell("touch /dev/shm/f; echo made")
        .with(|spec| spec.sharing.ipc = Share::Namespace(path.into()))
        .says("made");
    assert_eq!(donor.line(), "seen");
}
