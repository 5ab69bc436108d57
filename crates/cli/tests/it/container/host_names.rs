//! `/etc/hosts` of containers on networks of the user's own, and what a container can make of the file that others write.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use wharfie_testkit::{Host, needs};

use super::own_networks::Network;
use super::{box_host, kill_with_monitor};

/// A command that is over after a minute at the latest, with a gigabyte of addresses.
fn bounded(host: &Host, words: &[&str]) -> (Option<i32>, String, String) {
    let output =
        needs::output(&mut host.command_under(&["timeout", "60", "prlimit", "--as=1000000000"], words), "util-linux");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// The file that is mounted in a running container.
fn hosts_file(host: &Host, name: &str) -> std::path::PathBuf {
    let id = host.run(&["inspect", "-f", "{{.Id}}", name]).succeeds();
    host.store().join("containers").join(id.trim_end()).join("hosts")
}

#[test]
fn what_a_container_writes_into_its_file_is_never_read() {
    let Some(host) = box_host() else { return };
    let _network = Network::new(&host, "hostile", &[]);
    let run = ["run", "-d", "--network", "hostile", "--name"];
    host.run(&[&run[..], &["evil", "box:1", "sleep", "1000"]].concat()).succeeds();
    let spoil = [
        "busybox dd if=/dev/zero of=/etc/hosts bs=1 count=1 seek=6000000000 2>/dev/null",
        r"printf '\377\n' > /etc/hosts",
    ];
    for script in spoil {
        host.run(&["exec", "evil", "sh", "-c", script]).succeeds();
        let ran = bounded(&host, &["run", "--rm", "--network", "hostile", "box:1", "sh", "-c", "exit 7"]);
        assert_eq!(ran, (Some(7), String::new(), String::new()), "{script}");
        // It has become what it was.
        let own = std::fs::read_to_string(hosts_file(&host, "evil")).expect("it is text again");
        assert!(own.starts_with("127.0.0.1\tlocalhost\n") && own.contains("\tevil "), "{own}");
    }
    // Whoever looks after a neighbour goes on with it.
    let script = r"until [ -e /again ]; do [ -e /first ] && : > /again; : > /first; exit 1; done; exec sleep 1000";
    host.run(&[&run[..], &["back", "--restart", "always", "box:1", "sh", "-c", script]].concat()).succeeds();
    host.run(&["exec", "evil", "sh", "-c", spoil[1]]).succeeds();
    loop {
        let format = "{{.State.Running}} {{.RestartCount}} {{.State.Status}}";
        let now = host.run(&["inspect", "-f", format, "back"]).succeeds();
        assert!(!now.ends_with(" exited\n"), "{now}");
        if now.starts_with("true 2 ") {
            break;
        }
        host.run(&["exec", "evil", "sh", "-c", spoil[1]]).succeeds();
    }
    host.run(&["rm", "-f", "evil", "back"]).succeeds();
}

/// A process that holds a lease on a file until it is killed.
fn lease(file: &std::path::Path) -> Child {
    // F_SETLEASE and F_RDLCK; whoever opens the file for writing waits for the holder, which is told and does nothing.
    let script = "open(my $f, '<', $ARGV[0]) or die; $SIG{IO} = 'IGNORE'; fcntl($f, 1024, 0) or die; $| = 1; print \"held\\n\"; sleep";
    let mut command = Command::new("perl");
    command.args(["-e", script]).arg(file).stdout(Stdio::piped());
    let mut holder = command.spawn().expect("perl is installed");
    let mut line = String::new();
    BufReader::new(holder.stdout.take().expect("it is piped")).read_line(&mut line).expect("it says text");
    assert_eq!(line, "held\n");
    holder
}

#[test]
fn who_holds_its_file_is_not_waited_for() {
    let Some(host) = box_host() else { return };
    let _network = Network::new(&host, "held", &[]);
    let run = ["run", "-d", "--network", "held", "--name"];
    host.run(&[&run[..], &["evil", "box:1", "sleep", "1000"]].concat()).succeeds();
    let file = hosts_file(&host, "evil");
    let mut holder = lease(&file);
    let ran = host.run(&[&run[..], &["first", "box:1", "sleep", "1000"]].concat());
    // The kernel breaks a lease in the end: had we waited for that, the name would be there.
    let known = std::fs::read_to_string(&file).expect("it is text");
    assert!(ran.code == 0 && ran.stderr.contains("WARNING: container evil does not know"), "{ran:?}");
    assert!(!known.contains("first"), "{known}");
    holder.kill().and_then(|()| holder.wait()).expect("it is our child");
    host.run(&[&run[..], &["second", "box:1", "sleep", "1000"]].concat()).succeeds();
    let known = std::fs::read_to_string(&file).expect("it is text");
    assert!(known.contains("\tfirst ") && known.contains("\tsecond "), "{known}");
    // Who shares the network of a container holds nobody up who starts that one again.
    let mut holder = lease(&file);
    host.run(&["restart", "-t", "0", "evil"]).succeeds();
    assert_ne!(hosts_file_id(&file), hosts_file_id(format!("/proc/{}/fd/3", holder.id()).as_ref()), "a new file");
    holder.kill().and_then(|()| holder.wait()).expect("it is our child");
    host.run(&["rm", "-f", "evil", "first", "second"]).succeeds();
}

fn hosts_file_id(path: &std::path::Path) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    let found = std::fs::metadata(path).expect("it is there");
    (found.dev(), found.ino())
}

#[test]
fn an_end_that_nobody_saw_holds_up_no_neighbour() {
    let Some(host) = box_host() else { return };
    let _network = Network::new(&host, "unseen", &[]);
    let run = ["run", "-d", "--network", "unseen", "--name"];
    for name in ["gone", "there"] {
        host.run(&[&run[..], &[name, "box:1", "sleep", "1000"]].concat()).succeeds();
    }
    kill_with_monitor(&host, "gone");
    let ran = bounded(&host, &["run", "--rm", "--network", "unseen", "box:1", "sh", "-c", "grep -cw there /etc/hosts"]);
    assert_eq!(ran, (Some(0), "1\n".to_owned(), String::new()));
    let ran = bounded(&host, &["rename", "there", "here"]);
    assert_eq!(ran, (Some(0), String::new(), String::new()));
    host.run(&["rm", "-f", "gone", "here"]).succeeds();
}
