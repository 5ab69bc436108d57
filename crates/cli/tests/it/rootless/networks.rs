//! Networks of an ordinary user's containers, through pasta and slirp4netns. All traffic stays on loopback.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use wharfie_testkit::{Image, archive, needs};

use super::{Given, NAME_SERVER, Nobody, eventually, processes_with};

/// A user for whom `helper` of `package` works, or the reason why there is none.
fn user_of(helper: &str, package: &str) -> Option<Nobody> {
    let nobody = Nobody::with(Given::Everything)?;
    if !Path::new("/usr/bin").join(helper).exists() {
        needs::skipped(&format!("{helper} is not installed: install the package {package}"));
        return None;
    }
    let routes = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
    if helper == "pasta" && !routes.lines().any(|line| line.split_whitespace().nth(1) == Some("00000000")) {
        needs::skipped("many versions of pasta refuse to start on a machine without a default route");
        return None;
    }
    let open = "exec 3<>/dev/net/tun";
    let mut command = nobody.command(&["sh", "-c", open], &[]);
    if !needs::output(&mut command, "util-linux").status.success() {
        needs::skipped("the device /dev/net/tun cannot be opened here");
        return None;
    }
    nobody.load(&archive(&[(&Image::busybox(), &["box:1"])]));
    Some(nobody)
}

fn pid_of(nobody: &Nobody, name: &str) -> String {
    nobody.run(&["inspect", "-f", "{{.State.Pid}}", name]).succeeds().trim_end().to_owned()
}

/// The relays' address for a port of a container.
fn published(nobody: &Nobody, port: &str) -> String {
    nobody.run(&["port", "web", port]).succeeds().trim_end().to_owned()
}

/// The helper of a container's first process, which is among its last words. Its program's name is that of a variant.
fn helpers_of(helper: &str, pid: &str) -> Vec<u32> {
    let mut found = processes_with(pid);
    found.retain(|process| {
        let words = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        words.split(|byte| *byte == 0).next().is_some_and(|name| name.ends_with(helper.as_bytes()))
    });
    found
}

/// Sends datagrams back that come to a port inside of a container.
fn echo_datagrams_in(pid: &str, port: u16) {
    let namespace = std::fs::File::open(format!("/proc/{pid}/ns/net")).expect("the container runs");
    let (ready, is_ready) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).expect("root joins it");
        let socket = UdpSocket::bind(("0.0.0.0", port)).expect("nobody else is in there");
        drop(namespace);
        ready.send(()).expect("the test waits");
        let mut buffer = [0; 64];
        let (length, from) = socket.recv_from(&mut buffer).expect("a datagram comes");
        socket.send_to(&buffer[..length], from).expect("it goes back");
    });
    is_ready.recv().expect("the thread says so");
}

fn ports_lead_into_the_container(helper: &str, package: &str) {
    let Some(nobody) = user_of(helper, package) else { return };
    let serve = "while true; do echo hello | nc -l -p 80; done";
    let ports = ["-p", "127.0.0.1::80", "-p", "127.0.0.1::5353/udp"];
    let start = ["run", "-d", "--name", "web", "--network", helper];
    nobody.run(&[&start[..], &ports[..], &["-u", "web", "box:1", "sh", "-c", serve]].concat()).succeeds();
    let tcp = published(&nobody, "80");
    assert!(tcp.starts_with("127.0.0.1:"), "{tcp}");
    let ask = || -> Option<String> {
        let mut stream = TcpStream::connect(&tcp).ok()?;
        stream.write_all(b"x\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer).filter(|answer| !answer.is_empty())
    };
    let mut answer = None;
    assert!(eventually(|| {
        answer = ask();
        answer.is_some()
    }));
    assert_eq!(answer.as_deref(), Some("hello\n"));
    let pid = pid_of(&nobody, "web");
    echo_datagrams_in(&pid, 5353);
    let client = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    client.set_read_timeout(Some(Duration::from_secs(10))).expect("it is a duration");
    client.send_to(b"ping", published(&nobody, "5353/udp")).expect("the port is open");
    let mut buffer = [0; 64];
    assert_eq!(client.recv(&mut buffer).expect("an answer comes"), 4);
    // A port in use fails before anything starts, as with root's containers.
    let taken = nobody.run(&["run", "--rm", "--network", helper, "-p", &format!("{tcp}:80"), "box:1", "true"]);
    assert!(taken.code == 125 && taken.stderr.contains("port is already allocated"), "{taken:?}");
    assert_eq!(helpers_of(helper, &pid).len(), 1);
    nobody.run(&["rm", "-f", "web"]).succeeds();
    assert!(TcpStream::connect(&tcp).is_err(), "the port is still open");
    assert!(eventually(|| helpers_of(helper, &pid).is_empty()), "{helper} is left");
}

fn names_are_looked_up_by_the_hosts_servers(helper: &str, package: &str) {
    let Some(nobody) = user_of(helper, package) else { return };
    let Some(_server) = name_server() else { return };
    let run = |words: &[&str]| nobody.run(&[&["run", "--rm", "--network", helper], words].concat());
    let files = run(&["--hostname", "inside", "box:1", "cat", "/etc/resolv.conf", "/etc/hosts"]).succeeds();
    assert!(files.contains("nameserver 10.0.2.3\n") && files.contains("search example.test\n"), "{files}");
    assert!(!files.contains(NAME_SERVER) && files.contains("10.0.2.100\tinside\n"), "{files}");
    let own = run(&["--dns", "192.0.2.53", "box:1", "cat", "/etc/resolv.conf"]).succeeds();
    assert!(own.contains("nameserver 192.0.2.53\n") && !own.contains("10.0.2.3"), "{own}");
    let found = run(&["box:1", "busybox", "nslookup", "web.example.test"]);
    assert!(found.stdout.contains("192.0.2.77"), "{found:?}");
}

/// Answers every question for an address with 192.0.2.77, for all tests of this process.
fn name_server() -> Option<&'static ()> {
    static SERVER: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    let is_there = SERVER.get_or_init(|| {
        let Ok(socket) = UdpSocket::bind((NAME_SERVER, 53)) else { return false };
        std::thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let question = &buffer[..length];
                // After the name come type and class; anything behind them is not repeated.
                let Some(end) = question.iter().skip(12).position(|byte| *byte == 0).map(|at| 12 + at + 5) else {
                    continue;
                };
                let is_address = question.get(end - 4..end - 2) == Some(&[0, 1]);
                let mut answer = question[..end.min(length)].to_vec();
                answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, u8::from(is_address), 0, 0, 0, 0]);
                if is_address {
                    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 77]);
                }
                let _ = socket.send_to(&answer, from);
            }
        });
        true
    });
    if !is_there {
        needs::skipped(&format!("port 53 of {NAME_SERVER} is taken"));
    }
    is_there.then_some(&())
}

fn whoever_is_killed_nothing_is_left(helper: &str, package: &str) {
    let Some(nobody) = user_of(helper, package) else { return };
    let kill = |pid: u32| {
        needs::succeeds(Command::new("kill").args(["-9", &pid.to_string()]), "procps");
    };
    let store = nobody.host.store().to_string_lossy().into_owned();
    // Who looks after the container: it goes on, and its network with it.
    nobody.run(&["run", "-d", "--name", "c1", "--network", helper, "box:1", "sleep", "1000"]).succeeds();
    let pid = pid_of(&nobody, "c1");
    for monitor in processes_with(&store) {
        kill(monitor);
    }
    assert!(eventually(|| processes_with(&store).is_empty()));
    assert_eq!(helpers_of(helper, &pid).len(), 1);
    nobody.run(&["exec", "c1", "true"]).succeeds();
    nobody.run(&["stop", "-t", "0", "c1"]).succeeds();
    assert!(eventually(|| helpers_of(helper, &pid).is_empty()), "{helper} outlives the container");
    nobody.run(&["rm", "c1"]).succeeds();
    // Who guards the network.
    nobody.run(&["run", "-d", "--name", "c2", "--network", helper, "box:1", "sleep", "1000"]).succeeds();
    let pid = pid_of(&nobody, "c2");
    let found = helpers_of(helper, &pid)[0];
    let status = std::fs::read_to_string(format!("/proc/{found}/status")).expect("it lives");
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok());
    kill(parent.expect("every process has a parent"));
    assert!(eventually(|| helpers_of(helper, &pid).is_empty()), "{helper} outlives its guard");
    nobody.run(&["rm", "-f", "c2"]).succeeds();
    // The command in the foreground.
    let mut command =
        nobody.command(&[], &["run", "--rm", "--name", "c3", "--network", helper, "box:1", "sleep", "1000"]);
    let mut child = command.spawn().expect("it was run before");
    assert!(eventually(|| nobody.run(&["exec", "c3", "true"]).code == 0));
    let pid = pid_of(&nobody, "c3");
    kill(child.id());
    let _ = child.wait();
    assert!(eventually(|| helpers_of(helper, &pid).is_empty()), "{helper} outlives the command");
    nobody.run(&["rm", "-f", "c3"]).succeeds();
    nobody.run(&["system", "fsck"]).succeeds();
    assert_eq!(std::fs::read_dir(nobody.host.store().join("containers")).expect("it is there").count(), 0);
}

#[test]
fn pasta_publishes_ports() {
    ports_lead_into_the_container("pasta", "passt");
}

#[test]
fn slirp4netns_publishes_ports() {
    ports_lead_into_the_container("slirp4netns", "slirp4netns");
}

#[test]
fn pasta_answers_for_name_servers() {
    names_are_looked_up_by_the_hosts_servers("pasta", "passt");
}

#[test]
fn slirp4netns_answers_for_name_servers() {
    names_are_looked_up_by_the_hosts_servers("slirp4netns", "slirp4netns");
}

#[test]
fn pasta_is_gone_whoever_is_killed() {
    whoever_is_killed_nothing_is_left("pasta", "passt");
}

#[test]
fn slirp4netns_is_gone_whoever_is_killed() {
    whoever_is_killed_nothing_is_left("slirp4netns", "slirp4netns");
}

#[test]
fn the_default_network_has_a_way_out() {
    let Some(nobody) = user_of("pasta", "passt") else { return };
    let shown = nobody.run(&["run", "--rm", "box:1", "busybox", "ip", "-4", "route"]);
    assert!(shown.code == 0 && shown.stderr.is_empty(), "{shown:?}");
    assert!(shown.stdout.contains("default via 10.0.2.2 dev eth0"), "{shown:?}");
    nobody.run(&["run", "-d", "--name", "c1", "box:1", "sleep", "1000"]).succeeds();
    nobody.run(&["inspect", "-f", "{{.NetworkSettings.IPAddress}}", "c1"]).prints("10.0.2.100\n");
    nobody.run(&["rm", "-f", "c1"]).succeeds();
    // Services on the host's loopback are nobody's business inside.
    let own = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = own.local_addr().unwrap().port().to_string();
    let reach = nobody.run(&["run", "--rm", "box:1", "nc", "-w", "1", "10.0.2.2", &port]);
    assert_ne!(reach.code, 0, "{reach:?}");
}
