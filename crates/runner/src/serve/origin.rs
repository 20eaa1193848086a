//! The address that a request comes from.

use hyper::HeaderMap;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The header in which proxies report the addresses of their clients.
const FORWARDED_FOR: &str = "x-forwarded-for";
/// Length of an IPv6 network prefix, in bits: a client that has one address of a network has all of them.
const IPV6_NETWORK_BITS: u32 = 64;

/// A client address for limits: an IPv4 address, or a network (/64) of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin(IpAddr);

impl Origin {
    /// Returns the origin of an address; an IPv4 address mapped to IPv6 counts as itself.
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

/// Returns true if the address belongs to a trusted proxy.
pub(super) fn is_trusted(trusted: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    trusted.iter().any(|network| network.contains(&address))
}

/// Returns the origin of a request. The header of a trusted proxy is read from its end, up to the first address that
/// isn't a trusted proxy itself; it is ignored for all other peers.
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

/// Parses an address, with or without a port.
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
            // Addresses claimed by the client itself precede those seen by the proxies.
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
