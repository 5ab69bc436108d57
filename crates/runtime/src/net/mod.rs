//! What a container's network is made of: a bridge of our own, addresses on it, the way out, and the way in.

mod bridge;
mod firewall;
mod netlink;
pub(crate) mod outlet;
mod pool;
pub mod proxy;

pub(crate) use bridge::{configure, connect, disconnect};
pub(crate) use netlink::loopback_up;
pub use outlet::{Helper, Outlet};
pub use pool::{Bridge, Subnet};
