//! What can go wrong with a network. The texts are docker's where docker has one.

use std::net::Ipv4Addr;

use wharfie_oci::{ContainerId, ContainerName, Fault, Kind, NetworkName};
use wharfie_runtime::Helper;

/// Why something cannot be done with a network.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// No network of that name.
    #[error("network {0} not found")]
    NoSuch(String),
    /// Another network has the name.
    #[error("network with name {0} already exists")]
    Exists(String),
    /// A name that networks cannot have.
    #[error("{0:?} includes invalid characters for a network name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed")]
    BadName(String),
    /// A network that is there without being made cannot be made.
    #[error("operation is not permitted on predefined {0} network ")]
    MakePredefined(String),
    /// A network that is there without being made cannot be removed.
    #[error("{0} is a pre-defined network and cannot be removed")]
    RemovePredefined(String),
    /// What needs root.
    #[error("only root can {0}")]
    OnlyRoot(&'static str),
    /// An option that would change nothing here, or makes no sense.
    #[error("network option {name}={value} is not supported")]
    Option {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// A subnet that is none.
    #[error("invalid network config:\ninvalid subnet {0}: invalid CIDR block notation")]
    BadSubnet(String),
    /// Something that must lie in the subnet and does not.
    #[error("no matching subnet for {what} {value}")]
    OutsideSubnet {
        /// `gateway`, `range`, `aux-address`.
        what: &'static str,
        /// As it was given.
        value: String,
    },
    /// A device of the host has the name that the bridge was to have.
    #[error("network device {0} exists already")]
    DeviceExists(String),
    /// Another network or a route of the host has these addresses.
    #[error("Pool overlaps with other one on this address space")]
    Overlap,
    /// As [`Self::Overlap`], of a network that was made before the machine was started.
    #[error("network {0}: Pool overlaps with other one on this address space")]
    OverlapNow(NetworkName),
    /// Every range that could be given is taken.
    #[error(
        "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network"
    )]
    NoRangeLeft,
    /// Somebody has the address.
    #[error("Address already in use")]
    AddressInUse,
    /// An address that no container of the network can have.
    #[error("invalid address {value}: {reason}")]
    BadAddress {
        /// As it was given.
        value: String,
        /// Why.
        reason: String,
    },
    /// Containers are on it.
    #[error("error while removing network: network {name} has active endpoints{}", of_whom(.user))]
    InUse {
        /// Its name.
        name: NetworkName,
        /// One of them, if it can be told.
        user: Option<(ContainerName, ContainerId)>,
    },
    /// The container is on it already.
    #[error("endpoint with name {container} already exists in network {network}")]
    AlreadyOn {
        /// Its name.
        container: String,
        /// The network's.
        network: String,
    },
    /// The container is not on it.
    #[error("container {container} is not connected to network {network}")]
    NotOn {
        /// Which.
        container: ContainerId,
        /// The network's name.
        network: String,
    },
    /// More networks than a container can have.
    #[error("a container can be on ten networks")]
    TooMany,
    /// The container has another's network, which is not its own to change.
    #[error(
        "container sharing network namespace with another container or host cannot be connected to any other network"
    )]
    Shared,
    /// The host's network is all or nothing.
    #[error("container cannot be disconnected from host network or connected to host network")]
    Host,
    /// So is that which is none.
    #[error("container cannot be connected to multiple networks with one of the networks in private (none) mode")]
    None,
    /// Aliases are names on networks of users' own.
    #[error("network-scoped alias is supported only for containers in user defined networks")]
    Alias,
    /// Addresses can be chosen on networks of users' own.
    #[error("user specified IP address is supported on user defined networks only")]
    Address,
    /// Root has no need of a helper.
    #[error("network {0} is for containers of ordinary users; root has the bridge")]
    ForOrdinaryUsers(String),
    /// The helper that was asked for, or any, is not installed.
    #[error("{}", no_helper(*.0))]
    NoHelper(Option<Helper>),
    /// The helper needs a device that it may not have.
    #[error("{} cannot work here: {why}", .helper.name())]
    HelperForbidden {
        /// Which.
        helper: Helper,
        /// Why, with all its reasons.
        why: String,
    },
    /// The host itself reaches nobody.
    #[error("this machine has no way out itself, and pasta needs one; slirp4netns does not")]
    NoWayOut,
    /// A port of the host cannot be had.
    #[error(
        "driver failed programming external connectivity on endpoint {container} ({id}): Bind for {address} failed: {reason}"
    )]
    Port {
        /// The container's name.
        container: ContainerName,
        /// Which.
        id: ContainerId,
        /// Address and port of the host.
        address: String,
        /// Why.
        reason: String,
    },
}

impl NetworkError {
    pub(crate) fn aux_outside(address: Ipv4Addr) -> Self {
        Self::OutsideSubnet { what: "aux-address", value: address.to_string() }
    }
}

fn of_whom(user: &Option<(ContainerName, ContainerId)>) -> String {
    user.as_ref().map(|(name, id)| format!(" (name:{name:?} id:{:?})", id.short())).unwrap_or_default()
}

fn no_helper(wanted: Option<Helper>) -> &'static str {
    match wanted {
        Some(Helper::Pasta) => "pasta is not installed; it is in the package passt",
        Some(Helper::Slirp4netns) => "slirp4netns is not installed; its package is called like it",
        None => {
            "only root can make a bridge, and ordinary users need one of the packages passt and slirp4netns; \
             --network host shares the machine's network"
        }
    }
}

impl Fault for NetworkError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoSuch(_) => Kind::NotFound,
            Self::Exists(_) | Self::DeviceExists(_) | Self::AlreadyOn { .. } => Kind::Exists,
            Self::BadName(_)
            | Self::BadSubnet(_)
            | Self::OutsideSubnet { .. }
            | Self::BadAddress { .. }
            | Self::NotOn { .. }
            | Self::TooMany
            | Self::Shared
            | Self::Host
            | Self::None
            | Self::Alias
            | Self::Address
            | Self::ForOrdinaryUsers(_) => Kind::Invalid,
            Self::MakePredefined(_) | Self::RemovePredefined(_) | Self::OnlyRoot(_) => Kind::Denied,
            Self::Overlap | Self::OverlapNow(_) | Self::AddressInUse | Self::InUse { .. } | Self::Port { .. } => {
                Kind::InUse
            }
            Self::Option { .. } | Self::NoHelper(_) | Self::HelperForbidden { .. } | Self::NoWayOut => {
                Kind::Unsupported
            }
            Self::NoRangeLeft => Kind::Unavailable,
        }
    }

    fn help(&self) -> Option<String> {
        let text = match self {
            Self::NoSuch(_) => "`wharfie network ls` lists all networks".to_owned(),
            Self::Exists(name) => format!("`wharfie network rm {name}` removes that network"),
            Self::OnlyRoot(_) => "run the command as root".to_owned(),
            Self::BadSubnet(_) => "a subnet is written like 10.7.0.0/24".to_owned(),
            Self::Overlap | Self::OverlapNow(_) => {
                "`wharfie network inspect` shows the subnets of networks, `ip route` those of the machine".to_owned()
            }
            Self::NoRangeLeft => "choose addresses with `--subnet`, or remove networks that nobody needs".to_owned(),
            Self::InUse { user: Some((name, _)), .. } => {
                format!("`wharfie rm -f {name}` removes the container; `network disconnect` takes it off")
            }
            Self::AddressInUse => "leave out `--ip` to get an address that is free".to_owned(),
            Self::NotOn { container, .. } => {
                format!("`wharfie inspect {}` shows which networks it is on", container.short())
            }
            Self::Alias | Self::Address => "`wharfie network create` makes a network of your own".to_owned(),
            Self::Port { .. } => "choose another port with `-p`, or stop who has it; `ss -ltnp` shows that".to_owned(),
            // Their texts say what to do, or there is nothing.
            Self::BadName(_)
            | Self::MakePredefined(_)
            | Self::RemovePredefined(_)
            | Self::Option { .. }
            | Self::OutsideSubnet { .. }
            | Self::DeviceExists(_)
            | Self::BadAddress { .. }
            | Self::InUse { user: None, .. }
            | Self::AlreadyOn { .. }
            | Self::TooMany
            | Self::Shared
            | Self::Host
            | Self::None
            | Self::ForOrdinaryUsers(_)
            | Self::NoHelper(_)
            | Self::HelperForbidden { .. }
            | Self::NoWayOut => return None,
        };
        Some(text)
    }
}
