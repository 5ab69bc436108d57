//! What a certificate is for: names and addresses.

use std::fmt;
use std::net::IpAddr;

/// A host's name or its address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// A name, in lower case and in ASCII.
    Dns(String),
    /// An address.
    Ip(IpAddr),
}

impl Name {
    /// Reads one. Patterns (`*.example.org`) are none: neither of our ways of proof is good for them.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(address) = text.trim_matches(['[', ']']).parse() {
            return Some(Self::Ip(address));
        }
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(is_word)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        // A last label of digits is the end of an address that is none.
        let is_name = text.len() <= 253
            && text.split('.').all(is_label)
            && text.rsplit('.').next().is_some_and(|last| last.bytes().any(|byte| !byte.is_ascii_digit()));
        is_name.then(|| Self::Dns(text.to_ascii_lowercase()))
    }

    /// What a client's greeting says that wants proof of it. Source: RFC 8738, 6: of an address, its name in the reverse zone.
    pub(crate) fn greeting(&self) -> String {
        match self {
            Self::Dns(name) => name.clone(),
            Self::Ip(IpAddr::V4(address)) => {
                let [a, b, c, d] = address.octets();
                format!("{d}.{c}.{b}.{a}.in-addr.arpa")
            }
            Self::Ip(IpAddr::V6(address)) => {
                let nibbles = address.octets().into_iter().rev().flat_map(|byte| [byte & 15, byte >> 4]);
                nibbles.map(|nibble| format!("{nibble:x}.")).collect::<String>() + "ip6.arpa"
            }
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Ip(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_hosts() {
        let long = format!("{}.example", "a".repeat(64));
        for text in ["", ".", "a.", ".a", "a..b", "*.example", "a b", "ü.example", "-a.example", "1.2.3", "a/b", &long]
        {
            assert_eq!(Name::parse(text), None, "{text:?}");
        }
        assert_eq!(Name::parse("Images.Example"), Some(Name::Dns("images.example".to_owned())));
        assert_eq!(Name::parse("localhost"), Some(Name::Dns("localhost".to_owned())));
    }

    #[test]
    fn addresses_are_greeted_by_their_reverse_names() {
        let greeting = |text: &str| Name::parse(text).unwrap().greeting();
        assert_eq!(greeting("images.example"), "images.example");
        assert_eq!(greeting("127.0.0.1"), "1.0.0.127.in-addr.arpa");
        let reverse = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
        assert_eq!(greeting("[2001:db8::1]"), reverse);
    }
}
