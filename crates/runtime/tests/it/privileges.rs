//! What a container may and may not.

use wharfie_runtime::{Capabilities, Exit, Seccomp};

use crate::harness::{Container, init};

#[track_caller]
fn status(container: &Container, field: &str, expected: &str) {
    let text = container.run().stdout;
    let found = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    assert_eq!(found.map(str::trim), Some(expected), "{field} in {text}");
}

fn reader() -> Container {
    Container::new(&["cat", "/proc/self/status"])
}

#[test]
fn capabilities_are_dockers_and_can_be_changed() {
    for field in ["CapEff", "CapPrm", "CapBnd"] {
        status(&reader(), field, "00000000a80425fb");
    }
    for field in ["CapInh", "CapAmb"] {
        status(&reader(), field, "0000000000000000");
    }
    let none = Capabilities::DEFAULT.adjust(&[], &["ALL"]).unwrap();
    status(&reader().with(|spec| spec.process.capabilities = none), "CapEff", "0000000000000000");
    let user = reader().with(|spec| spec.process.user = "app".to_owned());
    status(&user, "CapEff", "0000000000000000");
    status(&user, "CapBnd", "00000000a80425fb");
}

#[test]
fn users_and_groups_are_looked_up_inside() {
    let id = |user: &str| {
        Container::shell("id -u; id -g; id -G; echo $HOME").with(|spec| user.clone_into(&mut spec.process.user))
    };
    id("app").says("1000\n1001\n1001 10\n/home/app");
    id("app:wheel").says("1000\n10\n10\n/home/app");
    id("5:6").says("5\n6\n6\n/");
    let error = id("ghost").try_run().unwrap_err();
    assert_eq!(error.to_string(), "unable to find user ghost: no matching entries in passwd file");
    id("app").with(|spec| spec.process.groups = vec!["44".to_owned()]).says("1000\n1001\n1001 10 44\n/home/app");
}

#[test]
fn a_passwd_that_is_no_file_is_no_passwd() {
    // `true`, because most other commands read the file themselves and would wait for ever.
    let container = Container::new(&["true"]).image(|root| {
        std::fs::create_dir_all(root.join("etc")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, root.join("etc/passwd"), rustix::fs::Mode::RUSR).unwrap();
    });
    container.says("");
}

#[test]
fn a_huge_passwd_is_not_read_to_its_end() {
    let container = Container::new(&["true"]).with(|spec| spec.process.user = "last".to_owned()).image(|root| {
        std::fs::create_dir_all(root.join("etc")).unwrap();
        let line = format!("{}:x:1:1::/:\n", "y".repeat(1000));
        std::fs::write(root.join("etc/passwd"), line.repeat(20_000) + "last:x:5:5::/:\n").unwrap();
    });
    assert!(matches!(container.try_run(), Err(wharfie_runtime::Error::UnknownUser(_))));
}

#[test]
fn the_default_filter_refuses_what_reaches_the_host() {
    status(&reader(), "Seccomp", "2");
    status(&reader(), "NoNewPrivs", "0");
    status(&reader().with(|spec| spec.process.no_new_privileges = true), "NoNewPrivs", "1");
    status(&reader().with(|spec| spec.process.no_new_privileges = true), "Seccomp", "2");
    let refused = "mount -t tmpfs none /tmp && echo mounted; unshare -U true && echo unshared; echo done";
    Container::shell(refused).says("done");
    status(&reader().with(|spec| spec.security.seccomp = Seccomp::Unconfined), "Seccomp", "0");
}

#[test]
fn a_profile_of_ones_own_is_obeyed() {
    let text = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":30}]}"#;
    let container =
        Container::shell("mkdir /x 2>&1").with(|spec| spec.security.seccomp = Seccomp::Profile(text.to_owned()));
    let outcome = container.run();
    assert_eq!(outcome.exit, Exit::Code(1));
    assert!(outcome.stdout.contains("Read-only file system"), "{}", outcome.stdout);
    let broken = Container::new(&["true"]).with(|spec| spec.security.seccomp = Seccomp::Profile("{".to_owned()));
    assert_eq!(broken.try_run().unwrap_err().exit_code(), 125);
}

#[test]
fn secrets_of_the_machine_are_hidden_and_its_knobs_fixed() {
    Container::shell("cat /proc/kcore /proc/keys /proc/timer_list /proc/interrupts 2>/dev/null | wc -c").says("0");
    Container::shell("ls -A /sys/firmware 2>/dev/null | wc -l").says("0");
    Container::shell("echo 1 > /proc/sys/kernel/panic || echo fixed").says("fixed");
    Container::shell("mkdir /sys/fs/cgroup/memory/x || echo fixed").says("fixed");
    Container::shell("echo x > /proc/sys/kernel/hostname && hostname")
        .with(|spec| spec.security.mask_paths = false)
        .says("x");
}

#[test]
fn nodes_of_the_hosts_disks_cannot_be_used() {
    let script = "mknod /disk b 254 0; mknod /dev/disk b 254 0; mknod /tmp/null c 1 3 && echo x > /tmp/null && echo null; \
        head -c 1 /disk || head -c 1 /dev/disk || echo refused";
    let outcome = Container::shell(script).run();
    assert!(outcome.stdout.ends_with("refused\n"), "{} {}", outcome.stdout, outcome.stderr);
    assert!(outcome.stderr.contains("not permitted") || outcome.stderr.contains("denied"), "{}", outcome.stderr);
}

#[test]
fn privileged_containers_have_everything() {
    let container = reader().with(|spec| {
        spec.security.privileged = true;
        spec.process.capabilities = Capabilities::ALL;
    });
    status(&container, "Seccomp", "0");
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    let own = own.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap().trim();
    status(&container, "CapEff", own);
    Container::shell("mount -t tmpfs none /tmp && echo mounted; ls /dev | grep -c .")
        .with(|spec| {
            spec.security.privileged = true;
            spec.process.capabilities = Capabilities::ALL;
        })
        .run()
        .stdout
        .starts_with("mounted\n")
        .then_some(())
        .expect("a privileged container mounts");
}

#[test]
fn our_own_program_cannot_be_overwritten_from_inside() {
    let before = std::fs::metadata(init()).unwrap();
    // With our init as process 1 it stands in the container's `/proc`; privileged, nothing but its mount protects it.
    let script = "(: > /proc/1/exe) && echo written; (: >> /proc/1/exe) && echo written; echo tried";
    Container::shell(script).with(|spec| spec.init = true).says("tried");
    let privileged = Container::shell(script).with(|spec| {
        spec.init = true;
        spec.security.privileged = true;
        spec.process.capabilities = Capabilities::ALL;
    });
    let outcome = privileged.run();
    assert_eq!(outcome.stdout, "tried\n");
    assert!(outcome.stderr.contains("Read-only file system"), "{}", outcome.stderr);
    // A script whose interpreter is whatever runs it: our init, which says that it was not asked properly.
    let trap = Container::new(&["/trap"]).image(|root| {
        std::fs::write(root.join("trap"), "#!/proc/self/exe\n").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(root.join("trap"), mode).unwrap();
    });
    let _ = trap.try_run();
    let after = std::fs::metadata(init()).unwrap();
    assert_eq!((before.len(), before.modified().unwrap()), (after.len(), after.modified().unwrap()));
}
