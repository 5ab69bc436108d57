//! What a container sees of the host, and what it does not.

use std::os::unix::fs::symlink;
use std::path::Path;

use wharfie_runtime::{Bind, Error, Mount, MountKind, Network, Share, Tmpfs};

use crate::harness::Container;

fn bind(source: &Path, target: &str, read_only: bool) -> Mount {
    Mount { target: target.into(), kind: MountKind::Bind(Bind::new(source)), read_only }
}

#[test]
fn dev_has_what_programs_expect() {
    let names = "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero";
    // `core` is there if the kernel has `/proc/kcore`.
    Container::shell("ls /dev | grep -v core | tr '\\n' ' '").says(names);
    Container::shell("head -c 3 /dev/zero | wc -c; echo x > /dev/null; echo y > /dev/full || echo full")
        .says("3\nfull");
    Container::shell("df -k /dev/shm | tail -1 | tr -s ' ' | cut -d' ' -f2; stat -c %a /dev/shm").says("65536\n1777");
    Container::shell("df -k /dev/shm | tail -1 | tr -s ' ' | cut -d' ' -f2")
        .with(|spec| spec.shm_size = 1 << 20)
        .says("1024");
}

#[test]
fn the_root_is_writable_unless_it_is_not() {
    let container = Container::shell("echo x > /new && cat /new");
    container.says("x");
    assert_eq!(std::fs::read_to_string(container.spec.rootfs.upper.join("new")).unwrap(), "x\n");
    Container::shell("echo x > /new || echo refused; echo x > /dev/shm/new && echo memory")
        .with(|spec| spec.readonly_root = true)
        .says("refused\nmemory");
}

#[test]
fn binds_appear_and_obey() {
    let container = Container::shell(
        "cat /in/file; echo changed > /in/file; cat /ro/file; echo x > /ro/file || echo refused; ls /x/y/z",
    );
    let source = container.directory.path().join("source");
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("file"), "hello\n").unwrap();
    let container = container.with(|spec| {
        spec.mounts =
            vec![bind(&source, "/in", false), bind(&source, "/ro", true), bind(&source.join("file"), "/x/y/z", false)];
    });
    container.says("hello\nchanged\nrefused\n/x/y/z");
    let missing = Container::new(&["true"]).with(|spec| spec.mounts = vec![bind(Path::new("/no/such"), "/in", false)]);
    assert!(matches!(missing.try_run(), Err(Error::BindSource(path)) if path == Path::new("/no/such")));
}

#[test]
fn binds_are_nested_whatever_their_order() {
    let container = Container::shell("cat /a/b/file");
    let (outer, inner) = (container.directory.path().join("outer"), container.directory.path().join("inner"));
    for path in [&outer, &inner] {
        std::fs::create_dir(path).unwrap();
    }
    std::fs::write(inner.join("file"), "inner\n").unwrap();
    container.with(|spec| spec.mounts = vec![bind(&inner, "/a/b", false), bind(&outer, "/a", false)]).says("inner");
}

#[test]
fn hostile_links_and_dots_lead_nowhere_outside() {
    let outside = tempfile::tempdir().unwrap();
    let hostile = outside.path().to_owned();
    let container = Container::shell("cat /proc/self/mountinfo | grep -c ' /target '").image(|root| {
        symlink(&hostile, root.join("link")).unwrap();
        symlink("../../../../../../../..", root.join("up")).unwrap();
    });
    let source = container.directory.path().join("source");
    std::fs::create_dir(&source).unwrap();
    let container = container.with(|spec| {
        spec.mounts = vec![
            bind(&source, "/link/made", false),
            bind(&source, "/up/also", false),
            bind(&source, "/../../../target", false),
        ];
        spec.process.cwd = "/link/work".to_owned();
    });
    container.says("1");
    assert_eq!(std::fs::read_dir(&hostile).unwrap().count(), 0, "something was made on the host");
    assert!(container.spec.rootfs.upper.join("also").is_dir());
}

#[test]
fn the_kernels_file_systems_go_only_where_they_belong() {
    for name in ["proc", "sys", "dev"] {
        let container = Container::new(&["true"]).image(|root| symlink("/tmp", root.join(name)).unwrap());
        let outcome = container.try_run();
        assert!(matches!(&outcome, Err(Error::HostileTarget(path)) if path.ends_with(name)), "{outcome:?}");
    }
}

#[test]
fn memory_can_be_mounted_with_options() {
    let tmpfs = |options: &[&str]| Mount {
        target: "/mem".into(),
        kind: MountKind::Tmpfs(Tmpfs { options: options.iter().map(|o| (*o).to_owned()).collect() }),
        read_only: false,
    };
    let options = "grep ' /mem ' /proc/mounts | cut -d' ' -f3,4 | tr ',' '\\n' | grep -E 'tmpfs|no|ro|rw|size|mode' | sort | tr '\\n' ' '";
    let outcome = Container::shell(options).with(|spec| spec.mounts = vec![tmpfs(&["size=64k", "exec"])]).run();
    assert!(outcome.stdout.contains("size=64k") && outcome.stdout.contains("nosuid"), "{}", outcome.stdout);
    assert!(!outcome.stdout.contains("noexec"), "{}", outcome.stdout);
    let bad = Container::new(&["true"]).with(|spec| spec.mounts = vec![tmpfs(&["lowerdir=/"])]);
    assert!(matches!(bad.try_run(), Err(Error::Invalid { .. })));
}

#[test]
fn files_of_the_host_stand_for_the_images() {
    let container = Container::shell("cat /etc/hosts /etc/hostname /etc/resolv.conf; echo x >> /etc/hosts");
    let file = |name: &str| {
        let path = container.directory.path().join(name);
        std::fs::write(&path, format!("{name}\n")).unwrap();
        Some(path)
    };
    let files = wharfie_runtime::Files { hosts: file("h"), hostname: file("n"), resolv_conf: file("r") };
    container.with(|spec| spec.files = files).says("h\nn\nr");
}

#[test]
fn namespaces_can_be_the_hosts() {
    let own = |name: &str| std::fs::read_link(format!("/proc/self/ns/{name}")).unwrap().to_string_lossy().into_owned();
    let reads = |name: &str| Container::new(&["readlink", &format!("/proc/self/ns/{name}")]);
    reads("net").with(|spec| spec.network = Network::Host).says(&own("net"));
    reads("pid").with(|spec| spec.sharing.pid = Share::Host).says(&own("pid"));
    reads("ipc").with(|spec| spec.sharing.ipc = Share::Host).says(&own("ipc"));
    reads("uts").with(|spec| spec.sharing.uts = Share::Host).says(&own("uts"));
    let mut other = Container::shell("readlink /proc/self/ns/net; sleep 1000").spawn();
    let net = other.line();
    let path = format!("/proc/{}/ns/net", other.started.pid);
    reads("net").with(|spec| spec.network = Network::Namespace(path.into())).says(&net);
}

#[test]
fn sysctls_of_its_own_namespaces_only() {
    Container::new(&["cat", "/proc/sys/net/ipv4/ip_forward"])
        .with(|spec| drop(spec.sysctls.insert("net.ipv4.ip_forward".to_owned(), "1".to_owned())))
        .says("1");
    for name in ["kernel.panic", "vm.swappiness", "net/../kernel.panic"] {
        let container =
            Container::new(&["true"]).with(|spec| drop(spec.sysctls.insert(name.to_owned(), "1".to_owned())));
        assert!(matches!(container.try_run(), Err(Error::Sysctl(_))), "{name}");
    }
}

#[test]
fn devices_can_be_passed() {
    let device = wharfie_runtime::Device {
        source: "/dev/kmsg".into(),
        target: "/dev/log/kernel".into(),
        access: "r".to_owned(),
    };
    let container =
        Container::shell("test -c /dev/log/kernel && echo there; (echo x > /dev/log/kernel) || echo unwritable");
    container.with(|spec| spec.devices = vec![device]).says("there\nunwritable");
}
