//! How many connections there may be at once: in all, and from one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::settings::Limits;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Places {
    all: Arc<Semaphore>,
    per_address: usize,
    proxies: Vec<IpAddr>,
    taken: Arc<Taken>,
}

/// How many connections there are from each address.
type Taken = Mutex<HashMap<IpAddr, usize>>;

/// The place of one connection, free again when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _free: OwnedSemaphorePermit,
    counted: Option<Counted>,
}

#[derive(Debug)]
struct Counted {
    taken: Arc<Taken>,
    network: IpAddr,
}

impl Places {
    pub(crate) fn new(limits: &Limits, proxies: &[IpAddr]) -> Self {
        Self {
            all: Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS))),
            per_address: limits.connections_per_address,
            proxies: proxies.iter().map(IpAddr::to_canonical).collect(),
            taken: Arc::default(),
        }
    }

    /// Takes a place for a connection from `address`, unless there is none, or that has too many.
    pub(crate) fn take(&self, address: IpAddr) -> Option<Place> {
        let free = Arc::clone(&self.all).try_acquire_owned().ok()?;
        let address = address.to_canonical();
        let counted = if self.proxies.contains(&address) {
            None
        } else {
            let network = network(address);
            let mut taken = self.taken.lock();
            let count = taken.entry(network).or_default();
            if *count >= self.per_address {
                return None;
            }
            *count += 1;
            Some(Counted {
                taken: Arc::clone(&self.taken),
                network,
            })
        };
        Some(Place { _free: free, counted })
    }
}

impl Place {
    /// Where the connection comes from, as far as addresses are told apart; nothing behind a proxy.
    pub(crate) fn network(&self) -> Option<IpAddr> {
        self.counted.as_ref().map(|counted| counted.network)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(Counted { taken, network }) = &self.counted else {
            return;
        };
        let mut taken = taken.lock();
        if let Some(count) = taken.get_mut(network) {
            *count -= 1;
            if *count == 0 {
                taken.remove(network);
            }
        }
    }
}

/// What one household or school has: an address of IPv4, a /64 network of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::Places;
    use crate::settings::Limits;

    #[test]
    fn an_address_has_so_many_places_and_a_proxy_any_number() {
        let limits = Limits {
            connections: 100,
            connections_per_address: 2,
            ..Limits::default()
        };
        let places = Places::new(&limits, &["127.0.0.1".parse().unwrap()]);
        let mut held = Vec::new();
        for (address, is_free) in [
            ("10.0.0.1", true),
            ("::ffff:10.0.0.1", true),
            ("10.0.0.1", false),
            ("10.0.0.2", true),
            ("2001:db8::1", true),
            ("2001:db8::2:1", true),
            ("2001:db8::3", false),
            ("2001:db8:0:1::3", true),
            ("127.0.0.1", true),
            ("127.0.0.1", true),
            ("::ffff:127.0.0.1", true),
        ] {
            let place = places.take(address.parse().unwrap());
            assert_eq!(place.is_some(), is_free, "{address}");
            held.extend(place);
        }
        let free = places.all.available_permits();
        let others = |number: usize| IpAddr::from([10, 1, (number >> 8) as u8, number as u8]);
        held.extend((0..free).map(|number| places.take(others(number)).unwrap()));
        assert!(places.take(others(free)).is_none());
        held.clear();
        assert!(places.taken.lock().is_empty());
        assert_eq!(places.all.available_permits(), limits.connections);
    }
}
