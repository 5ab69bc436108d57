//! Making and removing networks, and who is on them.

use wharfie_engine::Error;
use wharfie_engine::container::connect::{Connect, Disconnect};
use wharfie_engine::networks::{CreateNetwork, NetworkError};
use wharfie_engine::patterns::Named;

use super::checks;
use super::lifecycle::{done, each, warn_all};
use super::variables::pairs;
use crate::commands::{DRY_RUN, PATTERN, Run};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Example, Flag, Matches, Switch, Text, Texts};

const DRIVER: Text = Text::new("driver", "Driver to manage the Network").short('d').default("bridge");
const GATEWAY: Texts = Texts::new("gateway", "IPv4 Gateway for the master subnet").check(checks::address);
const INTERNAL: Switch = Switch::new("internal", "Restrict external access to the network");
const LABEL: Texts = Texts::new("label", "Set metadata on a network");
const SUBNET: Texts = Texts::new("subnet", "Subnet in CIDR format that represents a network segment");
const ATTACHABLE: Switch = Switch::new("attachable", "Enable manual container attachment");
const AUX_ADDRESS: Texts = Texts::new("aux-address", "Auxiliary IPv4 addresses that no container gets (name=address)");
const IP_RANGE: Texts = Texts::new("ip-range", "Allocate container ip from a sub-range");
const IPAM_DRIVER: Text = Text::new("ipam-driver", "IP Address Management Driver").default("default");
const IPV4: Switch = Switch::new("ipv4", "Enable or disable IPv4 address assignment").default("true").hidden();
const OPT: Texts = Texts::new("opt", "Set driver specific options").short('o');
const SCOPE: Text = Text::new("scope", "Control the network's scope").hidden();
const RM_FORCE: Switch = Switch::new("force", "Do not error if the network does not exist").short('f');
const DISCONNECT_FORCE: Switch = Switch::new("force", "Force the container to disconnect from a network").short('f');
const ALIAS: Texts = Texts::new("alias", "Add network-scoped alias for the container");
const IP: Text = Text::new("ip", "IPv4 address (e.g., \"172.30.100.104\")").check(checks::address);

/// `PROG network create`.
pub(super) static CREATE: Command<Run> = Command {
    about: "Create a network",
    usage: "[OPTIONS] NETWORK",
    arity: Arity::Exact(1),
    flags: &[
        DRIVER.flag(),
        GATEWAY.flag(),
        INTERNAL.flag(),
        LABEL.flag(),
        SUBNET.flag(),
        ATTACHABLE.flag(),
        AUX_ADDRESS.flag(),
        IP_RANGE.flag(),
        IPAM_DRIVER.flag(),
        IPV4.flag(),
        OPT.flag(),
        SCOPE.flag(),
        // What docker has and we have not: refused, since the network would be another one than was asked for.
        Flag::str("config-from", "Not supported").hidden().unsupported(),
        Flag::bool("config-only", "Not supported").hidden().unsupported(),
        Flag::bool("ingress", "Not supported").hidden().unsupported(),
        Flag::list("ipam-opt", "Not supported").hidden().unsupported(),
        Flag::bool("ipv6", "Not supported").hidden().unsupported(),
    ],
    examples: &[
        Example { text: "Containers on it know one another by name", command: "network create front" },
        Example { text: "Nothing leads out of it", command: "network create --internal --subnet 10.7.0.0/24 back" },
    ],
    run: Some(create),
    ..Command::BASE
};

/// `PROG network rm`.
pub(super) static RM: Command<Run> = Command {
    about: "Remove one or more networks",
    usage: "NETWORK [NETWORK...]",
    arity: Arity::AtLeast(1),
    flags: &[DRY_RUN.flag(), RM_FORCE.flag(), PATTERN.flag()],
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
    flags: &[ALIAS.flag(), IP.flag()],
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
    flags: &[DISCONNECT_FORCE.flag()],
    examples: &[Example { text: "Out of a network", command: "network disconnect back web" }],
    complete: Complete::Containers,
    run: Some(disconnect),
    ..Command::BASE
};

fn create(cx: &Context, matches: &Matches) -> Result {
    let driver = matches.get(&DRIVER).unwrap_or_default();
    if driver != "bridge" {
        return Err(Failure::daemon(format!("plugin {driver:?} not found")));
    }
    let (subnets, gateways) = (matches.get(&SUBNET), matches.get(&GATEWAY));
    if subnets.len() > 1 || gateways.len() > 1 {
        return Err(Failure::new("a network has one subnet and one gateway"));
    }
    let gateway = gateways.first().map(|text| text.trim().parse());
    let gateway =
        gateway.transpose().map_err(|_| Failure::new(format!("invalid gateway address {:?}", gateways[0])))?;
    if gateway.is_some() && subnets.is_empty() {
        return Err(Failure::new(format!("no matching subnet for gateway {}", gateways[0])));
    }
    if let Some(name) = matches.unsupported().next() {
        return Err(Failure::daemon(format!("--{name} is not supported")));
    }
    // Every network here can be joined, and none goes beyond this machine.
    for (flag, usual) in [(&IPAM_DRIVER, "default"), (&SCOPE, "local")] {
        if let Some(value) = matches.get(flag).filter(|value| *value != usual) {
            return Err(Failure::daemon(format!("--{}={value} is not supported", flag.long())));
        }
    }
    if !matches.get(&IPV4) {
        return Err(Failure::daemon("--ipv4=false is not supported"));
    }
    let ranges = matches.get(&IP_RANGE);
    if ranges.len() > 1 {
        return Err(Failure::new("a network has one range"));
    }
    let mut reserved = std::collections::BTreeMap::new();
    for text in matches.get(&AUX_ADDRESS) {
        let (name, address) = text.split_once('=').unwrap_or((text, ""));
        let address = address.parse().map_err(|_| Failure::new(format!("invalid aux-address {text:?}")))?;
        reserved.insert(name.to_owned(), address);
    }
    let network = cx.engine()?.create_network(&CreateNetwork {
        name: matches.args()[0].clone(),
        subnet: subnets.first().cloned(),
        gateway,
        is_internal: matches.get(&INTERNAL),
        is_attachable: matches.get(&ATTACHABLE),
        labels: pairs(matches.get(&LABEL)).into_iter().collect(),
        range: ranges.first().cloned(),
        reserved,
        options: pairs(matches.get(&OPT)).into_iter().collect(),
    })?;
    cx.line(&network.id)
}

fn rm(cx: &Context, matches: &Matches) -> Result {
    let errors = each(cx, Named::Networks, matches, |name| match cx.engine_to_remove(matches)?.remove_network(name) {
        Ok(()) => Ok(Some(name.to_owned())),
        Err(why @ Error::Network(NetworkError::NoSuch(_))) if matches.get(&RM_FORCE) => {
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
    let address = matches.get(&IP).and_then(|text| text.trim().parse().ok());
    let connect = Connect {
        network: network.clone(),
        container: container.clone(),
        aliases: matches.get(&ALIAS).to_vec(),
        address,
    };
    warn_all(cx, &cx.engine()?.connect_network(&connect)?);
    Ok(())
}

fn disconnect(cx: &Context, matches: &Matches) -> Result {
    let [network, container] = matches.args() else { return Ok(()) };
    let disconnect =
        Disconnect { network: network.clone(), container: container.clone(), force: matches.get(&DISCONNECT_FORCE) };
    warn_all(cx, &cx.engine()?.disconnect_network(&disconnect)?);
    Ok(())
}
