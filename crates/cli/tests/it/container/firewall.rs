//! What containers' networks do to the machine's, on a machine of the test's own: network and mounts are private, and
//! `/run` is empty, so no firewall rule, sysctl or route of the real one changes.

use wharfie_testkit::{Host, needs};

use super::box_host;

/// Makes the machine, and a second one beside it, 203.0.113.2, in which `out` runs a command. `$0` is wharfie.
const MACHINE: &str = r#"
set -e
mount -t tmpfs -o mode=755 tmpfs /run
ip link set lo up
echo 0 > /proc/sys/net/ipv4/ip_forward
others=
trap 'kill $others' EXIT
another() { # NAME HOST-ADDRESS ITS-ADDRESS: another machine with a cable to this one, and this one as its way out
    unshare -n sleep 100 & others="$others $!"
    eval "$1=$!"
    until [ "$(readlink /proc/$!/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do sleep 0.02; done
    ip link add up$! type veth peer name far netns $!
    ip addr add $2/24 dev up$!; ip link set up$! up
    nsenter -t $! -n sh -c "ip link set lo up; ip addr add $3/24 dev far; ip link set far up; ip route add default via $2"
}
another out 203.0.113.1 203.0.113.2
wharfie=$0
ping() { timeout 20 busybox ping -c 1 -w 3 $1 > /dev/null 2>&1 && echo reached || echo closed; }
inside() { # FLAGS...: what a container with these reaches of the other machine
    timeout 60 $wharfie run --rm "$@" box:1 sh -c 'ping -c 1 -w 3 203.0.113.2 > /dev/null && echo reached || echo closed'
}
"#;

/// Runs `script` there, and says what it printed.
fn on_own_machine(host: &Host, script: &str) -> String {
    let words = ["unshare", "-mn", "--propagation", "private", "sh", "-c", &format!("{MACHINE}{script}")];
    let output = needs::output(&mut host.command_under(&words, &[]), "util-linux");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("the program writes text")
}

#[test]
fn turning_on_forwarding_makes_no_router_of_the_machine() {
    let Some(host) = box_host() else { return };
    let script = r#"
        another other 198.51.100.1 198.51.100.2
        across() { nsenter -t $out -n timeout 20 busybox ping -c 1 -w 2 198.51.100.2 > /dev/null 2>&1 && echo routed || echo apart; }
        echo 1 > /proc/sys/net/ipv4/ip_forward; across; echo 0 > /proc/sys/net/ipv4/ip_forward
        inside
        cat /proc/sys/net/ipv4/ip_forward; across
        $wharfie network create own > /dev/null; inside --network own; across
        # A container is not reached through the machine either.
        id=$($wharfie run -d --name web box:1 sleep 1000)
        address=$($wharfie inspect -f '{{.NetworkSettings.IPAddress}}' web)
        nsenter -t $out -n timeout 20 busybox ping -c 1 -w 2 $address > /dev/null 2>&1 && echo open || echo closed
        $wharfie rm -f web > /dev/null
    "#;
    // Where the user had it on before, the machine routes, and that is not ours to change.
    assert_eq!(on_own_machine(&host, script), "routed\nreached\n1\napart\nreached\napart\nclosed\n");
}

#[test]
fn a_closed_forward_chain_lets_containers_out() {
    let Some(host) = box_host() else { return };
    let script = r#"
        echo 1 > /proc/sys/net/ipv4/ip_forward
        nft 'add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }'
        inside
        id=$($wharfie network create own); inside --network own
        rules() { nft list chain ip filter FORWARD | grep -c "wb$(echo $id | cut -c1-12)" || true; }
        rules
        # Once is enough, however many containers there are.
        inside --network own; rules
        $wharfie network rm own > /dev/null; rules
        # The same after somebody has made the chain anew.
        nft flush chain ip filter FORWARD; inside
    "#;
    assert_eq!(on_own_machine(&host, script), "reached\nreached\n2\nreached\n2\n0\nreached\n");
}

#[test]
fn chains_of_others_are_opened_for_our_bridges_and_nothing_else() {
    let Some(host) = box_host() else { return };
    let script = r#"
        echo 1 > /proc/sys/net/ipv4/ip_forward
        # firewalld refuses at the end of an open chain; ip6 and an open chain are none of ours.
        nft 'add table inet firewalld; add chain inet firewalld filter_FORWARD { type filter hook forward priority 10; }
             add rule inet firewalld filter_FORWARD ct state established accept
             add rule inet firewalld filter_FORWARD iifname "wharfie0" tcp dport 1 accept
             add rule inet firewalld filter_FORWARD counter reject
             add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; }
             add rule ip filter FORWARD oifname "wharfie0x" counter drop
             add table ip6 filter; add chain ip6 filter FORWARD { type filter hook forward priority 0; policy drop; }'
        nft list ruleset | sed 's/packets.*bytes [0-9]*//' > /run/before
        inside
        nft list chain inet firewalld filter_FORWARD | grep -c 'ifname "wharfie0" counter'
        # Internal networks have no way through theirs either, both ways.
        id=$($wharfie network create --internal inn); inside --network inn 2>&1 | tail -1
        nft list table ip wb$(echo $id | cut -c1-12) | grep -c drop
        $wharfie network rm inn > /dev/null
        nft list ruleset | grep -c "wb$(echo $id | cut -c1-12)" || true
        nft list ruleset | sed 's/packets.*bytes [0-9]*//' | grep -v '[io]ifname "wharfie0" counter  *accept' | diff /run/before - | grep '^<' || echo 'as it was'
    "#;
    assert_eq!(on_own_machine(&host, script), "reached\n2\nclosed\n2\n0\nas it was\n");
}

#[test]
fn rules_of_ours_that_somebody_removed_are_there_again_with_the_next_container() {
    let Some(host) = box_host() else { return };
    let script = r#"
        inside
        rules() { nft list table ip wharfie0 | grep -cE 'drop|masquerade|counter'; }
        rules; nft add rule ip wharfie0 through ip daddr 192.0.2.1 counter; inside; rules
        nft flush table ip wharfie0; inside; rules
    "#;
    assert_eq!(on_own_machine(&host, script), "reached\n3\nreached\n4\nreached\n3\n");
}

#[test]
fn a_network_whose_addresses_were_given_away_while_it_was_not_there_is_not_made_again() {
    let (Some(host), Some(other)) = (box_host(), box_host()) else { return };
    let script = r#"
        other() { WHARFIE_ROOT=OTHER $wharfie "$@"; }
        id=$($wharfie network create mine)
        # As after a boot: what is on disk is all that is left.
        ip link del wb$(echo $id | cut -c1-12); nft flush ruleset; rm -rf /run/wharfie
        other network create theirs > /dev/null
        inside --network mine 2>&1 | grep -o 'network mine: Pool overlaps.*'
        other network rm theirs
        inside --network mine
        $wharfie network rm mine
        ls /run/wharfie
    "#;
    let script = script.replace("OTHER", &other.store().display().to_string());
    let expected =
        "network mine: Pool overlaps with other one on this address space\ntheirs\nreached\nmine\nnetworks.lock\n";
    assert_eq!(on_own_machine(&host, &script), expected);
}

#[test]
fn containers_are_no_routers_for_the_machine() {
    let Some(host) = box_host() else { return };
    if !std::path::Path::new("/proc/sys/net/ipv6").exists() {
        return needs::skipped("this kernel has no IPv6");
    }
    let script = r#"
        inside
        id=$($wharfie network create own)
        cat /proc/sys/net/ipv6/conf/wharfie0/accept_ra /proc/sys/net/ipv6/conf/wb$(echo $id | cut -c1-12)/accept_ra
    "#;
    assert_eq!(on_own_machine(&host, script), "reached\n0\n0\n");
}

/// Sends packets as a container with raw sockets could: by a program in its network.
const RAW: &str = r#"
raw() { # CONTAINER FILE TYPE: the bytes of a file as a frame of this type from eth0 to its bridge
    pid=$($wharfie inspect -f '{{.State.Pid}}' $1)
    bridge=$(ip -o link show wh$($wharfie inspect -f '{{.Id}}' $1 | cut -c1-12) | sed 's/.* master //;s/ .*//')
    nsenter -t $pid -n perl -e '
        my ($to, $file, $type, $index) = @ARGV;
        open(my $f, "<", $file) or die; my $bytes = do { local $/; <$f> };
        socket(my $s, 17, 3, 0) or die $!;
        my $frame = pack("H12", $to =~ s/://gr) . ("\x02" . "\0" x 4 . "\x09") . pack("n", hex $type) . $bytes;
        send($s, $frame, 0, pack("SnlSCCa8", 17, hex $type, $index, 0, 0, 0, "")) or die $!;
    ' $(ip -o link show $bridge | sed 's/.*ether //;s/ .*//') $2 $3 $(nsenter -t $pid -n busybox ip link show eth0 | sed 's/:.*//;q')
}
"#;

#[test]
fn no_network_leads_out_by_ipv6() {
    let Some(host) = box_host() else { return };
    if !std::path::Path::new("/proc/sys/net/ipv6").exists() {
        return needs::skipped("this kernel has no IPv6");
    }
    let script = r#"
        ip -6 addr add 2001:db8::1/64 dev up$out nodad
        echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
        # UDP to port 9 of the other machine, from an address that is nobody's.
        perl -e 'print pack("NnCC", 0x60000000, 8, 17, 64) . pack("H32H32", "20010db8000100000000000000000007", "20010db8000000000000000000000002") . pack("nnnn", 9, 9, 8, 0xc4a7)' > /run/packet
        forwarded() { awk '$1 == "Ip6OutForwDatagrams" { print $2 }' /proc/self/net/snmp6; }
        sent() { raw $1 /run/packet 86dd; sleep 0.5; forwarded; }
        $wharfie network create --internal inn > /dev/null
        for network in inn bridge; do
            $wharfie run -d --name $network --network $network box:1 sleep 1000 > /dev/null
            sent $network
            $wharfie exec $network sh -c 'busybox ip -6 addr show dev eth0 | grep -c inet6 || true'
            $wharfie rm -f $network > /dev/null
        done
        ip -6 -o addr show | grep -cE ' (wb|wharfie)' || true
    "#;
    assert_eq!(on_own_machine(&host, &format!("{RAW}{script}")), "0\n0\n0\n0\n0\n");
}

#[test]
fn what_belongs_to_no_connection_reaches_no_other_network() {
    let Some(host) = box_host() else { return };
    let script = r#"
        counted() { nsenter -t $1 -n nft 'add table ip t; add chain ip t in { type filter hook prerouting priority 0; }; add rule ip t in icmp type echo-reply counter; add rule ip t in tcp flags rst counter'; }
        $wharfie network create other > /dev/null
        $wharfie run -d --name from box:1 sleep 1000 > /dev/null
        $wharfie run -d --name to --network other box:1 sleep 1000 > /dev/null
        to=$($wharfie inspect -f '{{.State.Pid}}' to)
        address=$($wharfie inspect -f '{{(index .NetworkSettings.Networks "other").IPAddress}}' to)
        own=$($wharfie inspect -f '{{.NetworkSettings.IPAddress}}' from)
        counted $to; counted $out
        # An answer to a ping that nobody sent, and the end of a connection that is none.
        packet() { # PROTOCOL BYTES DESTINATION
            perl -e 'my ($p, $bytes, $from, $to) = @ARGV;
                sub sum { my $n = 0; $n += $_ for unpack("n*", $_[0]); $n = ($n & 0xffff) + ($n >> 16) while $n >> 16; ~$n & 0xffff }
                my @address = map { pack("C4", split /\./) } $from, $to;
                my $data = pack("H*", $bytes);
                my $pseudo = $p == 6 ? join("", @address) . pack("nn", $p, length $data) : "";
                substr($data, $p == 6 ? 16 : 2, 2) = pack("n", sum($pseudo . $data));
                my $head = pack("CCnnnCCn", 0x45, 0, 20 + length $data, 1, 0, 64, $p, 0) . join("", @address);
                substr($head, 10, 2) = pack("n", sum($head));
                print $head . $data' $1 $2 $own $3 > /run/packet
        }
        for destination in $address 203.0.113.2; do
            packet 1 0000000000070001 $destination; raw from /run/packet 0800
            packet 6 0050005000000001000000005004000000000000 $destination; raw from /run/packet 0800
        done
        sleep 0.5
        for who in $to $out; do nsenter -t $who -n nft list table ip t | grep -o 'packets [0-9]*'; done
        # What belongs to one gets there.
        inside
        $wharfie rm -f from to > /dev/null
    "#;
    let expected = "packets 0\n".repeat(4) + "reached\n";
    assert_eq!(on_own_machine(&host, &format!("{RAW}{script}")), expected);
}

#[test]
fn a_name_server_on_the_hosts_loopback_is_replaced_by_those_behind_it() {
    let Some(host) = box_host() else { return };
    // A file of the machine's that may be a link to one that is gone with /run.
    let script = r#"
        file=$(readlink -m /etc/resolv.conf); mkdir -p "$(dirname $file)"; [ -e $file ] || : > $file
        : > /run/mine; mount --bind /run/mine $file; mkdir -p /run/systemd/resolve
        servers() { timeout 60 $wharfie run --rm "$@" box:1 cat /etc/resolv.conf | grep nameserver | cut -d' ' -f2 | tr '\n' ' '; echo; }
        echo 'nameserver 127.0.0.53' > /run/mine
        servers
        echo 'nameserver 203.0.113.53' > /run/systemd/resolve/resolv.conf; servers
        servers --network host; servers --dns 203.0.113.7
        printf 'nameserver 127.0.0.53\nnameserver 203.0.113.9\n' > /run/mine; servers
        echo 'nameserver 203.0.113.9' > /run/mine; servers
    "#;
    let expected = "8.8.8.8 8.8.4.4 \n203.0.113.53 \n127.0.0.53 \n203.0.113.7 \n203.0.113.9 \n203.0.113.9 \n";
    assert_eq!(on_own_machine(&host, script), expected);
}
