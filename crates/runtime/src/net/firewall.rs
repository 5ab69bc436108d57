//! The way out of a bridge: addresses of containers become the machine's, and nobody outside opens connections to
//! them. One table per bridge, whose name no user chooses: it must never be another's.

use std::io;

use crate::error::{Error, Result};
use crate::net::nftables::{Chain, ChainNow, Changes, Family, Hook, Rule, Side, chain, has_table};
use crate::net::pool::Bridge;

/// Makes the table if it is missing, or if rules of ours are. Those that somebody has added stay.
pub(super) fn ensure(bridge: &Bridge) -> Result<()> {
    if chain(Family::Ip, &bridge.table, THROUGH).is_ok_and(|now| now.is_some_and(|now| now.rules.len() >= RULES)) {
        return Ok(());
    }
    rules(bridge).make().map_err(Error::system(format!("make the firewall's table {}", bridge.table)))
}

/// Before forwarding is turned on: nothing is forwarded that no rule allows. This is the chain and the policy that
/// docker sets for the same reason, so other programs know to make their exceptions there.
pub(super) fn forward_nothing() -> Result<()> {
    let mut changes = Changes::default();
    changes.table(Family::Ip, "filter");
    changes.chain(Family::Ip, "filter", &Chain { drops: true, ..through("FORWARD") });
    changes.make().map_err(Error::system("close the firewall's chain FORWARD"))
}

/// Makes exceptions for the bridge in the chains of others that forward nothing by themselves: that of iptables, which
/// docker, ufw and [`forward_nothing`] close, and firewalld's. An accept of ours elsewhere could not overrule them.
/// What may come from outside is decided by the bridge's own table.
pub(super) fn open_ways(bridge: &Bridge) -> Result<()> {
    for (family, table, name) in OTHERS {
        let Some(now) = closed_chain(*family, table, name)? else { continue };
        let mut changes = Changes::default();
        for side in [Side::From, Side::To] {
            if !now.rules.iter().any(|rule| rule.accepts_all_of(&bridge.device) == Some(side)) {
                let rule = Rule::default().device(side, &bridge.device).counter().accept();
                changes.insert(*family, table, name, rule);
            }
        }
        changes.make().map_err(Error::system(format!("make an exception in the firewall's chain {name}")))?;
    }
    Ok(())
}

/// Takes the exceptions back.
fn close_ways(device: &str) -> Result<()> {
    for (family, table, name) in OTHERS {
        let Some(now) = closed_chain(*family, table, name)? else { continue };
        for rule in now.rules.iter().filter(|rule| rule.accepts_all_of(device).is_some()) {
            let mut changes = Changes::default();
            changes.remove_rule(*family, table, name, rule.handle);
            or_gone(changes.make()).map_err(Error::system(format!("clean up the firewall's chain {name}")))?;
        }
    }
    Ok(())
}

/// A chain of another's, if it is there and drops what none of its rules allows.
fn closed_chain(family: Family, table: &str, name: &str) -> Result<Option<ChainNow>> {
    let now = chain(family, table, name).map_err(Error::system(format!("read the firewall's chain {name}")))?;
    Ok(now.filter(|now| now.drops || now.rules.iter().any(|rule| rule.stops_all())))
}

/// Removes the table of a bridge's device. Idempotent.
pub(super) fn remove(device: &str, table: &str) -> Result<()> {
    if !has_table(Family::Ip, table) {
        return Ok(());
    }
    close_ways(device)?;
    let mut changes = Changes::default();
    changes.remove_table(Family::Ip, table);
    or_gone(changes.make()).map_err(Error::system(format!("remove the firewall's table {table}")))
}

/// Another command may do the same at the same time.
fn or_gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(why) if why.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        other => other,
    }
}

/// Idempotent and atomic, whoever else does the same meanwhile.
fn rules(bridge: &Bridge) -> Changes {
    let (device, table, family) = (&bridge.device, &bridge.table, Family::Ip);
    let mut changes = Changes::default();
    changes.table(family, table);
    changes.empty_table(family, table);
    changes.chain(family, table, &through(THROUGH));
    let (into, out) = (
        || Rule::default().other_device(Side::From, device).device(Side::To, device),
        || Rule::default().device(Side::From, device).other_device(Side::To, device),
    );
    if bridge.is_internal {
        changes.append(family, table, THROUGH, out().drop());
        changes.append(family, table, THROUGH, into().drop());
        return changes;
    }
    changes.append(family, table, THROUGH, into().of_no_connection().drop());
    // It would leave with the container's own address: nothing translates what belongs to no connection.
    changes.append(family, table, THROUGH, out().invalid().drop());
    changes.chain(
        family,
        table,
        &Chain { name: OUT, kind: "nat", hook: Hook::Postrouting, priority: SOURCE_NAT, drops: false },
    );
    let from_here = Rule::default().source(bridge.network(), bridge.prefix);
    changes.append(family, table, OUT, from_here.other_device(Side::To, device).masquerade());
    changes
}

/// A chain for what the machine forwards.
fn through(name: &str) -> Chain<'_> {
    Chain { name, kind: "filter", hook: Hook::Forward, priority: 0, drops: false }
}

/// Names of our chains.
const THROUGH: &str = "through";
const OUT: &str = "out";
/// How many rules [`THROUGH`] has, of a bridge that leads out and of one that does not.
const RULES: usize = 2;
/// `NF_IP_PRI_NAT_SRC`.
const SOURCE_NAT: i32 = 100;
/// Family, table and chain where others decide what is forwarded.
const OTHERS: &[(Family, &str, &str)] =
    &[(Family::Ip, "filter", "FORWARD"), (Family::Inet, "firewalld", "filter_FORWARD")];
