//! URLs of platforms' APIs, as tenants set them.

use crate::notation::text;
use outlet::{CallsConfig, Forbidden};
use reqwest::Url;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A URL: one that may be called is `https` on its port, without a user, at a name or an address of the public Internet;
/// and it may be called as the client writes it.
pub fn destinations(data: &[u8]) {
    let url = text(data);
    let verdict = CallsConfig::default().check(&url);
    let Ok(read) = Url::parse(&url) else {
        return assert_eq!(verdict, Err(Forbidden::Unreadable));
    };
    assert_eq!(
        CallsConfig::default().check(read.as_str()),
        verdict,
        "{url:?} as the client writes it: {read}"
    );
    if verdict.is_err() {
        return;
    }
    assert!(read.scheme() == "https" && read.port_or_known_default() == Some(443), "{url:?}");
    assert!(read.username().is_empty() && read.password().is_none(), "{url:?}");
    let host = read.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.trim_end_matches('.').parse() {
        return assert!(!is_inside(address), "{url:?} leads to {address}");
    }
    let name = bare.trim_end_matches('.').to_ascii_lowercase();
    let last = name.rsplit('.').next().unwrap_or_default();
    assert!(name.contains('.') && !["localhost", "local", "internal"].contains(&last), "{url:?}");
    // What ends in a number is read as an address by resolvers that know older spellings.
    assert!(!last.bytes().all(|byte| byte.is_ascii_digit()), "{url:?}");
}

/// The addresses that lead inside, as the standard library tells them.
fn is_inside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_inside_v4(address),
        IpAddr::V6(address) => {
            address.to_ipv4_mapped().is_some_and(is_inside_v4)
                || address.is_loopback()
                || address.is_unspecified()
                || address.is_unique_local()
                || address.is_unicast_link_local()
                || address.is_multicast()
                || is_translated_inside(address)
        }
    }
}

fn is_inside_v4(address: Ipv4Addr) -> bool {
    address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_unspecified()
        || address.is_broadcast()
        || address.is_multicast()
        || address.is_documentation()
}

/// NAT64 (RFC 6052) and 6to4 (RFC 3056).
fn is_translated_inside(address: Ipv6Addr) -> bool {
    let bits = address.to_bits();
    // The last 32 bits of one, and those behind the first 16 of the other.
    let v4 =
        |shift: u32| Ipv4Addr::from_bits(u32::try_from((bits >> shift) & 0xffff_ffff).unwrap_or_default());
    (bits >> 32 == 0x64_ff9b << 64 && is_inside_v4(v4(0))) || (bits >> 112 == 0x2002 && is_inside_v4(v4(80)))
}
