//! What a container's network is made of: a bridge of our own, addresses on it, the way out, and the way in.

mod bridge;
mod firewall;
mod machine;
mod netlink;
mod nftables;
pub(crate) mod outlet;
mod plug;
mod pool;
pub mod proxy;

pub use bridge::MAX_DEVICE_NUMBER;
pub(crate) use bridge::{configure, connect, disconnect, lead_out as lead_out_from};
pub use machine::lock_networks;
pub(crate) use netlink::loopback_up;
pub use outlet::{Helper, Outlet};
pub(crate) use plug::configure_in;
pub use plug::{lead_out, plug, unplug};
pub use pool::{Bridge, Subnet};
