//! Making and removing networks, and who is on them.

use wharfie_engine::networks::CreateNetwork;

use super::checks;
use super::lifecycle::{done, each};
use super::options::pairs;
use crate::commands::Run;
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
        // What docker has and we have not: accepted with a warning, so that scripts go on.
        Flag::bool("attachable", "Not supported").hidden(),
        Flag::list("aux-address", "Not supported").hidden(),
        Flag::list("ip-range", "Not supported").hidden(),
        Flag::str("ipam-driver", "Not supported").hidden(),
        Flag::list("ipam-opt", "Not supported").hidden(),
        Flag::bool("ipv6", "Not supported").hidden(),
        Flag::list("opt", "Not supported").short('o').hidden(),
        Flag::str("scope", "Not supported").hidden(),
    ],
    examples: &[
        Example { text: "Containers on it know one another by name", command: "network create front" },
        Example { text: "Nothing leads out of it", command: "network create --internal --subnet 10.7.0.0/24 back" },
    ],
    run: Some(create),
    ..Command::BASE
};

/// Flags of docker that change nothing here.
const UNSUPPORTED: &[&str] =
    &["attachable", "aux-address", "ip-range", "ipam-driver", "ipam-opt", "ipv6", "opt", "scope"];

/// `PROG network rm`.
pub(super) static RM: Command<Run> = Command {
    about: "Remove one or more networks",
    usage: "NETWORK [NETWORK...]",
    arity: Arity::AtLeast(1),
    flags: &[Flag::bool("force", "Do not error if the network does not exist").short('f')],
    examples: &[Example { text: "Remove a network and its bridge", command: "network rm front" }],
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
        return Err(Failure::new(format!("{}plugin {driver:?} not found", crate::compat::DAEMON)));
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
    for name in UNSUPPORTED.iter().filter(|name| matches.is_set(name)) {
        cx.warn(&format!("WARNING: --{name} is not supported and changes nothing"));
    }
    let network = cx.engine()?.create_network(&CreateNetwork {
        name: matches.args()[0].clone(),
        subnet: subnets.first().cloned(),
        gateway,
        is_internal: matches.flag("internal"),
        labels: pairs(matches.values("label")).into_iter().collect(),
    })?;
    cx.line(&network.id)
}

fn rm(cx: &Context, matches: &Matches) -> Result {
    let is_missing = |name: &str| cx.engine().is_ok_and(|engine| engine.network(name).is_err());
    done(&each(cx, matches, |name| match cx.engine()?.remove_network(name) {
        Ok(()) => Ok(Some(name.to_owned())),
        Err(why) if matches.flag("force") && is_missing(name) => {
            cx.warn(&crate::compat::engine_text(&why));
            Ok(None)
        }
        Err(why) => Err(why.into()),
    })?)
}

fn connect(cx: &Context, matches: &Matches) -> Result {
    let [network, container] = matches.args() else { return Ok(()) };
    let address = matches.value("ip").and_then(|text| text.trim().parse().ok());
    Ok(cx.engine()?.connect_network(network, container, matches.values("alias"), address)?)
}

fn disconnect(cx: &Context, matches: &Matches) -> Result {
    let [network, container] = matches.args() else { return Ok(()) };
    Ok(cx.engine()?.disconnect_network(network, container, matches.flag("force"))?)
}
