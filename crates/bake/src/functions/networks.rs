//! Addresses and prefixes of networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Takes::{Number as N, String as S};
use super::{Builtin, Failure, Means, Outcome, fixed, of, open, text, whole};
use crate::value::{Type, Value};

pub(super) const TABLE: &[Builtin] = &[
    fixed("cidrhost", &[of("prefix", S), of("hostnum", N)], |all, _| {
        let network = Network::parse(text(all, 0))?;
        let host = i128::from(whole(all, 1)?);
        let bits = network.width() - network.prefix;
        let count = if bits >= 127 { i128::MAX } else { 1 << bits };
        let host = if host < 0 { count + host } else { host };
        if host < 0 || host >= count {
            return Err(format!(
                "prefix of {} does not accommodate a host numbered {}",
                network.prefix,
                whole(all, 1)?
            )
            .into());
        }
        Ok(Value::text(network.address(network.first + host.unsigned_abs()).to_string()))
    }),
    fixed("cidrnetmask", &[of("prefix", S)], |all, _| {
        let network = Network::parse(text(all, 0))?;
        match network.is_v4 {
            true => Ok(Value::text(network.address(mask(32, network.prefix)).to_string())),
            false => Err(Failure::Argument(0, "only IPv4 networks are supported".to_owned())),
        }
    }),
    fixed("cidrsubnet", &[of("prefix", S), of("newbits", N), of("netnum", N)], |all, _| {
        let network = Network::parse(text(all, 0))?;
        let prefix = network.extended(whole(all, 1)?)?;
        let number =
            u128::try_from(whole(all, 2)?).map_err(|_| Failure::Argument(2, "must not be negative".to_owned()))?;
        let bits = prefix - network.prefix;
        if bits < 128 && number >> bits != 0 {
            return Err(format!("prefix extension of {bits} does not accommodate a subnet numbered {number}").into());
        }
        let shift = network.width() - prefix;
        let first = network.first + number.checked_shl(shift).unwrap_or(0);
        Ok(Value::text(Network { first, prefix, ..network }.to_string()))
    }),
    open("cidrsubnets", &[of("prefix", S)], of("newbits", N), subnets),
];

/// An address with the bits that all of its network share.
#[derive(Clone, Copy)]
struct Network {
    first: u128,
    prefix: u32,
    is_v4: bool,
}

impl Network {
    fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = || Failure::Call(format!("invalid CIDR expression: invalid CIDR address: {text}"));
        let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let (bits, is_v4) = match address {
            IpAddr::V4(address) => (u128::from(address.to_bits()), true),
            IpAddr::V6(address) => (address.to_bits(), false),
        };
        let width = if is_v4 { 32 } else { 128 };
        let prefix = prefix.parse().ok().filter(|prefix| *prefix <= width).ok_or_else(wrong)?;
        Ok(Self { first: bits & mask(width, prefix), prefix, is_v4 })
    }

    fn width(self) -> u32 {
        if self.is_v4 { 32 } else { 128 }
    }

    fn address(self, bits: u128) -> IpAddr {
        match self.is_v4 {
            true => Ipv4Addr::from_bits((bits & u128::from(u32::MAX)) as u32).into(),
            false => Ipv6Addr::from_bits(bits).into(),
        }
    }

    fn extended(self, more: i64) -> Result<u32, Failure> {
        let longer = u32::try_from(more).ok().and_then(|more| self.prefix.checked_add(more));
        longer.filter(|prefix| *prefix <= self.width()).ok_or_else(|| {
            Failure::Call(format!("insufficient address space to extend prefix of {} by {more}", self.prefix))
        })
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address(self.first), self.prefix)
    }
}

/// As many ones as the prefix is long, in an address of `width` bits.
fn mask(width: u32, prefix: u32) -> u128 {
    let all = if width == 128 { u128::MAX } else { (1 << width) - 1 };
    all & !all.checked_shr(prefix).unwrap_or(0)
}

/// Networks one after the other, each as near to the last as its size allows.
fn subnets(all: &[Value], _: &Means<'_>) -> Outcome {
    let network = Network::parse(text(all, 0))?;
    let mut next = Some(network.first);
    let mut found = Vec::new();
    for at in 1..all.len() {
        let prefix = network.extended(whole(all, at)?)?;
        let size = 1_u128.checked_shl(network.width() - prefix);
        let first = next.and_then(|next| match size {
            Some(size) => next.checked_next_multiple_of(size),
            None => (next == 0).then_some(0),
        });
        let is_inside = |first: &u128| first & mask(network.width(), network.prefix) == network.first;
        let first = first.filter(is_inside).ok_or_else(|| {
            Failure::Argument(
                at,
                format!("not enough remaining address space for a subnet with a prefix of {prefix} bits"),
            )
        })?;
        found.push(Network { first, prefix, ..network }.to_string());
        next = size.and_then(|size| first.checked_add(size));
    }
    Ok(Value::List(Type::String, found.into_iter().map(Value::String).collect()))
}
