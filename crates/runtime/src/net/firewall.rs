//! The way out of a bridge: addresses of containers become the machine's, and nobody outside opens connections to
//! them. One table per bridge, named like it.

use std::io::{self, Write};
use std::process::{Command, Stdio};

use crate::error::{Error, Result};
use crate::net::netlink::{Message, Socket};
use crate::net::pool::Bridge;

/// Makes the table if it is missing. Asking the kernel is cheap, the program that makes it is not.
pub(super) fn ensure(bridge: &Bridge) -> Result<()> {
    if exists(&bridge.device) {
        return Ok(());
    }
    nft(&rules(bridge))
}

/// Removes the table. Idempotent.
pub(super) fn remove(device: &str) -> Result<()> {
    if exists(device) { nft(&format!("delete table ip {device}\n")) } else { Ok(()) }
}

fn exists(table: &str) -> bool {
    let mut message = Message::new(GET_TABLE, 0);
    message.firewall(NFPROTO_IPV4);
    message.text(NFTA_TABLE_NAME, table);
    Socket::filtering().and_then(|socket| socket.ask(message)).is_ok()
}

/// Idempotent and atomic, whoever else does the same meanwhile.
fn rules(bridge: &Bridge) -> String {
    let (device, network, prefix) = (&bridge.device, bridge.network(), bridge.prefix);
    if bridge.is_internal {
        return format!(
            "add table ip {device}
flush table ip {device}
table ip {device} {{
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
        "add table ip {device}
flush table ip {device}
table ip {device} {{
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
    let program = || "nft".to_owned();
    let mut child = Command::new("nft")
        .args(["-f", "-"])
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
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
        return Ok(());
    }
    Err(Error::Program { program: program(), output: String::from_utf8_lossy(&output.stderr).trim().to_owned() })
}

/// `NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE`.
const GET_TABLE: u16 = 10 << 8 | 1;
const NFTA_TABLE_NAME: u16 = 1;
const NFPROTO_IPV4: u8 = 2;
