//! Bridges and published ports, in a network namespace of the tests' own so that the machine's stays as it is.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::AsFd;
use std::process::Command;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use wharfie_runtime::proxy::{Protocol, Publish, Reserved};
use wharfie_runtime::{Cgroup, Exit, Network, Subnet, cleanup};

use crate::harness::{Container, Running, skipped};

/// Runs `test` in a thread whose network is that of a container; what it starts is there too.
fn on_a_machine_of_its_own(test: impl FnOnce(&Subnet) + Send) {
    if Command::new("nft").arg("--version").output().is_err() {
        skipped("nft (package nftables) is not installed");
        return;
    }
    let machine = Container::shell("sleep 1000").spawn();
    let state = tempfile::tempdir().expect("a temporary directory can be made");
    let subnet = Subnet::new(state.path());
    let link = std::fs::File::open(format!("/proc/{}/ns/net", machine.started.pid)).expect("it runs");
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            move_into_link_name_space(link.as_fd(), Some(LinkNameSpaceType::Network)).expect("the tests run as root");
            test(&subnet);
        });
        thread.join().expect("the test's thread");
    });
}

fn bridged(script: &str, subnet: &Subnet) -> Container {
    let container = Container::shell(script);
    let place = subnet.allocate(&container.spec.id).expect("there are addresses");
    container.with(|spec| spec.network = Network::Bridge(place))
}

/// Devices of the network that the calling thread is in.
fn devices() -> String {
    let text = std::fs::read_to_string("/proc/thread-self/net/dev").expect("there is a network");
    let names = text.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim().to_owned());
    let mut names: Vec<String> = names.filter(|name| name == "wharfie0" || name.starts_with("wh")).collect();
    names.sort();
    names.join(" ")
}

#[test]
fn containers_have_an_address_a_way_out_and_neighbours() {
    on_a_machine_of_its_own(|subnet| {
        let mut server =
            bridged("ip -o -4 addr show eth0 | tr -s ' ' | cut -d' ' -f4; nc -ll -p 80 -e echo hello", subnet).spawn();
        assert_eq!(server.line(), "172.29.0.2/16");
        let script = "cat /sys/class/net/eth0/address; ip route | head -1 | cut -d' ' -f1-3; \
            ping -c 1 -W 5 172.29.0.1 > /dev/null && echo out; \
            for i in 1 2 3 4 5 6 7 8 9; do nc -w 1 172.29.0.2 80 && break; sleep 0.1; done";
        bridged(script, subnet).says("02:42:ac:1d:00:03\ndefault via 172.29.0.1\nout\nhello");
        let rules = Command::new("nft").args(["list", "table", "ip", "wharfie0"]).output().unwrap();
        let rules = String::from_utf8_lossy(&rules.stdout).into_owned();
        assert!(rules.contains("ip saddr 172.29.0.0/16 oifname != \"wharfie0\" masquerade"), "{rules}");
    });
}

#[test]
fn published_ports_lead_in() {
    on_a_machine_of_its_own(|subnet| {
        let publish = Publish { host: Ipv4Addr::LOCALHOST.into(), host_port: 0, port: 80, protocol: Protocol::Tcp };
        let mut reserved = Reserved::default();
        reserved.add(publish).unwrap();
        let container = bridged("echo up; nc -ll -p 80 -e cat", subnet);
        let Network::Bridge(place) = container.spec.network.clone() else { panic!("it is bridged") };
        let mut running: Running = container.spawn();
        let proxy = reserved.lead_to(place.address).unwrap();
        assert_eq!(running.line(), "up");
        let mut said = String::new();
        while said.is_empty() {
            let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.ports()[0].host_port)).unwrap();
            // The server may not listen yet; then the relay closes at once.
            let _ = client.write_all(b"ping").and_then(|()| client.shutdown(std::net::Shutdown::Write));
            let _ = client.read_to_string(&mut said);
        }
        assert_eq!(said, "ping");
    });
}

#[test]
fn nothing_is_left_after_a_cleanup() {
    on_a_machine_of_its_own(|subnet| {
        let container = bridged("echo up; sleep 1000", subnet);
        let mut running = container.spawn();
        assert_eq!(running.line(), "up");
        assert!(devices().starts_with("wh") && devices().contains("wharfie0"), "{}", devices());
        assert!(!subnet.remove_if_unused().unwrap());
        let id = &container.spec.id;
        assert_eq!(subnet.owners().unwrap(), std::slice::from_ref(id));
        cleanup(id, None, std::slice::from_ref(subnet)).unwrap();
        assert_eq!(running.started.wait().unwrap(), Exit::Signal(9));
        assert_eq!(Cgroup::find(None, id), Cgroup::default());
        cleanup(id, None, std::slice::from_ref(subnet)).unwrap();
        assert!(subnet.remove_if_unused().unwrap());
        assert_eq!(devices(), "");
    });
}

#[test]
fn many_at_once_all_get_a_network() {
    on_a_machine_of_its_own(|subnet| {
        let link = std::fs::File::open("/proc/thread-self/ns/net").unwrap();
        std::thread::scope(|scope| {
            for _ in 0..12 {
                scope.spawn(|| {
                    move_into_link_name_space(link.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
                    let container = bridged("ping -c 1 -W 5 172.29.0.1 > /dev/null && echo out", subnet);
                    container.says("out");
                    cleanup(&container.spec.id, None, std::slice::from_ref(subnet)).unwrap();
                });
            }
        });
        assert!(subnet.owners().unwrap().is_empty());
        // The kernel takes its time; a test that waits for ever says so by never ending.
        while devices() != "wharfie0" {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    });
}
