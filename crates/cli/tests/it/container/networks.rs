//! The bridge, published ports, and networks that are shared.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::{box_host, id, leftovers};

#[test]
fn containers_reach_each_other_and_are_reached_from_the_host() {
    let Some(host) = box_host() else { return };
    let serve = "while true; do echo hello | nc -l -p 80; done";
    let words = ["run", "-d", "--name", "web", "-p", "127.0.0.1::80", "box:1", "sh", "-c", serve];
    let id = id(&host.run(&words).succeeds());
    let port = host.run(&["port", "web", "80"]).succeeds().trim_end().to_owned();
    assert!(port.starts_with("127.0.0.1:"), "{port}");
    assert!(host.run(&["ps", "--format", "{{.Ports}}"]).succeeds().contains(&format!("{port}->80/tcp")));
    let address =
        host.run(&["inspect", "-f", "{{.NetworkSettings.IPAddress}}", "web"]).succeeds().trim_end().to_owned();
    let ask = || -> Option<String> {
        let mut stream = TcpStream::connect(&port).ok()?;
        stream.write_all(b"x\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer).filter(|answer| !answer.is_empty())
    };
    let answer = (0..200).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        ask()
    });
    assert_eq!(answer.as_deref(), Some("hello\n"));
    let script = format!("for i in 1 2 3 4 5; do nc -w 2 {address} 80 < /dev/null && break; sleep 0.2; done");
    host.run(&["run", "--rm", "box:1", "sh", "-c", &script]).prints("hello\n");
    // As with docker every user of a container may open low ports, and ping.
    let sysctls = "cd /proc/sys/net/ipv4 && cat ip_unprivileged_port_start ping_group_range";
    host.run(&["run", "--rm", "-u", "web", "box:1", "sh", "-c", sysctls]).prints("0\n0\t2147483647\n");
    let asked = ["--sysctl", "net.ipv4.ip_unprivileged_port_start=80", "box:1", "sh", "-c", sysctls];
    host.run(&[&["run", "--rm"][..], &asked].concat()).prints("80\n0\t2147483647\n");
    // The same namespace, and none.
    host.run(&["run", "--rm", "--network", "container:web", "box:1", "sh", "-c", "busybox hostname -i"]);
    let links = "ls /sys/class/net";
    host.run(&["run", "--rm", "--network", "none", "box:1", "sh", "-c", links]).prints("lo\n");
    let taken = host.run(&["run", "--rm", "-p", &format!("{port}:80"), "box:1", "true"]);
    assert!(
        taken.code == 125 && taken.stderr.contains(&format!("Bind for {port} failed: port is already allocated")),
        "{taken:?}"
    );
    host.run(&["rm", "-f", "web"]).succeeds();
    assert!(TcpStream::connect(&port).is_err(), "the port is still open");
    assert_eq!(leftovers(&host, &[id]), Vec::<String>::new());
}
