//! Names and addresses.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::{BadWord, kept_as_text};

/// A line of a container's `/etc/hosts`: `NAME:ADDRESS` or `NAME=ADDRESS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraHost {
    /// The name.
    pub name: String,
    /// Who has it.
    pub address: HostAddress,
}

/// Who a name is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostAddress {
    /// The machine that the container runs on, `host-gateway`.
    Gateway,
    /// Somebody.
    Ip(IpAddr),
}

impl FromStr for ExtraHost {
    type Err = BadWord;

    fn from_str(text: &str) -> Result<Self, BadWord> {
        let parts = text.split_once('=').or_else(|| text.split_once(':'));
        let (name, address) = parts
            .filter(|(name, _)| !name.is_empty() && !name.contains(':'))
            .ok_or_else(|| BadWord::new(format!("bad format for add-host: {text:?}")))?;
        let bare = address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(address);
        let address = match bare {
            GATEWAY => HostAddress::Gateway,
            bare => {
                let why = |_| BadWord::new(format!("invalid IP address in add-host: {bare:?}"));
                HostAddress::Ip(bare.parse().map_err(why)?)
            }
        };
        Ok(Self { name: name.to_owned(), address })
    }
}

impl fmt::Display for ExtraHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            HostAddress::Gateway => write!(f, "{}:{GATEWAY}", self.name),
            HostAddress::Ip(address) => write!(f, "{}:{address}", self.name),
        }
    }
}

kept_as_text!(ExtraHost);

/// The hardware address of a network device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// The one that goes with an address, as docker makes it.
    pub fn of(address: std::net::Ipv4Addr) -> Self {
        let [a, b, c, d] = address.octets();
        Self([0x02, 0x42, a, b, c, d])
    }
}

impl FromStr for MacAddress {
    type Err = BadWord;

    fn from_str(text: &str) -> Result<Self, BadWord> {
        let bytes = text.split([':', '-']).map(|part| u8::from_str_radix(part, 16).ok().filter(|_| part.len() == 2));
        let bytes: Option<Vec<u8>> = bytes.collect();
        let address = bytes.and_then(|bytes| bytes.try_into().ok());
        address.map(Self).ok_or_else(|| BadWord::new(format!("{text} is not a valid mac address")))
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, last] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{last:02x}")
    }
}

kept_as_text!(MacAddress);

const GATEWAY: &str = "host-gateway";
