//! Another runtime runs our containers as we do.

use std::process::Command;

use wharfie_runtime::bundle::{self, Bundle};
use wharfie_runtime::{Bind, Mount, MountKind, Rlimit};

use crate::harness::{Container, skipped};

/// Runs it with runc and with us, and expects the same words and the same end.
fn check(container: &Container) {
    let directory = container.directory.path().join("bundle");
    let bundle = bundle::write(&container.spec, &[], &directory).expect("the bundle can be written");
    let state = container.directory.path().join("state");
    let output = Command::new("runc")
        .arg("--root")
        .arg(&state)
        .args(["run", "--bundle"])
        .arg(&bundle.directory)
        .arg(&container.spec.id)
        .output()
        .expect("runc runs");
    Bundle::remove(&directory).expect("it can be removed");
    assert!(!directory.exists());
    let ours = container.run();
    assert_eq!(String::from_utf8_lossy(&output.stdout), ours.stdout, "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(ours.exit.code().into()), "{}", ours.stderr);
}

#[test]
fn runc_sees_what_we_see() {
    if Command::new("runc").arg("--version").output().is_err() {
        skipped("runc is not installed");
        return;
    }
    check(&Container::shell("exit 3"));
    check(
        &Container::shell("hostname; env | sort; id; pwd; ls /dev /dev/shm | grep -v console; ulimit -n; umask").with(
            |spec| {
                spec.process.user = "app".to_owned();
                spec.process.cwd = "/tmp".to_owned();
                spec.process.rlimits = vec![Rlimit { name: "nofile".to_owned(), soft: 64, hard: 128 }];
            },
        ),
    );
    check(&Container::shell(
        "grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status; cat /proc/keys /proc/timer_list | wc -c; \
        mount -t tmpfs x /tmp || echo refused; unshare -U true || echo refused; ls /sys/firmware | wc -l; \
        (echo 1 > /proc/sys/kernel/panic) || echo fixed; cat /proc/self/cgroup | grep -c wharfie",
    ));
    check(&Container::shell("cat /in/file; (echo x > /in/file) || echo refused; (echo x > /x) || echo refused").with(
        |spec| {
            let source = spec.rootfs.work.with_file_name("source");
            std::fs::create_dir(&source).unwrap();
            std::fs::write(source.join("file"), "in\n").unwrap();
            spec.mounts =
                vec![Mount { target: "/in".into(), kind: MountKind::Bind(Bind::new(source)), read_only: true }];
            spec.readonly_root = true;
        },
    ));
}
