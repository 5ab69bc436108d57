//! How often one client may ask.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many requests in such a time, all at once or one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many; at least one.
    pub requests: u32,
    /// In which time.
    pub per: Duration,
}

/// When each client will have used up what it has asked for.
#[derive(Default)]
pub(crate) struct Rates(Mutex<HashMap<IpAddr, Instant>>);

/// 100,000 clients, then those who may ask as often as they like are forgotten, and then all.
const MAX_CLIENTS: usize = 100_000;

impl Rates {
    /// Counts a request of a client at a time.
    ///
    /// # Errors
    /// How long the client has to wait.
    pub(crate) fn take(&self, rate: Rate, client: IpAddr, now: Instant) -> Result<(), Duration> {
        let each = rate.per / rate.requests.max(1);
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= MAX_CLIENTS {
            clients.retain(|_, until| *until > now);
            if clients.len() >= MAX_CLIENTS {
                clients.clear();
            }
        }
        let until = clients.entry(household(client)).or_insert(now);
        let next = (*until).max(now) + each;
        // A hair more, because a part of the time is rounded.
        let wait = next.duration_since(now).saturating_sub(rate.per);
        if !wait.is_zero() {
            return Err(wait);
        }
        *until = next;
        Ok(())
    }
}

/// Whoever has one address of IPv6 has all of its network, `/64`.
fn household(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_too_often_waits_for_a_share_of_the_time() {
        let rate = Rate { requests: 4, per: Duration::from_secs(8) };
        let (rates, start) = (Rates::default(), Instant::now());
        let (one, other): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        for _ in 0..4 {
            rates.take(rate, one, start).unwrap();
        }
        assert_eq!(rates.take(rate, one, start), Err(Duration::from_secs(2)));
        rates.take(rate, other, start).unwrap();
        rates.take(rate, one, start + Duration::from_secs(2)).unwrap();
        assert_eq!(rates.take(rate, one, start + Duration::from_secs(3)), Err(Duration::from_secs(1)));
    }

    #[test]
    fn networks_of_ipv6_are_one_client() {
        let check = |one: &str, other: &str, same: bool| {
            assert_eq!(household(one.parse().unwrap()) == household(other.parse().unwrap()), same, "{one} {other}");
        };
        check("2001:db8::1", "2001:db8::ffff:2", true);
        check("2001:db8::1", "2001:db8:0:1::1", false);
        check("::ffff:10.0.0.1", "10.0.0.1", true);
        check("10.0.0.1", "10.0.0.2", false);
    }

    #[test]
    fn clients_are_forgotten_before_they_are_too_many() {
        let rate = Rate { requests: 1, per: Duration::from_secs(1) };
        let (rates, now) = (Rates::default(), Instant::now());
        for n in 0..u32::try_from(MAX_CLIENTS).unwrap() + 10 {
            rates.take(rate, IpAddr::V4(n.into()), now).unwrap();
        }
        assert!(rates.0.lock().unwrap().len() <= MAX_CLIENTS);
    }
}
