//! What a container's network is made of.

mod netlink;

pub(crate) use netlink::loopback_up;
