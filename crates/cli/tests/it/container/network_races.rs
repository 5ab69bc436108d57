//! Networks that are made, removed, joined and left at the same instant, and commands about them that die half way.

use std::process::Stdio;
use std::time::Duration;

use wharfie_testkit::Host;

use super::own_networks::Network;
use super::{box_host, id};

/// Runs commands at the same instant, each on its host, and gives their codes and what they said on standard error.
fn at_once(commands: &[(&Host, &[&str])]) -> Vec<(i32, String)> {
    std::thread::scope(|scope| {
        let run = |(host, words): &(&Host, &[&str])| {
            let outcome = host.run(words);
            (outcome.code, outcome.stderr)
        };
        let threads: Vec<_> = commands.iter().map(|command| scope.spawn(move || run(command))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no command panics the test")).collect()
    })
}

/// Starts a command and kills it after a while; it may have ended before.
fn killed(host: &Host, words: &[&str], after: Duration) {
    let mut command = host.command(words);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    std::thread::sleep(after);
    child.kill().and_then(|()| child.wait()).expect("it is our child");
}

/// Names of devices of the machine.
fn devices() -> Vec<String> {
    let entries = std::fs::read_dir("/sys/class/net").expect("there is a network");
    entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn two_changes_of_a_containers_networks_at_once_are_both_made() {
    let Some(host) = box_host() else { return };
    let _networks = ["both1", "both2"].map(|name| Network::new(&host, name, &[]));
    host.run(&["run", "-d", "--name", "web", "box:1", "sleep", "1000"]).succeeds();
    let format = "{{.HostConfig.RestartPolicy.MaximumRetryCount}} {{range $name, $one := .NetworkSettings.Networks}}{{$name}} {{end}}";
    for round in 0..12 {
        let (policy, retries) = (format!("on-failure:{}", round + 1), round + 1);
        let done = at_once(&[
            (&host, &["network", "connect", "both1", "web"]),
            (&host, &["network", "connect", "both2", "web"]),
            (&host, &["update", "--restart", &policy, "web"]),
        ]);
        assert!(done.iter().all(|(code, _)| *code == 0), "{done:?}");
        host.run(&["inspect", "-f", format, "web"]).prints(&format!("{retries} both1 both2 bridge \n"));
        host.run(&["exec", "web", "sh", "-c", "ls /sys/class/net | tr '\\n' ' '"]).prints("eth0 eth1 eth2 lo ");
        let done = at_once(&[
            (&host, &["network", "disconnect", "both1", "web"]),
            (&host, &["network", "disconnect", "both2", "web"]),
        ]);
        assert!(done.iter().all(|(code, _)| *code == 0), "{done:?}");
        host.run(&["inspect", "-f", format, "web"]).prints(&format!("{retries} bridge \n"));
    }
    host.run(&["rm", "-f", "web"]).succeeds();
    for name in ["both1", "both2"] {
        host.run(&["network", "rm", name]).prints(&format!("{name}\n"));
    }
}

#[test]
fn a_connect_that_is_killed_leaves_a_network_that_can_be_removed() {
    let Some(host) = box_host() else { return };
    for round in 0..12 {
        let network = Network::new(&host, "dying", &[]);
        let flags: &[&str] = if round % 2 == 0 { &["--rm"] } else { &[] };
        let words = [&["run", "-d", "--name", "web"], flags, &["box:1", "sleep", "1000"]].concat();
        host.run(&words).succeeds();
        killed(&host, &["network", "connect", "dying", "web"], Duration::from_millis(2 + 2 * round));
        // It is on the network or not, and can be taken off it.
        host.run(&["network", "disconnect", "-f", "dying", "web"]).prints("");
        host.run(&["network", "connect", "dying", "web"]).prints("");
        host.run(&["kill", "web"]).prints("web\n");
        host.run(&["network", "rm", "dying"]).prints("dying\n");
        assert!(!network.is_on_machine());
        host.run(&["rm", "-f", "web"]);
    }
}

#[test]
fn addresses_of_containers_that_are_gone_are_taken_back() {
    let Some(host) = box_host() else { return };
    let network = Network::new(&host, "gone", &["--subnet", "10.91.11.0/24"]);
    let place = format!("/run/wharfie/wb{}/10.91.11.9", &network.id[..12]);
    // As what was killed has left it.
    std::fs::write(&place, "0".repeat(64)).expect("the network's directory is there");
    let fsck = host.run(&["system", "fsck"]).succeeds();
    let line = format!("Deleted leftover address of container {}, which is gone\n", "0".repeat(64));
    assert!(fsck.contains(&line), "{fsck}");
    assert!(!std::fs::exists(&place).expect("root may look"));
    std::fs::write(&place, "0".repeat(64)).expect("the network's directory is there");
    host.run(&["network", "rm", "gone"]).prints("gone\n");
    assert!(!network.is_on_machine());
    // On the bridge of all stores a check takes those of its own store only.
    let Some(other) = box_host() else { return };
    let web = id(&other.run(&["run", "-d", "--name", "web", "box:1", "sleep", "1000"]).succeeds());
    host.run(&["run", "--rm", "box:1", "true"]).prints("");
    assert!(!host.run(&["system", "fsck"]).succeeds().contains(&web));
    let address = other.run(&["inspect", "-f", "{{.NetworkSettings.IPAddress}}", "web"]).succeeds();
    let place = format!("/run/wharfie/wharfie0/{}", address.trim_end());
    let owner = std::fs::read_to_string(&place).expect("it is still its own");
    let lost = owner.replace(&web, &"1".repeat(64));
    let aside = "/run/wharfie/wharfie0/172.29.255.254";
    std::fs::write(aside, &lost).expect("root may");
    assert!(!host.run(&["system", "fsck"]).succeeds().contains(&"1".repeat(64)), "it is another's");
    assert!(other.run(&["system", "fsck"]).succeeds().contains(&"1".repeat(64)));
    assert!(!std::fs::exists(aside).expect("root may look") && std::fs::exists(&place).expect("root may look"));
    other.run(&["rm", "-f", "web"]).succeeds();
}

#[test]
fn a_network_that_is_being_made_is_not_pruned() {
    let Some(host) = box_host() else { return };
    let before = devices();
    for round in 0..20 {
        let name = format!("made{round}");
        let done = at_once(&[
            (&host, &["network", "create", &name]),
            (&host, &["network", "prune", "-f"]),
            (&host, &["network", "prune", "-f"]),
        ]);
        assert!(done.iter().all(|(code, said)| *code == 0 && said.is_empty()), "{done:?}");
    }
    host.run(&["network", "prune", "-f"]).succeeds();
    host.run(&["network", "ls", "-q", "-f", "type=custom"]).prints("");
    let claims = std::fs::read_dir("/run/wharfie").expect("it is there").flatten();
    let claims = claims.filter_map(|entry| std::fs::read_to_string(entry.path().join("network")).ok());
    let mark = mark(&host);
    assert_eq!(claims.filter(|claim| claim.starts_with(&mark)).collect::<Vec<_>>(), Vec::<String>::new());
    assert!(
        devices().iter().filter(|device| device.starts_with("wb")).all(|one| before.contains(one) || is_claimed(one))
    );
}

/// What the machine knows a store by.
fn mark(host: &Host) -> String {
    use std::os::unix::fs::MetadataExt;
    let root = std::fs::metadata(host.store()).expect("the store is there");
    format!("{:x}:{:x} ", root.dev(), root.ino())
}

/// True for bridges of other tests.
fn is_claimed(device: &str) -> bool {
    std::fs::exists(format!("/run/wharfie/{device}/network")).unwrap_or(true)
}

#[test]
fn two_stores_that_make_networks_at_once_get_different_addresses() {
    let (Some(one), Some(other)) = (box_host(), box_host()) else { return };
    for _ in 0..8 {
        let done = at_once(&[(&one, &["network", "create", "twin"]), (&other, &["network", "create", "twin"])]);
        assert!(done.iter().all(|(code, _)| *code == 0), "{done:?}");
        let subnet = |host: &Host| {
            host.run(&["network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", "twin"]).succeeds()
        };
        let subnets = (subnet(&one), subnet(&other));
        for host in [&one, &other] {
            host.run(&["network", "rm", "twin"]).prints("twin\n");
        }
        assert_ne!(subnets.0, subnets.1);
    }
}

#[test]
fn making_a_network_that_is_killed_leaves_nothing_that_prune_does_not_find() {
    let Some(host) = box_host() else { return };
    let mark = mark(&host);
    for after in 0..20 {
        killed(&host, &["network", "create", "half"], Duration::from_millis(after));
        host.run(&["network", "prune", "-f"]).succeeds();
        let places = std::fs::read_dir("/run/wharfie").into_iter().flatten().flatten();
        let claims = places.filter(|place| {
            std::fs::read_to_string(place.path().join("network")).is_ok_and(|claim| claim.starts_with(&mark))
        });
        assert_eq!(claims.map(|place| place.path()).collect::<Vec<_>>(), Vec::<std::path::PathBuf>::new());
    }
    // As one that was killed between its bridge and its row.
    let network = Network::new(&host, "half", &[]);
    let device = format!("wb{}", &network.id[..12]);
    let claim = std::fs::read_to_string(format!("/run/wharfie/{device}/network")).expect("it is claimed");
    let lost = "wb00000000lost";
    let made = std::process::Command::new("ip").args(["link", "add", lost, "type", "bridge"]).status();
    assert!(made.expect("ip is installed").success());
    std::fs::create_dir(format!("/run/wharfie/{lost}")).expect("root may");
    std::fs::write(format!("/run/wharfie/{lost}/network"), claim.replace(&device, lost)).expect("root may");
    let fsck = host.run(&["system", "fsck"]).succeeds();
    assert!(fsck.contains(&format!("Deleted leftover bridge {lost}\n")) && !fsck.contains(&device), "{fsck}");
    assert!(!devices().contains(&lost.to_owned()) && network.is_on_machine());
}
