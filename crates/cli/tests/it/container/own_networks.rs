//! `network create` and what it makes possible: names, addresses of one's choice, several networks at once.

use wharfie_testkit::Host;

use super::{box_host, crash, id, leftovers};

/// A network's name that no other test has, made; it goes with the value.
pub(super) struct Network<'a> {
    host: &'a Host,
    name: &'static str,
    pub(super) id: String,
}

impl<'a> Network<'a> {
    pub(super) fn new(host: &'a Host, name: &'static str, flags: &[&str]) -> Self {
        let id = id(&host.run(&[&["network", "create"], flags, &[name]].concat()).succeeds());
        Self { host, name, id }
    }

    pub(super) fn is_on_machine(&self) -> bool {
        let device = format!("wb{}", &self.id[..12]);
        let tables = std::process::Command::new("nft").args(["list", "tables"]).output().expect("nft is installed");
        let state = std::fs::exists(format!("/run/wharfie/{device}")).unwrap_or(true);
        let link = std::fs::exists(format!("/sys/class/net/{device}")).unwrap_or(true);
        let table = String::from_utf8_lossy(&tables.stdout).contains(&device);
        assert_eq!(link, table, "a bridge and its table come and go together");
        link || state
    }
}

impl Drop for Network<'_> {
    fn drop(&mut self) {
        self.host.run(&["network", "rm", self.name]);
    }
}

#[test]
fn networks_are_made_listed_shown_and_removed() {
    let Some(host) = box_host() else { return };
    let network = Network::new(&host, "back", &["--subnet", "10.91.1.0/24", "--label", "a=b", "--internal"]);
    let row = format!("{} back bridge true a=b\n", &network.id[..12]);
    let format = "{{.ID}} {{.Name}} {{.Driver}} {{.Internal}} {{.Labels}}";
    host.run(&["network", "ls", "-f", "type=custom", "--format", format]).prints(&row);
    host.run(&["network", "ls", "-f", "label=a=c", "-q"]).prints("");
    let format =
        "{{.Name}} {{.Internal}} {{(index .IPAM.Config 0).Subnet}} {{(index .IPAM.Config 0).Gateway}} {{.Labels.a}}";
    for name in ["back", &network.id[..6]] {
        host.run(&["network", "inspect", "-f", format, name]).prints("back true 10.91.1.0/24 10.91.1.1 b\n");
    }
    let refused: [(&[&str], &str); 8] = [
        (&["create", "back"], "network with name back already exists"),
        (&["create", "--subnet", "10.91.0.0/16", "x"], "Pool overlaps with other one on this address space"),
        (&["create", "--subnet", "10", "x"], "invalid network config:\ninvalid subnet 10: invalid CIDR block notation"),
        (&["create", "-d", "macvlan", "x"], "plugin \"macvlan\" not found"),
        (&["create", "host"], "operation is not permitted on predefined host network "),
        (&["rm", "host"], "host is a pre-defined network and cannot be removed"),
        (&["rm", "nope"], "network nope not found"),
        (&["connect", "nope", "web"], "No such container: web"),
    ];
    for (words, text) in refused {
        host.run(&[&["network"], words].concat()).fails(1, &format!("Error response from daemon: {text}"));
    }
    let gateway = host.run(&["network", "create", "--gateway", "10.91.2.1", "x"]);
    gateway.fails(1, "no matching subnet for gateway 10.91.2.1");
    assert!(network.is_on_machine());
    host.run(&["network", "rm", "back"]).prints("back\n");
    assert!(!network.is_on_machine());
    let other = Network::new(&host, "front", &[]);
    host.run(&["network", "prune", "-f", "--filter", "label=a"]).prints("");
    host.run(&["network", "prune", "-f"]).prints("Deleted Networks:\nfront\n\n");
    assert!(!other.is_on_machine());
}

#[test]
fn containers_of_a_network_know_one_another_by_name() {
    let Some(host) = box_host() else { return };
    let network = Network::new(&host, "names", &[]);
    let flags = ["--network", "names", "--network-alias", "www", "--add-host", "given:10.0.0.2"];
    let words = [&["run", "-d", "--name", "web"], &flags[..], &["box:1", "sleep", "1000"]].concat();
    let id = id(&host.run(&words).succeeds());
    host.run(&["ps", "-q", "--no-trunc", "-f", "network=names"]).prints(&format!("{id}\n"));
    for name in ["web", "www", &id[..12]] {
        let ping = format!("ping -c 1 -w 5 {name}");
        host.run(&["run", "--rm", "--network", "names", "box:1", "sh", "-c", &ping]).succeeds();
    }
    // Another one is known while it runs, to those who were there before, and not any longer.
    let seen = |name: &str| host.run(&["exec", "web", "sh", "-c", &format!("grep -cw {name} /etc/hosts")]).stdout;
    host.run(&["run", "-d", "--name", "other", "--network", "names", "box:1", "sleep", "1000"]).succeeds();
    assert_eq!(seen("other"), "1\n");
    host.run(&["rename", "other", "another"]).prints("");
    assert_eq!((seen("other"), seen("another")), ("0\n".to_owned(), "1\n".to_owned()));
    // What a container has written into its file stays until the next change; what it was made with stays.
    host.run(&["exec", "web", "sh", "-c", "sed '1i 10.0.0.1 mine' /etc/hosts > /h; cat /h > /etc/hosts"]).prints("");
    assert_eq!(seen("mine"), "1\n");
    host.run(&["rm", "-f", "another"]).prints("another\n");
    assert_eq!((seen("another"), seen("mine"), seen("given")), ("0\n".to_owned(), "0\n".to_owned(), "1\n".to_owned()));
    let used = host.run(&["network", "rm", "names"]);
    let text = format!("network names has active endpoints (name:\"web\" id:\"{}\")", &id[..12]);
    used.fails(1, &format!("Error response from daemon: error while removing network: {text}"));
    host.run(&["network", "prune", "-f"]).prints("");
    host.run(&["rm", "-f", "web"]).prints("web\n");
    assert_eq!(leftovers(&host, &[id]), Vec::<String>::new());
    host.run(&["network", "rm", "names"]).prints("names\n");
    assert!(!network.is_on_machine());
    let gone = host.run(&["run", "--rm", "--network", "names", "box:1"]);
    assert!(gone.code == 125 && gone.stderr.contains("network names not found"), "{gone:?}");
}

#[test]
fn containers_come_and_go_between_networks() {
    let Some(host) = box_host() else { return };
    let front = Network::new(&host, "one", &[]);
    let _back = Network::new(&host, "two", &["--subnet", "10.91.3.0/24", "--internal"]);
    let id = id(&host.run(&["run", "-d", "--name", "web", "--network", "one", "box:1", "sleep", "1000"]).succeeds());
    let addresses = || {
        let script = "ip -o -4 addr | tr -s ' ' | cut -d' ' -f2,4 | grep eth; ip route | grep -c default";
        host.run(&["exec", "web", "sh", "-c", script]).stdout
    };
    let first = addresses();
    assert!(first.starts_with("eth0 ") && first.ends_with("/24\n1\n"), "{first}");
    host.run(&["network", "connect", "--ip", "10.91.3.9", "--alias", "w2", "two", "web"]).prints("");
    assert!(addresses().contains("eth1 10.91.3.9/24\n1\n"), "{}", addresses());
    let again = host.run(&["network", "connect", "two", "web"]);
    again.fails(1, "Error response from daemon: endpoint with name web already exists in network two");
    // The other network leads nowhere, but to its own.
    let script = "ping -c 1 -w 5 w2 > /dev/null && echo near; ip route | grep default || echo closed";
    host.run(&["run", "--rm", "--network", "two", "box:1", "sh", "-c", script]).prints("near\nclosed\n");
    let taken = host.run(&["run", "--rm", "--network", "two", "--ip", "10.91.3.9", "box:1"]);
    assert!(
        taken.code == 125 && taken.stderr.contains("Error response from daemon: Address already in use"),
        "{taken:?}"
    );
    // Both are there after the next start, too.
    host.run(&["restart", "-t", "0", "web"]).prints("web\n");
    assert!(addresses().contains("eth1 10.91.3.9/24\n1\n"), "{}", addresses());
    host.run(&["network", "disconnect", "one", "web"]).prints("");
    let left = addresses();
    assert!(!left.contains("eth0"), "{left}");
    host.run(&[
        "inspect",
        "-f",
        "{{range $name, $one := .NetworkSettings.Networks}}{{$name}} {{$one.IPAddress}}{{end}}",
        "web",
    ])
    .prints("two 10.91.3.9\n");
    let text = format!("container {id} is not connected to network one");
    host.run(&["network", "disconnect", "one", "web"]).fails(1, &format!("Error response from daemon: {text}"));
    host.run(&["network", "rm", "one"]).prints("one\n");
    assert!(!front.is_on_machine());
    host.run(&["rm", "-f", "web"]).prints("web\n");
    assert_eq!(leftovers(&host, &[id]), Vec::<String>::new());
}

#[test]
fn the_way_out_moves_with_the_networks() {
    let Some(host) = box_host() else { return };
    let (_first, _second) = (Network::new(&host, "way1", &[]), Network::new(&host, "way2", &[]));
    let _closed = Network::new(&host, "way3", &["--internal"]);
    host.run(&["run", "-d", "--name", "web", "--network", "way1", "box:1", "sleep", "1000"]).succeeds();
    let gateway =
        |name: &str| host.run(&["network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", name]).succeeds();
    let way = || host.run(&["exec", "web", "sh", "-c", "ip route | grep default | cut -d' ' -f3"]).succeeds();
    let change = |words: &[&str]| host.run(&[&["network"], words].concat()).prints("");
    assert_eq!(way(), gateway("way1"));
    change(&["connect", "way3", "web"]);
    change(&["connect", "way2", "web"]);
    assert_eq!(way(), gateway("way1"));
    change(&["disconnect", "way1", "web"]);
    assert_eq!(way(), gateway("way2"));
    change(&["disconnect", "way2", "web"]);
    assert_eq!(way(), "");
    change(&["connect", "way1", "web"]);
    assert_eq!(way(), gateway("way1"));
    host.run(&["rm", "-f", "web"]).succeeds();
}

#[test]
fn what_leads_nowhere_publishes_nothing() {
    let Some(host) = box_host() else { return };
    let (_open, _closed) = (Network::new(&host, "pub1", &[]), Network::new(&host, "pub2", &["--internal"]));
    // A port that is free, as another one has just been.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let publish = format!("127.0.0.1:{port}:80");
    for (network, is_published) in [("pub1", true), ("pub2", false)] {
        let words = ["run", "-d", "--name", "web", "--network", network, "-p", &publish, "box:1", "sleep", "1000"];
        host.run(&words).succeeds();
        let is_open = std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
        assert_eq!(is_open, is_published, "{network}");
        assert_eq!(!host.run(&["port", "web"]).stdout.is_empty(), is_published, "{network}");
        host.run(&["rm", "-f", "web"]).succeeds();
    }
}

#[test]
fn what_only_networks_of_ones_own_have_is_refused_elsewhere() {
    let Some(host) = box_host() else { return };
    let cases = [
        (["--network-alias", "x"], "network-scoped aliases are only supported for user-defined networks"),
        (
            ["--ip", "10.0.0.9"],
            "Error response from daemon: user specified IP address is supported on user defined networks only",
        ),
    ];
    for (flags, text) in cases {
        let refused = host.run(&[&["run", "--rm"], &flags[..], &["box:1"]].concat());
        let text = format!("wharfie: {text}\n\nRun 'wharfie run --help' for more information");
        refused.fails(125, &text);
    }
}

#[test]
fn a_network_is_usable_after_a_crash_of_those_on_it() {
    let Some(host) = box_host() else { return };
    let network = Network::new(&host, "crash", &[]);
    let id = id(&host.run(&["run", "-d", "--name", "web", "--network", "crash", "box:1", "sleep", "1000"]).succeeds());
    crash(&host, "web");
    host.run(&["wait", "web"]).prints("255\n");
    assert_eq!(leftovers(&host, std::slice::from_ref(&id)), Vec::<String>::new());
    host.run(&["network", "rm", "crash"]).prints("crash\n");
    assert!(!network.is_on_machine());
}

#[test]
fn addresses_come_from_the_range_that_was_asked_for() {
    let Some(host) = box_host() else { return };
    let flags = [
        "--subnet",
        "10.91.7.0/24",
        "--ip-range",
        "10.91.7.128/30",
        "--gateway",
        "10.91.7.9",
        "--aux-address",
        "printer=10.91.7.129",
        "-o",
        "com.docker.network.driver.mtu=1400",
        "-o",
        "com.docker.network.bridge.name=wbtest7",
    ];
    let network = Network::new(&host, "ranged", &flags);
    let script = "busybox ip -o -4 addr show eth0; cat /sys/class/net/eth0/mtu; busybox ip route";
    let shown = host.run(&["run", "--rm", "--network", "ranged", "box:1", "sh", "-c", script]).succeeds();
    let has_address = ["128", "130", "131"].iter().any(|last| shown.contains(&format!("10.91.7.{last}/24")));
    assert!(has_address && shown.contains("\n1400\n") && shown.contains("default via 10.91.7.9"), "{shown}");
    assert!(std::path::Path::new("/sys/class/net/wbtest7").exists());
    let format = "{{(index .IPAM.Config 0).IPRange}} {{(index .IPAM.Config 0).AuxiliaryAddresses.printer}} \
                  {{index .Options \"com.docker.network.driver.mtu\"}}";
    host.run(&["network", "inspect", "-f", format, "ranged"]).prints("10.91.7.128/30 10.91.7.129 1400\n");
    host.run(&["network", "rm", "ranged"]).prints("ranged\n");
    assert!(!std::path::Path::new("/sys/class/net/wbtest7").exists() && !network.is_on_machine());
}

#[test]
fn a_network_that_cannot_be_made_as_asked_is_not_made() {
    let Some(host) = box_host() else { return };
    for flags in [
        &["--ipv6"][..],
        &["--ipam-opt", "a=b"],
        &["--ipam-driver", "other"],
        &["--scope", "swarm"],
        &["-o", "com.docker.network.bridge.enable_icc=false"],
        &["-o", "nonsense=1"],
        &["-o", "com.docker.network.bridge.name=wharfie0"],
        &["-o", "com.docker.network.bridge.name=0br"],
        &["-o", "com.docker.network.bridge.name=a/b"],
        &["-o", "com.docker.network.bridge.name=lo"],
        &["--ip-range", "10.91.8.0/28"],
        &["--subnet", "10.91.8.0/24", "--ip-range", "10.91.9.0/28"],
        &["--subnet", "10.91.8.0/24", "--aux-address", "x=10.92.0.1"],
    ] {
        let refused = host.run(&[&["network", "create"], flags, &["net"]].concat());
        assert_eq!(refused.code, 1, "{refused:?}");
        assert_eq!(host.run(&["network", "inspect", "net"]).code, 1, "{flags:?}");
    }
}

#[test]
fn a_bridges_name_is_never_that_of_somebody_elses_table() {
    let Some(host) = box_host() else { return };
    let nft = |words: &[&str]| std::process::Command::new("nft").args(words).output().expect("nft is installed").status;
    assert!(nft(&["add", "table", "ip", "wbmine"]).success());
    let network = Network::new(&host, "named", &["-o", "com.docker.network.bridge.name=wbmine"]);
    host.run(&["run", "--rm", "--network", "named", "box:1", "true"]).prints("");
    host.run(&["network", "rm", "named"]).prints("named\n");
    assert!(nft(&["delete", "table", "ip", "wbmine"]).success(), "it was not ours to delete");
    assert!(!network.is_on_machine());
}

#[test]
fn a_container_has_the_hardware_address_that_was_asked_for() {
    let Some(host) = box_host() else { return };
    let words = ["run", "--rm", "--mac-address", "92:d0:c6:0a:29:33", "box:1", "cat", "/sys/class/net/eth0/address"];
    host.run(&words).prints("92:d0:c6:0a:29:33\n");
    let refused = host.run(&["run", "--rm", "--mac-address", "92:d0", "box:1", "true"]);
    assert!(refused.code == 125 && refused.stderr.contains("92:d0 is not a valid mac address"), "{refused:?}");
}

#[test]
fn a_link_is_another_name_for_a_container() {
    let Some(host) = box_host() else { return };
    let db = ["run", "-d", "--name", "db", "--expose", "5432", "-e", "MODE=x", "box:1", "sleep", "1000"];
    host.run(&db).succeeds();
    let script =
        "busybox ping -c1 -W2 data >/dev/null && echo reached; echo $DATA_PORT_5432_TCP_PORT $DATA_ENV_MODE $DATA_NAME";
    host.run(&["run", "--rm", "--name", "web", "--link", "db:data", "box:1", "sh", "-c", script])
        .prints("reached\n5432 x /web/data\n");
    host.run(&["run", "-d", "--name", "other", "--link", "db:data", "box:1", "sleep", "1000"]).succeeds();
    host.run(&["exec", "other", "sh", "-c", "echo $DATA_ENV_MODE"]).prints("x\n");
    host.run(&["rm", "-f", "other"]).prints("other\n");
    host.run(&["stop", "-t", "0", "db"]).prints("db\n");
    let refused = host.run(&["run", "--rm", "--name", "web", "--link", "db", "box:1", "true"]);
    assert!(refused.stderr.contains("Cannot link to a non running container: /db AS /web/db"), "{refused:?}");
    let refused = host.run(&["run", "--rm", "--link", "nobody", "box:1", "true"]);
    assert!(refused.code == 125 && refused.stderr.contains("could not get container for nobody"), "{refused:?}");
    host.run(&["ps", "-q"]).prints("");
}
