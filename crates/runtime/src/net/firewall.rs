//! The way out of a bridge: addresses of containers become the machine's, and nobody outside opens connections to
//! them. One table per bridge, whose name no user chooses: it must never be another's.

use std::io::{self, Write};
use std::process::{Command, Stdio};

use crate::error::{Error, Result};
use crate::net::netlink::{Message, Socket};
use crate::net::pool::Bridge;

/// Makes the table if it is missing. Asking the kernel is cheap, the program that makes it is not.
pub(super) fn ensure(bridge: &Bridge) -> Result<()> {
    if exists(&bridge.table) {
        return Ok(());
    }
    nft(&rules(bridge))
}

/// Before forwarding is turned on: nothing is forwarded that no rule allows. This is the chain and the policy that
/// docker sets for the same reason, so other programs know to make their exceptions there.
pub(super) fn forward_nothing() -> Result<()> {
    nft("add table ip filter
add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }
")
}

/// Makes exceptions for the bridge in the chains of others that forward nothing by themselves: that of iptables, which
/// docker, ufw and [`forward_nothing`] close, and firewalld's. An accept of ours elsewhere could not overrule them.
/// What may come from outside is decided by the bridge's own table.
pub(super) fn open_ways(bridge: &Bridge) -> Result<()> {
    let device = &bridge.device;
    for (family, table, chain, number) in OTHERS {
        let Some(rules) = closed_chain(family, table, chain, *number)? else { continue };
        let is_open = rules.lines().any(|line| line.contains(&format!("\"{device}\"")) && line.contains("accept"));
        if !is_open {
            nft(&format!(
                "insert rule {family} {table} {chain} iifname \"{device}\" counter accept
insert rule {family} {table} {chain} oifname \"{device}\" counter accept
"
            ))?;
        }
    }
    Ok(())
}

/// Takes the exceptions back.
fn close_ways(device: &str) -> Result<()> {
    for (family, table, chain, number) in OTHERS {
        let Some(rules) = closed_chain(family, table, chain, *number)? else { continue };
        for line in rules.lines().filter(|line| line.contains(&format!("ifname \"{device}\""))) {
            if let Some((_, handle)) = line.rsplit_once("# handle ") {
                nft(&format!("delete rule {family} {table} {chain} handle {handle}\n"))?;
            }
        }
    }
    Ok(())
}

/// The rules of a chain, if it is there and drops what none of them allows.
fn closed_chain(family: &str, table: &str, chain: &str, number: u8) -> Result<Option<String>> {
    if !exists_in(number, table) {
        return Ok(None);
    }
    // Asked of the program only where there is such a table.
    match run(&["-a", "list", "chain", family, table, chain], "") {
        Ok(rules) if rules.contains("policy drop") || rules.contains("\treject ") => Ok(Some(rules)),
        Ok(_) | Err(Error::Program { .. }) => Ok(None),
        Err(why) => Err(why),
    }
}

/// Removes the table of a bridge's device. Idempotent.
pub(super) fn remove(device: &str, table: &str) -> Result<()> {
    if exists(table) {
        close_ways(device)?;
    }
    if exists(table) { nft(&format!("delete table ip {table}\n")) } else { Ok(()) }
}

fn exists(table: &str) -> bool {
    exists_in(NFPROTO_IPV4, table)
}

fn exists_in(family: u8, table: &str) -> bool {
    let mut message = Message::new(GET_TABLE, 0);
    message.firewall(family);
    message.text(NFTA_TABLE_NAME, table);
    Socket::filtering().and_then(|socket| socket.ask(message)).is_ok()
}

/// Idempotent and atomic, whoever else does the same meanwhile.
fn rules(bridge: &Bridge) -> String {
    let (device, table, network, prefix) = (&bridge.device, &bridge.table, bridge.network(), bridge.prefix);
    if bridge.is_internal {
        return format!(
            "add table ip {table}
flush table ip {table}
table ip {table} {{
    chain through {{
        type filter hook forward priority 0; policy accept;
        iifname \"{device}\" oifname != \"{device}\" drop
        iifname != \"{device}\" oifname \"{device}\" drop
    }}
}}
"
        );
    }
    format!(
        "add table ip {table}
flush table ip {table}
table ip {table} {{
    chain out {{
        type nat hook postrouting priority 100; policy accept;
        ip saddr {network}/{prefix} oifname != \"{device}\" masquerade
    }}
    chain through {{
        type filter hook forward priority 0; policy accept;
        iifname != \"{device}\" oifname \"{device}\" ct state new drop
    }}
}}
"
    )
}

fn nft(script: &str) -> Result<()> {
    run(&["-f", "-"], script).map(drop)
}

fn run(words: &[&str], script: &str) -> Result<String> {
    let program = || "nft".to_owned();
    let mut child = Command::new("nft")
        .args(words)
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|why| match why.kind() {
            io::ErrorKind::NotFound => Error::MissingProgram { program: program(), package: "nftables".to_owned() },
            _ => Error::system("run nft")(why),
        })?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(script.as_bytes()).map_err(Error::system("tell nft the rules"))?;
    }
    let output = child.wait_with_output().map_err(Error::system("wait for nft"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Error::Program { program: program(), output: String::from_utf8_lossy(&output.stderr).trim().to_owned() })
}

/// `NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE`.
const GET_TABLE: u16 = 10 << 8 | 1;
const NFTA_TABLE_NAME: u16 = 1;
const NFPROTO_IPV4: u8 = 2;
const NFPROTO_INET: u8 = 1;
/// Family, table and chain where others decide what is forwarded, and the family's number.
const OTHERS: &[(&str, &str, &str, u8)] =
    &[("ip", "filter", "FORWARD", NFPROTO_IPV4), ("inet", "firewalld", "filter_FORWARD", NFPROTO_INET)];
