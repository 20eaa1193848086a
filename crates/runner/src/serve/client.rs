//! Where a request is from.

use super::permits::Permit;
use hyper::HeaderMap;
use ipnet::IpNet;
use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

/// The header in which proxies say whom they speak for.
const FORWARDED_FOR: &str = "x-forwarded-for";
/// The bits of an IPv6 address that name a network: who has one address of it has all.
const IPV6_NETWORK_BITS: u32 = 64;

/// What counts as one address: an IPv4 address, or a network (/64) of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin(IpAddr);

impl Origin {
    /// The origin that an address belongs to; an IPv4 address in an IPv6 one counts as itself.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = address.to_bits() >> IPV6_NETWORK_BITS << IPV6_NETWORK_BITS;
                Self(Ipv6Addr::from_bits(network).into())
            }
            address @ IpAddr::V4(_) => Self(address),
        }
    }
}

/// Whom a request is from, and its connection.
#[derive(Clone)]
pub struct Client {
    pub(super) origin: Origin,
    pub(super) permit: Arc<Permit>,
}

impl Client {
    /// The address that it is from: the connection's, or what a trusted proxy says.
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// Says that its request was proven to be whose it says: its connection gives way to no other from now on.
    pub fn prove(&self) {
        self.permit.prove();
    }
}

/// Returns whether the address is one of a trusted proxy.
pub(super) fn is_trusted(trusted: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    trusted.iter().any(|network| network.contains(&address))
}

/// The address that a request is from. What a trusted proxy says is believed from its end on, up to the first that
/// isn't such a proxy itself; of all others the header is never read.
pub(super) fn origin(trusted: &[IpNet], peer: IpAddr, headers: &HeaderMap) -> Origin {
    let mut from = peer;
    if is_trusted(trusted, peer) {
        let values = headers.get_all(FORWARDED_FOR).iter().rev().filter_map(|value| value.to_str().ok());
        for said in values.flat_map(|value| value.rsplit(',')) {
            let Some(address) = parse(said.trim()) else { break };
            from = address;
            if !is_trusted(trusted, address) {
                break;
            }
        }
    }
    Origin::of(from)
}

/// An address, with or without a port.
fn parse(text: &str) -> Option<IpAddr> {
    let whole = text.parse().ok();
    whole.or_else(|| text.parse::<SocketAddr>().ok().map(|with_port| with_port.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trusted_proxy_says_whom_it_speaks_for() {
        let trusted: Vec<IpNet> =
            ["10.0.0.0/8", "fd00::/8"].iter().map(|network| network.parse().unwrap()).collect();
        let cases: &[(&str, &[&str], &str)] = &[
            ("192.0.2.1", &[], "192.0.2.1"),
            ("192.0.2.1", &["198.51.100.7"], "192.0.2.1"),
            ("10.1.2.3", &[], "10.1.2.3"),
            ("10.1.2.3", &["198.51.100.7"], "198.51.100.7"),
            ("::ffff:10.1.2.3", &["198.51.100.7"], "198.51.100.7"),
            // What the client itself claimed stands before what the proxies saw.
            ("10.1.2.3", &["203.0.113.1, 198.51.100.7"], "198.51.100.7"),
            ("10.1.2.3", &["203.0.113.1", "198.51.100.7"], "198.51.100.7"),
            ("10.1.2.3", &["203.0.113.1, 198.51.100.7, 10.9.9.9"], "198.51.100.7"),
            ("10.1.2.3", &["198.51.100.7:4711"], "198.51.100.7"),
            ("fd00::1", &["[2001:db8::5]:80"], "2001:db8::"),
            ("10.1.2.3", &["nonsense"], "10.1.2.3"),
            ("10.1.2.3", &["203.0.113.1, nonsense, 10.9.9.9"], "10.9.9.9"),
            ("10.1.2.3", &[""], "10.1.2.3"),
        ];
        for (peer, said, expected) in cases {
            let mut headers = HeaderMap::new();
            for value in *said {
                headers.append(FORWARDED_FOR, value.parse().unwrap());
            }
            let from = origin(&trusted, peer.parse().unwrap(), &headers);
            assert_eq!(from, Origin(expected.parse().unwrap()), "{peer} {said:?}");
        }
    }
}
