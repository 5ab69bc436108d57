//! Making and removing networks, and who is on them.

use wharfie_engine::Error;
use wharfie_engine::container::connect::{Connect, Disconnect};
use wharfie_engine::networks::{CreateNetwork, NetworkError};
use wharfie_engine::patterns::Named;

use super::checks;
use super::lifecycle::{done, each, warn_all};
use super::variables::pairs;
use crate::commands::{DRY_RUN, Run};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Example, Flag, Matches};

/// `PROG network create`.
pub(super) static CREATE: Command<Run> = Command {
    about: "Create a network",
    usage: "[OPTIONS] NETWORK",
    arity: Arity::Exact(1),
    flags: &[
        Flag::str("driver", "Driver to manage the Network").short('d').default("bridge"),
        Flag::list("gateway", "IPv4 Gateway for the master subnet").check(checks::address),
        Flag::bool("internal", "Restrict external access to the network"),
        Flag::list("label", "Set metadata on a network"),
        Flag::list("subnet", "Subnet in CIDR format that represents a network segment"),
        Flag::bool("attachable", "Enable manual container attachment"),
        Flag::list("aux-address", "Auxiliary IPv4 addresses that no container gets (name=address)"),
        Flag::list("ip-range", "Allocate container ip from a sub-range"),
        Flag::str("ipam-driver", "IP Address Management Driver").default("default"),
        Flag::bool("ipv4", "Enable or disable IPv4 address assignment").default("true").hidden(),
        Flag::list("opt", "Set driver specific options").short('o'),
        Flag::str("scope", "Control the network's scope").hidden(),
        // What docker has and we have not: refused, since the network would be another one than was asked for.
        Flag::str("config-from", "Not supported").hidden(),
        Flag::bool("config-only", "Not supported").hidden(),
        Flag::bool("ingress", "Not supported").hidden(),
        Flag::list("ipam-opt", "Not supported").hidden(),
        Flag::bool("ipv6", "Not supported").hidden(),
    ],
    examples: &[
        Example { text: "Containers on it know one another by name", command: "network create front" },
        Example { text: "Nothing leads out of it", command: "network create --internal --subnet 10.7.0.0/24 back" },
    ],
    run: Some(create),
    ..Command::BASE
};

/// Flags of docker that ask for what there is not here.
const UNSUPPORTED: &[&str] = &["config-from", "config-only", "ingress", "ipam-opt", "ipv6"];

/// `PROG network rm`.
pub(super) static RM: Command<Run> = Command {
    about: "Remove one or more networks",
    usage: "NETWORK [NETWORK...]",
    arity: Arity::AtLeast(1),
    flags: &[DRY_RUN.flag(), Flag::bool("force", "Do not error if the network does not exist").short('f')],
    examples: &[Example { text: "Remove a network and its bridge", command: "network rm front" }],
    complete: Complete::Networks,
    run: Some(rm),
    ..Command::BASE
};

/// `PROG network connect`.
pub(super) static CONNECT: Command<Run> = Command {
    about: "Connect a container to a network",
    usage: "[OPTIONS] NETWORK CONTAINER",
    arity: Arity::Exact(2),
    flags: &[
        Flag::list("alias", "Add network-scoped alias for the container"),
        Flag::str("ip", "IPv4 address (e.g., \"172.30.100.104\")").check(checks::address),
    ],
    examples: &[Example { text: "One more network for a container", command: "network connect back web" }],
    complete: Complete::Containers,
    run: Some(connect),
    ..Command::BASE
};

/// `PROG network disconnect`.
pub(super) static DISCONNECT: Command<Run> = Command {
    about: "Disconnect a container from a network",
    usage: "[OPTIONS] NETWORK CONTAINER",
    arity: Arity::Exact(2),
    flags: &[Flag::bool("force", "Force the container to disconnect from a network").short('f')],
    examples: &[Example { text: "Out of a network", command: "network disconnect back web" }],
    complete: Complete::Containers,
    run: Some(disconnect),
    ..Command::BASE
};

fn create(cx: &Context, matches: &Matches) -> Result {
    let driver = matches.value("driver").unwrap_or_default();
    if driver != "bridge" {
        return Err(Failure::daemon(format!("plugin {driver:?} not found")));
    }
    let (subnets, gateways) = (matches.values("subnet"), matches.values("gateway"));
    if subnets.len() > 1 || gateways.len() > 1 {
        return Err(Failure::new("a network has one subnet and one gateway"));
    }
    let gateway = gateways.first().map(|text| text.trim().parse());
    let gateway =
        gateway.transpose().map_err(|_| Failure::new(format!("invalid gateway address {:?}", gateways[0])))?;
    if gateway.is_some() && subnets.is_empty() {
        return Err(Failure::new(format!("no matching subnet for gateway {}", gateways[0])));
    }
    let is_asked_for = |name: &&&str| matches.is_set(name) && matches.value(name) != Some("false");
    if let Some(name) = UNSUPPORTED.iter().find(is_asked_for) {
        return Err(Failure::daemon(format!("--{name} is not supported")));
    }
    // Every network here can be joined, and none goes beyond this machine.
    for (flag, usual) in [("ipam-driver", "default"), ("scope", "local"), ("ipv4", "true")] {
        if let Some(value) = matches.value(flag).filter(|value| *value != usual) {
            return Err(Failure::daemon(format!("--{flag}={value} is not supported")));
        }
    }
    let ranges = matches.values("ip-range");
    if ranges.len() > 1 {
        return Err(Failure::new("a network has one range"));
    }
    let mut reserved = std::collections::BTreeMap::new();
    for text in matches.values("aux-address") {
        let (name, address) = text.split_once('=').unwrap_or((text, ""));
        let address = address.parse().map_err(|_| Failure::new(format!("invalid aux-address {text:?}")))?;
        reserved.insert(name.to_owned(), address);
    }
    let network = cx.engine()?.create_network(&CreateNetwork {
        name: matches.args()[0].clone(),
        subnet: subnets.first().cloned(),
        gateway,
        is_internal: matches.flag("internal"),
        is_attachable: matches.flag("attachable"),
        labels: pairs(matches.values("label")).into_iter().collect(),
        range: ranges.first().cloned(),
        reserved,
        options: pairs(matches.values("opt")).into_iter().collect(),
    })?;
    cx.line(&network.id)
}

fn rm(cx: &Context, matches: &Matches) -> Result {
    let errors = each(cx, Named::Networks, matches, |name| match cx.engine_to_remove(matches)?.remove_network(name) {
        Ok(()) => Ok(Some(name.to_owned())),
        Err(why @ Error::Network(NetworkError::NoSuch(_))) if matches.flag("force") => {
            cx.warn(&crate::compat::engine_text(&why));
            Ok(None)
        }
        Err(why) => Err(why.into()),
    })?;
    cx.end_dry_run(matches);
    done(errors)
}

fn connect(cx: &Context, matches: &Matches) -> Result {
    let [network, container] = matches.args() else { return Ok(()) };
    let address = matches.value("ip").and_then(|text| text.trim().parse().ok());
    let connect = Connect {
        network: network.clone(),
        container: container.clone(),
        aliases: matches.values("alias").to_vec(),
        address,
    };
    warn_all(cx, &cx.engine()?.connect_network(&connect)?);
    Ok(())
}

fn disconnect(cx: &Context, matches: &Matches) -> Result {
    let [network, container] = matches.args() else { return Ok(()) };
    let disconnect =
        Disconnect { network: network.clone(), container: container.clone(), force: matches.flag("force") };
    warn_all(cx, &cx.engine()?.disconnect_network(&disconnect)?);
    Ok(())
}
